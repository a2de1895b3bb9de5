//! The patterns that share a stride, and what is done where one of their windows may be.

use core::ops::Range;

use super::batch::{Binary, Class, Next, Text};
use super::filter::{Filter, Kind};
use super::pattern::{Patterns, STRIDES};
use super::windows::{WINDOW, Windows, load, repeated_byte};
use super::{Compiled, Match};

/// Patterns that are looked up every `stride` bytes.
pub(super) struct Group {
    windows: Windows,
    stride: usize,
}

impl Group {
    /// The tables of all patterns, for each stride that one has.
    pub(super) fn split(patterns: &mut Patterns) -> Vec<Self> {
        let group = |(_, stride)| {
            let windows = Windows::build(patterns, stride)?;
            Some(Self { windows, stride })
        };
        STRIDES.into_iter().filter_map(group).collect()
    }

    /// Adds what of this group stands in `hay` to `matches`.
    pub(super) fn search(&self, compiled: &Compiled, hay: &[u8], matches: &mut Vec<Match>) {
        let Windows { binary, text, .. } = &self.windows;
        if !binary.is_empty() {
            let filter = binary;
            match binary.kind() {
                Kind::BothWays => {
                    let class = Binary::<true> { filter };
                    self.sweep(compiled, hay, matches, filter, class);
                }
                _ => {
                    let class = Binary::<false> { filter };
                    self.sweep(compiled, hay, matches, filter, class);
                }
            }
        }
        if !text.is_empty() {
            let class = Text {
                filter: text,
                alphabet: &compiled.patterns.alphabet,
                skip_zeros: !self.windows.has_run_of(0),
            };
            self.sweep(compiled, hay, matches, text, class);
        }
    }

    fn sweep(
        &self,
        compiled: &Compiled,
        hay: &[u8],
        matches: &mut Vec<Match>,
        filter: &Filter,
        class: impl Class,
    ) {
        let mut sweep = Sweep {
            windows: &self.windows,
            filter,
            compiled,
            hay,
            matches,
        };
        match self.stride {
            8 => sweep.run::<8>(class),
            4 => sweep.run::<4>(class),
            2 => sweep.run::<2>(class),
            _ => sweep.run::<1>(class),
        }
    }
}

/// One way through one piece of memory.
struct Sweep<'a> {
    windows: &'a Windows,
    filter: &'a Filter,
    compiled: &'a Compiled,
    hay: &'a [u8],
    matches: &'a mut Vec<Match>,
}

impl Sweep<'_> {
    fn run<const STRIDE: usize>(&mut self, class: impl Class) {
        let hay = self.hay;
        let mut at = 0;
        loop {
            let passed = class.search(Next::<STRIDE, _> { class, hay, at });
            at = passed.at;
            if passed.windows == 0 {
                break;
            }
            at = self.check_batch(at, STRIDE, passed.windows, at + class.bytes(STRIDE));
        }
        while at + WINDOW <= hay.len() {
            let next = at + STRIDE;
            at = if self.filter.passes_all(load(&hay[at..])) {
                self.check(at, STRIDE, next)
            } else {
                next
            };
        }
    }

    /// Checks the windows of a batch that passed; returns where to go on.
    #[cold]
    fn check_batch(&mut self, at: usize, stride: usize, mut passed: u64, next: usize) -> usize {
        while passed != 0 {
            let nth = passed.trailing_zeros() as usize;
            passed &= passed - 1;
            let here = at + nth * stride;
            let go_on = self.check(here, stride, here + stride);
            // A run of one byte was handled up to its end, with all windows inside it.
            if go_on >= next {
                return go_on;
            }
            passed &= u64::MAX << ((go_on - at) / stride);
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
        let passes = |near: &usize| self.filter.passes_all(load(&self.hay[*near..]));
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
