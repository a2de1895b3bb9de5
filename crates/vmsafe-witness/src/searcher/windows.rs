//! The tables of 8-byte windows: filters that say "perhaps" fast, and an index behind them that
//! says where.

use super::filter::Filter;
use super::index::{Entries, Index};
use super::parallel::in_parts;
use super::pattern::{Pattern, Patterns};
use crate::masked::Masked;

/// The bytes of a window.
pub(super) const WINDOW: usize = 8;

/// The windows of many patterns.
///
/// All of them are in a filter, but only each `stride`-th of a pattern is in the index: who finds
/// a part of a pattern by one window finds an indexed one less than `stride` bytes beside it.
pub(super) struct Windows {
    /// Most encoded forms are text and most memory is not: patterns that are text from end to end
    /// have a filter of their own, so that the one that is asked most stays small.
    pub(super) binary: Filter,
    pub(super) text: Filter,
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
    /// Builds the tables of those `patterns` that are looked up every `stride` bytes, if any are.
    pub(super) fn build(patterns: &mut Patterns, stride: usize) -> Option<Self> {
        let is_ours = |pattern: &Pattern| pattern.stride() == stride;
        if !patterns.all.iter().any(is_ours) {
            return None;
        }
        loop {
            let entries = Entries::new(&mut patterns.masks);
            let mut tables = |is_text| Tables::of(patterns, stride, is_text, &entries);
            let (binary, text) = (tables(false), tables(true));
            let has_run = |byte: usize| binary.runs[byte] || text.runs[byte];
            // Zeros and ones fill much of any disk: they must not pass by an accident of hashing.
            let passes = |byte: u8| {
                let window = u64::from_le_bytes([byte; WINDOW]);
                binary.filter.passes(window) | text.filter.passes(window) != 0
            };
            if [0, 0xff]
                .iter()
                .all(|&byte| has_run(usize::from(byte)) || !passes(byte))
            {
                return Some(Self {
                    runs: core::array::from_fn(has_run),
                    binary: binary.filter,
                    text: text.filter,
                    index: binary.entries.append(text.entries).index(),
                });
            }
        }
    }

    /// Whether a pattern holds a window of `byte` alone.
    pub(super) fn has_run_of(&self, byte: u8) -> bool {
        self.runs[usize::from(byte)]
    }
}

/// What is made of some patterns.
struct Tables {
    filter: Filter,
    entries: Entries,
    runs: [bool; 256],
}

impl Tables {
    /// The tables of the patterns that are looked up every `stride` bytes, and are text or are not;
    /// `entries` tells how they are hashed.
    fn of(patterns: &mut Patterns, stride: usize, is_text: bool, entries: &Entries) -> Self {
        let counts = |pattern: &&Pattern| pattern.stride() == stride && pattern.is_text == is_text;
        let strides = |part: &[Pattern]| -> usize {
            let each = part.iter().filter(counts);
            each.map(|pattern| pattern.strides().len()).sum()
        };
        let windows = strides(&patterns.all) * stride;
        let filter = Filter::with_room(windows, &mut patterns.masks);
        let store = &patterns.store;
        let make = |part: &[Pattern]| {
            let mut tables = Self {
                filter: filter.empty_twin(),
                entries: entries.empty_twin(strides(part)),
                runs: [false; 256],
            };
            let ours = part.iter().filter(counts);
            ours.for_each(|pattern| tables.take(store, pattern));
            tables
        };
        let parts = in_parts(&patterns.all, make).into_iter();
        parts.reduce(Self::unite).unwrap_or_else(|| make(&[]))
    }

    fn take(&mut self, store: &Masked, pattern: &Pattern) {
        pattern.each_window(store, |window, _| self.filter.insert(window));
        if pattern.has_run {
            self.index_all(store, pattern);
        } else {
            let strides = pattern.strides();
            strides.for_each(|at| self.entries.push(store.word(at), at));
        }
    }

    /// A pattern that holds a run is indexed in full: it is also sought from the borders of runs,
    /// where any window may be the one that is asked for.
    fn index_all(&mut self, store: &Masked, pattern: &Pattern) {
        pattern.each_window(store, |window, at| match repeated_byte(window) {
            Some(byte) => self.runs[usize::from(byte)] = true,
            None => self.entries.push(window, at),
        });
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
