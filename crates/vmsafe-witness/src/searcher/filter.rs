//! A set of windows that says "perhaps" fast.

use crate::masked::MaskStream;

/// A window sets three bits of one word, and there are at least this many bits for each window: one
/// in a few hundred foreign windows passes two of them, one in a few thousand all three.
const BITS_PER_WINDOW: usize = 32;
/// Of more windows than this half as many bits do: a table that stays in the second-level cache
/// saves more than the false alarms cost that it gives.
const MANY_WINDOWS: usize = 1 << 16;
/// Words, as powers of two: from 4 KiB, which any first-level cache holds, to 2 MiB.
const FEWEST_WORDS: u32 = 9;
const MOST_WORDS: u32 = 18;

/// A Bloom filter that looks at one word only. It holds hashes, no byte of a pattern.
pub(super) struct Filter {
    words: Box<[u64]>,
    shift: u32,
    key: u64,
    factor: u64,
    is_empty: bool,
}

impl Filter {
    /// An empty filter with room for `count` windows.
    pub(super) fn with_room(count: usize, masks: &mut MaskStream) -> Self {
        let half = usize::from(count > MANY_WINDOWS);
        let words = ((count * BITS_PER_WINDOW) >> half).div_ceil(64).max(1);
        let bits = words
            .next_power_of_two()
            .ilog2()
            .clamp(FEWEST_WORDS, MOST_WORDS);
        Self {
            words: vec![0; 1 << bits].into(),
            shift: 64 - bits,
            key: masks.next_word(),
            factor: masks.next_word() | 1,
            is_empty: true,
        }
    }

    /// An empty filter that [`Self::unite`] takes.
    pub(super) fn empty_twin(&self) -> Self {
        Self {
            words: vec![0; self.words.len()].into(),
            is_empty: true,
            ..*self
        }
    }

    /// Inserts all that a twin holds.
    pub(super) fn unite(&mut self, twin: &Self) {
        for (word, other) in self.words.iter_mut().zip(&twin.words) {
            *word |= other;
        }
        self.is_empty &= twin.is_empty;
    }

    /// Whether nothing was inserted.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn insert(&mut self, window: u64) {
        let hash = self.hash(window);
        self.words[self.place(hash)] |=
            1 << bit(hash, 32) | 1 << bit(hash, 38) | 1 << bit(hash, 26);
        self.is_empty = false;
    }

    /// 1 if `window` may have been inserted, else 0. It looks at two of the three bits.
    #[inline(always)]
    pub(super) fn passes(&self, window: u64) -> u64 {
        if self.words.is_empty() {
            return 0;
        }
        let hash = self.hash(window);
        let word = self.words[self.place(hash)];
        word >> bit(hash, 32) & word >> bit(hash, 38) & 1
    }

    /// Whether `window` may have been inserted, by the third bit too.
    pub(super) fn passes_all(&self, window: u64) -> bool {
        let hash = self.hash(window);
        let word = self.words[self.place(hash)];
        self.passes(window) & word >> bit(hash, 26) != 0
    }

    #[inline(always)]
    fn hash(&self, window: u64) -> u64 {
        (window ^ self.key).wrapping_mul(self.factor)
    }

    /// The highest bits, which depend on every byte of the window. The mask takes nothing away: by
    /// it the compiler sees that this is a place.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most MOST_WORDS bits remain"
    )]
    fn place(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize & (self.words.len() - 1)
    }
}

/// One of the 64 bits of a word, from a part of the hash that does not choose the word.
#[inline(always)]
fn bit(hash: u64, from: u32) -> u64 {
    hash >> from & 63
}
