//! The loop that all bytes go through: what may be a needle's?

use pulp::bytemuck::pod_read_unaligned;
use pulp::{Simd, WithSimd};

use super::windows::{HALF_LEN, WINDOW};

/// A batch of which something passes.
pub(super) struct Passed {
    pub(super) at: usize,
    /// A bit for each step of the batch where it does; none at the first place where no whole batch
    /// is left.
    pub(super) steps: u64,
}

/// What is looked up.
pub(super) trait Class: Copy {
    /// Runs the search with the vector instructions that suit it.
    fn search<S: WithSimd>(self, search: S) -> S::Output;

    /// How many bytes lie from one that is looked up to the next, among patterns of this stride.
    fn step(self, stride: usize) -> usize {
        stride
    }

    /// How many bytes before what is looked up a window that holds it may begin.
    fn ahead(self) -> usize {
        0
    }

    /// The bytes of a batch, in which what is looked up begins.
    fn bytes(self, stride: usize) -> usize;

    /// A bit for each step from `at` on where what may be in the filter begins. It lies in `batch`.
    fn passed<const STRIDE: usize, S: Simd>(
        self,
        simd: S,
        hay: &[u8],
        at: usize,
        batch: &[u8],
    ) -> u64;

    /// Whether what begins at `at` may be in the filter.
    fn passes_at(self, hay: &[u8], at: usize) -> bool;
}

/// How many bytes of what follows a batch has too.
const BEHIND: usize = WINDOW + HALF_LEN;

/// The search for the next batch of which something passes.
pub(super) struct Next<'a, const STRIDE: usize, C> {
    pub(super) class: C,
    pub(super) hay: &'a [u8],
    pub(super) at: usize,
}

impl<const STRIDE: usize, C: Class> WithSimd for Next<'_, STRIDE, C> {
    type Output = Passed;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Passed {
        let Self { class, hay, .. } = self;
        let mut at = self.at;
        let bytes = class.bytes(STRIDE);
        while let Some(batch) = hay.get(at..at + bytes + BEHIND) {
            let steps = class.passed::<STRIDE, S>(simd, hay, at, batch);
            if steps != 0 {
                return Passed { at, steps };
            }
            at += bytes;
        }
        Passed { at, steps: 0 }
    }
}

/// As many adjacent windows as a vector holds, from the `nth` of a batch on.
#[inline(always)]
pub(super) fn adjacent<S: Simd>(_: S, batch: &[u8], nth: usize) -> S::u64s {
    pod_read_unaligned(&batch[nth * WINDOW..(nth + S::U64_LANES) * WINDOW])
}

/// Sets the bits with these numbers.
pub(super) fn bits(numbers: impl Iterator<Item = usize>) -> u64 {
    numbers.fold(0, |bits, number| bits | 1 << number)
}

/// The numbers of the bits that are set.
pub(super) fn ones(mut bits: u128) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let nth = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(nth)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::vectors;

    /// All that passes in `hay`, batch by batch, on which vectors of each kind must agree.
    pub(in crate::searcher) fn all_passed<const STRIDE: usize>(
        class: impl Class,
        hay: &[u8],
    ) -> Vec<usize> {
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let [first, others @ ..] = vectors::all(|| Next::<STRIDE, _> { class, hay, at });
            for other in others {
                assert_eq!((first.at, first.steps), (other.at, other.steps));
            }
            if first.steps == 0 {
                return found;
            }
            let step = class.step(STRIDE);
            found.extend(ones(first.steps.into()).map(|nth| first.at + nth * step));
            at = first.at + class.bytes(STRIDE);
        }
    }
}
