//! Work that is shared out among the cores.

use std::thread;

use crate::scan::workers;

/// What a thread costs is more than it saves with fewer.
const FEWEST: usize = 10_000;

/// Adjacent parts of `all`, one for each core; one at least.
pub(super) fn shares<T>(all: &[T]) -> Vec<&[T]> {
    let count = workers().min(all.len() / FEWEST).max(1);
    let mut shares: Vec<_> = all.chunks(all.len().div_ceil(count).max(1)).collect();
    shares.resize(shares.len().max(1), &[]);
    shares
}

/// Does `work` on all `parts` at once; the results in their order.
pub(super) fn in_parallel<P: Send, R: Send>(
    parts: impl IntoIterator<Item = P>,
    work: impl Fn(P) -> R + Sync,
) -> Vec<R> {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else {
        return Vec::new();
    };
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
            let done = in_parallel(shares(&all), <[usize]>::to_vec);
            assert!((1..=workers().max(1)).contains(&done.len()));
            assert_eq!(done.concat(), all);
        }
    }
}
