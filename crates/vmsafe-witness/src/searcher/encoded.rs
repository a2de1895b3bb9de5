//! Memory that is read as digits or as UTF-16.

use super::alphabet::Alphabet;
use super::windows::{WINDOW, load};
use crate::forms::{Spelling, each, from};

/// The characters that are decoded at once.
pub(super) const BLOCK: usize = 16;

/// How a block is read.
#[derive(Clone, Copy)]
pub(super) struct Coding {
    kind: Kind,
    /// The characters before the first that begins a byte or, with base64, a group of three.
    skip: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hex,
    Base64,
    Wide,
}

impl Coding {
    pub(super) const HEX: [Self; 2] = [Self::new(Kind::Hex, 0), Self::new(Kind::Hex, 1)];
    pub(super) const WIDE: [Self; 2] = [Self::new(Kind::Wide, 0), Self::new(Kind::Wide, 1)];
    /// Hexadecimal and base64.
    pub(super) const DIGITS: [Self; 6] = [
        Self::HEX[0],
        Self::HEX[1],
        Self::new(Kind::Base64, 0),
        Self::new(Kind::Base64, 1),
        Self::new(Kind::Base64, 2),
        Self::new(Kind::Base64, 3),
    ];

    const fn new(kind: Kind, skip: usize) -> Self {
        Self { kind, skip }
    }
}

/// Memory that is read as encoded.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a> {
    hay: &'a [u8],
    kind: Kind,
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

impl<'a> Encoded<'a> {
    /// The block at `at`, and what lies around it.
    #[inline(always)]
    pub(super) fn new(hay: &'a [u8], at: usize, coding: Coding) -> Self {
        Self {
            hay,
            kind: coding.kind,
            origin: at + coding.skip,
        }
    }

