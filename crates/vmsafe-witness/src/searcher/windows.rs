//! The tables of 8-byte windows: filters that say "perhaps" fast, and an index behind them that
//! says where.

use super::alphabet::Alphabet;
use super::decoder::Decoded;
use super::filter::{Filter, HALF, Kind, MANY_WINDOWS};
use super::index::{Entries, Index};
use super::parallel::{in_parallel, shares};
use super::pattern::{Content, Pattern, Patterns};
use super::repeats::Repeats;
use crate::hit::Form;
use crate::masked::Masked;

/// The bytes of a window.
pub(super) const WINDOW: usize = 8;

/// The bytes of half a window.
pub(super) const HALF_LEN: usize = WINDOW / 2;

/// How often a filter is made anew that lets pass what fills much of any disk.
const ATTEMPTS: usize = 4;

/// The windows of many patterns.
///
/// All of them are in a filter, but only each `stride`-th of a pattern is in the index: who finds
/// a part of a pattern by one window finds an indexed one less than `stride` bytes beside it.
pub(super) struct Windows {
    /// Most encoded forms are text and most memory is not: patterns that are text from end to end
    /// have a filter of their own, so that the one that is asked most stays small.
    pub(super) text: Filter,
    pub(super) blank: Filter,
    pub(super) varied: Filter,
    pub(super) index: Index,
    /// For which byte values a pattern holds a window of that byte alone.
    runs: [bool; 256],
    /// What is sought by decoding.
    pub(super) decoded: Decoded,
    /// All that forms in digits are written in.
    pub(super) digits: Alphabet,
    /// All that forms in digits and the patterns that are text are written in.
    pub(super) either: Alphabet,
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
    /// Builds the tables of those `patterns` that are looked up every `stride` bytes, if any are.
    pub(super) fn build(patterns: &mut Patterns, stride: usize) -> Option<Self> {
        let is_ours = |pattern: &&Pattern| pattern.stride() == stride;
        let ours = patterns.all.iter().filter(is_ours);
        let decoded = ours.map(|pattern| pattern.decoded).reduce(Decoded::or)?;
        let entries = Entries::new(&mut patterns.masks);
        let mut tables = |content| {
            let mut tables = Tables::of(patterns, stride, content, &entries);
            for _ in 1..ATTEMPTS {
                if !tables.passes_in_vain() {
                    break;
                }
                tables = Tables::of(patterns, stride, content, &entries);
            }
            tables
        };
        let [text, blank, varied] =
            [Content::Text, Content::Blank, Content::Varied].map(&mut tables);
        let digits = Alphabet::of_digits();
        let mut either = patterns.alphabet.clone();
        either.unite(&digits);
        Some(Self {
            runs: core::array::from_fn(|byte| {
                [&text, &blank, &varied]
                    .iter()
                    .any(|tables| tables.runs[byte])
            }),
            text: text.filter,
            blank: blank.filter,
            varied: varied.filter,
            decoded,
            digits,
            either,
            index: varied
                .entries
                .append(blank.entries)
                .append(text.entries)
                .index(),
        })
    }

    /// Whether a pattern holds a window of `byte` alone.
    pub(super) fn has_run_of(&self, byte: u8) -> bool {
        self.runs[usize::from(byte)]
    }
}

/// How many strides count.
fn strides<'a>(patterns: impl Iterator<Item = &'a &'a Pattern>) -> usize {
    patterns.map(|pattern| pattern.strides().len()).sum()
}

/// What kind of filter patterns need that have this content, and share a stride.
fn kind_for(patterns: &[&Pattern], content: Content) -> Kind {
    let is_reversed = |pattern: &&Pattern| pattern.decoded.reversed;
    let windows: usize = patterns.iter().map(|pattern| pattern.window_count()).sum();
    match content {
        Content::Text => Kind::Text,
        Content::Blank => Kind::Whole,
        Content::Varied if patterns.iter().any(is_reversed) && windows > MANY_WINDOWS => {
            Kind::HalvesBothWays
        }
        Content::Varied => Kind::Halves,
    }
}

/// How often the windows of a pattern must be put into a filter of this kind, to which some forms
/// are the same as others: not at all, as they are, or also backwards.
fn insertions(pattern: &Pattern, kind: Kind) -> usize {
    match kind {
        Kind::Whole | Kind::Halves => 1 + usize::from(pattern.decoded.reversed),
        Kind::HalvesBothWays => 1,
        Kind::Text => usize::from(pattern.form != Form::HexUpper),
    }
}

