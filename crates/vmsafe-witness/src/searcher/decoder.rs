//! Encoded forms, sought by decoding what is searched.
//!
//! ```text
//! memory    . . c 2 V j c m V 0 I G t l e S B v Z i B t a W 5 l . . .
//!               [-----------------------------]         16 characters at a multiple of 16
//!               s  e c  r  e  t    k                    as base64, from each of four
//!                 .  . .  .  .  .  . .                  characters on: eight bytes
//! ```
//!
//! So a needle needs the windows of its own bytes and no others: a dozen times fewer than all its
//! forms have. Wherever [`SHORTEST_DECODED`] bytes of a needle stand encoded, 16 characters at a
//! multiple of 16 do, and from one of the first four on eight bytes of the needle are spelled.

use super::alphabet::Alphabet;
use super::batch::{bits, ones};
use super::encoded::{BLOCK, Coding, Encoded, base64_windows, may_be_hex};
use super::pattern::Pattern;
use super::text::BATCH;
use super::windows::{WINDOW, Windows};
use crate::forms::Spelling;

/// Needles of this many bytes, not less, are sought in what is decoded. They have at least 31
/// characters of base64, and among any 31 are 16 at a multiple of 16.
pub(super) const SHORTEST_DECODED: usize = 24;

/// Which forms are sought by decoding.
#[derive(Clone, Copy, Default)]
pub(super) struct Decoded {
    /// Backwards.
    pub(super) reversed: bool,
    /// Hexadecimal and base64.
    pub(super) digits: bool,
    /// UTF-16.
    pub(super) wide: bool,
}

impl Decoded {
    /// Both together.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            reversed: self.reversed || other.reversed,
            digits: self.digits || other.digits,
            wide: self.wide || other.wide,
        }
    }

    /// Whether this one is sought so.
    pub(super) fn holds(self, spelling: Spelling) -> bool {
        match spelling {
            Spelling::Reversed => self.reversed,
            Spelling::Wide => self.wide,
            _ => self.digits,
        }
    }

    /// Whether any of them is text.
    pub(super) fn is_text(self) -> bool {
        self.digits || self.wide
    }
}

/// Finds the blocks that may be encoded.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    pub(super) windows: &'a Windows,
    /// What patterns that are text are written in.
    pub(super) alphabet: &'a Alphabet,
}

impl<'a> Decoder<'a> {
    /// Whether a pattern may have this window.
    #[inline(always)]
    pub(super) fn passes(self, window: u64) -> bool {
        let Windows {
            varied,
            blank,
            text,
            ..
        } = self.windows;
        // Few windows that are no text look like ASCII.
        let is_text =
            || window & Alphabet::HIGHEST == 0 && !text.is_empty() && self.alphabet.holds(window);
        !varied.is_empty() && varied.passes_any(window)
            || !blank.is_empty() && blank.passes_any(window)
            || is_text() && text.passes_any(window)
    }

    /// Which blocks of a batch may be a form in digits: a bit for each. `own` tells which of its
    /// bytes may be digits.
    #[inline(never)]
    pub(super) fn ask_digits(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        if !self.windows.decoded.digits {
            return 0;
        }
        let is_whole = |own: u64| u64::from(own == Alphabet::HIGHEST);
        let beside = |at| is_whole(self.windows.digits.own_beside(hay, at));
        let whole = (0..)
            .zip(own)
            .fold(0, |whole, (nth, own)| whole | is_whole(*own) << nth);
        let blocks = whole & whole >> 1 & 0b0101_0101;
        if blocks == 0 {
            return 0;
        }
        // Of 31 characters there is half a block more, before or behind.
        let before = whole << 1 | beside(at.checked_sub(WINDOW));
        let behind = whole >> 2 | beside(Some(at + BATCH * WINDOW)) << 6;
        let long = blocks & (before | behind);
        let passes = |nth: &usize| self.passes_digits(hay, at + nth * WINDOW);
        bits(ones(long.into()).filter(passes).map(|nth| nth / 2))
    }

    /// Which blocks of a batch may be UTF-16: a bit for each. `own` tells which of its bytes may be
    /// characters.
    #[inline(always)]
    pub(super) fn ask_wide(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        if !self.windows.decoded.wide {
            return 0;
        }
        let blocks = own.as_chunks().0;
        let passes = |nth: &usize| {
            let [first, last] = blocks[*nth];
            first == last
                && Alphabet::WHOLE[1..].contains(&first)
                && self.passes_as(hay, at + nth * BLOCK, &Coding::WIDE)
        };
        bits((0..blocks.len()).filter(passes))
    }

    /// Whether the block at `at`, of which nothing is known, may be encoded.
    pub(super) fn asks_about(self, hay: &[u8], at: usize) -> bool {
        let Decoded { digits, wide, .. } = self.windows.decoded;
        digits && self.passes_digits(hay, at) || wide && self.passes_as(hay, at, &Coding::WIDE)
    }

    fn passes_digits(self, hay: &[u8], at: usize) -> bool {
        let Some(&block) = hay[at..].first_chunk() else {
            return false;
        };
        let Some(windows) = base64_windows(block) else {
            return false;
        };
        windows.into_iter().any(|window| self.passes(window))
            || may_be_hex(block) && self.passes_as(hay, at, &Coding::HEX)
    }

    fn passes_as(self, hay: &[u8], at: usize, codings: &[Coding]) -> bool {
        codings
            .iter()
            .any(|coding| self.reads(hay, at, *coding).is_some())
    }

    /// What the block at `at` may be read as.
    pub(super) fn readings(self, hay: &'a [u8], at: usize) -> impl Iterator<Item = Encoded<'a>> {
        let Decoded { digits, wide, .. } = self.windows.decoded;
        let of_digits: &[Coding] = if digits { &Coding::DIGITS } else { &[] };
        let of_text: &[Coding] = if wide { &Coding::WIDE } else { &[] };
        let codings = of_digits.iter().chain(of_text);
        codings.filter_map(move |coding| self.reads(hay, at, *coding))
    }

    /// The block at `at` as read so, if a pattern may have its first window.
    fn reads(self, hay: &[u8], at: usize, coding: Coding) -> Option<Encoded<'_>> {
        let encoded = Encoded::new(hay, at, coding);
        let window = encoded.window(0)?;
        self.passes(window).then_some(encoded)
    }
}

impl Pattern {
    /// The bytes of the longest form that is sought by decoding.
    pub(super) fn decoded_len(&self) -> usize {
        if self.decoded.is_text() {
            2 * self.len()
        } else {
            0
        }
    }
}
