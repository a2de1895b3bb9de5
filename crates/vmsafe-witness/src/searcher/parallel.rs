//! Work that is shared out among the cores.

use std::thread;

use crate::scan::workers;

/// What a thread costs is more than it saves with fewer.
const FEWEST: usize = 500;

/// Does `work` on adjacent parts of `all`, a part for each core; the results in their order.
pub(super) fn in_parts<'a, T: Sync, R: Send>(
    all: &'a [T],
    work: impl Fn(&'a [T]) -> R + Sync,
) -> Vec<R> {
    let parts = workers().min(all.len() / FEWEST).max(1);
    let mut parts = all.chunks(all.len().div_ceil(parts).max(1));
    let first = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let first = work(first);
        let joined = others.into_iter().map(|other| match other.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        [first].into_iter().chain(joined).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_done_once_and_in_order() {
        for len in [0, 1, FEWEST, 2 * FEWEST, 5 * FEWEST + 3] {
            let all: Vec<usize> = (0..len).collect();
            let done = in_parts(&all, <[usize]>::to_vec);
            assert!(done.len() <= workers().max(1));
            assert_eq!(done.concat(), all);
        }
    }
}