/// What is made of some patterns.
struct Tables {
    filter: Filter,
    entries: Entries,
    runs: [bool; 256],
}

impl Tables {
    /// The tables of the patterns of a stride and with this content; `entries` tells how they are
    /// hashed.
    fn of(patterns: &mut Patterns, stride: usize, content: Content, entries: &Entries) -> Self {
        let is_ours = |pattern: &&Pattern| pattern.stride() == stride && pattern.content == content;
        let ours: Vec<&Pattern> = patterns.all.iter().filter(is_ours).collect();
        let kind = kind_for(&ours, content);
        let inserted = |pattern: &&Pattern| pattern.window_count() * insertions(pattern, kind);
        let inserted = ours.iter().map(inserted).sum();
        let filter = Filter::with_room(inserted, kind, &mut patterns.masks);
        let store = &patterns.store;
        let make = |part: &[&Pattern]| {
            let mut tables = Self {
                filter: filter.empty_twin(),
                entries: entries.empty_twin(strides(part.iter())),
                runs: [false; 256],
            };
            part.iter().for_each(|pattern| tables.take(store, pattern));
            tables
        };
        let parts = in_parallel(shares(&ours), make).into_iter();
        parts.reduce(Self::unite).unwrap_or_else(|| make(&[]))
    }

    /// Whether zeros or ones pass the filter by an accident of hashing. (A filter of text is not
    /// asked about them.)
    fn passes_in_vain(&self) -> bool {
        let in_vain = |byte: u8| {
            let is_sought = self.runs[usize::from(byte)];
            !is_sought && self.filter.passes_any(u64::from_le_bytes([byte; WINDOW]))
        };
        self.filter.kind() != Kind::Text && [0, 0xff].into_iter().any(in_vain)
    }

    fn take(&mut self, store: &Masked, pattern: &Pattern) {
        let insertions = insertions(pattern, self.filter.kind());
        let repeats = Repeats::of(pattern, store);
        let mut strides = pattern.strides().peekable();
        while let Some(at) = strides.next() {
            let (windows, count) = pattern.windows_of(at, store);
            let windows = &windows[..count];
            if pattern.content == Content::Varied {
                let goes_on = strides.peek() == Some(&(at + count));
                self.insert_halves(windows, goes_on, insertions);
            } else {
                self.insert(windows, insertions);
            }
            if pattern.has_run {
                self.index_all(at, windows, &repeats);
            } else if !repeats.hold(at) {
                self.entries.push(windows[0], at);
            }
        }
    }

    /// Inserts windows, as they are and also backwards.
    #[inline(always)]
    fn insert(&mut self, windows: &[u64], insertions: usize) {
        if insertions > 0 {
            let windows = windows.iter();
            windows.for_each(|window| self.filter.insert(*window));
        }
        if insertions > 1 {
            let windows = windows.iter();
            windows.for_each(|window| self.filter.insert(window.swap_bytes()));
        }
    }

    /// Inserts the halves of adjacent windows, those behind the last one too unless it `goes_on`.
    #[inline(always)]
    fn insert_halves(&mut self, windows: &[u64], goes_on: bool, insertions: usize) {
        let behind = if goes_on { 0 } else { WINDOW - HALF_LEN };
        let last = windows[windows.len() - 1];
        let behind = (1..=behind).map(|nth| last >> (8 * nth));
        for half in windows
            .iter()
            .copied()
            .chain(behind)
            .map(|window| window & HALF)
        {
            self.filter.insert_half(half);
            if insertions > 1 {
                self.filter.insert_half(half.swap_bytes() >> 32);
            }
        }
    }

    /// A pattern that holds a run is indexed in full: it is also sought from the borders of runs,
    /// where any window may be the one that is asked for.
    fn index_all(&mut self, at: usize, windows: &[u64], repeats: &Repeats) {
        for (at, &window) in (at..).zip(windows) {
            match repeated_byte(window) {
                Some(byte) => self.runs[usize::from(byte)] = true,
                None if repeats.hold(at) => {}
                None => self.entries.push(window, at),
            }
        }
    }

    fn unite(mut self, other: Self) -> Self {
        self.filter.unite(&other.filter);
        for (run, other) in self.runs.iter_mut().zip(other.runs) {
            *run |= other;
        }
        Self {
            entries: self.entries.append(other.entries),
            ..self
        }
    }
}
