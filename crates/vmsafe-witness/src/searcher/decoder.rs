//! Encoded forms, sought by decoding what is searched.
//!
//! ```text
//! memory    . . c 2 V j c m V 0 I G t l e S B v Z i B t a W 5 l . . .
//!               [-----------------------------]         16 characters at a multiple of 16
//!               [s e c r e t   k]                       as base64, from each of four
//!                 [ . . . . . . . ]                     characters on: eight bytes
//! ```
//!
//! So a needle needs the windows of its own bytes and no others: a dozen times fewer than all its
//! forms have. Wherever [`SHORTEST_DECODED`] bytes of a needle stand encoded, 16 characters at a
//! multiple of 16 do, and from one of the first four on eight bytes of the needle are spelled.

use super::alphabet::Alphabet;
use super::batch::BATCH;
use super::pattern::Pattern;
use super::windows::{WINDOW, Windows, load};
use crate::forms::{Spelling, each, from};

/// Needles of this many bytes, not less, are found in what is decoded. They have at least 31
/// characters of base64, in which 16 of them at a multiple of 16 are.
pub(super) const SHORTEST_DECODED: usize = 24;

/// The characters that are decoded at once.
pub(super) const BLOCK: usize = 16;

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
    /// Those that either seeks.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            reversed: self.reversed || other.reversed,
            digits: self.digits || other.digits,
            wide: self.wide || other.wide,
        }
    }

    /// Whether this one is.
    pub(super) fn holds(self, spelling: Spelling) -> bool {
        match spelling {
            Spelling::Reversed => self.reversed,
            Spelling::Wide => self.wide,
            _ => self.digits,
        }
    }

    /// Whether they are text.
    pub(super) fn is_text(self) -> bool {
        self.digits || self.wide
    }
}

/// Finds the blocks that may be encoded.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'a> {
    pub(super) windows: &'a Windows,
    pub(super) alphabet: &'a Alphabet,
    /// All that forms in digits are written in.
    pub(super) digits: &'a Alphabet,
    /// What either is written in.
    pub(super) either: &'a Alphabet,
}

impl<'a> Decoder<'a> {
    /// Whether a pattern may have this window.
    #[inline(always)]
    pub(super) fn passes(self, window: u64) -> bool {
        let Windows { binary, text, .. } = self.windows;
        // Few windows that are no text look like ASCII.
        let is_text =
            || window & Alphabet::HIGHEST == 0 && !text.is_empty() && self.alphabet.holds(window);
        !binary.is_empty() && binary.passes_any(window) || is_text() && text.passes_any(window)
    }

    /// Which blocks of a batch may be a form in digits: a bit for each. `own` tells which of its
    /// bytes may be digits.
    #[inline(never)]
    pub(super) fn ask_digits(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        if !self.windows.decoded.digits {
            return 0;
        }
        self.ask(own, |own, nth| {
            own == [Alphabet::HIGHEST; 2] && self.passes_digits(hay, at + nth * BLOCK)
        })
    }

    /// Which blocks of a batch may be UTF-16: a bit for each. `own` tells which of its bytes may be
    /// characters.
    #[inline(always)]
    pub(super) fn ask_wide(self, hay: &[u8], at: usize, own: &[u64; BATCH]) -> u64 {
        if !self.windows.decoded.wide {
            return 0;
        }
        self.ask(own, |[first, last], nth| {
            first == last
                && Alphabet::WHOLE[1..].contains(&first)
                && self.passes_as(hay, at + nth * BLOCK, &Coding::WIDE)
        })
    }

    #[inline(always)]
    fn ask(self, own: &[u64; BATCH], passes: impl Fn([u64; 2], usize) -> bool) -> u64 {
        let mut passed = 0;
        let blocks = own.as_chunks().0;
        for (nth, own) in blocks.iter().enumerate() {
            passed |= u64::from(passes(*own, nth)) << nth;
        }
        passed
    }

    /// Whether the block at `at`, of which nothing is known, may be encoded.
    pub(super) fn asks_about(self, hay: &[u8], at: usize) -> bool {
        let Decoded { digits, wide, .. } = self.windows.decoded;
        digits && self.passes_digits(hay, at) || wide && self.passes_as(hay, at, &Coding::WIDE)
    }

    fn passes_digits(self, hay: &[u8], at: usize) -> bool {
        let mut block = [0; BLOCK];
        block.copy_from_slice(&hay[at..at + BLOCK]);
        let Some(bits) = base64(block) else {
            return false;
        };
        let places = [0, 6, 12, 18];
        places.iter().any(|skip| self.passes(eight(bits, *skip)))
            || hex(block).is_some() && self.passes_as(hay, at, &Coding::HEX)
    }

