//! A set of windows, or of halves of windows, that says "perhaps" fast.

use pulp::Simd;

use crate::masked::MaskStream;

/// Each sets three bits of one word, and there are at least this many bits for each: one in a few
/// thousand that are foreign passes.
const BITS_EACH: usize = 32;
/// Of text fewer do, if there are more windows than [`MANY_WINDOWS`]: it is rare, and a small table
/// is made faster.
const BITS_EACH_OF_TEXT: usize = 8;
pub(super) const MANY_WINDOWS: usize = 1 << 16;
/// From 4 KiB, which any first-level cache holds, to 1 MiB …
const FEWEST_BITS: usize = 1 << 15;
const MOST_BITS: usize = 1 << 23;
/// … unless each would have less than this: most that are foreign would pass.
const LEAST_BITS_EACH: usize = 5;

/// A Bloom filter that looks at one word only. It holds hashes, no byte of a pattern.
pub(super) struct Filter {
    words: Box<[u64]>,
    key: u64,
    factor: u64,
    kind: Kind,
    is_empty: bool,
}

/// What a filter holds, and what it takes for the same, so that it need not hold both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Windows as they are.
    Whole,
    /// Windows of text, each the same as its reverse, and capitals the same as small letters.
    Text,
    /// Halves as they are.
    Halves,
    /// Halves, each the same as its reverse.
    HalvesBothWays,
}

/// How a bit of a word is brought to where it is looked at. It matters for speed alone.
#[derive(Clone, Copy)]
pub(super) enum How {
    /// Shifted there.
    Shifting,
    /// Turned there: then whole turns need not be taken off.
    Rotating,
}

impl How {
    /// Vectors of 512 bits turn each word by a number of its own, and narrower ones do not.
    #[inline(always)]
    pub(super) fn fastest<S: Simd>(_: S) -> Self {
        if size_of::<S::u64s>() < 64 {
            Self::Shifting
        } else {
            Self::Rotating
        }
    }
}

/// The half of a window that comes first.
pub(super) const HALF: u64 = 0xffff_ffff;

/// The bit by which capitals and small letters differ, in each byte.
const CASE: u64 = u64::from_le_bytes([0x20; 8]);

impl Filter {
    /// An empty filter with room for `count` windows or halves.
    pub(super) fn with_room(count: usize, kind: Kind, masks: &mut MaskStream) -> Self {
        let each = if kind == Kind::Text && count > MANY_WINDOWS {
            BITS_EACH_OF_TEXT
        } else {
            BITS_EACH
        };
        let bits = (count * each)
            .clamp(FEWEST_BITS, MOST_BITS)
            .max(count * LEAST_BITS_EACH);
        let words = (bits / 64).next_power_of_two();
        Self {
            words: vec![0; words].into(),
            key: masks.next_word(),
            // Large and odd: all bits of a half count in the middle of its product.
            factor: masks.next_word() | 0x8000_0001,
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

    /// How many bytes it takes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Whether nothing was inserted.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Inserts a window, in a filter of windows.
    #[inline(always)]
    pub(super) fn insert(&mut self, window: u64) {
        self.set(self.hash(window));
    }

    /// Inserts a half, in a filter of halves.
    #[inline(always)]
    pub(super) fn insert_half(&mut self, half: u64) {
        self.set(self.hash_half(half));
    }

    #[inline(always)]
    fn set(&mut self, hash: Hash) {
        self.words[self.place(hash)] |= hash.bits().iter().fold(0, |all, bit| all | 1 << bit);
        self.is_empty = false;
    }

    /// 1 if `half` may have been inserted, else 0, in a filter of halves, `BOTH_WAYS` or as they
    /// are.
    #[inline(always)]
    pub(super) fn passes_half<const BOTH_WAYS: bool>(&self, half: u64, how: How) -> u64 {
        let hash = if BOTH_WAYS {
            self.hash_half_both_ways(half)
        } else {
            self.hash_half_exact(half)
        };
        self.holds(hash, how)
    }

    /// 1 if `window` may have been inserted, else 0, in a filter of windows as they are.
    #[inline(always)]
    pub(super) fn passes_whole(&self, window: u64, how: How) -> u64 {
        self.holds(self.hash_whole(window), how)
    }

    /// Whether `window`, or both halves of it, may have been inserted, in a filter of any kind.
    pub(super) fn passes_any(&self, window: u64) -> bool {
        if matches!(self.kind, Kind::Whole | Kind::Text) {
            return self.holds(self.hash(window), How::Shifting) != 0;
        }
        let passes = |half| self.holds(self.hash_half(half), How::Shifting) != 0;
        passes(window & HALF) && passes(window >> 32)
    }

    /// 1 if all bits of this hash are set, else 0.
    #[inline(always)]
    fn holds(&self, hash: Hash, how: How) -> u64 {
        // By this the compiler sees that each place is one.
        if self.words.is_empty() {
            return 0;
        }
        let word = self.words[self.place(hash)];
        // One of them alone would do too often: each alarm is a branch that was guessed wrong.
        match how {
            How::Shifting => hash.bits().iter().fold(1, |all, bit| all & word >> bit),
            How::Rotating => {
                let turned = |all, turn: &u32| all & word.rotate_right(*turn);
                hash.turns().iter().fold(1, turned)
            }
        }
    }

    #[inline(always)]
    fn hash(&self, window: u64) -> Hash {
        if self.kind == Kind::Text {
            self.hash_text(window)
        } else {
            self.hash_whole(window)
        }
    }

    #[inline(always)]
    fn hash_whole(&self, window: u64) -> Hash {
        Hash::of_window((window ^ self.key).wrapping_mul(self.factor))
    }

    /// The same for a window and its reverse, and for capitals and small letters.
    #[inline(always)]
    fn hash_text(&self, window: u64) -> Hash {
        let window = window | CASE;
        Hash::of_window((window ^ self.key).wrapping_mul(window.swap_bytes() ^ self.key))
    }

    #[inline(always)]
    fn hash_half(&self, half: u64) -> Hash {
        if self.kind == Kind::HalvesBothWays {
            self.hash_half_both_ways(half)
        } else {
            self.hash_half_exact(half)
        }
    }

    #[inline(always)]
    fn hash_half_exact(&self, half: u64) -> Hash {
        Hash::of_half((half ^ self.key & HALF) * (self.factor & HALF))
    }

    /// The same for a half and its reverse.
    #[inline(always)]
    fn hash_half_both_ways(&self, half: u64) -> Hash {
        let reverse = half.swap_bytes() >> 32;
        Hash::of_half((half ^ self.key & HALF) * (reverse ^ self.key & HALF))
    }

    /// Where the word of a hash stands.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what the mask leaves is below the number of words"
    )]
    fn place(&self, hash: Hash) -> usize {
        hash.place as usize & (self.words.len() - 1)
    }
}

