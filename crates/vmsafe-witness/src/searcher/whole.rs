//! Windows of patterns that hold halves of zeros, or of what else memory is filled with.
//!
//! Such halves stand in much of any disk. Whole windows of one byte do too, but what is done there
//! is done at the borders of what is alike.

use pulp::{Simd, WithSimd};

use super::batch::{Class, bits};
use super::filter::{Filter, How};
use super::look_up::fastest_at_looking_up;
use super::windows::{WINDOW, load};

/// How many windows are looked at before the first branch.
const BATCH: usize = 8;

/// Windows that may stand anywhere.
#[derive(Clone, Copy)]
pub(super) struct Whole<'a> {
    pub(super) filter: &'a Filter,
}

impl Class for Whole<'_> {
    fn search<S: WithSimd>(self, search: S) -> S::Output {
        fastest_at_looking_up(search)
    }

    #[inline(always)]
    fn bytes(self, stride: usize) -> usize {
        BATCH * stride
    }

    #[inline(always)]
    fn passed<const STRIDE: usize, S: Simd>(
        self,
        simd: S,
        hay: &[u8],
        at: usize,
        batch: &[u8],
    ) -> u64 {
        let windows: [u64; BATCH] = core::array::from_fn(|nth| load(&batch[nth * STRIDE..]));
        let how = How::fastest(simd);
        let passes = |any, &window: &u64| any | self.filter.passes_whole(window, how);
        if windows.iter().fold(0, passes) == 0 {
            return 0;
        }
        self.ask::<STRIDE>(hay, at)
    }

    fn passes_at(self, hay: &[u8], at: usize) -> bool {
        let window = hay.get(at..at.wrapping_add(WINDOW));
        let passes = |window| self.filter.passes_whole(window, How::Shifting) != 0;
        window.is_some_and(|window| passes(load(window)))
    }
}

impl Whole<'_> {
    /// Which windows of the batch at `at` pass, and one of the two beside it: a part of a pattern
    /// that holds a window holds as many as the stride. So chance is told here, and not outside.
    #[inline(never)]
    fn ask<const STRIDE: usize>(self, hay: &[u8], at: usize) -> u64 {
        let is_part = |nth: &usize| {
            let at = at + nth * STRIDE;
            self.passes_at(hay, at)
                && (STRIDE == 1
                    || self.passes_at(hay, at + 1)
                    || self.passes_at(hay, at.wrapping_sub(1)))
        };
        bits((0..BATCH).filter(is_part))
    }
}
