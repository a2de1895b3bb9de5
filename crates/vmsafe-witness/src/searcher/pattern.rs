//! The byte strings that are sought: the needles in all forms that are wanted.

use core::ops::Range;

use super::alphabet::Alphabet;
use super::parallel::in_parts;
use super::windows::{WINDOW, repeated_byte};
use super::{SHORTEST_ENCODED_FRAGMENT, Wanted};
use crate::forms::{Forms, Word, each_form, pack};
use crate::hit::Form;
use crate::masked::{MaskStream, Masked};
use crate::needles::{NeedleId, Needles};

/// Patterns of at least this many bytes hold a whole window at some multiple of the stride.
pub(super) const STRIDES: [(usize, usize); 4] = [(15, 8), (11, 4), (9, 2), (8, 1)];

/// Of a form that is longer than the needle, the windows of every second stride do: wherever
/// [`SHORTEST_ENCODED_FRAGMENT`] bytes of it stand, they hold all windows of one such stride.
const PERIOD: usize = 2;
const _: () = assert!(PERIOD * WINDOW + 2 * (WINDOW - 1) <= SHORTEST_ENCODED_FRAGMENT);

/// One byte string to find, a part of the store.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    start: u32,
    end: u32,
    needle: u32,
    pub(super) form: Form,
    /// Its windows are looked up every so many bytes.
    stride: u8,
    /// Whether it is text from end to end, so that wherever a part of it stands, text does.
    pub(super) is_text: bool,
    /// Whether a window repeats one byte.
    pub(super) has_run: bool,
}

/// A place in the store, or a number of a needle.
fn small(number: usize) -> u32 {
    u32::try_from(number).expect("patterns are below 4 GiB")
}

impl Pattern {
    pub(super) fn start(&self) -> usize {
        self.start as usize
    }

    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    pub(super) fn len(&self) -> usize {
        self.end() - self.start()
    }

    pub(super) fn needle(&self) -> NeedleId {
        NeedleId(self.needle as usize)
    }

    pub(super) fn stride(&self) -> usize {
        self.stride.into()
    }

    /// Where its windows begin.
    fn windows(&self) -> Range<usize> {
        self.start()..self.end() + 1 - WINDOW
    }

    /// Where the strides begin whose windows count.
    #[inline(always)]
    pub(super) fn strides(&self) -> impl ExactSizeIterator<Item = usize> + use<> {
        let Range { start, end } = self.windows();
        let is_encoded = !matches!(self.form, Form::Exact | Form::Reversed);
        if is_encoded && !self.has_run && self.stride() == WINDOW {
            // A part of a stride would be of no use.
            (start..end.saturating_sub(WINDOW - 1)).step_by(PERIOD * WINDOW)
        } else {
            (start..end).step_by(self.stride())
        }
    }

    /// Calls `visit` with each window that counts and its place.
    #[inline(always)]
    pub(super) fn each_window(&self, store: &Masked, mut visit: impl FnMut(u64, usize)) {
        let end = self.windows().end;
        self.strides().for_each(|at| {
            if at + WINDOW > end || self.stride() < WINDOW {
                (at..end.min(at + self.stride())).for_each(|at| visit(store.word(at), at));
                return;
            }
            // Two words hold the bytes of eight windows.
            let (first, last) = (store.word(at), store.word(at + WINDOW - 1));
            visit(first, at);
            for nth in 1..WINDOW {
                let window = first >> (8 * nth) | last >> 8 << (64 - 8 * nth);
                visit(window, at + nth);
            }
        });
    }

    /// Where the words begin that all its bytes lie in: the last may overlap another.
    fn words(&self) -> impl Iterator<Item = usize> + use<> {
        let last = self.end() - WINDOW;
        let places = (self.start()..last).step_by(WINDOW);
        places.chain([last])
    }

    /// Whether all bytes are ASCII, and those that are zero lie as `zeros` tells.
    fn is_ascii(&self, store: &Masked, zeros: u64) -> bool {
        self.words().all(|at| {
            let is_odd = (at - self.start()) % 2 == 1;
            let zeros = zeros.rotate_left(if is_odd { 8 } else { 0 });
            Alphabet::is_ascii(store.word(at), zeros)
        })
    }

