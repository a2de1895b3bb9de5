//! The shapes that programs write a secret in.
//!
//! Each form is made byte by byte from the masked needle, so that no plain copy of it, encoded or
//! not, ever stands in our memory.

#[cfg(test)]
mod tests;

use crate::hit::Form;

/// Takes in the forms of a needle.
pub(crate) trait Forms {
    /// Takes in one of them.
    fn add(&mut self, form: Form, bytes: impl Iterator<Item = u8>);
}

/// Adds each form of a needle to `forms`; `plain` gives its bytes anew.
pub(crate) fn each_form<I, P>(plain: P, forms: &mut impl Forms)
where
    I: DoubleEndedIterator<Item = u8>,
    P: Fn() -> I,
{
    forms.add(Form::Exact, plain());
    if !plain().eq(plain().rev()) {
        forms.add(Form::Reversed, plain().rev());
    }
    forms.add(Form::Hex, hex(plain(), LOWER));
    if hex(plain(), LOWER).any(|digit| digit.is_ascii_lowercase()) {
        forms.add(Form::HexUpper, hex(plain(), UPPER));
    }
    for place in 0..3 {
        forms.add(Form::Base64, base64(plain(), place, STANDARD));
        if base64(plain(), place, STANDARD).any(|digit| STANDARD.contains(&digit)) {
            forms.add(Form::Base64Url, base64(plain(), place, URL));
        }
    }
    if chars(plain()).all(|char| char.is_some()) {
        forms.add(Form::Utf16, utf16(plain()));
    }
}

#[cfg(test)]
impl Forms for Vec<(Form, Vec<u8>)> {
    fn add(&mut self, form: Form, bytes: impl Iterator<Item = u8>) {
        self.push((form, bytes.collect()));
    }
}

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

fn hex(bytes: impl Iterator<Item = u8>, digits: &'static [u8; 16]) -> impl Iterator<Item = u8> {
    bytes.flat_map(|byte| {
        [
            digits[usize::from(byte >> 4)],
            digits[usize::from(byte & 15)],
        ]
    })
}

const STANDARD: &[u8; 2] = b"+/";
const URL: &[u8; 2] = b"-_";

/// The characters that the needle alone decides when it begins at byte `place` of a group of three.
///
/// ```text
/// place 0   |needle…            6 bits a character, from the first bit on
/// place 1   x|needle…           skip 4 bits: they share a character with x
/// place 2   xx|needle…          skip 2 bits
/// ```
fn base64(
    mut bytes: impl Iterator<Item = u8>,
    place: u32,
    last_two: &'static [u8; 2],
) -> impl Iterator<Item = u8> {
    let mut skip = [0, 4, 2][place as usize];
    let mut bits = 0_u32;
    let mut held = 0;
    core::iter::from_fn(move || {
        while held < 6 {
            bits = bits << 8 | u32::from(bytes.next()?);
            held += 8 - skip;
            skip = 0;
        }
        held -= 6;
        Some(base64_char((bits >> held) & 63, last_two))
    })
}

fn base64_char(value: u32, last_two: &[u8; 2]) -> u8 {
    let [value, ..] = value.to_le_bytes();
    match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => last_two[0],
        _ => last_two[1],
    }
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
