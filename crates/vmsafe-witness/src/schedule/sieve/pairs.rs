//! The coarse sieve: every second word, and of each the sum of its halves.
//!
//! Of two adjacent words one has an odd number. So where a run holds two, every second word is
//! enough to find it. And a sum that is zero is zero in halves that are added: it is so by chance
//! once in 65,536, and all suspects are looked at closer.
//!
//! ```text
//! regions   | e o e o e o … | e o e o e o … | e o e o e o … | e o e o e o … |   words of 32 bits
//!
//! even        eeee eeee eeee …     words of 64 bits: two bytes for each region
//! odd         oooo oooo oooo …
//! both        xxxx xxxx xxxx …     the sums of the two
//! ```
//!
//! So all regions are looked through at once, and what stands two words behind another stands one
//! place behind it.

use pulp::Simd;
use pulp::bytemuck::{cast, cast_slice, pod_read_unaligned};
use zeroize::Zeroize;

use super::{PAIR, REACH, REACH_BYTES, RELATIONS, Relation, STEP, STEP_BYTES};

/// So many steps are looked through at once: they stay in the first-level cache.
pub(super) const STEPS: usize = 64;
pub(super) const CHUNK_BYTES: usize = STEPS * STEP_BYTES;
/// Some steps, and what they look at.
pub(super) type Chunk = [u8; CHUNK_BYTES + REACH_BYTES];

const REGIONS: usize = 4;
const REGION_BYTES: usize = CHUNK_BYTES / REGIONS;
/// Pairs of words in a step.
const STEP_PAIRS: usize = STEP / 2;
const PAIR_BYTES: usize = 8;
const ROOM: usize = (REGION_BYTES + REACH_BYTES) / PAIR_BYTES;

/// The lower half of each of two words.
const LOWER: u64 = 0x0000_ffff_0000_ffff;
/// The first of two words.
const FIRST: u64 = 0xffff_ffff;
/// The lowest bit of each two bytes.
const ONES: u64 = 0x0001_0001_0001_0001;

// What `least` takes as given.
const _: () = {
    let mut nth = 0;
    while nth < RELATIONS.len() {
        let Relation { a, b, .. } = RELATIONS[nth];
        assert!(b == a + 1 && b % 2 == 0 || a == 1 && b % 2 == 1);
        assert!(b < REACH);
        nth += 1;
    }
    assert!(STEPS == 64 && STEPS / REGIONS == 16);
};

/// What is kept of the words of some steps and of what they look at, wiped at its end.
pub(super) struct Pairs {
    even: Words,
    odd: Words,
    both: Words,
}

/// They begin where a vector does.
#[repr(align(64))]
struct Words([u64; ROOM]);

impl Drop for Pairs {
    fn drop(&mut self) {
        for words in [&mut self.even, &mut self.odd, &mut self.both] {
            words.0.zeroize();
        }
    }
}

impl Pairs {
    pub(super) fn new() -> Self {
        let words = || Words([0; ROOM]);
        Self {
            even: words(),
            odd: words(),
            both: words(),
        }
    }

    /// A bit for each step of `chunk` in which a sum of any relation may be zero at a word that
    /// counts.
    #[inline(always)]
    pub(super) fn suspects<S: Simd>(&mut self, simd: S, chunk: &Chunk) -> u64 {
        self.fill(chunk);
        let mut suspects = 0;
        for nth in 0..STEPS / REGIONS {
            // A bit for each region, whose steps lie side by side.
            suspects |= self.suspects_at(simd, nth * STEP_PAIRS) << nth;
        }
        suspects
    }

    /// Puts the words' sums into their places.
    #[inline(always)]
    fn fill(&mut self, chunk: &Chunk) {
        let region = |nth: usize| {
            let region = &chunk[nth * REGION_BYTES..][..REGION_BYTES + REACH_BYTES];
            region.as_chunks().0.iter().copied().map(u64::from_le_bytes)
        };
        let pairs = region(0).zip(region(1)).zip(region(2).zip(region(3)));
        let Self { even, odd, both } = self;
        let places = even.0.iter_mut().zip(&mut odd.0).zip(&mut both.0);
        for (((one, two), (three, four)), ((even, odd), both)) in pairs.zip(places) {
            let lower = (one ^ one >> 16) & LOWER | (two ^ two << 16) & !LOWER;
            let upper = (three ^ three >> 16) & LOWER | (four ^ four << 16) & !LOWER;
            *even = lower & FIRST | upper << 32;
            *odd = lower >> 32 | upper & !FIRST;
            *both = *even ^ *odd;
        }
    }

