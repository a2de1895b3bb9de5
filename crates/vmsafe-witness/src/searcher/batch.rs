//! The loop that all bytes go through: which windows may be a needle's?

use pulp::bytemuck::{cast_slice, pod_read_unaligned};
use pulp::{Simd, WithSimd};

use super::alphabet::Alphabet;
use super::filter::Filter;
use super::look_up::fastest_at_looking_up;
use super::windows::{WINDOW, load};
use crate::vectors::widest;

/// How many windows are looked at before the first branch.
pub(super) const BATCH: usize = 8;

/// A batch with windows that pass.
pub(super) struct Passed {
    pub(super) at: usize,
    /// A bit for each window that passed; none at the first place where no whole batch is left.
    pub(super) windows: u32,
}

/// Which windows are looked for.
pub(super) trait Class: Copy {
    /// Runs the search with the vector instructions that suit it.
    fn search<S: WithSimd>(self, search: S) -> S::Output;

    /// A bit for each of the windows from `at` on that may be in the filter. They lie in `batch`.
    fn passed<const STRIDE: usize, S: Simd>(
        self,
        simd: S,
        hay: &[u8],
        at: usize,
        batch: &[u8],
    ) -> u32;
}

#[inline(always)]
fn windows<const STRIDE: usize>(batch: &[u8]) -> [u64; BATCH] {
    core::array::from_fn(|nth| load(&batch[nth * STRIDE..]))
}

/// Windows of patterns that are no text: they may stand anywhere.
#[derive(Clone, Copy)]
pub(super) struct Binary<'a> {
    pub(super) filter: &'a Filter,
}

/// Windows of patterns that are text from end to end: they stand in text of the same alphabet.
///
/// That is told without a look into any table. Text is rare enough for its filter to be out of the
/// caches, and an answer from memory takes as long as a batch takes without it ten times.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) filter: &'a Filter,
    pub(super) alphabet: &'a Alphabet,
    /// Much of any disk is empty. Zeros that a needle holds are looked at by their borders.
    pub(super) skip_zeros: bool,
}

impl Class for Binary<'_> {
    fn search<S: WithSimd>(self, search: S) -> S::Output {
        fastest_at_looking_up(search)
    }

    #[inline(always)]
    fn passed<const STRIDE: usize, S: Simd>(self, _: S, _: &[u8], _: usize, batch: &[u8]) -> u32 {
        let windows = windows::<STRIDE>(batch);
        let passes = |any, &window| any | self.filter.passes(window);
        if windows.iter().fold(0, passes) == 0 {
            return 0;
        }
        self.ask(&windows)
    }
}

impl Binary<'_> {
    #[inline(never)]
    fn ask(self, windows: &[u64; BATCH]) -> u32 {
        let each = windows.iter().enumerate();
        each.fold(0, |bits, (nth, window)| {
            bits | u32::from(self.filter.passes_all(*window)) << nth
        })
    }
}

impl Class for Text<'_> {
    fn search<S: WithSimd>(self, search: S) -> S::Output {
        widest(search)
    }

    #[inline(always)]
    fn passed<const STRIDE: usize, S: Simd>(
        self,
        simd: S,
        hay: &[u8],
        at: usize,
        batch: &[u8],
    ) -> u32 {
        if STRIDE == WINDOW {
            let own = self.any_adjacent(simd, batch);
            return own.map_or(0, |own| self.ask_adjacent(hay, at, &own));
        }
        let windows = windows::<STRIDE>(batch);
        let is_ascii = |any, window| any | (window & Alphabet::HIGHEST == 0);
        let is_empty = || windows.into_iter().fold(0, |any, window| any | window) == 0;
        if !windows.into_iter().fold(false, is_ascii) || self.skip_zeros && is_empty() {
            return 0;
        }
        let passes = |any, window| any | self.filter.passes(window);
        if windows.into_iter().fold(0, passes) == 0 {
            return 0;
        }
        self.ask(&windows)
    }
}

/// What a vector tells of several windows.
#[inline(always)]
fn is_any<S: Simd>(simd: S, windows: S::m64s) -> bool {
    simd.first_true_m64s(windows) < S::U64_LANES
}

