//! The fast part: where in memory could a schedule be?
//!
//! Within a key group each word is the sum of the word before it and the word a key's length
//! before it. So for two fixed distances `a` and `b`
//!
//! ```text
//! x[p] = byte[p] ^ byte[p + a] ^ byte[p + b]
//! ```
//!
//! is zero over runs of 8, 12 or 20 bytes, in any schedule, in either byte order, and before or
//! after `InvMixColumns`, since that is linear. Each such run holds an aligned word of zeros,
//! wherever the schedule begins, and a run of 12 bytes two adjacent ones: only aligned words need
//! testing, and that is vector work.

mod pairs;

use pulp::bytemuck::{cast_slice, pod_read_unaligned};
use zeroize::Zeroizing;

use super::layout::Order;
use crate::vectors::{is_empty, narrower};

use pairs::{CHUNK_BYTES, Chunk, Pairs, STEPS};

/// One relation to test, and what a run of zeros would mean.
#[derive(Debug)]
pub(super) struct Relation {
    /// The distances, in words.
    a: usize,
    b: usize,
    /// The bytes of a run.
    pub(super) run: usize,
    pub(super) key_words: usize,
    pub(super) order: Order,
    /// Where the first word of a key group may stand, in bytes from the start of a run.
    pub(super) group_at: &'static [isize],
}

/// For each key length the relation of the forward and of the reversed order.
pub(super) const RELATIONS: [Relation; 6] = [
    Relation {
        a: 3,
        b: 4,
        run: 12,
        key_words: 4,
        order: Order::Forward,
        group_at: &[12],
    },
    Relation {
        a: 5,
        b: 6,
        run: 20,
        key_words: 6,
        order: Order::Forward,
        group_at: &[20],
    },
    Relation {
        a: 7,
        b: 8,
        run: 12,
        key_words: 8,
        order: Order::Forward,
        group_at: &[28, 12],
    },
    Relation {
        a: 1,
        b: 5,
        run: 12,
        key_words: 4,
        order: Order::Reversed,
        group_at: &[0],
    },
    Relation {
        a: 1,
        b: 3,
        run: 8,
        key_words: 6,
        order: Order::Reversed,
        group_at: &[-4, -20],
    },
    Relation {
        a: 1,
        b: 9,
        run: 12,
        key_words: 8,
        order: Order::Reversed,
        group_at: &[0, -16],
    },
];

/// The words that one step tests, and how far behind them it looks: a relation's distance, and one
/// word more for a pair.
const STEP: usize = 32;
const REACH: usize = 10;
const STEP_BYTES: usize = 4 * STEP;
const REACH_BYTES: usize = 4 * REACH;
type Step = [u8; STEP_BYTES + REACH_BYTES];

/// The shortest run that holds two adjacent aligned words, wherever it begins.
const PAIR: usize = 11;

/// Longer runs are no schedule: at each end of a run chance can only add what is left of the next
/// word.
const MOST_EXTRA: usize = 8;

impl Relation {
    /// The zero bytes around the zero word at `at`, if they can be a run of this relation.
    /// Otherwise up to where there is nothing to find.
    pub(super) fn run_around(
        &self,
        hay: &[u8],
        at: usize,
    ) -> Result<core::ops::Range<usize>, usize> {
        // One byte more than it may have is enough to see that a run is too long.
        let most = self.run + MOST_EXTRA + 1;
        let behind = self.zeros(hay, at, most);
        let is_zero = |&p: &usize| self.sum(hay, p) == Some(0);
        let before = (at.saturating_sub(most)..at)
            .rev()
            .take_while(is_zero)
            .count();
        let run = at - before..at + behind;
        if (self.run..most).contains(&run.len()) {
            Ok(run)
        } else {
            Err(run.end)
        }
    }

    /// How many sums from `at` on are zero, `most` at most.
    fn zeros(&self, hay: &[u8], at: usize, most: usize) -> usize {
        let mut count = 0;
        while count < most {
            let Some(sum) = self.sum_of_eight(hay, at + count) else {
                let is_zero = |p: &usize| self.sum(hay, *p) == Some(0);
                return count + (at + count..at + most).take_while(is_zero).count();
            };
            if sum != 0 {
                return (count + sum.trailing_zeros() as usize / 8).min(most);
            }
            count += 8;
        }
        most
    }

