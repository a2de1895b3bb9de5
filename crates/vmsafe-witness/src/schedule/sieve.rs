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

use pulp::bytemuck::pod_read_unaligned;

use super::layout::Order;
use crate::vectors::widest;

use pairs::{Pairs, STEPS};

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
    fn places(&self, words: &[u32; STEP + REACH]) -> u64 {
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
        found,
    };
    let mut at = 0;
    while let Some(rest) = hay.get(at..).filter(|rest| rest.len() >= size_of::<Step>()) {
        let count = ((rest.len() - REACH_BYTES) / STEP_BYTES).min(STEPS);
        let pairs = &mut pairs;
        let mut steps = widest(Steps {
            hay: rest,
            count,
            pairs,
        });
        while steps != 0 {
            let start = STEP_BYTES * steps.trailing_zeros() as usize;
            if let Some(step) = rest[start..].first_chunk() {
                report.step(step, at + start);
            }
            steps &= steps - 1;
        }
        at += count * STEP_BYTES;
    }
    // The end, made as long as a step by bytes whose sum is not zero.
    let rest = &hay[at.min(hay.len())..];
    let mut chunk = [0xff; STEP_BYTES + REACH_BYTES];
    for start in (0..rest.len()).step_by(STEP_BYTES) {
        let end = rest.len().min(start + chunk.len());
        chunk.fill(0xff);
        chunk[..end - start].copy_from_slice(&rest[start..end]);
        report.step(&chunk, at + start);
    }
}

/// The search for steps with a place to look at, among the first ones of `hay`: a bit for each.
struct Steps<'a> {
    hay: &'a [u8],
    count: usize,
    pairs: &'a mut Pairs,
}

impl pulp::WithSimd for Steps<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> u64 {
        let mut suspects = self.pairs.suspects(simd, self.hay, self.count);
        let mut steps = 0;
        while suspects != 0 {
            let nth = suspects.trailing_zeros() as usize;
            suspects &= suspects - 1;
            if let Some(step) = self.hay[STEP_BYTES * nth..].first_chunk() {
                steps |= u64::from(!is_empty(step) && has_place(simd, step)) << nth;
            }
        }
        steps
    }
}

#[inline(always)]
fn is_empty(step: &Step) -> bool {
    let words = step.as_chunks().0.iter();
    words.fold(0, |any, word| any | u64::from_ne_bytes(*word)) == 0
}

/// Whether there is a place that [`Relation::places`] tells.
#[inline(always)]
fn has_place<S: pulp::Simd>(simd: S, step: &Step) -> bool {
    let mut least = simd.splat_u32s(u32::MAX);
    let mut base = 0;
    while base < STEP_BYTES {
        // One by one: only so are the distances known to the compiler.
        least = simd.min_u32s(least, RELATIONS[0].test::<S>(simd, step, base));
        least = simd.min_u32s(least, RELATIONS[1].test::<S>(simd, step, base));
        least = simd.min_u32s(least, RELATIONS[2].test::<S>(simd, step, base));
        least = simd.min_u32s(least, RELATIONS[3].test::<S>(simd, step, base));
        least = simd.min_u32s(least, RELATIONS[4].test::<S>(simd, step, base));
        least = simd.min_u32s(least, RELATIONS[5].test::<S>(simd, step, base));
        base += 4 * S::U32_LANES;
    }
    let zeros = simd.equal_u32s(least, simd.splat_u32s(0));
    simd.first_true_m32s(zeros) < S::U32_LANES
}

impl Relation {
    /// As many words as a vector holds, from `base` of a step on: zero where a place is.
    #[inline(always)]
    fn test<S: pulp::Simd>(&self, simd: S, step: &Step, base: usize) -> S::u32s {
        let first = self.full_sums(simd, step, base);
        if self.run < PAIR {
            return first;
        }
        simd.or_u32s(first, self.full_sums(simd, step, base + 4))
    }

    /// The sums, and something else than zero where one of the three words is zero.
    #[inline(always)]
    fn full_sums<S: pulp::Simd>(&self, simd: S, step: &Step, base: usize) -> S::u32s {
        let words = |distance: usize| -> S::u32s {
            let start = base + 4 * distance;
            pod_read_unaligned(&step[start..start + 4 * S::U32_LANES])
        };
        let (one, two, three) = (words(0), words(self.a), words(self.b));
        let sum = simd.xor_u32s(simd.xor_u32s(one, two), three);
        let least = simd.min_u32s(one, simd.min_u32s(two, three));
        let is_empty = simd.equal_u32s(least, simd.splat_u32s(0));
        simd.select_u32s(is_empty, simd.splat_u32s(u32::MAX), sum)
    }
}

/// Tells the places of one step.
struct Reporter<'a> {
    /// Up to where each relation has been looked into.
    done: [usize; RELATIONS.len()],
    found: &'a mut dyn FnMut(&'static Relation, usize) -> usize,
}

impl Reporter<'_> {
    #[cold]
    fn step(&mut self, chunk: &Step, base: usize) {
        let bytes = chunk.as_chunks().0;
        let words: [u32; STEP + REACH] = core::array::from_fn(|nth| u32::from_le_bytes(bytes[nth]));
        for (relation, done) in RELATIONS.iter().zip(&mut self.done) {
            if *done >= base + STEP_BYTES {
                continue;
            }
            let mut places = relation.places(&words);
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
