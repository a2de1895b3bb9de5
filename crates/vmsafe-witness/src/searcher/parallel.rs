//! Work that is shared out among the cores.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
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

/// Does `work` on all `parts` at once, as far as there can be threads; the results in their order.
pub(super) fn in_parallel<P: Send, R: Send>(
    parts: impl IntoIterator<Item = P>,
    work: impl Fn(P) -> R + Sync,
) -> Vec<R> {
    // Whoever comes first takes a part: a thread that cannot be started takes none.
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| Mutex::new(Some(part)))
        .collect();
    let Some((first, others)) = parts.split_first() else {
        return Vec::new();
    };
    let done = |part: &Mutex<Option<P>>| {
        let part = part.lock().unwrap_or_else(PoisonError::into_inner).take();
        part.map(&work)
    };
    thread::scope(|scope| {
        let done = &done;
        let start = |part| thread::Builder::new().spawn_scoped(scope, move || done(part));
        let started: Vec<_> = others.iter().map(start).collect();
        let first = done(first);
        let joined = started.into_iter().zip(others).map(|(thread, part)| {
            let Ok(thread) = thread else {
                return done(part);
            };
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        [first].into_iter().chain(joined).flatten().collect()
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
