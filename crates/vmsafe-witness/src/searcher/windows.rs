//! The tables of 8-byte windows: filters that say "perhaps" fast, and an index behind them that
//! says where.

use super::alphabet::Alphabet;
use super::filter::Filter;
use super::index::{Entries, Index};
use super::{Pattern, SHORTEST_ENCODED_FRAGMENT};
use crate::hit::Form;
use crate::masked::{MaskStream, Masked};

/// The bytes of a window.
pub(super) const WINDOW: usize = 8;

/// Of a form that is longer than the needle, the windows of every second stride do: wherever
/// [`SHORTEST_ENCODED_FRAGMENT`] bytes of it stand, they hold all windows of one such stride.
const PERIOD: usize = 2;
const _: () = assert!(WINDOW - 1 + PERIOD * 8 + 8 - 1 <= SHORTEST_ENCODED_FRAGMENT);

/// The windows of many patterns.
///
/// All of them are in a filter, but only each `stride`-th of a pattern is in the index: who finds
/// a part of a pattern by one window finds an indexed one less than `stride` bytes beside it.
pub(super) struct Windows {
    /// Most encoded forms are text and most memory is not: patterns that are text from end to end
    /// have a filter of their own, so that the one that is asked most stays small.
    pub(super) binary: Filter,
    pub(super) text: Filter,
    /// What the text is written in.
    pub(super) alphabet: Alphabet,
    pub(super) index: Index,
    /// For which byte values a pattern holds a window of that byte alone.
    runs: [bool; 256],
}

/// The window that begins at the start of `bytes`.
#[inline(always)]
pub(super) fn load(bytes: &[u8]) -> u64 {
    let mut window = [0; WINDOW];
    window.copy_from_slice(&bytes[..WINDOW]);
    u64::from_le_bytes(window)
}

/// The byte that `window` repeats, if it repeats one.
#[inline]
pub(super) fn repeated_byte(window: u64) -> Option<u8> {
    (window == window.rotate_left(8)).then(|| window.to_le_bytes()[0])
}

impl Windows {
    /// Builds the tables of all `patterns`, parts of `store`, for a look-up every `stride` bytes.
    pub(super) fn build(
        store: &Masked,
        patterns: &[Pattern],
        stride: usize,
        masks: &mut MaskStream,
    ) -> Self {
        let sources: Vec<Source<'_>> = patterns
            .iter()
            .map(|pattern| Source::new(store, *pattern, stride))
            .collect();
        let mut alphabet = Alphabet::default();
        sources
            .iter()
            .for_each(|source| source.teach(&mut alphabet));
        let (text, binary): (Vec<_>, Vec<_>) =
            sources.iter().partition(|source| source.is_text(&alphabet));
        loop {
            let room = sources.iter().map(Source::strides).sum();
            let mut making = Making {
                runs: [false; 256],
                entries: Entries::with_room(room, masks),
            };
            let binary = making.take_all(&binary, masks);
            let text = making.take_all(&text, masks);
            let Making { runs, entries } = making;
            // Zeros and ones fill much of any disk: they must not pass by an accident of hashing.
            let passes = |byte: u8| {
                let window = u64::from_le_bytes([byte; WINDOW]);
                binary.passes(window) | text.passes(window) != 0
            };
            if [0, 0xff]
                .iter()
                .all(|&byte| runs[usize::from(byte)] || !passes(byte))
            {
                return Self {
                    binary,
                    text,
                    alphabet,
                    index: entries.index(),
                    runs,
                };
            }
        }
    }

    /// Whether a pattern holds a window of `byte` alone.
    pub(super) fn has_run_of(&self, byte: u8) -> bool {
        self.runs[usize::from(byte)]
    }
}

/// The tables of both classes while they are made.
struct Making {
    runs: [bool; 256],
    entries: Entries,
}

