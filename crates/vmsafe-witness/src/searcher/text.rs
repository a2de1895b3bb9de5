//! Windows of patterns that are text.

use pulp::bytemuck::{cast, cast_slice, pod_read_unaligned};
use pulp::{Simd, WithSimd};

use super::alphabet::Alphabet;
use super::batch::{Class, adjacent, bits, ones};
use super::decoder::Decoder;
use super::filter::Filter;
use super::windows::{HALF_LEN, WINDOW, load};
use crate::vectors::widest;

/// How many windows are looked at before the first branch, if they do not overlap.
pub(super) const BATCH: usize = 8;

/// Behind the windows of a batch, if they do not overlap, each block of it has a bit in
/// [`Passed::steps`](super::batch::Passed::steps) too: whether it may be encoded.
pub(super) const FIRST_BLOCK: usize = BATCH;

/// In how many bytes of a batch windows begin that overlap: each has half a window in the batch
/// that stands at a multiple of it.
const BEGINNINGS: usize = BATCH * WINDOW - HALF_LEN;

/// Windows of patterns that are text from end to end: they stand in text of the same alphabet.
///
/// That is told without a look into any table. Text is rare enough for its filter to be out of the
/// caches, and an answer from memory takes as long as a batch takes without it ten times.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) filter: &'a Filter,
    pub(super) alphabet: &'a Alphabet,
    /// What looks for encoded forms on the way, among patterns of stride [`WINDOW`].
    pub(super) decoder: Option<Decoder<'a>>,
    /// Much of any disk is empty. Zeros that a needle holds are looked at by their borders.
    pub(super) skip_zeros: bool,
}

impl Class for Text<'_> {
    fn search<S: WithSimd>(self, search: S) -> S::Output {
        widest(search)
    }

    #[inline(always)]
    fn bytes(self, stride: usize) -> usize {
        if stride == WINDOW {
            BATCH * WINDOW
        } else {
            BEGINNINGS
        }
    }

    #[inline(always)]
    fn passed<const STRIDE: usize, S: Simd>(
        self,
        simd: S,
        hay: &[u8],
        at: usize,
        batch: &[u8],
    ) -> u64 {
        if STRIDE == WINDOW {
            return if self.skips(simd, batch) {
                0
            } else {
                self.adjacent(simd, hay, at, batch)
            };
        }
        let own = self.any_half(simd, batch);
        own.map_or(0, |own| self.ask_runs(batch, STRIDE, &own))
    }

    fn passes_at(self, hay: &[u8], at: usize) -> bool {
        let window = hay.get(at..at + WINDOW);
        window.is_some_and(|window| self.filter.passes_any(load(window)))
    }
}

/// What is told of half a window whose bytes are all of the alphabet.
const WHOLE_HALF: u32 = 0x8080_8080;

/// What a vector tells of several windows.
#[inline(always)]
fn is_any<S: Simd>(simd: S, windows: S::m64s) -> bool {
    simd.first_true_m64s(windows) < S::U64_LANES
}

/// Which bytes of the adjacent windows of a batch are of the alphabet, if all bytes of any window
/// are. Of pairs with zeros it may be said too often.
#[inline(always)]
fn own_of<S: Simd>(simd: S, alphabet: &Alphabet, batch: &[u8]) -> Option<[u64; BATCH]> {
    let mut is_held = simd.equal_u64s(simd.splat_u64s(0), simd.splat_u64s(1));
    let mut all = [0; BATCH];
    for nth in (0..BATCH).step_by(S::U64_LANES) {
        let own = alphabet.own_of(simd, adjacent(simd, batch, nth));
        all[nth..nth + S::U64_LANES].copy_from_slice(cast_slice(&[own]));
        for whole in Alphabet::WHOLE {
            let held = simd.equal_u64s(own, simd.splat_u64s(whole));
            is_held = simd.or_m64s(is_held, held);
        }
    }
    is_any(simd, is_held).then_some(all)
}

