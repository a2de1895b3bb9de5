//! The patterns that share a stride, and what is done where one of their windows may be.

use core::ops::Range;

use super::batch::{Class, Next};
use super::decoder::Decoder;
use super::encoded::{BLOCK, Encoded};
use super::filter::{Filter, Kind};
use super::halves::Halves;
use super::pattern::{Patterns, STRIDES};
use super::text::{BATCH, FIRST_BLOCK, Text};
use super::whole::Whole;
use super::windows::{HALF_LEN, WINDOW, Windows, load, repeated_byte};
use super::{Compiled, Matches};

/// The blocks of a batch.
const BLOCKS: usize = BATCH * WINDOW / BLOCK;

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

    /// Bytes of the table that is looked up wherever memory is like random.
    pub(super) fn table_size(&self) -> usize {
        self.windows.varied.size()
    }

    /// Adds what of this group stands in `hay` to `matches`.
    pub(super) fn search(&self, compiled: &Compiled, hay: &[u8], matches: &mut Matches) {
        let Windows {
            text,
            blank,
            varied,
            decoded,
            ..
        } = &self.windows;
        if !varied.is_empty() {
            let filter = varied;
            if varied.kind() == Kind::HalvesBothWays {
                let class = Halves::<true> { filter };
                self.sweep(compiled, hay, matches, filter, None, class);
            } else {
                let class = Halves::<false> { filter };
                self.sweep(compiled, hay, matches, filter, None, class);
            }
        }
        if !blank.is_empty() {
            let class = Whole { filter: blank };
            self.sweep(compiled, hay, matches, blank, None, class);
        }
        if !text.is_empty() || decoded.is_text() {
            let alphabet = &compiled.patterns.alphabet;
            let decoder = Decoder {
                windows: &self.windows,
                alphabet,
            };
            let class = Text {
                filter: text,
                alphabet,
                decoder: decoded.is_text().then_some(decoder),
                skip_zeros: !self.windows.has_run_of(0),
            };
            self.sweep(compiled, hay, matches, text, class.decoder, class);
        }
    }

    fn sweep(
        &self,
        compiled: &Compiled,
        hay: &[u8],
        matches: &mut Matches,
        filter: &Filter,
        decoder: Option<Decoder<'_>>,
        class: impl Class,
    ) {
        let mut sweep = Sweep {
            windows: &self.windows,
            stride: self.stride,
            step: class.step(self.stride),
            ahead: class.ahead(),
            filter,
            decoder,
            compiled,
            hay,
            matches,
            compared: 0,
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
    stride: usize,
    /// How many bytes lie from one that is looked up to the next.
    step: usize,
    /// How many bytes before what is looked up a window that holds it may begin.
    ahead: usize,
    filter: &'a Filter,
    decoder: Option<Decoder<'a>>,
    compiled: &'a Compiled,
    hay: &'a [u8],
    matches: &'a mut Matches,
    /// Up to where the windows around those that passed have been compared.
    compared: usize,
}

impl Sweep<'_> {
    fn run<const STRIDE: usize>(&mut self, class: impl Class) {
        let Self { hay, step, .. } = *self;
        let mut at = 0;
        loop {
            let passed = class.search(Next::<STRIDE, _> { class, hay, at });
            at = passed.at;
            if passed.steps == 0 {
                break;
            }
            at = self.check_batch(at, passed.steps, at + class.bytes(STRIDE));
        }
        self.check_blocks_from(at);
        while at < hay.len() {
            let next = at + step;
            at = if class.passes_at(hay, at) {
                self.check(at, next)
            } else {
                next
            };
        }
    }

    /// Checks the steps and blocks of a batch that passed; returns where to go on.
    #[cold]
    fn check_batch(&mut self, at: usize, mut passed: u64, next: usize) -> usize {
        if self.decoder.is_some() {
            let blocks = passed >> FIRST_BLOCK;
            passed &= (1 << FIRST_BLOCK) - 1;
            let is_passed = |nth: &usize| blocks >> nth & 1 != 0;
            let blocks = (0..BLOCKS).filter(is_passed);
            blocks.for_each(|nth| self.check_block(at + nth * BLOCK));
        }
        while passed != 0 {
            let nth = passed.trailing_zeros() as usize;
            passed &= passed - 1;
            let here = at + nth * self.step;
            let go_on = self.check(here, here + self.step);
            // A run of one byte was handled up to its end, with all windows inside it.
            if go_on >= next {
                return go_on;
            }
            passed &= u64::MAX << ((go_on - at) / self.step);
        }
        next
    }

    /// Checks what passed at `at`; returns `next`, or a place behind it if all before is done.
    fn check(&mut self, at: usize, next: usize) -> usize {
        // Of windows in a row that all hold it, as many as the stride, one is among these.
        let windows = (0..=self.ahead).rev().step_by(self.stride.min(HALF_LEN));
        for at in windows.filter_map(|ahead| at.checked_sub(ahead)) {
            let go_on = self.check_window(at, next);
            if go_on > next {
                return go_on;
            }
        }
        next
    }

    /// As [`Self::check`], of the window at `at`.
    fn check_window(&mut self, at: usize, next: usize) -> usize {
        let Some(window) = self.hay.get(at..at + WINDOW) else {
            return next;
        };
        let Some(byte) = repeated_byte(load(window)) else {
            self.compare_around(at);
            return next;
        };
        if !self.windows.has_run_of(byte) {
            return next;
        }
        let run = self.run_around(at, byte);
        self.compare_across(run.start);
        self.compare_across(run.end);
        // Blocks stay where they are, and those at the run's end are looked at.
        let in_blocks = |at: usize| at.saturating_sub(BLOCK) / BLOCK * BLOCK;
        let end = (run.end + 1 - WINDOW).next_multiple_of(self.step);
        next.max(self.decoder.map_or(end, |_| in_blocks(end)))
    }

    /// Checks all blocks from `at` on.
    fn check_blocks_from(&mut self, at: usize) {
        let Some(decoder) = self.decoder else { return };
        let hay = self.hay;
        let blocks = (at..(hay.len() + 1).saturating_sub(BLOCK)).step_by(BLOCK);
        for at in blocks.filter(|at| decoder.asks_about(hay, *at)) {
            self.check_block(at);
        }
    }

    /// Looks for forms around the block at `at`.
    #[cold]
    fn check_block(&mut self, at: usize) {
        let Some(decoder) = self.decoder else { return };
        for encoded in decoder.readings(self.hay, at) {
            let window = |nth| encoded.window(nth);
            let passes = |window: &u64| decoder.passes(*window);
            for (nth, window) in around(WINDOW, window, passes) {
                self.compare_encoded(&encoded, nth, window);
            }
        }
    }

    fn compare_encoded(&mut self, encoded: &Encoded<'_>, nth: isize, window: u64) {
        for stored in self.windows.index.candidates(window) {
            let compiled = self.compiled;
            compiled.extend_encoded(self.hay, (encoded, nth, window), stored, self.matches);
        }
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

    /// Compares at each window less than a stride from `at`: of a part of a pattern that holds the
    /// window at `at`, one of them is in the index.
    fn compare_around(&mut self, at: usize) {
        let Self {
            hay,
            filter,
            stride,
            ..
        } = *self;
        let window = |nth| {
            let at = at.checked_add_signed(nth)?;
            Some(load(hay.get(at..at + WINDOW)?))
        };
        let passes = |window: &u64| filter.passes_any(*window);
        for (nth, window) in around(stride, window, passes) {
            let at = at.wrapping_add_signed(nth);
            // Two windows that pass, less than two strides apart, have the same around them.
            if at >= self.compared {
                self.compare(at, window);
                self.compared = at + 1;
            }
        }
    }

    fn compare(&mut self, at: usize, window: u64) {
        for stored in self.windows.index.candidates(window) {
            self.compiled.extend(self.hay, at, stored, self.matches);
        }
        if self.windows.decoded.reversed {
            for stored in self.windows.index.candidates(window.swap_bytes()) {
                self.compiled
                    .extend_reversed(self.hay, at, stored, self.matches);
            }
        }
    }
}

/// The windows less than `stride` from window 0 that may be parts of a pattern with it, by their
/// distances; none if they are too few for one.
///
/// Every pattern has as many windows as the stride, and all of them pass. Few accidents of hashing
/// stand beside another, and the filters cost less than the index.
fn around(
    stride: usize,
    window: impl Fn(isize) -> Option<u64>,
    passes: impl Fn(&u64) -> bool,
) -> impl Iterator<Item = (isize, u64)> {
    const MIDDLE: usize = WINDOW - 1;
    let distance = |nth: usize| nth.cast_signed() - MIDDLE.cast_signed();
    let passing = |nth: usize| window(distance(nth)).filter(&passes);
    let mut near = [0; 2 * WINDOW - 1];
    let (mut first, mut end) = (MIDDLE, MIDDLE);
    while end < MIDDLE + stride
        && let Some(window) = passing(end)
    {
        near[end] = window;
        end += 1;
    }
    while first > MIDDLE + 1 - stride
        && let Some(window) = passing(first - 1)
    {
        first -= 1;
        near[first] = window;
    }
    if end - first < stride {
        first = end;
    }
    (first..end).map(move |nth| (distance(nth), near[nth]))
}