    fn passes_as(self, hay: &[u8], at: usize, codings: &[(Coding, usize)]) -> bool {
        let passes = |&(coding, skip): &(Coding, usize)| {
            let origin = at + skip;
            let encoded = Encoded {
                hay,
                coding,
                origin,
            };
            encoded.window(0).is_some_and(|window| self.passes(window))
        };
        codings.iter().any(passes)
    }

    /// What the block at `at` may be read as.
    pub(super) fn readings(self, hay: &'a [u8], at: usize) -> impl Iterator<Item = Encoded<'a>> {
        let Decoded { digits, wide, .. } = self.windows.decoded;
        let digits = [&Coding::HEX[..], &Coding::BASE64]
            .into_iter()
            .filter(move |_| digits);
        let wide = [&Coding::WIDE[..]].into_iter().filter(move |_| wide);
        let codings = digits.chain(wide).flatten();
        let readings = codings.map(move |&(coding, skip)| Encoded {
            hay,
            coding,
            origin: at + skip,
        });
        readings.filter(move |encoded| encoded.window(0).is_some_and(|window| self.passes(window)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Hex,
    Base64,
    Wide,
}

impl Coding {
    /// Each with the characters of a block that may be left out before a byte, or a group of three,
    /// begins.
    const HEX: [(Self, usize); 2] = [(Self::Hex, 0), (Self::Hex, 1)];
    const BASE64: [(Self, usize); 4] = [
        (Self::Base64, 0),
        (Self::Base64, 1),
        (Self::Base64, 2),
        (Self::Base64, 3),
    ];
    const WIDE: [(Self, usize); 2] = [(Self::Wide, 0), (Self::Wide, 1)];
}

/// Memory that is read as encoded.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a> {
    hay: &'a [u8],
    coding: Coding,
    /// Where byte 0 begins, and with base64 a group of three.
    origin: usize,
}

/// A place where a form may stand.
pub(super) struct Place {
    /// In the memory, of the form's byte `from`.
    pub(super) at: usize,
    pub(super) from: usize,
    pub(super) spelling: Spelling,
}

impl Encoded<'_> {
    /// The eight bytes that are spelled from byte `nth` on, if eight are.
    pub(super) fn window(&self, nth: isize) -> Option<u64> {
        if self.coding != Coding::Base64 {
            let block = self.block(self.origin.checked_add_signed(2 * nth)?, BLOCK)?;
            return if self.coding == Coding::Hex {
                hex(block)
            } else {
                narrow(block)
            };
        }
        let (group, behind) = self.group(nth)?;
        let bits = 8 * behind;
        let block = self.block(group, (bits + 64).div_ceil(6))?;
        Some(eight(base64(block)?, bits))
    }

    /// Where the group of three begins that byte `nth` is of, and which of the three it is.
    fn group(&self, nth: isize) -> Option<(usize, usize)> {
        let group = self.origin.checked_add_signed(4 * nth.div_euclid(3))?;
        Some((group, nth.rem_euclid(3).unsigned_abs()))
    }

    /// The `len` characters from `at` on, and any digits behind them.
    fn block(&self, at: usize, len: usize) -> Option<[u8; BLOCK]> {
        let mut block = [b'0'; BLOCK];
        block[..len].copy_from_slice(self.hay.get(at..at + len)?);
        Some(block)
    }

    /// Where a pattern stands encoded, and how, if byte `nth` is its byte `from`.
    pub(super) fn places(&self, nth: isize, from: usize) -> impl Iterator<Item = Place> {
        let (spellings, place) = match self.coding {
            Coding::Hex => ([Some(Spelling::Hex), Some(Spelling::HexUpper)], 0),
            Coding::Wide => ([Some(Spelling::Wide), None], 0),
            Coding::Base64 => {
                let first = nth.rem_euclid(3).unsigned_abs() + 3 - from % 3;
                let place = first % 3;
                let spellings = [Spelling::Base64 { place }, Spelling::Base64Url { place }];
                (spellings.map(Some), place)
            }
        };
        let at = self.at(nth, from, place);
        let place = move |spelling: Spelling| {
            let (at, from) = at?;
            Some(Place { at, from, spelling })
        };
        spellings.into_iter().flatten().filter_map(place)
    }

    /// Where the first character begins that byte `nth`, the pattern's byte `from`, or those behind
    /// it decide alone; and which character of the form that is.
    fn at(&self, nth: isize, from: usize, place: usize) -> Option<(usize, usize)> {
        if self.coding != Coding::Base64 {
            return Some((self.origin.checked_add_signed(2 * nth)?, 2 * from));
        }
        let (group, behind) = self.group(nth)?;
        let skipped = Spelling::Base64 { place }.skipped_bits();
        let character = (8 * from).saturating_sub(skipped).div_ceil(6);
        // A form begins at a character of the memory: this is a multiple of six.
        let bits = 8 * behind + skipped + 6 * character - 8 * from;
        Some((group + bits / 6, character))
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

/// Eight of the 12 bytes, from bit `skip` on, lowest first.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "what lies before them is cut off"
)]
fn eight(twelve: u128, skip: usize) -> u64 {
    ((twelve >> (32 - skip)) as u64).swap_bytes()
}

/// The halves of a block, each of ASCII.
#[inline(always)]
fn halves(block: [u8; BLOCK]) -> Option<[u64; 2]> {
    let halves = [load(&block), load(&block[WINDOW..])];
    ((halves[0] | halves[1]) & Alphabet::HIGHEST == 0).then_some(halves)
}

/// 1 in each byte of `ascii` that lies between these, both included.
#[inline(always)]
fn within(ascii: u64, first: u8, last: u8) -> u64 {
    from(ascii, first) ^ from(ascii, last + 1)
}

/// The twelve bytes that 16 characters of base64, of either alphabet, spell.
#[inline(always)]
fn base64(block: [u8; BLOCK]) -> Option<u128> {
    let [first, last] = halves(block)?.map(sextets);
    Some(u128::from(join(first?)) << 48 | u128::from(join(last?)))
}

/// The values of eight characters.
#[inline(always)]
fn sextets(ascii: u64) -> Option<u64> {
    let is = |character: u8| within(ascii, character, character);
    let capitals = within(ascii, b'A', b'Z');
    let letters = within(ascii, b'a', b'z');
    let digits = within(ascii, b'0', b'9');
    let [plus, minus, slash, underscore] = [b'+', b'-', b'/', b'_'].map(is);
    let all = capitals | letters | digits | plus | minus | slash | underscore;
    // Each value is below 64: what is borrowed from the next byte is given back.
    let more = digits * (52 - u64::from(b'0'))
        + plus * (62 - u64::from(b'+'))
        + minus * (62 - u64::from(b'-'))
        + slash * (63 - u64::from(b'/'));
    let less = capitals * u64::from(b'A')
        + letters * u64::from(b'a' - 26)
        + underscore * u64::from(b'_' - 63);
    (all == each(1)).then(|| ascii.wrapping_add(more).wrapping_sub(less))
}

/// Eight values of six bits, the first the lowest byte, as 48 bits, the first the highest.
#[inline(always)]
fn join(values: u64) -> u64 {
    let values = values.swap_bytes();
    let two = (values & 0x003f_003f_003f_003f) | values >> 2 & 0x0fc0_0fc0_0fc0_0fc0;
    let four = (two & 0x0000_0fff_0000_0fff) | two >> 4 & 0x00ff_f000_00ff_f000;
    (four & 0x00ff_ffff) | four >> 8 & 0xffff_ff00_0000
}

/// The eight bytes that 16 hexadecimal digits spell, the first the lowest.
#[inline(always)]
fn hex(block: [u8; BLOCK]) -> Option<u64> {
    let [first, last] = halves(block)?.map(nibbles);
    Some(pair(first?) | pair(last?) << 32)
}

/// The values of eight digits.
#[inline(always)]
fn nibbles(ascii: u64) -> Option<u64> {
    let small = ascii | each(0x20);
    let digits = within(ascii, b'0', b'9');
    let letters = within(small, b'a', b'f');
    (digits | letters == each(1)).then(|| (ascii & each(15)) + 9 * letters)
}

/// Each two values of four bits, the higher first, as a byte.
#[inline(always)]
fn pair(values: u64) -> u64 {
    squeeze(values << 4 | values >> 8)
}

/// Every second byte, the first the lowest.
#[inline(always)]
fn squeeze(bytes: u64) -> u64 {
    let two = bytes & 0x00ff_00ff_00ff_00ff;
    let four = (two | two >> 8) & 0x0000_ffff_0000_ffff;
    (four | four >> 16) & 0xffff_ffff
}

/// The eight bytes of which each has a zero behind it.
#[inline(always)]
fn narrow(block: [u8; BLOCK]) -> Option<u64> {
    let [first, last] = [load(&block), load(&block[WINDOW..])];
    let is_wide = (first | last) & 0xff00_ff00_ff00_ff00 == 0;
    is_wide.then(|| squeeze(first) | squeeze(last) << 32)
}