impl Text<'_> {
    /// Whether a batch of adjacent windows may be left out: none is ASCII, or all are zeros.
    #[inline(always)]
    fn skips<S: Simd>(self, simd: S, batch: &[u8]) -> bool {
        let zero = simd.splat_u64s(0);
        let highest = simd.splat_u64s(Alphabet::HIGHEST);
        let mut is_ascii = simd.equal_u64s(zero, highest);
        let mut any = zero;
        for nth in (0..BATCH).step_by(S::U64_LANES) {
            let windows = adjacent(simd, batch, nth);
            let ascii = simd.equal_u64s(simd.and_u64s(windows, highest), zero);
            is_ascii = simd.or_m64s(is_ascii, ascii);
            any = simd.or_u64s(any, windows);
        }
        let is_empty = || !is_any(simd, simd.not_m64s(simd.equal_u64s(any, zero)));
        !is_any(simd, is_ascii) || self.skip_zeros && is_empty()
    }

    /// The windows and blocks of a batch that pass.
    #[inline(always)]
    fn adjacent<S: Simd>(self, simd: S, hay: &[u8], at: usize, batch: &[u8]) -> u64 {
        let Some(decoder) = self.decoder else {
            let own = own_of(simd, self.alphabet, batch);
            return own.map_or(0, |own| self.ask_adjacent(hay, at, &own));
        };
        if own_of(simd, &decoder.windows.either, batch).is_none() {
            return 0;
        }
        let own = own_of(simd, self.alphabet, batch);
        let mut passed = own.map_or(0, |own| self.ask_adjacent(hay, at, &own));
        if let Some(own) = own_of(simd, &decoder.windows.digits, batch) {
            passed |= decoder.ask_digits(hay, at, &own) << FIRST_BLOCK;
        }
        passed
    }

    /// Which bytes of a batch are of the alphabet, if all of any half window are: so it is where a
    /// window of the alphabet begins.
    #[inline(always)]
    fn any_half<S: Simd>(self, simd: S, batch: &[u8]) -> Option<[u64; BATCH]> {
        let whole = simd.splat_u32s(WHOLE_HALF);
        let mut is_held = simd.equal_u32s(whole, simd.splat_u32s(0));
        let mut all = [0; BATCH];
        for nth in (0..BATCH).step_by(S::U64_LANES) {
            let bytes = &batch[nth * WINDOW..(nth + S::U64_LANES) * WINDOW];
            let own = self.alphabet.own_of(simd, pod_read_unaligned(bytes));
            all[nth..nth + S::U64_LANES].copy_from_slice(cast_slice(&[own]));
            is_held = simd.or_m32s(is_held, simd.equal_u32s(cast(own), whole));
        }
        (simd.first_true_m32s(is_held) < S::U32_LANES).then_some(all)
    }

    /// Asks the filter about those of the windows, one every `stride` bytes of a batch, that are of
    /// the alphabet.
    #[inline(never)]
    fn ask_runs(self, batch: &[u8], stride: usize, own: &[u64; BATCH]) -> u64 {
        let behind = self.alphabet.own(load(&batch[BATCH * WINDOW..]));
        let text = u128::from(gather(behind)) << 64 | u128::from(gather_all(own));
        let begins = one_in(stride) & ((1 << BEGINNINGS) - 1);
        let eight = runs_of_eight(text) & u128::from(begins);
        let passes = |at: &usize| self.filter.passes_any(load(&batch[*at..]));
        bits(ones(eight).filter(passes).map(|at| at / stride))
    }

    /// Asks the filter about those of the adjacent windows from `at` on that can be a needle's.
    #[inline(never)]
    fn ask_adjacent(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        let mut passed = 0;
        if !self.filter.is_empty() {
            passed |= self.ask_windows(hay, at, own);
        }
        if let Some(decoder) = self.decoder {
            passed |= decoder.ask_wide(hay, at, own) << FIRST_BLOCK;
        }
        passed
    }

    #[inline(always)]
    fn ask_windows(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        let window = |nth: usize| load(&hay[at + nth * WINDOW..]);
        // Of pairs with zeros no more is asked: they are few.
        let is_wide = |nth: &usize| {
            own[*nth] != Alphabet::HIGHEST
                && Alphabet::WHOLE.contains(&own[*nth])
                && self.alphabet.holds(window(*nth))
        };
        let asked = self.in_long_text(hay, at, own) | bits((0..BATCH).filter(is_wide));
        let passes = |nth: &usize| self.filter.passes_any(window(*nth));
        bits(ones(asked.into()).filter(passes))
    }

    /// Which of the adjacent windows at `at` lie in a text that is as long as the shortest pattern
    /// of their group: a bit for each.
    #[inline(always)]
    fn in_long_text(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        let before = self.alphabet.own_beside(hay, at.checked_sub(WINDOW));
        let behind = self.alphabet.own_beside(hay, Some(at + BATCH * WINDOW));
        let text = u128::from(gather(behind)) << 72
            | u128::from(gather_all(own)) << 8
            | u128::from(gather(before));
        let eight = runs_of_eight(text);
        // Where a text of 2 * WINDOW - 1 begins; and the windows that lie in one: they begin there
        // or up to seven bytes behind it.
        let long = eight & eight >> (WINDOW - 1);
        let near = long | long << 1;
        let near = near | near << 2;
        let near = near | near << 4;
        let begins = near >> WINDOW & u128::from(one_in(WINDOW));
        bits(ones(begins).map(|at| at / WINDOW))
    }
}

