//! Halves of the windows of patterns that may stand anywhere.
//!
//! ```text
//! memory    . . . . . . e c r e t   k e y   o f   m i n e . . .
//!           [-----]                 [-----]                 [-----]     one look-up per 12 bytes
//! ```
//!
//! Wherever 15 bytes of a pattern stand, one of these halves lies wholly inside them, where of
//! windows there would have to be one per 8 bytes; and processors multiply halves faster.

use pulp::bytemuck::{cast, cast_slice, pod_read_unaligned};
use pulp::{Simd, WithSimd};

use super::batch::{Class, adjacent, bits};
use super::filter::{Filter, HALF, How};
use super::look_up::fastest_at_looking_up;
use super::windows::{HALF_LEN, WINDOW};

/// How many halves are looked at before the first branch.
const KEYS: usize = 16;

/// Halves of the windows of patterns that are no text and hold none of those that memory is filled
/// with.
#[derive(Clone, Copy)]
pub(super) struct Halves<'a, const BOTH_WAYS: bool> {
    pub(super) filter: &'a Filter,
}

impl<const BOTH_WAYS: bool> Class for Halves<'_, BOTH_WAYS> {
    fn search<S: WithSimd>(self, search: S) -> S::Output {
        fastest_at_looking_up(search)
    }

    /// The shortest patterns of each stride have a half at any multiple of so many bytes.
    fn step(self, stride: usize) -> usize {
        match stride {
            8 => 12,
            4 => 8,
            _ => 4,
        }
    }

    fn ahead(self) -> usize {
        WINDOW - HALF_LEN
    }

    #[inline(always)]
    fn bytes(self, stride: usize) -> usize {
        KEYS * self.step(stride)
    }

    #[inline(always)]
    fn passed<const STRIDE: usize, S: Simd>(
        self,
        simd: S,
        hay: &[u8],
        at: usize,
        batch: &[u8],
    ) -> u64 {
        let halves = match STRIDE {
            8 => halves::<12, S>(simd, batch),
            4 => halves::<8, S>(simd, batch),
            _ => halves::<4, S>(simd, batch),
        };
        let how = How::fastest(simd);
        let passes = |any, half: &u64| any | self.filter.passes_half::<BOTH_WAYS>(*half, how);
        // Row by row: as many as the widest vectors look up at once.
        let [first, last] = halves;
        if first.iter().fold(0, passes) | last.iter().fold(0, passes) == 0 {
            return 0;
        }
        self.ask(hay, at, self.step(STRIDE))
    }

    fn passes_at(self, hay: &[u8], at: usize) -> bool {
        let half = hay.get(at..at.wrapping_add(HALF_LEN));
        let passes = |half| self.filter.passes_half::<BOTH_WAYS>(half, How::Shifting) != 0;
        half.is_some_and(|half| passes(load_half(half)))
    }
}

impl<const BOTH_WAYS: bool> Halves<'_, BOTH_WAYS> {
    /// At which steps from `at` on a half passes, and one of the two beside it: a part of a pattern
    /// holds five halves at least. So chance is told here, and not outside.
    #[inline(never)]
    fn ask(self, hay: &[u8], at: usize, step: usize) -> u64 {
        let is_part = |nth: &usize| {
            let at = at + nth * step;
            self.passes_at(hay, at)
                && (self.passes_at(hay, at + 1) || self.passes_at(hay, at.wrapping_sub(1)))
        };
        bits((0..KEYS).filter(is_part))
    }
}

/// Halves to look up, in any order.
type Keys = [[u64; KEYS / 2]; 2];

/// The half that begins at the start of `bytes`.
#[inline(always)]
fn load_half(bytes: &[u8]) -> u64 {
    let mut half = [0; HALF_LEN];
    half.copy_from_slice(&bytes[..HALF_LEN]);
    u32::from_le_bytes(half).into()
}

/// The halves of a batch that are looked up, one every `STEP` bytes.
#[inline(always)]
fn halves<const STEP: usize, S: Simd>(simd: S, batch: &[u8]) -> Keys {
    let mut halves = [[0; KEYS / 2]; 2];
    if cfg!(target_endian = "big") {
        // A vector has its bytes in the order of the processor.
        for (nth, half) in halves.as_flattened_mut().iter_mut().enumerate() {
            *half = load_half(&batch[nth * STEP..]);
        }
        return halves;
    }
    let low = simd.splat_u64s(HALF);
    if STEP == WINDOW {
        for nth in (0..KEYS).step_by(S::U64_LANES) {
            let windows = [simd.and_u64s(adjacent(simd, batch, nth), low)];
            halves.as_flattened_mut()[nth..nth + S::U64_LANES]
                .copy_from_slice(cast_slice(&windows));
        }
        return halves;
    }
    // Those that lie low in their windows, and those that lie high.
    for nth in (0..KEYS / 2).step_by(S::U64_LANES) {
        let windows: S::u64s = cast(if STEP == HALF_LEN {
            row(simd, batch, 2 * nth)
        } else {
            every_third(simd, batch, 2 * nth)
        });
        let there = nth..nth + S::U64_LANES;
        halves[0][there.clone()].copy_from_slice(cast_slice(&[simd.and_u64s(windows, low)]));
        halves[1][there].copy_from_slice(cast_slice(&[windows]));
    }
    for half in &mut halves[1] {
        *half >>= 32;
    }
    halves
}

/// As many halves in a row as a vector holds, from the `nth` on.
#[inline(always)]
fn row<S: Simd>(_: S, batch: &[u8], nth: usize) -> S::u32s {
    pod_read_unaligned(&batch[nth * HALF_LEN..(nth + S::U32_LANES) * HALF_LEN])
}

/// Every third half, from the `nth` of these on: as many as a vector holds, out of three, wherever
/// each lies in its own. No two lie at the same place, for no vector is a multiple of three halves.
#[inline(always)]
fn every_third<S: Simd>(simd: S, batch: &[u8], nth: usize) -> S::u32s {
    let first = row(simd, batch, 3 * nth);
    let second = row(simd, batch, 3 * nth + S::U32_LANES);
    let last = row(simd, batch, 3 * nth + 2 * S::U32_LANES);
    let others = simd.select_u32s(is_third(simd, 2), last, first);
    simd.select_u32s(is_third(simd, 1), second, others)
}

/// Where in the `nth` of three vectors each third half lies.
#[inline(always)]
fn is_third<S: Simd>(simd: S, nth: usize) -> S::m32s {
    let mut is_third = [0_u32; KEYS];
    let lanes = nth * S::U32_LANES..(nth + 1) * S::U32_LANES;
    for (is_third, half) in is_third.iter_mut().zip(lanes) {
        *is_third = u32::from(half.is_multiple_of(3));
    }
    let is_third: S::u32s = pod_read_unaligned(cast_slice(&is_third[..S::U32_LANES]));
    simd.equal_u32s(is_third, simd.splat_u32s(1))
}
