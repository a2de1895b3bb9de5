//! Secret-key and secret-subkey packets of OpenPGP, version 4, without a passphrase.
//!
//! ```text
//! header | 4 | time (4) | algorithm | public part | 0 | secret part | sum (2)
//! ```

use super::Recognised;
use super::der::rsa;
use crate::keys::KeyKind;

/// The exponent 65537 as such a packet writes it, behind the modulus.
pub(super) const EXPONENT: [u8; 5] = [0, 17, 1, 0, 1];

/// The key packet that begins at the start of `bytes`.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let (header, len) = header_of(bytes)?;
    let body = bytes
        .get(header..header + len)
        .filter(|body| body.first() == Some(&4))?;
    let (kind, identity) = read_body(body)?;
    Some(Recognised::new(header + len, kind, identity))
}

/// The key packet in whose modulus the exponent at `at` follows.
pub(super) fn around_exponent(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    (64..=1024).find_map(|len| {
        // Version, time, algorithm and the length in bits stand before the modulus.
        let bits_at = at.checked_sub(len + 2)?;
        let bits = usize::from(u16::from_be_bytes([hay[bits_at], hay[bits_at + 1]]));
        (bits.div_ceil(8) == len)
            .then(|| with_body_at(hay, bits_at.checked_sub(6)?))
            .flatten()
    })
}

/// The key packet whose curve is named at `at`.
pub(super) fn around_curve(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    with_body_at(hay, at.checked_sub(7)?)
}

/// The packet whose body, behind one of the possible headers, begins at `body`.
fn with_body_at(hay: &[u8], body: usize) -> Option<(usize, Recognised)> {
    if *hay.get(body)? != 4 {
        return None;
    }
    [2, 3, 5, 6].iter().find_map(|&header| {
        let start = body.checked_sub(header)?;
        let (header_len, len) = header_of(&hay[start..])?;
        let packet = hay.get(body..body + len).filter(|_| header_len == header)?;
        let (kind, identity) = read_body(packet)?;
        Some((start, Recognised::new(header + len, kind, identity)))
    })
}

/// The length of a secret-key or secret-subkey packet's header and of its body.
fn header_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let wide = |raw: [u8; 4]| {
        usize::try_from(u32::from_be_bytes(raw))
            .ok()
            .filter(|len| *len < 1 << 16)
    };
    Some(match *bytes {
        [0x94 | 0x9c, len, ..] => (2, usize::from(len)),
        [0x95 | 0x9d, high, low, ..] => (3, usize::from(u16::from_be_bytes([high, low]))),
        [0x96 | 0x9e, a, b, c, d, ..] => (5, wide([a, b, c, d])?),
        [0xc5 | 0xc7, len @ 0..192, ..] => (2, usize::from(len)),
        [0xc5 | 0xc7, high @ 192..224, low, ..] => {
            (3, ((usize::from(high) - 192) << 8) + usize::from(low) + 192)
        }
        [0xc5 | 0xc7, 255, a, b, c, d, ..] => (6, wide([a, b, c, d])?),
        _ => return None,
    })
}

/// The kind of key, and what tells it from others.
fn read_body(body: &[u8]) -> Option<(KeyKind, &[u8])> {
    let algorithm = *body.get(5)?;
    let mut reader = Reader { bytes: &body[6..] };
    let public = match algorithm {
        1..=3 => (reader.number()?, reader.number()?).0,
        18 => (reader.short()?, reader.number()?, reader.short()?).0,
        19 | 22 => (reader.short()?, reader.number()?).0,
        _ => return None,
    };
    // Anything but 0 says that the rest is encrypted.
    let secret = reader.bytes.strip_prefix(&[0])?;
    let (secret, sum) = secret.split_last_chunk::<2>()?;
    let added = secret
        .iter()
        .fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    if added != u16::from_be_bytes(*sum) {
        return None;
    }
    let mut reader = Reader { bytes: secret };
    let key = if algorithm <= 3 {
        let (_d, p, q, _u) = (
            reader.number()?,
            reader.number()?,
            reader.number()?,
            reader.number()?,
        );
        rsa(public, p, q)?
    } else {
        let scalar = reader.number()?;
        let kind = match (algorithm, public) {
            (22, _) => KeyKind::Ed25519,
            (18, [0x2b, 6, 1, 4, 1, 0x97, ..]) => KeyKind::X25519,
            _ => KeyKind::Ec,
        };
        (scalar.len() >= 8).then_some((kind, scalar))?
    };
    reader.bytes.is_empty().then_some(key)
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A number: its length in two bytes, in bits, then its bytes.
    fn number(&mut self) -> Option<&'a [u8]> {
        let (bits, rest) = self.bytes.split_first_chunk()?;
        let bits = usize::from(u16::from_be_bytes(*bits));
        let (number, rest) = rest.split_at_checked(bits.div_ceil(8))?;
        let first = *number.first()?;
        // The first bit of a number is set, or the length would be wrong.
        let leading = usize::try_from(first.leading_zeros()).ok()?;
        self.bytes = rest;
        (number.len() * 8 - leading == bits).then_some(number)
    }

    /// A length in one byte, then as many bytes.
    fn short(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.bytes.split_first()?;
        let (content, rest) = rest.split_at_checked(usize::from(*len))?;
        self.bytes = rest;
        Some(content)
    }
}
