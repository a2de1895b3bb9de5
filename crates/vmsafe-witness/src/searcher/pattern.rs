//! The byte strings that are sought: the needles in all forms that are wanted.

use core::ops::Range;

use super::alphabet::Alphabet;
use super::decoder::{Decoded, SHORTEST_DECODED};
use super::parallel::{in_parallel, shares};
use super::windows::{HALF_LEN, WINDOW};
use super::{SHORTEST_ENCODED_FRAGMENT, Wanted};
use crate::forms::{Forms, Word, each_in_digits, exact, wide, words_of_forms};
use crate::hit::Form;
use crate::masked::{MaskStream, Masked, Plain, Room, WORD};
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
    pub(super) content: Content,
    /// Whether a window repeats one byte.
    pub(super) has_run: bool,
    /// Which of its forms have no patterns, since they are sought by decoding.
    pub(super) decoded: Decoded,
}

/// What a pattern is made of, which decides how it is looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Text from end to end: wherever a part of it stands, text does.
    Text,
    /// Somewhere in it stand four [bytes that memory is filled with](FILLERS), as on much of any
    /// disk.
    Blank,
    /// Neither.
    Varied,
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
        if self.is_sparse() {
            // A part of a stride would be of no use.
            (start..end.saturating_sub(WINDOW - 1)).step_by(PERIOD * WINDOW)
        } else {
            (start..end).step_by(self.stride())
        }
    }

    /// Whether only some of its strides count.
    fn is_sparse(&self) -> bool {
        let is_encoded = !matches!(self.form, Form::Exact);
        is_encoded && !self.has_run && self.stride() == WINDOW
    }

    /// How far apart those of its windows are that are indexed.
    pub(super) fn index_step(&self) -> usize {
        if self.has_run {
            1
        } else if self.is_sparse() {
            PERIOD * WINDOW
        } else {
            self.stride()
        }
    }

    /// How many windows there are in all strides that count.
    pub(super) fn window_count(&self) -> usize {
        self.strides().map(|at| self.windows_in(at)).sum()
    }

    /// How many windows the stride at `at` has.
    #[inline(always)]
    fn windows_in(&self, at: usize) -> usize {
        self.stride().min(self.windows().end - at)
    }

    /// The windows of the stride at `at`, and their number.
    #[inline(always)]
    pub(super) fn windows_of(&self, at: usize, store: &Masked) -> ([u64; WINDOW], usize) {
        let count = self.windows_in(at);
        if count == WINDOW {
            return (adjacent(store.word(at), store.word(at + WINDOW)), count);
        }
        let mut windows = [0; WINDOW];
        for (nth, window) in windows.iter_mut().take(count).enumerate() {
            *window = store.word(at + nth);
        }
        (windows, count)
    }
}

/// The windows that begin in the first of two words.
#[inline(always)]
fn adjacent(first: u64, second: u64) -> [u64; WINDOW] {
    let mut windows = [0; WINDOW];
    for (nth, window) in (0..).zip(&mut windows) {
        *window = first >> (8 * nth) | second << 8 << (56 - 8 * nth);
    }
    windows
}

const _: () = assert!(WINDOW == WORD, "what is masked together is a window");

/// What is learned of a pattern while it is stored.
struct Traits {
    len: usize,
    /// Whether it is text so far, for each of [`Alphabet::ZEROS`].
    is_text: [bool; Alphabet::ZEROS.len()],
    /// What it is written in, if it is text.
    alphabet: Alphabet,
    /// Whether a window repeats one byte.
    has_run: bool,
    /// Whether a half repeats a filler.
    has_blank: bool,
    previous: u64,
    /// Whether a quarter of the previous word may repeat one byte.
    has_pair: bool,
}

impl Traits {
    fn new(alphabet: &Alphabet) -> Self {
        Self {
            len: 0,
            is_text: [true; Alphabet::ZEROS.len()],
            alphabet: alphabet.clone(),
            has_run: false,
            has_blank: false,
            previous: 0,
            has_pair: false,
        }
    }

