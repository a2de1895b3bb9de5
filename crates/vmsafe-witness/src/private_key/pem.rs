//! Private keys between `-----BEGIN …-----` and `-----END …-----`.

use core::ops::Range;

use base64ct::{Base64Unpadded, Encoding};
use memchr::memmem;
use zeroize::Zeroizing;

use super::{Recognised, der, openpgp, openssh};

/// What a block begins with.
pub(super) const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
/// No block is read further: more than any single key takes. A key ring may go on behind.
const LONGEST: usize = super::OVERLAP;

/// So many digits spell three bytes.
pub(super) const GROUP: usize = 4;

/// The keys in the block that begins at the start of `bytes`, and where each begins; also where
/// line ends are written as `\n`, as in a JSON string. One that is encrypted is none.
///
/// Each key in a ring of OpenPGP ends with its own digits, so that the block need not end. The
/// first begins with the block, each other with its digits.
pub(super) fn recognise(bytes: &[u8]) -> Vec<(usize, Recognised)> {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let Some(label) = label(bytes) else {
        return Vec::new();
    };
    let key = match label {
        b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" | b"DSA PRIVATE KEY" => {
            single(bytes, label, der::recognise)
        }
        b"OPENSSH PRIVATE KEY" => single(bytes, label, openssh::recognise),
        b"PGP PRIVATE KEY BLOCK" => return ring(bytes, label).unwrap_or_default(),
        _ => None,
    };
    key.map(|key| (0, key)).into_iter().collect()
}

/// What stands between the dashes of the first line.
fn label(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(BEGIN)?;
    let longest = &rest[..rest.len().min(40)];
    Some(&rest[..dashes(longest)?])
}

fn dashes(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, DASHES)
}

/// Where the body of a block with this label begins.
fn body_start(label: &[u8]) -> usize {
    BEGIN.len() + label.len() + DASHES.len()
}

/// The one key of a block, which `read` knows by its bytes. Headers are no digits: they say that
/// the key is encrypted.
fn single(
    bytes: &[u8],
    label: &[u8],
    read: impl Fn(&[u8]) -> Option<Recognised>,
) -> Option<Recognised> {
    let start = body_start(label);
    // The next dashes end the block or it is none, so that a million beginnings are soon read.
    let end = start + dashes(&bytes[start..])?;
    let last_line = [b"-----END ", label, DASHES].concat();
    if !bytes[end..].starts_with(&last_line) {
        return None;
    }
    let len = end + last_line.len();
    let inner = read(&decode(&bytes[start..end])?)?;
    Some(Recognised { len, ..inner })
}

/// The keys of a ring of OpenPGP.
fn ring(bytes: &[u8], label: &[u8]) -> Option<Vec<(usize, Recognised)>> {
    let body = &bytes[body_start(label)..];
    let body = &body[..dashes(body).unwrap_or(body.len())];
    let text = behind_headers(body);
    let text_start = body_start(label) + body.len() - text.len();
    let decoded = Decoded::of(text)?;
    let keys = openpgp::keys(&decoded.bytes).filter_map(|(start, key)| {
        let place = decoded.place(start..start + key.len)?;
        let first = if start == 0 {
            0
        } else {
            text_start + place.start
        };
        let len = text_start + place.end - first;
        Some((first, Recognised { len, ..key }))
    });
    Some(keys.collect())
}

/// What the digits that a text begins with stand for.
pub(super) struct Decoded {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Where each digit stands.
    places: Vec<usize>,
}

impl Decoded {
    /// None if these are no whole bytes.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let mut places = Vec::new();
        let mut digits = Zeroizing::new(Vec::with_capacity(text.len() + GROUP));
        for (place, digit) in (Digits { text, at: 0 }).map_while(|digit| digit) {
            places.push(place);
            digits.push(digit);
        }
        // Where the text is cut, a group of four digits may be too: what is added belongs to no
        // key.
        let whole = digits.len().next_multiple_of(GROUP);
        digits.resize(whole, b'A');
        let bytes = decode_digits::<Base64Unpadded>(&digits)?;
        Some(Self { bytes, places })
    }

    /// Where the last digit ends.
    pub(super) fn end(&self) -> usize {
        self.places.last().map_or(0, |last| last + 1)
    }

    /// From the first digit of these bytes to the last.
    pub(super) fn place(&self, bytes: Range<usize>) -> Option<Range<usize>> {
        let first = self.places.get(bytes.start * GROUP / 3)?;
        let last = self.places.get((bytes.end * GROUP).div_ceil(3) - 1)?;
        Some(*first..last + 1)
    }
}

/// The body behind its headers: the lines that have a colon, and blank ones.
fn behind_headers(body: &[u8]) -> &[u8] {
    let mut rest = body;
    while let Some((line, behind)) = split_line(rest)
        && (line.contains(&b':') || line.trim_ascii().is_empty())
    {
        rest = behind;
    }
    rest
}

/// The first line, and what follows its end.
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        let len = match text.get(at..)? {
            [b'\n' | b'\r', ..] => 1,
            [b'\\', b'n' | b'r', ..] => 2,
            [b'\\', _, ..] => {
                at += 2;
                continue;
            }
            [_, ..] => {
                at += 1;
                continue;
            }
            [] => return None,
        };
        return Some((&text[..at], &text[at + len..]));
    }
}

/// The bytes that the base64 digits up to the first `=` stand for.
pub(super) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // As long as they can become: a vector that grows leaves its old content behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for digit in (Digits { text, at: 0 }) {
        digits.push(digit?.1);
    }
    decode_digits::<Base64Unpadded>(&digits)
}

/// What digits spell in this alphabet, with nothing between or behind them.
pub(super) fn decode_digits<A: Encoding>(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(vec![0; digits.len()]);
    let len = A::decode(digits, &mut decoded).ok()?.len();
    decoded.truncate(len);
    Some(decoded)
}

/// The digits of a text in base64 and where each stands, up to the first `=`; `None` for what is
/// neither a digit nor between two lines.
pub(super) struct Digits<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl Iterator for Digits<'_> {
    type Item = Option<(usize, u8)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let place = self.at;
            let (digit, len) = match self.text.get(place..)? {
                [b'\n' | b'\r' | b' ' | b'\t', ..] => (None, 1),
                [b'\\', b'n' | b'r', ..] => (None, 2),
                // JSON may write a slash so.
                [b'\\', slash @ b'/', ..] => (Some(*slash), 2),
                [b'=', ..] | [] => return None,
                [byte, ..] if is_digit(*byte) => (Some(*byte), 1),
                _ => return Some(None),
            };
            self.at += len;
            if let Some(digit) = digit {
                return Some(Some((place, digit)));
            }
        }
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}