    /// The eight bytes that are spelled from byte `nth` on, if eight are.
    pub(super) fn window(&self, nth: isize) -> Option<u64> {
        if self.kind != Kind::Base64 {
            let block = self.block(self.origin.checked_add_signed(2 * nth)?, BLOCK)?;
            return if self.kind == Kind::Hex {
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

    /// The `len` characters from `at` on, and digits behind them.
    fn block(&self, at: usize, len: usize) -> Option<[u8; BLOCK]> {
        let mut block = [b'0'; BLOCK];
        block[..len].copy_from_slice(self.hay.get(at..at + len)?);
        Some(block)
    }

    /// Where a pattern stands encoded, and how, if byte `nth` is its byte `from`.
    pub(super) fn places(&self, nth: isize, from: usize) -> impl Iterator<Item = Place> {
        let (spellings, place) = match self.kind {
            Kind::Hex => ([Some(Spelling::Hex), Some(Spelling::HexUpper)], 0),
            Kind::Wide => ([Some(Spelling::Wide), None], 0),
            Kind::Base64 => {
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
        if self.kind != Kind::Base64 {
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

/// What each byte is worth as a character of base64, of either alphabet.
const SEXTETS: [u8; 256] = {
    let mut sextets = [FOREIGN; 256];
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = 0;
    while value < digits.len() {
        sextets[digits[value] as usize] = value.to_le_bytes()[0];
        value += 1;
    }
    sextets[b'-' as usize] = 62;
    sextets[b'_' as usize] = 63;
    sextets
};
/// What is none is worth more than all.
const FOREIGN: u8 = 0xff;

/// The twelve bytes that 16 characters of base64 spell, the first the highest.
#[inline(always)]
fn base64(block: [u8; BLOCK]) -> Option<u128> {
    let values = block.map(|character| SEXTETS[usize::from(character)]);
    if values.iter().fold(0, |all, value| all | value) >= 64 {
        return None;
    }
    let (first, last) = values.split_at(WINDOW);
    let [first, last] = [first, last].map(join);
    Some(u128::from(first) << 48 | u128::from(last))
}

/// Eight values of six bits as 48 bits, the first the highest.
#[inline(always)]
fn join(values: &[u8]) -> u64 {
    values
        .iter()
        .fold(0, |bits, value| bits << 6 | u64::from(*value))
}

/// What a block spells as base64, if it is that: eight bytes from each of the first four characters
/// on.
#[inline(always)]
pub(super) fn base64_windows(block: [u8; BLOCK]) -> Option<[u64; 4]> {
    let twelve = base64(block)?;
    Some([0, 6, 12, 18].map(|skip| eight(twelve, skip)))
}

/// Whether hexadecimal digits may begin with the first or the second character of a block of ASCII.
#[inline(always)]
pub(super) fn may_be_hex(block: [u8; BLOCK]) -> bool {
    nibbles(load(&block[WINDOW..])).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{Spelled, words};
    use crate::masked::{MaskStream, Masked, Plain};

    const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    #[test]
    fn only_digits_have_values() {
        let of_all = |values: fn(u64) -> Option<u64>| -> Vec<(u8, u8)> {
            let value = |ascii| Some((ascii, values(each(ascii))?.to_le_bytes()[0]));
            (0..0x80).filter_map(value).collect()
        };
        let is_digit = |byte: &u8| base64([*byte; BLOCK]).is_some();
        let digits: Vec<u8> = (0..=0xff).filter(is_digit).collect();
        assert_eq!(digits.len(), 66);
        for digit in digits {
            let value = base64([digit; BLOCK]).unwrap() & 63;
            let standard = match digit {
                b'-' => b'+',
                b'_' => b'/',
                digit => digit,
            };
            assert_eq!(
                usize::try_from(value).map(|value| BASE64[value]),
                Ok(standard)
            );
        }
        let nibbles = of_all(nibbles);
        assert_eq!(nibbles.len(), 22);
        for (digit, value) in nibbles {
            assert_eq!(char::from(digit).to_digit(16), Some(value.into()));
        }
    }

    #[test]
    fn one_foreign_byte_anywhere_is_no_digit() {
        for at in 0..BLOCK {
            for byte in [b'.', b'g', 0, b' ', 0x80, 0xb0, 0xff] {
                let mut block = *b"0123456789abcdef";
                assert!(base64(block).is_some() && hex(block).is_some());
                block[at] = byte;
                assert_eq!(hex(block), None, "{byte} at {at}");
                assert_eq!(base64(block).is_some(), byte == b'g', "{byte} at {at}");
            }
        }
    }

    /// Each part of each form is read as the bytes that it spells, and told where it stands.
    #[test]
    fn reads_what_was_spelled() {
        let needle = b"forty bytes of text: ?>!?~ and <+/_> etc";
        let mut store = Masked::new(MaskStream::new(3));
        store.append(words(needle));
        let plain = Plain::new(&store, 0, needle.len());
        let base64 = [0, 1, 2].map(|place| Spelling::Base64 { place });
        let url = [0, 1, 2].map(|place| Spelling::Base64Url { place });
        let others = [Spelling::Hex, Spelling::HexUpper, Spelling::Wide];
        for spelling in [base64, url, others].concat() {
            let spelled = Spelled::new(plain, spelling);
            let word = |at| spelling.word(plain, at).to_le_bytes();
            let len = spelling.len(needle.len());
            let mut hay: Vec<u8> = (0..len).step_by(WINDOW).flat_map(word).collect();
            hay.truncate(len);
            assert_eq!(spelled.matches_forward(0, &hay), len);
            let mut told = 0;
            for at in 0..len - BLOCK {
                for coding in Coding::DIGITS.into_iter().chain(Coding::WIDE) {
                    let encoded = Encoded::new(&hay, at, coding);
                    for nth in -7..8 {
                        let Some(window) = encoded.window(nth) else {
                            continue;
                        };
                        let Some(from) = needle
                            .windows(WINDOW)
                            .position(|other| other == window.to_le_bytes())
                        else {
                            continue;
                        };
                        let stands =
                            |place: &Place| place.spelling == spelling && place.at == place.from;
                        assert!(encoded.places(nth, from).any(|place| stands(&place)));
                        told += 1;
                    }
                }
            }
            // By one coding of each block, about 15 windows around it.
            assert!(told > 8 * (len - 2 * BLOCK), "{spelling:?}: {told}");
        }
    }
}