impl Making {
    /// Takes in all windows that count, and makes a filter of them.
    fn take_all(&mut self, sources: &[&Source<'_>], masks: &mut MaskStream) -> Filter {
        let windows = |source: &&Source<'_>| source.strides() * source.stride;
        let mut filter = Filter::with_room(sources.iter().map(windows).sum(), masks);
        for source in sources {
            source.each_window(|at| filter.insert(source.window(at)));
            if source.has_run {
                self.index_all(source);
            } else {
                source.each_stride(|at| self.entries.push(source.window(at), at));
            }
        }
        filter
    }

    /// A pattern that holds a run is indexed in full: it is also sought from the borders of runs,
    /// where any window may be the one that is asked for.
    fn index_all(&mut self, source: &Source<'_>) {
        source.each_window(|at| {
            let window = source.window(at);
            match repeated_byte(window) {
                Some(byte) => self.runs[usize::from(byte)] = true,
                None => self.entries.push(window, at),
            }
        });
    }
}

/// The windows of one pattern.
struct Source<'a> {
    store: &'a Masked,
    /// Where the first and the last window of the pattern begin.
    first: usize,
    last: usize,
    stride: usize,
    /// From one stride of windows that count to the next.
    step: usize,
    /// Whether a window repeats one byte.
    has_run: bool,
}

impl<'a> Source<'a> {
    fn new(store: &'a Masked, pattern: Pattern, stride: usize) -> Self {
        let is_encoded = !matches!(pattern.form, Form::Exact | Form::Reversed);
        let mut source = Self {
            store,
            first: pattern.start,
            last: pattern.end - WINDOW,
            stride,
            step: stride,
            has_run: false,
        };
        source.has_run = source.finds_run();
        if is_encoded && !source.has_run && stride == WINDOW {
            source.step = PERIOD * stride;
        }
        source
    }

    fn window(&self, at: usize) -> u64 {
        self.store.word(at)
    }

    /// How many strides count.
    fn strides(&self) -> usize {
        let mut strides = 0;
        self.each_stride(|_| strides += 1);
        strides
    }

    /// Calls `visit` with the first window of each stride that counts.
    #[inline(always)]
    fn each_stride(&self, visit: impl FnMut(usize)) {
        // Where not all strides count, a part of one is of no use.
        let part = if self.step == self.stride {
            0
        } else {
            self.stride - 1
        };
        let strides = (self.first..=self.last.saturating_sub(part)).step_by(self.step);
        strides.for_each(visit);
    }

    /// Calls `visit` with each window that counts.
    #[inline(always)]
    fn each_window(&self, mut visit: impl FnMut(usize)) {
        self.each_stride(|at| (at..(at + self.stride).min(self.last + 1)).for_each(&mut visit));
    }

    /// Where the words begin that all bytes of the pattern lie in: the last may overlap another.
    fn places(&self) -> impl Iterator<Item = usize> {
        let places = (self.first..self.last).step_by(WINDOW);
        places.chain([self.last])
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        self.places().map(|at| self.window(at))
    }

    /// Teaches the characters of a pattern that is text from end to end: the few characters in
    /// random bytes would make all of ASCII of it.
    fn teach(&self, alphabet: &mut Alphabet) {
        if self.words().all(is_ascii) {
            self.words().for_each(|word| alphabet.learn(word));
        }
    }

    /// Whether it is text from end to end, so that wherever a part of it stands, text does.
    fn is_text(&self, alphabet: &Alphabet) -> bool {
        self.words().all(|word| alphabet.holds_bytes(word))
            || Alphabet::WIDE
                .iter()
                .any(|zeros| self.is_wide(alphabet, *zeros))
    }

    /// Whether its characters are pairs with zeros that lie as `zeros` tells.
    fn is_wide(&self, alphabet: &Alphabet, zeros: u64) -> bool {
        self.places().all(|at| {
            let is_odd = (at - self.first) % 2 == 1;
            let zeros = if is_odd { !zeros } else { zeros };
            alphabet.holds_pairs(self.window(at), zeros)
        })
    }

    fn finds_run(&self) -> bool {
        // Eight equal bytes hold four in one half of some word.
        let repeats = |word: u64| {
            let changes = word ^ word >> 8;
            changes & 0x00ff_ffff == 0 || changes >> 32 & 0x00ff_ffff == 0
        };
        self.words().any(repeats)
            && (self.first..=self.last).any(|at| repeated_byte(self.window(at)).is_some())
    }
}

/// Whether a window is ASCII.
fn is_ascii(word: u64) -> bool {
    word & 0x8080_8080_8080_8080 == 0
}