    /// A bit for each word of a step that may lie in a run.
    ///
    /// Much of memory is full of zeros and of what stands twice. A word of a schedule is zero once
    /// in four thousand million, or in the first groups of a key of zeros: other runs tell that.
    fn places(&self, words: &Words) -> u64 {
        let zeros = (0..=STEP).fold(0_u64, |zeros, nth| {
            let three = [words[nth], words[nth + self.a], words[nth + self.b]];
            let is_sum = three[0] ^ three[1] == three[2] && !three.contains(&0);
            zeros | u64::from(is_sum) << nth
        });
        let places = if self.run < PAIR {
            zeros
        } else {
            zeros & zeros >> 1
        };
        places & ((1 << STEP) - 1)
    }

    fn sum(&self, hay: &[u8], p: usize) -> Option<u8> {
        Some(hay.get(p)? ^ hay.get(p + 4 * self.a)? ^ hay.get(p + 4 * self.b)?)
    }

    fn sum_of_eight(&self, hay: &[u8], p: usize) -> Option<u64> {
        let eight = |at: usize| Some(u64::from_le_bytes(*hay.get(at..)?.first_chunk()?));
        Some(eight(p)? ^ eight(p + 4 * self.a)? ^ eight(p + 4 * self.b)?)
    }
}

/// Calls `found` with each relation and place where an aligned word of it is zero. What it returns
/// is the place before which this relation need not be looked at again.
pub(super) fn sweep(hay: &[u8], found: &mut dyn FnMut(&'static Relation, usize) -> usize) {
    let mut pairs = Pairs::new();
    let mut report = Reporter {
        done: [0; RELATIONS.len()],
        words: Zeroizing::new([0; STEP + REACH]),
        found,
    };
    let mut end = Zeroizing::new([0; size_of::<Chunk>()]);
    for at in (0..hay.len()).step_by(CHUNK_BYTES) {
        let rest = &hay[at..];
        let chunk = rest.first_chunk().unwrap_or_else(|| {
            // Bytes whose sum is not zero make it as long as a chunk.
            end.fill(0xff);
            end[..rest.len()].copy_from_slice(rest);
            &end
        });
        // What is not empty seldom begins with many zeros.
        if chunk.starts_with(&[0; 64]) && is_empty(chunk) {
            continue;
        }
        // Of wider vectors each would be read across a border of the cache's lines.
        let mut steps = narrower(Steps {
            chunk,
            pairs: &mut pairs,
        });
        while steps != 0 {
            let nth = steps.trailing_zeros() as usize;
            report.step(step(chunk, nth), at + nth * STEP_BYTES);
            steps &= steps - 1;
        }
    }
}

/// One of the steps of a chunk.
#[inline(always)]
fn step(chunk: &Chunk, nth: usize) -> &Step {
    let start = nth % STEPS * STEP_BYTES;
    chunk[start..]
        .first_chunk()
        .expect("a chunk holds what its last step looks at")
}

/// The search for steps of a chunk with a place to look at: a bit for each.
struct Steps<'a> {
    chunk: &'a Chunk,
    pairs: &'a mut Pairs,
}

impl pulp::WithSimd for Steps<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> u64 {
        let mut suspects = self.pairs.suspects(simd, self.chunk);
        let mut steps = 0;
        while suspects != 0 {
            let nth = suspects.trailing_zeros() as usize;
            suspects &= suspects - 1;
            steps |= u64::from(has_place(simd, step(self.chunk, nth))) << nth;
        }
        steps
    }
}

/// The words of a step and of what it looks at.
type Words = [u32; STEP + REACH];

/// What stands for zeros, so that a sum with one of them is zero by chance alone, once in four
/// thousand million, and never one of these three alone.
const MARKS: Words = {
    let mut marks = [0; STEP + REACH];
    let (mut nth, mut mark) = (0, 0_u32);
    while nth < marks.len() {
        mark = mark.wrapping_add(0x9e37_79b9);
        marks[nth] = mark;
        nth += 1;
    }
    marks
};

