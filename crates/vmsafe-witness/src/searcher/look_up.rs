//! Which vector instructions look up fastest.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use pulp::WithSimd;

use super::batch::Next;
use super::filter::{Filter, Kind};
use super::halves::Halves;
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
    let filter = Filter::with_room(1, Kind::Halves, &mut masks);
    let hay: Vec<u8> = (0..1024)
        .flat_map(|_| masks.next_word().to_le_bytes())
        .collect();
    let search = || Next::<8, _> {
        class: Halves::<false> { filter: &filter },
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
    use crate::searcher::batch::tests::all_passed;
    use crate::searcher::filter::HALF;
    use crate::searcher::windows::load;

    #[test]
    fn all_vectors_find_the_same() {
        let mut masks = MaskStream::new(1);
        let hay: Vec<u8> = (0..4096)
            .flat_map(|_| masks.next_word().to_le_bytes())
            .collect();
        find_the_same::<8>(&mut masks, &hay);
        find_the_same::<4>(&mut masks, &hay);
        find_the_same::<2>(&mut masks, &hay);
        find_the_same::<1>(&mut masks, &hay);
    }

    fn find_the_same<const STRIDE: usize>(masks: &mut MaskStream, hay: &[u8]) {
        let mut filter = Filter::with_room(100, Kind::Halves, masks);
        let half = |at: usize| load(&hay[at..]) & HALF;
        let step = Halves::<false> { filter: &filter }.step(STRIDE);
        // One with one behind it, one with one before it, one alone, in turn.
        let mut expected = Vec::new();
        for (number, nth) in (0..).zip((3..2500).step_by(97)) {
            let at = nth * step;
            let beside = [at + 1, at - 1, at][number % 3];
            filter.insert_half(half(at));
            filter.insert_half(half(beside));
            expected.extend((beside != at).then_some(at));
        }
        let class = Halves::<false> { filter: &filter };
        let found = all_passed::<STRIDE>(class, hay);
        assert_eq!(found, expected, "every {step} bytes");
    }
}
