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
//! wherever the schedule begins: only aligned words need testing, and that is vector work.

use super::layout::Order;

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

/// The words that one step tests, and how far behind them a relation reaches.
const STEP: usize = 16;
const REACH: usize = 9;
const STEP_BYTES: usize = 4 * STEP;
const REACH_BYTES: usize = 4 * REACH;

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
        let is_zero = |&p: &usize| self.sum(hay, p) == Some(0);
        let behind = (at..hay.len()).take_while(is_zero).count();
        let before = (0..at)
            .rev()
            .take(self.run + MOST_EXTRA)
            .take_while(is_zero)
            .count();
        let run = at - before..at + behind;
        if (self.run..=self.run + MOST_EXTRA).contains(&run.len()) {
            Ok(run)
        } else {
            Err(run.end)
        }
    }

    fn sum(&self, hay: &[u8], p: usize) -> Option<u8> {
        Some(hay.get(p)? ^ hay.get(p + 4 * self.a)? ^ hay.get(p + 4 * self.b)?)
    }
}

/// Calls `found` with each relation and place where an aligned word of it is zero.
pub(super) fn sweep(hay: &[u8], found: &mut dyn FnMut(&'static Relation, usize)) {
    // The vector instructions that this processor has.
    let vectors = pulp::Arch::new();
    let mut at = 0;
    loop {
        at = vectors.dispatch(Next { hay, at });
        let Some(chunk) = hay.get(at..at + STEP_BYTES + REACH_BYTES) else {
            break;
        };
        let empty = |chunk: &&[u8]| chunk.iter().fold(0, |any, byte| any | byte) == 0;
        let zeros = STEP_BYTES * hay[at..].chunks_exact(STEP_BYTES).take_while(empty).count();
        if zeros >= STEP_BYTES + REACH_BYTES {
            at += (zeros - REACH_BYTES) / 4 * 4;
        } else {
            report(chunk, at, found);
            at += STEP_BYTES;
        }
    }
    // The end, made as long as a step by bytes whose sum is not zero.
    let rest = &hay[at.min(hay.len())..];
    let mut chunk = [0xff; STEP_BYTES + REACH_BYTES];
    for start in (0..rest.len()).step_by(STEP_BYTES) {
        let end = rest.len().min(start + chunk.len());
        chunk.fill(0xff);
        chunk[..end - start].copy_from_slice(&rest[start..end]);
        report(&chunk, at + start, found);
    }
}

/// The search for the next step with a zero word, or for the first place that is no whole step.
struct Next<'a> {
    hay: &'a [u8],
    at: usize,
}

impl pulp::NullaryFnOnce for Next<'_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let mut at = self.at;
        while let Some(chunk) = self.hay.get(at..at + STEP_BYTES + REACH_BYTES) {
            if any_zero(&words(chunk)) {
                return at;
            }
            at += STEP_BYTES;
        }
        at
    }
}

#[inline(always)]
fn words(chunk: &[u8]) -> [u32; STEP + REACH] {
    let bytes = chunk.as_chunks().0;
    core::array::from_fn(|nth| u32::from_le_bytes(bytes[nth]))
}

/// Whether a word of any relation is zero.
#[inline(always)]
fn any_zero(words: &[u32; STEP + REACH]) -> bool {
    let mut zeros = [0_u32; STEP];
    for relation in &RELATIONS {
        for nth in 0..STEP {
            let sum = words[nth] ^ words[nth + relation.a] ^ words[nth + relation.b];
            zeros[nth] |= u32::from(sum == 0);
        }
    }
    zeros.iter().fold(0, |any, zero| any | zero) != 0
}

#[cold]
fn report(chunk: &[u8], base: usize, found: &mut dyn FnMut(&'static Relation, usize)) {
    let words = words(chunk);
    for relation in &RELATIONS {
        for nth in 0..STEP {
            if words[nth] ^ words[nth + relation.a] ^ words[nth + relation.b] == 0 {
                found(relation, base + 4 * nth);
            }
        }
    }
}
