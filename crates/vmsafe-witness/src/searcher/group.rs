//! The patterns that share a stride, and the loop that all bytes go through.

use core::ops::Range;

use super::filter::Filter;
use super::windows::{WINDOW, Windows, is_text, load, repeated_byte};
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
                    windows: Windows::build(store, &spans, stride, masks),
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

/// One way through one piece of memory: it looks at all windows that are text, or at all others.
struct Sweep<'a> {
    windows: &'a Windows,
    compiled: &'a Compiled,
    hay: &'a [u8],
    matches: &'a mut Vec<Match>,
}

/// The search for the next batch with a window that passes; gives its place and which windows of
/// it passed: none at the first place where no whole batch is left.
struct Next<'a, const STRIDE: usize, const TEXT: bool> {
    filter: &'a Filter,
    hay: &'a [u8],
    at: usize,
    /// Much of any disk is empty. Zeros that a needle holds are looked at by their borders.
    skip_zeros: bool,
}

impl<const STRIDE: usize, const TEXT: bool> pulp::NullaryFnOnce for Next<'_, STRIDE, TEXT> {
    type Output = (usize, u32);

    #[inline(always)]
    fn call(self) -> (usize, u32) {
        let mut at = self.at;
        while let Some(batch) = self.hay.get(at..at + BATCH * STRIDE + WINDOW) {
            let windows: [u64; BATCH] = core::array::from_fn(|nth| load(&batch[nth * STRIDE..]));
            let is_empty = || windows.iter().fold(0, |any, window| any | window) == 0;
            let looks_at = !TEXT
                || windows.iter().fold(false, |any, &w| any | is_text(w))
                    && !(self.skip_zeros && is_empty());
            let passes = |any, &window| any | self.filter.passes(window);
            let may_pass = looks_at && windows.iter().fold(0, passes) != 0;
            if may_pass {
                let passed = which::<TEXT>(self.filter, &windows);
                if passed != 0 {
                    return (at, passed);
                }
            }
            at += BATCH * STRIDE;
        }
        (at, 0)
    }
}

/// A bit for each window that passes.
#[inline(never)]
fn which<const TEXT: bool>(filter: &Filter, windows: &[u64; BATCH]) -> u32 {
    let each = windows.iter().enumerate();
    each.fold(0, |bits, (nth, &window)| {
        let passes = is_text(window) == TEXT && filter.passes_all(window);
        bits | u32::from(passes) << nth
    })
}

impl Sweep<'_> {
    fn run<const STRIDE: usize>(&mut self) {
        let Windows { binary, text, .. } = self.windows;
        if !binary.is_empty() {
            self.run_with::<STRIDE, false>(binary);
        }
        if !text.is_empty() {
            self.run_with::<STRIDE, true>(text);
        }
    }

    fn run_with<const STRIDE: usize, const TEXT: bool>(&mut self, filter: &Filter) {
        // The vector instructions that this processor has.
        let vectors = pulp::Arch::new();
        let skip_zeros = !self.windows.has_run_of(0);
        let hay = self.hay;
        let mut at = 0;
        loop {
            let (place, passed) = vectors.dispatch(Next::<STRIDE, TEXT> {
                filter,
                hay,
                at,
                skip_zeros,
            });
            at = place;
            if passed == 0 {
                break;
            }
            at = self.check_batch(at, STRIDE, passed, at + BATCH * STRIDE);
        }
        while at + WINDOW <= hay.len() {
            let window = load(&hay[at..]);
            let next = at + STRIDE;
            at = if is_text(window) == TEXT && filter.passes(window) != 0 {
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
            self.compare_around(at, stride);
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

    /// Compares at each window less than `stride` bytes from `at`: of a part of a pattern that
    /// holds the window at `at`, one of them is in the index.
    fn compare_around(&mut self, at: usize, stride: usize) {
        let first = at.saturating_sub(stride - 1);
        let last = (at + stride - 1).min(self.hay.len() - WINDOW);
        // Every pattern has as many windows as the stride, and all of them pass. Few accidents of
        // hashing stand beside another, and the filters cost less than the index.
        let passes = |near: &usize| self.windows.may_hold(load(&self.hay[*near..]));
        let before = (first..at).rev().take_while(passes).count();
        let behind = (at + 1..=last).take_while(passes).count();
        if before + 1 + behind < stride {
            return;
        }
        for near in at - before..=at + behind {
            self.compare(near, load(&self.hay[near..]));
        }
    }

    fn compare(&mut self, at: usize, window: u64) {
        for stored in self.windows.index.candidates(window) {
            self.compiled.extend(self.hay, at, stored, self.matches);
        }
    }
}