    #[inline(always)]
    fn learn(&mut self, word: Word) {
        let bytes = word.repeated();
        if self.is_text[0] && self.alphabet.holds_bytes(bytes) {
            // Most forms are text, and nothing new after the first.
            self.is_text = [true, false, false];
        } else if self.is_text.contains(&true) {
            self.learn_text(bytes);
        }
        // Four equal bytes hold two in one quarter of some word.
        let changes = (bytes ^ bytes >> 8) & EACH_FIRST;
        let has_pair = changes.wrapping_sub(EACH_LOWEST) & !changes & EACH_HIGHEST != 0;
        if has_pair || self.has_pair {
            let mut blanks = self.runs(bytes, word.len, HALF_LEN);
            self.has_blank |= blanks.any(|byte| FILLERS.contains(&byte));
            self.has_run |= self.runs(bytes, word.len, WINDOW).next().is_some();
        }
        self.has_pair = has_pair;
        self.previous = bytes;
        self.len += word.len;
    }

    fn learn_text(&mut self, bytes: u64) {
        for (is_text, zeros) in self.is_text.iter_mut().zip(Alphabet::ZEROS) {
            *is_text &= Alphabet::is_ascii(bytes, zeros);
        }
        if self.is_text.contains(&true) {
            self.alphabet.learn(bytes);
        }
    }

    /// Of each `run` equal bytes that end in the first `len` of `bytes`, one.
    #[cold]
    fn runs(&self, bytes: u64, len: usize, run: usize) -> impl Iterator<Item = u8> + use<> {
        let both = u128::from(bytes) << 64 | u128::from(self.previous);
        let from = if self.len == 0 { run } else { 1 };
        let repeated = move |end: usize| {
            let bytes = both >> (8 * (WORD + end - run));
            let is_run = (bytes ^ bytes >> 8) & ((1 << (8 * (run - 1))) - 1) == 0;
            is_run.then_some(bytes.to_le_bytes()[0])
        };
        (from..=len).filter_map(repeated)
    }
}

/// What programs and systems fill memory with: zeros, ones, spaces, and what pads code.
const FILLERS: [u8; 5] = [0, 0xff, b' ', 0xcc, 0x90];

/// The first byte of each quarter of a word; and the lowest and the highest bit of each quarter.
const EACH_FIRST: u64 = 0x00ff_00ff_00ff_00ff;
const EACH_LOWEST: u64 = 0x0001_0001_0001_0001;
const EACH_HIGHEST: u64 = EACH_LOWEST << 15;

/// All patterns.
pub(super) struct Patterns {
    pub(super) store: Masked,
    /// In the order of their place in the store.
    pub(super) all: Vec<Pattern>,
    /// What those that are text are written in.
    pub(super) alphabet: Alphabet,
    pub(super) masks: MaskStream,
}

impl Patterns {
    /// The patterns of all `needles`.
    pub(super) fn new(needles: &Needles, wanted: &Wanted) -> Self {
        let numbers: Vec<NeedleId> = (0..needles.len()).map(NeedleId).collect();
        let shares = shares(&numbers);
        let room = |share: &&[NeedleId]| words(needles, share, wanted);
        let rooms: Vec<usize> = shares.iter().map(room).collect();
        let mut store = Masked::with_rooms(&rooms, needles.masks(0));
        let parts = shares.into_iter().zip(store.rooms(&rooms));
        let parts = in_parallel(parts, |(share, room)| {
            let mut part = Part::new(room, wanted.encoded);
            part.take(needles, share);
            (part.all, part.alphabet)
        });
        let append = |(mut all, mut alphabet): (Vec<_>, Alphabet), (behind, other)| {
            all.extend(behind);
            alphabet.unite(&other);
            (all, alphabet)
        };
        let (all, alphabet) = parts.into_iter().reduce(append).unwrap_or_default();
        Self {
            store,
            all,
            alphabet,
            masks: needles.masks(1),
        }
    }

    /// A pattern, to be read.
    pub(super) fn plain(&self, pattern: &Pattern) -> Plain<'_> {
        Plain::new(&self.store, pattern.start(), pattern.len())
    }
}

/// At least the words that the patterns of these needles have.
fn words(needles: &Needles, numbers: &[NeedleId], wanted: &Wanted) -> usize {
    let len = |needle: &NeedleId| needles.plain(needle.0).len();
    let words = |len: usize| {
        if wanted.encoded {
            words_of_forms(len)
        } else {
            len.div_ceil(WORD)
        }
    };
    numbers.iter().map(len).map(words).sum()
}

