//! A set of windows that says "perhaps" fast.

use crate::masked::MaskStream;

/// A window sets three bits of one word, and there are at least this many bits for each window: one
/// in a few hundred foreign windows passes two of them, one in a few thousand all three.
const BITS_PER_WINDOW: usize = 32;
/// Of more windows than this half as many bits do: a table that stays in the second-level cache
/// saves more than the false alarms cost that it gives.
pub(super) const MANY_WINDOWS: usize = 1 << 16;
/// From 4 KiB, which any first-level cache holds, to 1 MiB …
const FEWEST_BITS: usize = 1 << 15;
const MOST_BITS: usize = 1 << 23;
/// … unless each window would have less than this: most foreign ones would pass.
const LEAST_BITS_PER_WINDOW: usize = 5;

/// A Bloom filter that looks at one word only. It holds hashes, no byte of a pattern.
pub(super) struct Filter {
    words: Box<[u64]>,
    shift: u32,
    key: u64,
    factor: u64,
    kind: Kind,
    is_empty: bool,
}

/// What a filter takes for the same, so that it need not hold both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Exact,
    /// A window and its reverse.
    BothWays,
    /// These, and capitals and small letters.
    Text,
}

/// The bit by which capitals and small letters differ, in each byte.
const CASE: u64 = u64::from_le_bytes([0x20; 8]);

impl Filter {
    /// An empty filter with room for `count` windows.
    pub(super) fn with_room(count: usize, kind: Kind, masks: &mut MaskStream) -> Self {
        let half = usize::from(count > MANY_WINDOWS);
        let ample = (count * BITS_PER_WINDOW) >> half;
        let bits = ample
            .clamp(FEWEST_BITS, MOST_BITS)
            .max(count * LEAST_BITS_PER_WINDOW);
        let words = (bits / 64).next_power_of_two();
        Self {
            words: vec![0; words].into(),
            shift: 64 - words.ilog2(),
            key: masks.next_word(),
            factor: masks.next_word() | 1,
            kind,
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

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether nothing was inserted.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    #[inline(always)]
    pub(super) fn insert(&mut self, window: u64) {
        let hash = self.hash(window);
        self.words[self.place(hash)] |=
            1 << bit(hash, 32) | 1 << bit(hash, 38) | 1 << bit(hash, 26);
        self.is_empty = false;
    }

    /// 1 if `window` may have been inserted, else 0, in a filter that is `BOTH_WAYS` or exact. It
    /// looks at two of the three bits.
    #[inline(always)]
    pub(super) fn passes<const BOTH_WAYS: bool>(&self, window: u64) -> u64 {
        if self.words.is_empty() {
            return 0;
        }
        let hash = if BOTH_WAYS {
            self.hash_both_ways(window)
        } else {
            self.hash_exact(window)
        };
        self.first_bits(hash)
    }

    /// As [`Self::passes`], in a filter of any kind.
    pub(super) fn passes_two(&self, window: u64) -> bool {
        self.first_bits(self.hash(window)) != 0
    }

    /// Whether `window` may have been inserted, by all three bits.
    pub(super) fn passes_all(&self, window: u64) -> bool {
        let hash = self.hash(window);
        let word = self.words[self.place(hash)];
        self.first_bits(hash) & word >> bit(hash, 26) != 0
    }

    /// 1 if the first two bits are set, else 0.
    #[inline(always)]
    fn first_bits(&self, hash: u64) -> u64 {
        let word = self.words[self.place(hash)];
        word >> bit(hash, 32) & word >> bit(hash, 38) & 1
    }

    #[inline(always)]
    fn hash(&self, window: u64) -> u64 {
        match self.kind {
            Kind::Exact => self.hash_exact(window),
            Kind::BothWays => self.hash_both_ways(window),
            Kind::Text => self.hash_both_ways(window | CASE),
        }
    }

    #[inline(always)]
    fn hash_exact(&self, window: u64) -> u64 {
        (window ^ self.key).wrapping_mul(self.factor)
    }

    /// The same for a window and its reverse.
    #[inline(always)]
    fn hash_both_ways(&self, window: u64) -> u64 {
        (window ^ self.key).wrapping_mul(window.swap_bytes() ^ self.key)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_passes_and_what_is_the_same() {
        let mut masks = MaskStream::new(1);
        for kind in [Kind::Exact, Kind::BothWays, Kind::Text] {
            let mut filter = Filter::with_room(1000, kind, &mut masks);
            let mut reversed = 0;
            for _ in 0..1000 {
                let window = masks.next_word();
                filter.insert(window);
                assert!(filter.passes_all(window));
                reversed += usize::from(filter.passes_all(window.swap_bytes()));
                match kind {
                    Kind::Exact => assert_eq!(filter.passes::<false>(window), 1),
                    Kind::BothWays => assert_eq!(filter.passes::<true>(window), 1),
                    Kind::Text => assert!(filter.passes_all(window ^ 0x20)),
                }
            }
            assert_eq!(reversed > 100, kind != Kind::Exact, "{reversed}");
        }
    }

    #[test]
    fn foreign_windows_seldom_pass_however_many_there_are() {
        let mut masks = MaskStream::new(2);
        for (count, most) in [(100, 10), (10_000, 50), (100_000, 300), (1_500_000, 2500)] {
            for kind in [Kind::Exact, Kind::BothWays, Kind::Text] {
                let mut filter = Filter::with_room(count, kind, &mut masks);
                (0..count).for_each(|_| filter.insert(masks.next_word()));
                let passes = |_: &i32| filter.passes_all(masks.next_word());
                let passed = (0..10_000).filter(passes).count();
                assert!(passed <= most, "{passed} of 10,000 pass {count}");
            }
        }
    }
}
