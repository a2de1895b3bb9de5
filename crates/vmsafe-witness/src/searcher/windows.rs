//! The table of 8-byte windows: a filter that says "perhaps" fast, and a one-way index behind it
//! that says where.

use core::ops::Range;

use crate::masked::{MaskStream, Masked};

/// The bytes of a window.
pub(super) const WINDOW: usize = 8;

/// A window sets three bits of one filter word, and there are about 32 bits for each window: one in
/// about a thousand foreign windows passes.
const FILTER_BITS_PER_WINDOW: usize = 32;
/// Words of a filter, as powers of two: from 4 KiB to 8 MiB, what a last-level cache still holds.
const FEWEST_WORDS: u32 = 9;
const MOST_WORDS: u32 = 20;

/// Windows of many patterns. It holds hashes and positions, no byte of a pattern.
///
/// The filter is two filters in one array. Most encoded forms are ASCII and most memory is not:
/// looking ASCII windows up in a part of their own keeps the other part small enough for the cache.
pub(super) struct Windows {
    filter: Box<[u64]>,
    parts: [Part; 2],
    /// Bucket `b` has the entries `starts[b]..starts[b + 1]`.
    starts: Box<[u32]>,
    bucket_bits: u32,
    /// Positions in the store.
    entries: Box<[u32]>,
    /// For which byte values a pattern holds a window of that byte alone.
    runs: [bool; 256],
    key: u64,
    factor: u64,
}

/// One part of the filter: the words from `base` on, as many as a hash has values after `shift`.
#[derive(Clone, Copy)]
struct Part {
    base: usize,
    shift: u32,
}

/// Which part a window belongs to: 1 for ASCII, 0 for all else.
#[inline]
fn part_of(window: u64) -> usize {
    usize::from(window & 0x8080_8080_8080_8080 == 0)
}

/// The window that begins at the start of `bytes`.
#[inline]
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
    /// Builds the table of all windows in the `spans` of `store`.
    pub(super) fn build(store: &Masked, spans: &[Range<usize>], masks: &mut MaskStream) -> Self {
        let mut counts = [0; 2];
        each_window(store, spans, |window, _| counts[part_of(window)] += 1);
        loop {
            let mut table = Self::empty(counts, masks);
            table.fill(store, spans);
            // Zeros and ones fill much of any disk: they must not pass by an accident of hashing.
            let passes = |byte: u8| table.passes(u64::from_le_bytes([byte; WINDOW]));
            if [0, 0xff]
                .iter()
                .all(|&byte| table.runs[usize::from(byte)] || !passes(byte))
            {
                return table;
            }
        }
    }

    fn empty(counts: [usize; 2], masks: &mut MaskStream) -> Self {
        let [binary, text] = counts.map(|count| {
            let words = (count * FILTER_BITS_PER_WINDOW).div_ceil(64).max(1);
            words
                .next_power_of_two()
                .ilog2()
                .clamp(FEWEST_WORDS, MOST_WORDS)
        });
        let base = 1 << binary;
        let bucket_bits = (counts[0] + counts[1]).max(2).ilog2();
        Self {
            filter: vec![0; base + (1 << text)].into(),
            parts: [
                Part {
                    base: 0,
                    shift: 64 - binary,
                },
                Part {
                    base,
                    shift: 64 - text,
                },
            ],
            starts: vec![0; (1 << bucket_bits) + 1].into(),
            bucket_bits,
            entries: Box::default(),
            runs: [false; 256],
            key: masks.next_word(),
            factor: masks.next_word() | 1,
        }
    }

    /// Whether `window` may be in the table.
    #[inline]
    pub(super) fn passes(&self, window: u64) -> bool {
        let hash = self.hash(window);
        let word = self.filter[self.word(window, hash)];
        word >> bit(hash, 26) & word >> bit(hash, 32) & word >> bit(hash, 38) & 1 != 0
    }

    /// The positions in the store whose window may be `window`.
    pub(super) fn candidates(&self, window: u64) -> &[u32] {
        let bucket = self.bucket(self.hash(window));
        &self.entries[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }

    /// Whether a pattern holds a window of `byte` alone.
    pub(super) fn has_run_of(&self, byte: u8) -> bool {
        self.runs[usize::from(byte)]
    }

    #[inline]
    fn hash(&self, window: u64) -> u64 {
        let mixed = window ^ self.key;
        (mixed ^ mixed >> 29).wrapping_mul(self.factor)
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most MOST_WORDS bits remain"
    )]
    fn word(&self, window: u64, hash: u64) -> usize {
        let part = self.parts[part_of(window)];
        part.base + (hash >> part.shift) as usize
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "as many bits remain as there are buckets"
    )]
    fn bucket(&self, hash: u64) -> usize {
        (hash >> (64 - self.bucket_bits)) as usize
    }

    fn fill(&mut self, store: &Masked, spans: &[Range<usize>]) {
        each_window(store, spans, |window, _| self.count(window));
        let mut total = 0;
        for start in &mut self.starts {
            total += *start;
            *start = total;
        }
        // Each start now points behind its bucket; filling moves it back to the front.
        let mut entries = vec![0; total as usize].into_boxed_slice();
        each_window(store, spans, |window, at| {
            if repeated_byte(window).is_none() {
                let bucket = self.bucket(self.hash(window));
                self.starts[bucket] -= 1;
                entries[self.starts[bucket] as usize] = at;
            }
        });
        self.entries = entries;
    }

    fn count(&mut self, window: u64) {
        let hash = self.hash(window);
        let word = self.word(window, hash);
        self.filter[word] |= 1 << bit(hash, 26) | 1 << bit(hash, 32) | 1 << bit(hash, 38);
        match repeated_byte(window) {
            Some(byte) => self.runs[usize::from(byte)] = true,
            None => self.starts[self.bucket(hash)] += 1,
        }
    }
}

/// One of the 64 bits of a word, from a part of the hash that does not choose the word.
#[inline]
fn bit(hash: u64, from: u32) -> u64 {
    hash >> from & 63
}

/// Calls `visit` with each window of the spans and its position.
fn each_window(store: &Masked, spans: &[Range<usize>], mut visit: impl FnMut(u64, u32)) {
    for span in spans {
        let mut window = 0;
        for (seen, at) in span.clone().enumerate() {
            window = window >> 8 | u64::from(store.unmask(at)) << 56;
            if seen + 1 >= WINDOW {
                let start = u32::try_from(at + 1 - WINDOW).expect("patterns are below 4 GiB");
                visit(window, start);
            }
        }
    }
}