impl Text<'_> {
    /// Which bytes of the adjacent windows of a batch are of the alphabet, if all bytes of any
    /// window are. Of pairs with zeros it may be said too often.
    #[inline(always)]
    fn any_adjacent<S: Simd>(self, simd: S, batch: &[u8]) -> Option<[u64; BATCH]> {
        let zero = simd.splat_u64s(0);
        let highest = simd.splat_u64s(Alphabet::HIGHEST);
        let none = simd.equal_u64s(zero, highest);
        let vectors = (0..BATCH).step_by(S::U64_LANES);
        let vector = |nth: usize| -> S::u64s {
            pod_read_unaligned(&batch[nth * WINDOW..(nth + S::U64_LANES) * WINDOW])
        };
        let mut is_ascii = none;
        let mut any = zero;
        for nth in vectors.clone() {
            let windows = vector(nth);
            let ascii = simd.equal_u64s(simd.and_u64s(windows, highest), zero);
            is_ascii = simd.or_m64s(is_ascii, ascii);
            any = simd.or_u64s(any, windows);
        }
        let is_empty = || !is_any(simd, simd.not_m64s(simd.equal_u64s(any, zero)));
        if !is_any(simd, is_ascii) || self.skip_zeros && is_empty() {
            return None;
        }
        let mut is_held = none;
        let mut all = [0; BATCH];
        for nth in vectors {
            let own = self.alphabet.own_of(simd, vector(nth));
            all[nth..nth + S::U64_LANES].copy_from_slice(cast_slice(&[own]));
            for whole in Alphabet::WHOLE {
                let held = simd.equal_u64s(own, simd.splat_u64s(whole));
                is_held = simd.or_m64s(is_held, held);
            }
        }
        is_any(simd, is_held).then_some(all)
    }

    /// Asks the filter about those of `windows` that can be a needle's.
    #[inline(never)]
    fn ask(self, windows: &[u64; BATCH]) -> u32 {
        let passes = |window| self.alphabet.holds(window) && self.filter.passes_all(window);
        bits((0..BATCH).filter(|nth| passes(windows[*nth])))
    }

    /// Asks the filter about those of the adjacent windows from `at` on that can be a needle's.
    #[inline(never)]
    fn ask_adjacent(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u32 {
        let window = |nth: usize| load(&hay[at + nth * WINDOW..]);
        // Of pairs with zeros no more is asked: they are few.
        let is_wide = |nth: &usize| {
            own[*nth] != Alphabet::HIGHEST
                && Alphabet::WHOLE.contains(&own[*nth])
                && self.alphabet.holds(window(*nth))
        };
        let asked = self.in_long_text(hay, at, own) | bits((0..BATCH).filter(is_wide));
        let passes = |nth: &usize| self.filter.passes_all(window(*nth));
        bits(ones(asked).filter(passes))
    }

    /// Which of the adjacent windows at `at` lie in a text that is as long as the shortest pattern
    /// of their group: a bit for each.
    #[inline(always)]
    fn in_long_text(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u32 {
        let beside = |at: Option<usize>| {
            let bytes = at.and_then(|at| hay.get(at..at + WINDOW));
            // What is not here may be of the alphabet.
            bytes.map_or(Alphabet::HIGHEST, |bytes| self.alphabet.own(load(bytes)))
        };
        let before = beside(at.checked_sub(WINDOW));
        let behind = beside(Some(at + BATCH * WINDOW));
        // A bit for each byte, the first the lowest.
        let each = own
            .iter()
            .rev()
            .fold(0, |text, own| text << WINDOW | u64::from(gather(*own)));
        let text =
            u128::from(gather(behind)) << 72 | u128::from(each) << 8 | u128::from(gather(before));
        let two = text & text >> 1;
        let four = two & two >> 2;
        let eight = four & four >> 4;
        // Where a text of 2 * WINDOW - 1 begins; and the windows that lie in one: they begin there
        // or up to seven bytes behind it.
        let long = eight & eight >> (WINDOW - 1);
        let near = long | long << 1;
        let near = near | near << 2;
        let near = near | near << 4;
        let begins = |nth: &usize| near >> (WINDOW * (nth + 1)) & 1 == 1;
        bits((0..BATCH).filter(begins))
    }
}

/// The highest bits of eight bytes, side by side.
fn gather(bits: u64) -> u8 {
    let [.., gathered] = (bits >> 7)
        .wrapping_mul(0x0102_0408_1020_4080)
        .to_le_bytes();
    gathered
}

/// Sets the bits with these numbers.
fn bits(numbers: impl Iterator<Item = usize>) -> u32 {
    numbers.fold(0, |bits, number| bits | 1 << number)
}

/// The numbers of the bits that are set.
fn ones(mut bits: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let nth = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(nth)
    })
}

/// The search for the next batch with a window that passes.
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
        while let Some(batch) = hay.get(at..at + BATCH * STRIDE + WINDOW) {
            let windows = class.passed::<STRIDE, S>(simd, hay, at, batch);
            if windows != 0 {
                return Passed { at, windows };
            }
            at += BATCH * STRIDE;
        }
        Passed { at, windows: 0 }
    }
}
