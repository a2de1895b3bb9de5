//! Secret-key and secret-subkey packets of OpenPGP, version 4, without a passphrase.
//!
//! ```text
//! header | 4 | time (4) | algorithm | public part | 0 | secret part | sum (2)
//! ```

use memchr::memchr_iter;

use super::Recognised;
use super::der::{SHORTEST_MODULUS, is_dsa, rsa};
use crate::keys::KeyKind;

const VERSION: u8 = 4;
/// Version, time, algorithm and the length in bits stand before a modulus.
const PUBLIC: usize = 8;
/// Of 8192 bits.
const LONGEST_MODULUS: usize = 1024;

/// The exponent 65537 as such a packet writes it, behind the modulus.
pub(super) const EXPONENT: [u8; 5] = [0, 17, 1, 0, 1];

/// A packet of a key that is longer holds none that is in use.
const LONGEST: usize = 1 << 16;

/// The keys in the open among the packets that `bytes` begins with, and where each begins.
pub(super) fn keys(bytes: &[u8]) -> impl Iterator<Item = (usize, Recognised)> {
    let mut at = 0;
    let mut packets = core::iter::from_fn(move || {
        let start = at;
        let rest = bytes.get(start..)?;
        at = at.checked_add(Header::at_start(rest)?.end()?)?;
        Some((start, rest))
    });
    core::iter::from_fn(move || {
        packets.find_map(|(start, packet)| Some((start, recognise(packet)?)))
    })
}

/// The key packet that begins at the start of `bytes`.
fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let header = Header::at_start(bytes).filter(Header::is_of_key)?;
    let end = header.end()?;
    let (kind, identity) = read_body(bytes.get(header.len..end)?)?;
    Some(Recognised::new(end, kind, identity))
}

/// The key packet in whose modulus the exponent at `at` follows.
pub(super) fn around_exponent(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    let bodies = at.saturating_sub(LONGEST_MODULUS + PUBLIC)
        ..at.saturating_sub(SHORTEST_MODULUS + PUBLIC - 1);
    // The version that a body begins with is rare, where lengths to try are many.
    memchr_iter(VERSION, &hay[bodies.clone()]).find_map(|nth| {
        let body = bodies.start + nth;
        let bits_at = body + PUBLIC - 2;
        let bits = usize::from(u16::from_be_bytes([hay[bits_at], hay[bits_at + 1]]));
        (body + PUBLIC + bits.div_ceil(8) == at)
            .then(|| with_body_at(hay, body))
            .flatten()
    })
}

/// The key packet whose curve is named at `at`.
pub(super) fn around_curve(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    with_body_at(hay, at.checked_sub(7)?)
}

/// The packet whose body, behind one of the possible headers, begins at `body`.
fn with_body_at(hay: &[u8], body: usize) -> Option<(usize, Recognised)> {
    if *hay.get(body)? != VERSION {
        return None;
    }
    [2, 3, 5, 6].iter().find_map(|&header| {
        let start = body.checked_sub(header)?;
        let is_this = |found: &Header| found.len == header;
        Header::at_start(&hay[start..]).filter(is_this)?;
        Some((start, recognise(&hay[start..])?))
    })
}

/// What a packet begins with.
struct Header {
    tag: u8,
    /// Of the header itself.
    len: usize,
    body: usize,
}

impl Header {
    /// None if the packet's length is not told, or told in parts.
    fn at_start(bytes: &[u8]) -> Option<Self> {
        let (len, body) = match *bytes {
            [0x80..0xc0, ..] => Self::old(bytes)?,
            [0xc0..=0xff, len @ 0..192, ..] => (2, usize::from(len)),
            [0xc0..=0xff, high @ 192..224, low, ..] => {
                (3, ((usize::from(high) - 192) << 8) + usize::from(low) + 192)
            }
            [0xc0..=0xff, 255, a, b, c, d, ..] => {
                (6, usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?)
            }
            _ => return None,
        };
        let tag = match bytes[0] {
            old @ ..0xc0 => old >> 2 & 15,
            new => new & 63,
        };
        Some(Self { tag, len, body })
    }