/// Where something stands in a filter.
#[derive(Clone, Copy)]
struct Hash {
    /// The lowest bits tell the word.
    place: u64,
    /// The lowest 18 tell the bits of it.
    bits: u64,
}

impl Hash {
    /// Of a product of which 64 bits were kept: the highest depend on every byte.
    #[inline(always)]
    fn of_window(product: u64) -> Self {
        Self {
            place: product.swap_bytes(),
            bits: product >> 26,
        }
    }

    /// Of a product of twice 32 bits: those in its middle do. 22 of them are enough for a filter of
    /// 32 MiB.
    #[inline(always)]
    fn of_half(product: u64) -> Self {
        Self {
            place: product >> 10,
            bits: product >> 32,
        }
    }

    #[inline(always)]
    fn bits(self) -> [u64; 3] {
        [0, 6, 12].map(|from| self.bits >> from & 63)
    }

    /// The same, and some times 64 more: so often all around a word is turned.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lowest six bits tell where it ends up"
    )]
    fn turns(self) -> [u32; 3] {
        [0, 6, 12].map(|from| (self.bits >> from) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 4] = [Kind::Whole, Kind::Text, Kind::Halves, Kind::HalvesBothWays];

    impl Filter {
        /// Inserts a window, or the halves of it.
        fn insert_any(&mut self, window: u64) {
            if matches!(self.kind, Kind::Whole | Kind::Text) {
                self.insert(window);
            } else {
                self.insert_half(window & HALF);
                self.insert_half(window >> 32);
            }
        }

        /// Whether a window, or the first half of it, may have been inserted: the same however it
        /// is asked.
        fn passes_one(&self, window: u64) -> bool {
            let [shifting, rotating] = [How::Shifting, How::Rotating].map(|how| match self.kind {
                Kind::Whole => self.passes_whole(window, how),
                Kind::Text => self.passes_any(window).into(),
                Kind::Halves => self.passes_half::<false>(window & HALF, how),
                Kind::HalvesBothWays => self.passes_half::<true>(window & HALF, how),
            });
            assert_eq!(shifting, rotating, "{window:x}");
            shifting != 0
        }
    }

    #[test]
    fn what_was_inserted_passes_and_what_is_the_same() {
        let mut masks = MaskStream::new(1);
        for kind in KINDS {
            let mut filter = Filter::with_room(2000, kind, &mut masks);
            let (mut reversed, mut capitals) = (0, 0);
            for _ in 0..1000 {
                let window = masks.next_word();
                filter.insert_any(window);
                assert!(filter.passes_any(window) && filter.passes_one(window));
                reversed += usize::from(filter.passes_any(window.swap_bytes()));
                capitals += usize::from(filter.passes_any(window ^ 0x20));
            }
            let is_expected = |count, is_same| if is_same { count == 1000 } else { count <= 100 };
            let is_same_reversed = matches!(kind, Kind::Text | Kind::HalvesBothWays);
            assert!(
                is_expected(reversed, is_same_reversed),
                "{kind:?}: {reversed}"
            );
            assert!(
                is_expected(capitals, kind == Kind::Text),
                "{kind:?}: {capitals}"
            );
        }
    }

    #[test]
    fn foreign_ones_seldom_pass_however_many_there_are() {
        let mut masks = MaskStream::new(2);
        for (count, most) in [(100, 10), (10_000, 50), (100_000, 300), (1_500_000, 2500)] {
            for kind in KINDS {
                let mut filter = Filter::with_room(count, kind, &mut masks);
                for _ in 0..count {
                    match kind {
                        Kind::Whole | Kind::Text => filter.insert(masks.next_word()),
                        _ => filter.insert_half(masks.next_word() & HALF),
                    }
                }
                let passed = |windows: &mut dyn FnMut(u64) -> u64| {
                    (0..10_000)
                        .filter(|nth| filter.passes_one(windows(*nth)))
                        .count()
                };
                let start = masks.next_word();
                // Memory is seldom random: there are counters in it too, and what differs little.
                let random = passed(&mut |_| masks.next_word());
                let counted = passed(&mut |nth| start.wrapping_add(nth));
                let alike = passed(&mut |nth| start ^ nth << 18);
                assert!(random <= most, "{kind:?}: {random} of 10,000 pass {count}");
                assert!(
                    counted <= 2 * most,
                    "{kind:?}: {counted} of 10,000 pass {count}"
                );
                assert!(
                    alike <= 2 * most,
                    "{kind:?}: {alike} of 10,000 pass {count}"
                );
            }
        }
    }
}