/// Whether there is a place that [`Relation::places`] tells.
#[inline(always)]
fn has_place<S: pulp::Simd>(simd: S, step: &Step) -> bool {
    let mut least = simd.splat_u32s(u32::MAX);
    for at in (0..STEP).step_by(S::U32_LANES) {
        // One by one: only so are the distances known to the compiler.
        least = simd.min_u32s(least, RELATIONS[0].test(simd, step, at));
        least = simd.min_u32s(least, RELATIONS[1].test(simd, step, at));
        least = simd.min_u32s(least, RELATIONS[2].test(simd, step, at));
        least = simd.min_u32s(least, RELATIONS[3].test(simd, step, at));
        least = simd.min_u32s(least, RELATIONS[4].test(simd, step, at));
        least = simd.min_u32s(least, RELATIONS[5].test(simd, step, at));
    }
    let zeros = simd.equal_u32s(least, simd.splat_u32s(0));
    simd.first_true_m32s(zeros) < S::U32_LANES
}

impl Relation {
    /// As many words as a vector holds, from word `at` on: zero where a place is.
    #[inline(always)]
    fn test<S: pulp::Simd>(&self, simd: S, step: &Step, at: usize) -> S::u32s {
        let first = self.sums(simd, step, at);
        if self.run < PAIR {
            return first;
        }
        simd.or_u32s(first, self.sums(simd, step, at + 1))
    }

    #[inline(always)]
    fn sums<S: pulp::Simd>(&self, simd: S, step: &Step, at: usize) -> S::u32s {
        let words = |distance| full_words(simd, step, at + distance);
        simd.xor_u32s(simd.xor_u32s(words(0), words(self.a)), words(self.b))
    }
}

/// As many words from `at` on as a vector holds, those that are zero marked.
#[inline(always)]
fn full_words<S: pulp::Simd>(simd: S, step: &Step, at: usize) -> S::u32s {
    let words = pod_read_unaligned(&step[4 * at..4 * (at + S::U32_LANES)]);
    let marks = pod_read_unaligned(cast_slice(&MARKS[at..at + S::U32_LANES]));
    simd.select_u32s(simd.equal_u32s(words, simd.splat_u32s(0)), marks, words)
}

/// Tells the places of one step.
struct Reporter<'a> {
    /// Up to where each relation has been looked into.
    done: [usize; RELATIONS.len()],
    /// Of the step, wiped at the end of all.
    words: Zeroizing<Words>,
    found: &'a mut dyn FnMut(&'static Relation, usize) -> usize,
}

impl Reporter<'_> {
    #[cold]
    fn step(&mut self, chunk: &Step, base: usize) {
        for (word, bytes) in self.words.iter_mut().zip(chunk.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        for (relation, done) in RELATIONS.iter().zip(&mut self.done) {
            if *done >= base + STEP_BYTES {
                continue;
            }
            let mut places = relation.places(&self.words);
            while places != 0 {
                let at = base + 4 * places.trailing_zeros() as usize;
                if at >= *done {
                    *done = (self.found)(relation, at);
                }
                places &= places - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masked::MaskStream;
    use crate::vectors;

    struct HasPlace<'a>(&'a Step);

    impl pulp::WithSimd for HasPlace<'_> {
        type Output = bool;

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, simd: S) -> bool {
            has_place(simd, self.0)
        }
    }

    #[test]
    fn a_step_has_a_place_if_a_relation_tells_one() {
        let mut masks = MaskStream::new(9);
        let mut told = [0; 2];
        for _ in 0..20_000 {
            let mut random = |end| usize::from(masks.next_word().to_le_bytes()[0]) % end;
            // Words of few values, and many zeros.
            let mut words: Words =
                core::array::from_fn(|_| [0, 0, 0, 1, 2, 3, 7, 1 << 31][random(8)]);
            let empty = random(words.len());
            words[empty..].fill(0);
            let mut step = [0; STEP_BYTES + REACH_BYTES];
            for (bytes, word) in step.as_chunks_mut().0.iter_mut().zip(words) {
                *bytes = u32::to_le_bytes(word);
            }
            let expected = RELATIONS
                .iter()
                .any(|relation| relation.places(&words) != 0);
            assert_eq!(vectors::all(|| HasPlace(&step)), [expected; 4], "{words:?}");
            told[usize::from(expected)] += 1;
        }
        assert!(told.iter().all(|count| *count > 1000), "{told:?}");
    }
}
