//! The shapes that programs write a secret in.
//!
//! Each form is made from the masked needle, eight bytes at a time in a register, so that no plain
//! copy of it, encoded or not, ever stands in our memory.

#[cfg(test)]
mod tests;

use crate::hit::Form;

/// Up to eight bytes, the first the lowest; those behind `len` mean nothing.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    pub(crate) bytes: u64,
    pub(crate) len: usize,
}

/// Takes in the forms of a needle.
pub(crate) trait Forms {
    /// Takes in one of them.
    fn add(&mut self, form: Form, words: impl Iterator<Item = Word>);
}

/// Adds each form of a needle to `forms`; `plain` gives its bytes anew.
pub(crate) fn each_form<I, P>(plain: P, forms: &mut impl Forms)
where
    I: DoubleEndedIterator<Item = u8>,
    P: Fn() -> I,
{
    forms.add(Form::Exact, pack::<8>(plain()));
    if !plain().eq(plain().rev()) {
        forms.add(Form::Reversed, pack::<8>(plain().rev()));
    }
    forms.add(Form::Hex, hex(plain(), LOWER));
    let has_letter = |byte: u8| byte >> 4 > 9 || byte & 15 > 9;
    if plain().any(has_letter) {
        forms.add(Form::HexUpper, hex(plain(), UPPER));
    }
    for place in 0..3 {
        forms.add(Form::Base64, base64(plain(), place, STANDARD));
        if sextets(plain(), place).any(has_last_two) {
            forms.add(Form::Base64Url, base64(plain(), place, URL));
        }
    }
    if plain().all(|byte| byte.is_ascii()) {
        let wide = |word: Word| Word {
            bytes: spread(word.bytes),
            len: 2 * word.len,
        };
        forms.add(Form::Utf16, pack::<4>(plain()).map(wide));
    } else if chars(plain()).all(|char| char.is_some()) {
        forms.add(Form::Utf16, pack::<8>(utf16(plain())));
    }
}

#[cfg(test)]
impl Forms for Vec<(Form, Vec<u8>)> {
    fn add(&mut self, form: Form, words: impl Iterator<Item = Word>) {
        let bytes = words.flat_map(|word| word.bytes.to_le_bytes().into_iter().take(word.len));
        self.push((form, bytes.collect()));
    }
}

/// The bytes in words of `COUNT`, the last perhaps of fewer.
pub(crate) fn pack<const COUNT: usize>(
    mut bytes: impl Iterator<Item = u8>,
) -> impl Iterator<Item = Word> {
    core::iter::from_fn(move || {
        let mut word = Word { bytes: 0, len: 0 };
        while word.len < COUNT {
            let Some(byte) = bytes.next() else { break };
            word.bytes |= u64::from(byte) << (8 * word.len);
            word.len += 1;
        }
        (word.len > 0).then_some(word)
    })
}

/// A byte at each place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// 1 in each byte of `values`, all below 128, that is not below `least`.
const fn from(values: u64, least: u8) -> u64 {
    (values + each(0x80 - least)) >> 7 & each(1)
}

/// Four bytes, each with a zero behind it.
fn spread(bytes: u64) -> u64 {
    let two = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff;
    (two | two << 8) & 0x00ff_00ff_00ff_00ff
}

/// What a letter lies behind the digit `9`, but for one.
const LOWER: u64 = (b'a' - b'9' - 1) as u64;
const UPPER: u64 = (b'A' - b'9' - 1) as u64;

fn hex(bytes: impl Iterator<Item = u8>, letters: u64) -> impl Iterator<Item = Word> {
    pack::<4>(bytes).map(move |word| {
        let pairs = spread(word.bytes);
        let digits = (pairs >> 4 | pairs << 8) & each(15);
        Word {
            bytes: digits + each(b'0') + from(digits, 10) * letters,
            len: 2 * word.len,
        }
    })
}

const STANDARD: [u8; 2] = *b"+/";
const URL: [u8; 2] = *b"-_";

/// The sextets that the needle alone decides when it begins at byte `place` of a group of three:
/// the values of base64's characters.
///
/// ```text
/// place 0   |needle…            6 bits a character, from the first bit on
/// place 1   x|needle…           skip 4 bits: they share a character with x
/// place 2   xx|needle…          skip 2 bits
/// ```
fn sextets(mut bytes: impl Iterator<Item = u8>, place: usize) -> impl Iterator<Item = Word> {
    let mut skip = [0, 4, 2][place];
    let mut bits = 0_u64;
    let mut held = 0;
    core::iter::from_fn(move || {
        while held < 48 {
            let Some(byte) = bytes.next() else { break };
            bits = bits << 8 | u64::from(byte);
            held += 8 - skip;
            skip = 0;
        }
        let len = (held / 6).min(8);
        held -= 6 * len;
        // As if there were eight.
        let eight = (bits >> held) << (48 - 6 * len);
        (len > 0).then_some(Word {
            bytes: separate(eight),
            len,
        })
    })
}

/// The lowest 48 bits as eight bytes of six bits, the highest first.
fn separate(bits: u64) -> u64 {
    let two = bits >> 24 & 0x00ff_ffff | (bits & 0x00ff_ffff) << 32;
    let four = two >> 12 & 0x0000_0fff_0000_0fff | (two & 0x0000_0fff_0000_0fff) << 16;
    four >> 6 & 0x003f_003f_003f_003f | (four & 0x003f_003f_003f_003f) << 8
}

/// Whether a sextet is of those in which the alphabets of base64 differ.
fn has_last_two(word: Word) -> bool {
    let behind = 8 * (8 - word.len);
    from(word.bytes, 62) << behind != 0
}

fn base64(
    bytes: impl Iterator<Item = u8>,
    place: usize,
    last_two: [u8; 2],
) -> impl Iterator<Item = Word> {
    // `A` to `Z`, `a` to `z`, `0` to `9`: from each to the next by so much more or less.
    const CAPITALS: u64 = b'A' as u64;
    const LETTERS: u64 = b'a' as u64 - 26 - CAPITALS;
    const DIGITS: u64 = b'a' as u64 - 26 + 52 - b'0' as u64;
    let [first, last] = last_two.map(u64::from);
    sextets(bytes, place).map(move |word| {
        let values = word.bytes;
        let [letters, digits, both, second] = [26, 52, 62, 63].map(|least| from(values, least));
        let all = values + each(b'A') + letters * LETTERS - digits * DIGITS;
        // What the two would be is taken away before they are added.
        let last_two = (both ^ second) * first + second * last;
        let plain = !(both * 0xff) & all;
        Word {
            bytes: plain | last_two,
            len: word.len,
        }
    })
}

/// The text as UTF-16, low byte first.
fn utf16(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    chars(bytes).flatten().flat_map(|char| {
        let mut units = [0; 2];
        let used = char.encode_utf16(&mut units).len();
        units.into_iter().take(used).flat_map(u16::to_le_bytes)
    })
}

/// The characters of UTF-8 text; `None` stands for what is no UTF-8.
fn chars(mut bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = Option<char>> {
    core::iter::from_fn(move || {
        let first = bytes.next()?;
        let len = match first {
            0..0x80 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            _ => return Some(None),
        };
        let mut encoded = [first, 0, 0, 0];
        for byte in &mut encoded[1..len] {
            *byte = bytes.next().unwrap_or(0);
        }
        let text = core::str::from_utf8(&encoded[..len]).ok();
        Some(text.and_then(|text| text.chars().next()))
    })
}