    /// Whether the step is suspect that begins with this `pair`: the lowest bit of two bytes for
    /// each region.
    #[inline(always)]
    fn suspects_at<S: Simd>(&self, simd: S, pair: usize) -> u64 {
        let mut least = simd.splat_u16s(u16::MAX);
        for at in (pair..pair + STEP_PAIRS).step_by(S::U64_LANES) {
            // One by one: only so are the distances known to the compiler.
            least = simd.min_u16s(least, self.least(simd, &RELATIONS[0], at));
            least = simd.min_u16s(least, self.least(simd, &RELATIONS[1], at));
            least = simd.min_u16s(least, self.least(simd, &RELATIONS[2], at));
            least = simd.min_u16s(least, self.least(simd, &RELATIONS[3], at));
            least = simd.min_u16s(least, self.least(simd, &RELATIONS[4], at));
            least = simd.min_u16s(least, self.least(simd, &RELATIONS[5], at));
        }
        let is_set: [S::u64s; 1] = [cast(simd.min_u16s(least, simd.splat_u16s(1)))];
        let all = cast_slice(&is_set).iter();
        ONES & !all.fold(ONES, |all, words: &u64| all & words)
    }

    /// Zero where a sum is at a word that counts: of as many pairs as a vector holds words of 64
    /// bits, in each region.
    #[inline(always)]
    fn least<S: Simd>(&self, simd: S, relation: &Relation, pair: usize) -> S::u16s {
        let Relation { a, b, run, .. } = *relation;
        let even = |at| words(simd, &self.even, at);
        let odd = |at| words(simd, &self.odd, at);
        let both = |at| words(simd, &self.both, at);
        // The first of the three words has an odd number.
        let others = if b == a + 1 {
            both(pair + b / 2)
        } else {
            simd.xor_u16s(even(pair + 1), even(pair + b.div_ceil(2)))
        };
        let sums = simd.xor_u16s(odd(pair), others);
        if run >= PAIR {
            return sums;
        }
        simd.min_u16s(sums, simd.xor_u16s(both(pair), odd(pair + b / 2)))
    }
}

/// As many words from `at` on as a vector holds.
#[inline(always)]
fn words<S: Simd>(_: S, words: &Words, at: usize) -> S::u16s {
    pod_read_unaligned(cast_slice(&words.0[at..at + S::U64_LANES]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    struct Suspects<'a>(&'a [u8]);

    impl pulp::WithSimd for Suspects<'_> {
        type Output = u64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> u64 {
            Pairs::new().suspects(simd, self.0.first_chunk().unwrap())
        }
    }

    /// Noise in which one sum is zero: of the word `number`.
    fn with_zero_sum(relation: &Relation, number: usize) -> Vec<u8> {
        // With other seeds some halves are zero by chance.
        let mut masks = crate::masked::MaskStream::new(3);
        let mut words: Vec<u64> = Vec::new();
        words.resize_with((STEPS * STEP + REACH) / 2, || masks.next_word());
        let mut words: Vec<u32> = cast_slice(&words).to_vec();
        words[number + relation.b] = words[number] ^ words[number + relation.a];
        words.into_iter().flat_map(u32::to_le_bytes).collect()
    }

    #[test]
    fn all_vectors_suspect_the_same_steps() {
        for relation in &RELATIONS {
            for number in [
                0,
                1,
                30,
                31,
                32,
                33,
                511,
                512,
                1000,
                1001,
                1535,
                STEPS * STEP - 2,
                STEPS * STEP - 1,
            ] {
                let hay = with_zero_sum(relation, number);
                let counts = relation.run < PAIR || !number.is_multiple_of(2);
                let expected = u64::from(counts) << (number / STEP);
                assert_eq!(
                    vectors::all(|| Suspects(&hay)),
                    [expected; 4],
                    "{relation:?} {number}"
                );
            }
        }
    }
}