    fn finds_run(&self, store: &Masked) -> bool {
        // Eight equal bytes hold four in one half of some word.
        let repeats = |at| {
            let word = store.word(at);
            let changes = word ^ word >> 8;
            changes & 0x00ff_ffff == 0 || changes >> 32 & 0x00ff_ffff == 0
        };
        let is_run = |at| repeated_byte(store.word(at)).is_some();
        self.words().any(repeats) && self.windows().any(is_run)
    }
}

/// All patterns.
pub(super) struct Patterns {
    pub(super) store: Masked,
    /// In the order of their place in the store.
    pub(super) all: Vec<Pattern>,
    /// What those that are text are written in.
    pub(super) alphabet: Alphabet,
    pub(super) masks: MaskStream,
    needle: NeedleId,
}

/// All forms of a needle together are about so many times its bytes, and so many.
const FORMS: usize = 16;

impl Patterns {
    /// The patterns of all `needles`.
    pub(super) fn new(needles: &Needles, wanted: &Wanted) -> Self {
        let numbers: Vec<NeedleId> = (0..needles.len()).map(NeedleId).collect();
        let some = |numbers: &[NeedleId]| Self::of(needles, numbers, wanted);
        let parts = in_parts(&numbers, some).into_iter();
        parts.reduce(Self::append).unwrap_or_else(|| some(&[]))
    }

    fn of(needles: &Needles, numbers: &[NeedleId], wanted: &Wanted) -> Self {
        let forms = if wanted.encoded { FORMS } else { 1 };
        let first = numbers.first().copied().unwrap_or(NeedleId(0));
        let mut patterns = Self {
            // The first part takes over all others. Room that is not used costs nothing.
            store: Masked::with_room(forms * needles.total_len()),
            all: Vec::with_capacity(forms * needles.len()),
            alphabet: Alphabet::default(),
            masks: needles.masks(first.0 as u64),
            needle: first,
        };
        for &needle in numbers {
            patterns.needle = needle;
            if wanted.encoded {
                each_form(|| needles.plain(needle.0), &mut patterns);
            } else {
                patterns.add(Form::Exact, pack::<8>(needles.plain(needle.0)));
            }
        }
        patterns
    }

    /// Takes over those of the needles that follow.
    fn append(mut self, other: Self) -> Self {
        let by = small(self.store.len());
        let _ = small(self.store.len() + other.store.len());
        self.store.append(&other.store);
        self.all.extend(other.all.iter().map(|pattern| Pattern {
            start: pattern.start + by,
            end: pattern.end + by,
            ..*pattern
        }));
        self.alphabet.unite(&other.alphabet);
        self
    }
}

impl Forms for Patterns {
    fn add(&mut self, form: Form, words: impl Iterator<Item = Word>) {
        let start = self.store.len();
        self.store.extend(words, &mut self.masks);
        let end = self.store.len();
        let fits = |(shortest, _): &&(usize, usize)| end - start >= *shortest;
        let stride = STRIDES.iter().find(fits).map_or(1, |(_, stride)| *stride);
        let mut pattern = Pattern {
            start: small(start),
            end: small(end),
            needle: small(self.needle.0),
            form,
            stride: stride.to_le_bytes()[0],
            is_text: false,
            has_run: false,
        };
        pattern.has_run = pattern.finds_run(&self.store);
        let is_ascii = |zeros: &u64| pattern.is_ascii(&self.store, *zeros);
        // Short patterns are sought where eight bytes in a row are of the alphabet.
        let zeros = &Alphabet::ZEROS[..if stride == WINDOW { 3 } else { 1 }];
        pattern.is_text = zeros.iter().any(is_ascii);
        if pattern.is_text {
            let words = pattern.words();
            words.for_each(|at| self.alphabet.learn(self.store.word(at)));
        }
        self.all.push(pattern);
    }
}