/// The patterns of some needles.
struct Part<'a> {
    room: Room<'a>,
    all: Vec<Pattern>,
    alphabet: Alphabet,
    /// The needle whose forms are taken in.
    needle: NeedleId,
    /// Whether encoded forms are wanted.
    is_encoded: bool,
}

impl<'a> Part<'a> {
    fn new(room: Room<'a>, is_encoded: bool) -> Self {
        Self {
            room,
            all: Vec::new(),
            alphabet: Alphabet::default(),
            needle: NeedleId(0),
            is_encoded,
        }
    }

    fn take(&mut self, needles: &Needles, numbers: &[NeedleId]) {
        for &needle in numbers {
            self.needle = needle;
            let plain = needles.plain(needle.0);
            if self.is_encoded {
                self.take_forms(plain);
            } else {
                self.add(Form::Exact, exact(plain));
            }
        }
    }

    fn take_forms(&mut self, plain: Plain<'_>) {
        self.add(Form::Exact, exact(plain));
        let exact = self.all.last();
        let decoded = exact.map_or_else(Decoded::default, |exact| exact.decoded);
        if !decoded.digits {
            each_in_digits(plain, self);
        }
        if !decoded.wide {
            wide(plain, self);
        }
    }

    /// How what was just added is sought in other forms.
    fn decoded(&self, form: Form, traits: &Traits) -> Decoded {
        let reversed = self.is_encoded && form == Form::Exact;
        // A run is sought by its borders, which are other places in a form.
        let digits = reversed && traits.len >= SHORTEST_DECODED && !traits.has_run;
        Decoded {
            reversed,
            digits,
            wide: digits && traits.is_text[0],
        }
    }
}

impl Forms for Part<'_> {
    fn add(&mut self, form: Form, words: impl Iterator<Item = Word>) {
        let start = self.room.position();
        let mut traits = Traits::new(&self.alphabet);
        for word in words {
            self.room.push(word.bytes);
            traits.learn(word);
        }
        // A few characters of UTF-8 are fewer bytes in UTF-16, too few to mean anything.
        let fits = |(shortest, _): &&(usize, usize)| traits.len >= *shortest;
        let Some((_, stride)) = STRIDES.iter().find(fits) else {
            return;
        };
        // Short patterns are sought where eight bytes in a row are of the alphabet.
        let kinds = if *stride == WINDOW { 3 } else { 1 };
        let is_text = traits.is_text[..kinds].contains(&true);
        let content = if is_text {
            Content::Text
        } else if traits.has_blank {
            Content::Blank
        } else {
            Content::Varied
        };
        let decoded = self.decoded(form, &traits);
        if is_text {
            self.alphabet = traits.alphabet;
        }
        self.all.push(Pattern {
            start: small(start),
            end: small(start + traits.len),
            needle: small(self.needle.0),
            form,
            stride: stride.to_le_bytes()[0],
            content,
            has_run: traits.has_run,
            decoded,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What stands in a row at least so often.
    fn repeated(bytes: &[u8], run: usize) -> Vec<u8> {
        let is_run = |window: &&[u8]| window.iter().all(|byte| *byte == window[0]);
        let runs = bytes.windows(run).filter(is_run);
        runs.map(|window| window[0]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn runs_are_noticed_wherever_they_stand(
            parts in vec((0..3_usize, 1..10_usize), 3..12),
        ) {
            let bytes: Vec<u8> = parts
                .iter()
                .flat_map(|(which, len)| core::iter::repeat_n([0, 0x90, 0x91][*which], *len))
                .collect();
            prop_assume!(bytes.len() >= 8 && bytes.iter().any(|byte| *byte != bytes[0]));
            let mut needles = Needles::new();
            needles.push(&bytes).unwrap();
            let patterns = Patterns::new(&needles, &Wanted::default());
            let pattern = patterns.all[0];
            prop_assert_eq!(pattern.has_run, !repeated(&bytes, WINDOW).is_empty());
            let fills = repeated(&bytes, HALF_LEN).iter().any(|byte| FILLERS.contains(byte));
            let is_text = pattern.content == Content::Text;
            prop_assert_eq!(pattern.content == Content::Blank, !is_text && fills);
        }
    }
}
