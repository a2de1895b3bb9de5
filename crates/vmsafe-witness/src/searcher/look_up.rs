//! Which vector instructions look up fastest.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pulp::WithSimd;

use super::batch::{Binary, Next};
use super::filter::{Filter, Kind};
use crate::masked::MaskStream;
use crate::vectors::{narrower, widest};

/// Runs `search`, most of which is looking up windows in a table, with the vectors that are fastest
/// at that: the widest look up twice as fast on some processors as narrower ones, and at half the
/// speed on others.
pub(super) fn fastest_at_looking_up<S: WithSimd>(search: S) -> S::Output {
    if *IS_WIDE_FASTER {
        widest(search)
    } else {
        narrower(search)
    }
}

/// Measured once, in some microseconds: no feature of a processor tells it.
static IS_WIDE_FASTER: LazyLock<bool> = LazyLock::new(|| {
    let mut masks = MaskStream::new(0);
    let filter = Filter::with_room(1, Kind::Exact, &mut masks);
    let hay: Vec<u8> = (0..1024)
        .flat_map(|_| masks.next_word().to_le_bytes())
        .collect();
    let search = || Next::<8, _> {
        class: Binary::<false> { filter: &filter },
        hay: &hay,
        at: 0,
    };
    let time = |run: &dyn Fn()| -> Duration {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let mut best = [Duration::MAX; 2];
    // In turns, so that whatever else the processor does counts for both.
    for _ in 0..8 {
        best[0] = best[0].min(time(&|| _ = widest(search())));
        best[1] = best[1].min(time(&|| _ = narrower(search())));
    }
    best[0] <= best[1]
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::searcher::batch::Class;
    use crate::searcher::windows::load;
    use crate::vectors;

    #[test]
    fn all_vectors_find_the_same() {
        let mut masks = MaskStream::new(1);
        let mut filter = Filter::with_room(100, Kind::Exact, &mut masks);
        let hay: Vec<u8> = (0..4096)
            .flat_map(|_| masks.next_word().to_le_bytes())
            .collect();
        // One with one behind it, one with one before it, one alone, in turn.
        for (number, nth) in (0..).zip((3..4000).step_by(391)) {
            let beside = [8 * nth + 1, 8 * nth - 1, 8 * nth][number % 3];
            filter.insert(load(&hay[8 * nth..]));
            filter.insert(load(&hay[beside..]));
        }
        let mut at = 0;
        let mut found = 0;
        loop {
            let search = || Next::<8, _> {
                class: Binary::<false> { filter: &filter },
                hay: &hay,
                at,
            };
            let [first, others @ ..] = vectors::all(search);
            for other in others {
                assert_eq!((first.at, first.windows), (other.at, other.windows));
            }
            if first.windows == 0 {
                break;
            }
            found += first.windows.count_ones();
            at = first.at + Binary::<false> { filter: &filter }.bytes(8);
        }
        assert_eq!(found, 8, "of 11, three of which are alone");
    }
}
