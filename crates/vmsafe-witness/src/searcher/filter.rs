//! A set of windows that says "perhaps" fast.

use crate::masked::MaskStream;

/// A window sets three bits of one word, and there are at least this many bits for each window: one
/// in a few thousand foreign windows passes.
const BITS_PER_WINDOW: usize = 32;
/// Of text fewer do, if there are more windows than [`MANY_WINDOWS`]: it is rare, and a small table
/// is made faster.
const BITS_PER_WINDOW_OF_TEXT: usize = 8;
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
        let each = if kind == Kind::Text && count > MANY_WINDOWS {
            BITS_PER_WINDOW_OF_TEXT
        } else {
            BITS_PER_WINDOW
        };
        let bits = (count * each)
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

    /// 1 if `window` may have been inserted, else 0, in a filter that is `BOTH_WAYS` or exact.
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
        self.holds(hash)
    }

    /// Whether `window` may have been inserted, in a filter of any kind.
    pub(super) fn passes_any(&self, window: u64) -> bool {
        self.holds(self.hash(window)) != 0
    }

    /// 1 if all bits of this hash are set, else 0.
    #[inline(always)]
    fn holds(&self, hash: u64) -> u64 {
        let word = self.words[self.place(hash)];
        // One of them alone would do too often: each alarm is a branch that was guessed wrong.
        word >> bit(hash, 32) & word >> bit(hash, 38) & word >> bit(hash, 26) & 1
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
                assert!(filter.passes_any(window));
                reversed += usize::from(filter.passes_any(window.swap_bytes()));
                match kind {
                    Kind::Exact => assert_eq!(filter.passes::<false>(window), 1),
                    Kind::BothWays => assert_eq!(filter.passes::<true>(window), 1),
                    Kind::Text => assert!(filter.passes_any(window ^ 0x20)),
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
                let passes = |_: &i32| filter.passes_any(masks.next_word());
                let passed = (0..10_000).filter(passes).count();
                assert!(passed <= most, "{passed} of 10,000 pass {count}");
            }
        }
    }
}
