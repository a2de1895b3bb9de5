//! The table of 8-byte windows: a filter that says "perhaps" fast, and a one-way index behind it
//! that says where.

use core::ops::Range;

use crate::masked::{MaskStream, Masked};

/// The bytes of a window.
pub(super) const WINDOW: usize = 8;

/// Words of the filter for each window: 32 bits, of which a window sets two, so that about one in
/// 270 foreign windows passes.
const FILTER_BITS_PER_WINDOW: usize = 32;
/// 4 KiB to 8 MiB: from the first-level cache up to what the last-level cache still holds.
const FILTER_WORDS: Range<u32> = 9..20;

/// Windows of many patterns. It holds hashes and positions, no byte of a pattern.
pub(super) struct Windows {
    filter: Box<[u64]>,
    filter_bits: u32,
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
        let count: usize = spans
            .iter()
            .map(|span| (span.len() + 1).saturating_sub(WINDOW))
            .sum();
        let words = (count * FILTER_BITS_PER_WINDOW)
            .div_ceil(64)
            .next_power_of_two();
        let filter_bits = words.ilog2().clamp(FILTER_WORDS.start, FILTER_WORDS.end);
        let bucket_bits = count.next_power_of_two().ilog2().max(1);
        loop {
            let mut table = Self {
                filter: vec![0; 1 << filter_bits].into(),
                filter_bits,
                starts: vec![0; (1 << bucket_bits) + 1].into(),
                bucket_bits,
                entries: Box::default(),
                runs: [false; 256],
                key: masks.next_word(),
                factor: masks.next_word() | 1,
            };
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

    /// Whether `window` may be in the table.
    #[inline]
    pub(super) fn passes(&self, window: u64) -> bool {
        let hash = self.hash(window);
        let word = self.filter[self.word(hash)];
        word >> self.bit(hash, 6) & word >> self.bit(hash, 12) & 1 != 0
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
        reason = "shifted down to at most 20 bits"
    )]
    fn word(&self, hash: u64) -> usize {
        (hash >> (64 - self.filter_bits)) as usize & (self.filter.len() - 1)
    }

    #[inline]
    fn bit(&self, hash: u64, below: u32) -> u64 {
        hash >> (64 - self.filter_bits - below) & 63
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "shifted down to at most 32 bits"
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
        let word = self.word(hash);
        self.filter[word] |= 1 << self.bit(hash, 6) | 1 << self.bit(hash, 12);
        match repeated_byte(window) {
            Some(byte) => self.runs[usize::from(byte)] = true,
            None => self.starts[self.bucket(hash)] += 1,
        }
    }
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