    /// The lengths of a header in the old format and of its body.
    fn old(bytes: &[u8]) -> Option<(usize, usize)> {
        let (len_of_len, rest) = (1 << (bytes[0] & 3), &bytes[1..]);
        let len = rest.get(..len_of_len).filter(|len| len.len() <= 4)?;
        let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some((1 + len_of_len, len.iter().fold(0, add)))
    }

    /// Whether it is that of a secret key or subkey.
    fn is_of_key(&self) -> bool {
        matches!(self.tag, 5 | 7) && self.body < LONGEST
    }

    /// Where the next packet begins.
    fn end(&self) -> Option<usize> {
        self.len.checked_add(self.body)
    }
}

/// The kind of key, and what tells it from others.
fn read_body(body: &[u8]) -> Option<(KeyKind, &[u8])> {
    let [VERSION, _, _, _, _, algorithm, rest @ ..] = body else {
        return None;
    };
    let mut reader = Reader { bytes: rest };
    let public = Public::read(*algorithm, &mut reader)?;
    // Anything but 0 says that the rest is encrypted.
    let secret = reader.bytes.strip_prefix(&[0])?;
    let (secret, sum) = secret.split_last_chunk::<2>()?;
    let mut reader = Reader { bytes: secret };
    let key = public.key(&mut reader)?;
    let add = |sum: u16, byte: &u8| sum.wrapping_add(u16::from(*byte));
    let is_whole =
        reader.bytes.is_empty() && secret.iter().fold(0, add) == u16::from_be_bytes(*sum);
    is_whole.then_some(key)
}

/// What of a key's public part the secret one is held against.
enum Public<'a> {
    Rsa {
        n: &'a [u8],
    },
    ElGamal {
        p: &'a [u8],
    },
    Dsa {
        p: &'a [u8],
        q: &'a [u8],
        y: &'a [u8],
    },
    Curve(KeyKind),
}

impl<'a> Public<'a> {
    fn read(algorithm: u8, reader: &mut Reader<'a>) -> Option<Self> {
        Some(match algorithm {
            1..=3 => {
                let [n, _e] = reader.numbers()?;
                Self::Rsa { n }
            }
            16 => {
                let [p, _g, _y] = reader.numbers()?;
                Self::ElGamal { p }
            }
            17 => {
                let [p, q, _g, y] = reader.numbers()?;
                Self::Dsa { p, q, y }
            }
            18 => {
                let (curve, _point, _derivation) =
                    (reader.short()?, reader.number()?, reader.short()?);
                let is_x25519 = matches!(curve, [0x2b, 6, 1, 4, 1, 0x97, ..]);
                Self::Curve(if is_x25519 {
                    KeyKind::X25519
                } else {
                    KeyKind::Ec
                })
            }
            19 | 22 => {
                let (_curve, _point) = (reader.short()?, reader.number()?);
                Self::Curve(if algorithm == 22 {
                    KeyKind::Ed25519
                } else {
                    KeyKind::Ec
                })
            }
            _ => return None,
        })
    }

    fn key(self, secret: &mut Reader<'a>) -> Option<(KeyKind, &'a [u8])> {
        if let Self::Rsa { n } = self {
            let [_d, p, q, _u] = secret.numbers()?;
            return rsa(n, &[p, q]);
        }
        let x = secret.number().filter(|x| x.len() >= 8)?;
        let kind = match self {
            Self::Dsa { p, q, y } => is_dsa(p, q, y, x).then_some(KeyKind::Dsa),
            Self::ElGamal { p } => (p.len() >= SHORTEST_MODULUS).then_some(KeyKind::ElGamal),
            Self::Curve(kind) => Some(kind),
            Self::Rsa { .. } => None,
        };
        Some((kind?, x))
    }
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

    fn numbers<const COUNT: usize>(&mut self) -> Option<[&'a [u8]; COUNT]> {
        let mut all = [&[][..]; COUNT];
        for number in &mut all {
            *number = self.number()?;
        }
        Some(all)
    }

    /// A length in one byte, then as many bytes.
    fn short(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.bytes.split_first()?;
        let (content, rest) = rest.split_at_checked(usize::from(*len))?;
        self.bytes = rest;
        Some(content)
    }
}
