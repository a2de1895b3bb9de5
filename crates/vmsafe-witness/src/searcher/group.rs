//! The patterns that share a stride, and the loop that all bytes go through.

use core::ops::Range;

use super::windows::{WINDOW, Windows, load, repeated_byte};
use super::{Compiled, Match, Pattern};
use crate::masked::{MaskStream, Masked};

/// How many windows are looked up before the first branch.
const BATCH: usize = 8;

/// Patterns that are looked up every `stride` bytes.
pub(super) struct Group {
    windows: Windows,
    stride: usize,
}

/// Patterns of at least this many bytes hold a whole window at some multiple of the stride.
const STRIDES: [(usize, usize); 4] = [(15, 8), (11, 4), (9, 2), (8, 1)];

impl Group {
    /// Sorts the patterns into groups by length.
    pub(super) fn split(store: &Masked, patterns: &[Pattern], masks: &mut MaskStream) -> Vec<Self> {
        let stride_of = |pattern: &Pattern| {
            let fits = STRIDES
                .iter()
                .find(|(shortest, _)| pattern.len() >= *shortest);
            fits.map_or(1, |(_, stride)| *stride)
        };
        let mut groups = Vec::new();
        for (_, stride) in STRIDES {
            let same = patterns
                .iter()
                .filter(|pattern| stride_of(pattern) == stride);
            let spans: Vec<Range<usize>> = same.map(|pattern| pattern.start..pattern.end).collect();
            if !spans.is_empty() {
                groups.push(Self {
                    windows: Windows::build(store, &spans, masks),
                    stride,
                });
            }
        }
        groups
    }

    /// Adds what of this group stands in `hay` to `matches`.
    pub(super) fn search(&self, compiled: &Compiled, hay: &[u8], matches: &mut Vec<Match>) {
        let mut sweep = Sweep {
            windows: &self.windows,
            compiled,
            hay,
            matches,
        };
        match self.stride {
            8 => sweep.run::<8>(),
            4 => sweep.run::<4>(),
            2 => sweep.run::<2>(),
            _ => sweep.run::<1>(),
        }
    }
}

/// One way through one piece of memory.
struct Sweep<'a> {
    windows: &'a Windows,
    compiled: &'a Compiled,
    hay: &'a [u8],
    matches: &'a mut Vec<Match>,
}

impl Sweep<'_> {
    fn run<const STRIDE: usize>(&mut self) {
        let span = BATCH * STRIDE;
        // Much of any disk is empty. Zeros that a needle holds are looked at by their borders.
        let skip_zeros = !self.windows.has_run_of(0);
        let mut at = 0;
        while let Some(batch) = self.hay.get(at..at + span + WINDOW) {
            let windows: [u64; BATCH] = core::array::from_fn(|nth| load(&batch[nth * STRIDE..]));
            if skip_zeros && windows.iter().fold(0, |any, window| any | window) == 0 {
                at += span;
                continue;
            }
            let mut passed = 0_u32;
            for (nth, window) in windows.into_iter().enumerate() {
                passed |= u32::from(self.windows.passes(window)) << nth;
            }
            let next = at + span;
            at = if passed == 0 {
                next
            } else {
                self.check_batch(at, STRIDE, passed, next)
            };
        }
        while at + WINDOW <= self.hay.len() {
            let passes = self.windows.passes(load(&self.hay[at..]));
            let next = at + STRIDE;
            at = if passes {
                self.check(at, STRIDE, next)
            } else {
                next
            };
        }
    }

    /// Checks the windows of a batch that passed; returns where to go on.
    #[cold]
    fn check_batch(&mut self, at: usize, stride: usize, mut passed: u32, next: usize) -> usize {
        while passed != 0 {
            let nth = passed.trailing_zeros() as usize;
            passed &= passed - 1;
            let here = at + nth * stride;
            let go_on = self.check(here, stride, here + stride);
            // A run of one byte was handled up to its end, with all windows inside it.
            if go_on >= next {
                return go_on;
            }
            passed &= u32::MAX << ((go_on - at) / stride);
        }
        next
    }

    /// Checks the window at `at`; returns `next`, or a place behind it if all before is done.
    fn check(&mut self, at: usize, stride: usize, next: usize) -> usize {
        let window = load(&self.hay[at..]);
        let Some(byte) = repeated_byte(window) else {
            self.compare(at, window);
            return next;
        };
        if !self.windows.has_run_of(byte) {
            return next;
        }
        let run = self.run_around(at, byte);
        self.compare_across(run.start);
        self.compare_across(run.end);
        next.max((run.end + 1 - WINDOW).next_multiple_of(stride))
    }

    /// The longest run of `byte` that holds the window at `at`.
    fn run_around(&self, at: usize, byte: u8) -> Range<usize> {
        let differs = |other: &u8| *other != byte;
        let before = self.hay[..at].iter().rposition(differs);
        let after = self.hay[at..].iter().position(differs);
        before.map_or(0, |last| last + 1)..after.map_or(self.hay.len(), |first| at + first)
    }

    /// Compares at each window that lies across `border`.
    fn compare_across(&mut self, border: usize) {
        let last = (border + WINDOW - 1).min(self.hay.len());
        for at in (border + 1).saturating_sub(WINDOW)..(last + 1).saturating_sub(WINDOW) {
            self.compare(at, load(&self.hay[at..]));
        }
    }

    fn compare(&mut self, at: usize, window: u64) {
        for &stored in self.windows.candidates(window) {
            self.compiled
                .extend(self.hay, at, stored as usize, self.matches);
        }
    }
}
