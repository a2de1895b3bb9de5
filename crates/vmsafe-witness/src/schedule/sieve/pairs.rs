//! The coarse sieve: words apart by whether their number is even or odd.
//!
//! Of two adjacent words one has an odd number. So where a run holds two, every second word is
//! enough to find it; and they are read side by side from where they are put.

use pulp::Simd;
use pulp::bytemuck::{cast_slice, pod_read_unaligned};
use zeroize::Zeroize;

use super::{PAIR, REACH, REACH_BYTES, RELATIONS, Relation, STEP, STEP_BYTES};

/// So many steps are looked through at once: they stay in the first-level cache.
pub(super) const STEPS: usize = 64;
const ROOM: usize = (STEPS * STEP + REACH) / 2;

/// The words of some steps and of what they look at, wiped at its end.
pub(super) struct Pairs {
    even: Words,
    odd: Words,
}

/// They begin where a vector does.
#[repr(align(64))]
struct Words([u32; ROOM]);

impl Drop for Pairs {
    fn drop(&mut self) {
        self.even.0.zeroize();
        self.odd.0.zeroize();
    }
}

impl Pairs {
    pub(super) fn new() -> Self {
        Self {
            even: Words([0; ROOM]),
            odd: Words([0; ROOM]),
        }
    }

    /// A bit for each of the first `count` steps of `hay` in which a sum of any relation is zero at
    /// a word that counts.
    #[inline(always)]
    pub(super) fn suspects<S: Simd>(&mut self, simd: S, hay: &[u8], count: usize) -> u64 {
        self.fill(&hay[..count * STEP_BYTES + REACH_BYTES]);
        let mut suspects = 0;
        for nth in 0..count.min(STEPS) {
            suspects |= u64::from(self.is_suspect(simd, nth * STEP / 2)) << nth;
        }
        suspects
    }

    /// Puts the words of `bytes` in their places.
    #[inline(always)]
    fn fill(&mut self, bytes: &[u8]) {
        let words = bytes.as_chunks().0;
        let places = self.even.0.iter_mut().zip(&mut self.odd.0);
        for ([first, second], (even, odd)) in words.as_chunks().0.iter().zip(places) {
            *even = u32::from_le_bytes(*first);
            *odd = u32::from_le_bytes(*second);
        }
    }

    #[inline(always)]
    fn is_suspect<S: Simd>(&self, simd: S, pair: usize) -> bool {
        let mut least = simd.splat_u32s(u32::MAX);
        for at in (pair..pair + STEP / 2).step_by(S::U32_LANES) {
            // One by one: only so are the distances known to the compiler.
            least = simd.min_u32s(least, self.least(simd, &RELATIONS[0], at));
            least = simd.min_u32s(least, self.least(simd, &RELATIONS[1], at));
            least = simd.min_u32s(least, self.least(simd, &RELATIONS[2], at));
            least = simd.min_u32s(least, self.least(simd, &RELATIONS[3], at));
            least = simd.min_u32s(least, self.least(simd, &RELATIONS[4], at));
            least = simd.min_u32s(least, self.least(simd, &RELATIONS[5], at));
        }
        let zeros = simd.equal_u32s(least, simd.splat_u32s(0));
        simd.first_true_m32s(zeros) < S::U32_LANES
    }

    /// Zero where a sum is at a word that counts, of as many pairs as a vector holds.
    #[inline(always)]
    fn least<S: Simd>(&self, simd: S, relation: &Relation, pair: usize) -> S::u32s {
        let odd = self.sums(simd, relation, 2 * pair + 1);
        if relation.run >= PAIR {
            return odd;
        }
        simd.min_u32s(odd, self.sums(simd, relation, 2 * pair))
    }

    /// The sums of the words `number`, `number + 2` …, as many as a vector holds.
    #[inline(always)]
    fn sums<S: Simd>(&self, simd: S, relation: &Relation, number: usize) -> S::u32s {
        let one = self.words(simd, number);
        let two = self.words(simd, number + relation.a);
        let three = self.words(simd, number + relation.b);
        simd.xor_u32s(simd.xor_u32s(one, two), three)
    }

    #[inline(always)]
    fn words<S: Simd>(&self, _: S, number: usize) -> S::u32s {
        let at = number / 2;
        let is_even = number.is_multiple_of(2);
        let words = if is_even { &self.even } else { &self.odd };
        pod_read_unaligned(cast_slice(&words.0[at..at + S::U32_LANES]))
    }
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
            Pairs::new().suspects(simd, self.0, STEPS)
        }
    }

    /// Noise in which one sum is zero: of the word `number`.
    fn with_zero_sum(relation: &Relation, number: usize) -> Vec<u8> {
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
                1000,
                1001,
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