/// The highest bits of eight bytes, side by side.
fn gather(bits: u64) -> u8 {
    let [.., gathered] = (bits >> 7)
        .wrapping_mul(0x0102_0408_1020_4080)
        .to_le_bytes();
    gathered
}

/// A bit for each byte of a batch, the first the lowest.
#[inline(always)]
fn gather_all(own: &[u64; BATCH]) -> u64 {
    u64::from_le_bytes(own.map(gather))
}

/// The first of each `stride` bits.
fn one_in(stride: usize) -> u64 {
    u64::MAX / (u64::MAX >> (64 - stride))
}

/// Where eight bits in a row are set: a bit for the lowest.
fn runs_of_eight(bits: u128) -> u128 {
    let two = bits & bits >> 1;
    let four = two & two >> 2;
    four & four >> 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::masked::MaskStream;
    use crate::searcher::batch::tests::all_passed;
    use crate::searcher::filter::Kind;

    #[test]
    fn one_bit_in_each_stride() {
        assert_eq!(
            [1, 2, 4].map(one_in),
            [u64::MAX, 0x5555_5555_5555_5555, 0x1111_1111_1111_1111]
        );
        assert_eq!(one_in(8), 0x0101_0101_0101_0101);
    }

    /// Noise, and every second 37 bytes text of eight letters.
    fn half_text(masks: &mut MaskStream) -> Vec<u8> {
        let random = (0..1000).flat_map(|_| masks.next_word().to_le_bytes());
        let text = |(at, byte)| {
            if at / 37 % 2 == 0 {
                byte
            } else {
                b'a' + byte % 8
            }
        };
        (0..).zip(random).map(text).collect()
    }

    fn all_find_all_windows<const STRIDE: usize>() {
        let mut masks = MaskStream::new(5);
        let hay = half_text(&mut masks);
        let mut filter = Filter::with_room(1200, Kind::Text, &mut masks);
        (0..hay.len() - WINDOW)
            .step_by(7)
            .for_each(|at| filter.insert(load(&hay[at..])));
        let mut alphabet = Alphabet::default();
        alphabet.learn(u64::from_le_bytes(*b"abcdefgh"));
        let class = Text {
            filter: &filter,
            alphabet: &alphabet,
            decoder: None,
            skip_zeros: true,
        };
        let found = all_passed::<STRIDE>(class, &hay);
        let passes = |at: &usize| {
            let window = load(&hay[*at..]);
            alphabet.holds_bytes(window) && filter.passes_any(window)
        };
        let places = (0..hay.len() - WINDOW - class.bytes(STRIDE)).step_by(STRIDE);
        let expected: Vec<usize> = places.filter(passes).collect();
        assert!(expected.len() > 10, "{}", expected.len());
        assert_eq!(found[..expected.len()], expected);
    }

    #[test]
    fn all_vectors_find_all_windows_of_text() {
        all_find_all_windows::<1>();
        all_find_all_windows::<2>();
        all_find_all_windows::<4>();
        all_find_all_windows::<8>();
    }
}
