//! Secret-key and secret-subkey packets of OpenPGP without a passphrase, of the versions 4 to 6.
//!
//! ```text
//! header | 4 | time (4) | algorithm         | public part | 0            | secret part | sum (2)
//! header | 5 | time (4) | algorithm | count | public part | 0, 0 | count | secret part | sum (2)
//! header | 6 | time (4) | algorithm | count | public part | 0            | secret part
//! ```
//!
//! The fifth is GnuPG's own (draft-koch-librepgp), the sixth that of RFC 9580. A count has four
//! bytes.

use memchr::memchr3_iter;

use super::Recognised;
use super::der::{SHORTEST_MODULUS, is_dsa, is_elgamal, rsa, varied};
use crate::keys::KeyKind;

/// Version, time and algorithm.
const START: usize = 6;
/// The number of the algorithm is the last of these.
const ALGORITHM: usize = START - 1;
/// Before a number stands how long it is.
const BITS: usize = 2;
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
    read_body(bytes.get(header.len..end)?, end)
}

/// The key packet in whose modulus the exponent at `at` follows.
pub(super) fn around_exponent(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    let bodies = at.saturating_sub(LONGEST_MODULUS + BITS + START + COUNT)
        ..at.saturating_sub(SHORTEST_MODULUS + BITS + START + COUNT - 1);
    // The versions that a body begins with are rare, where lengths to try are many.
    memchr3_iter(4, 5, 6, &hay[bodies.clone()]).find_map(|nth| {
        let body = bodies.start + nth;
        let modulus = body + public_at(hay[body])? + BITS;
        let bits = usize::from(u16::from_be_bytes([hay[modulus - 2], hay[modulus - 1]]));
        (modulus + bits.div_ceil(8) == at)
            .then(|| with_body_at(hay, body))
            .flatten()
    })
}

/// The key packet whose curve is named at `at`, behind the length of the name.
pub(super) fn around_curve(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    [START, START + COUNT].iter().find_map(|public| {
        let body = at.checked_sub(public + 1)?;
        (public_at(*hay.get(body)?)? == *public)
            .then(|| with_body_at(hay, body))
            .flatten()
    })
}

/// The key packet whose algorithm is told at `at`.
pub(super) fn around_algorithm(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    with_body_at(hay, at.checked_sub(ALGORITHM)?)
}

/// The key packet that begins at `at`.
pub(super) fn at_start(hay: &[u8], at: usize) -> Option<(usize, Recognised)> {
    Some((at, recognise(&hay[at..])?))
}

/// The packet whose body, behind one of the possible headers, begins at `body`.
fn with_body_at(hay: &[u8], body: usize) -> Option<(usize, Recognised)> {
    public_at(*hay.get(body)?)?;
    [2, 3, 5, 6].iter().find_map(|&header| {
        let start = body.checked_sub(header)?;
        let is_this = |found: &Header| found.len == header;
        Header::at_start(&hay[start..]).filter(is_this)?;
        Some((start, recognise(&hay[start..])?))
    })
}

/// A count of bytes in four bytes.
const COUNT: usize = 4;

/// Where in a body of this version the public part begins, if we know the version.
fn public_at(version: u8) -> Option<usize> {
    match version {
        4 => Some(START),
        5 | 6 => Some(START + COUNT),
        _ => None,
    }
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

/// The key of a packet of `len` bytes with this body.
fn read_body(body: &[u8], len: usize) -> Option<Recognised> {
    let version = *body.first()?;
    let (start, rest) = body.split_at_checked(public_at(version)?)?;
    let mut reader = Reader { bytes: rest };
    let public = Public::read(start[ALGORITHM], &mut reader)?;
    let public_len = rest.len() - reader.bytes.len();
    if let [.., a, b, c, d] = start[START..]
        && usize::try_from(u32::from_be_bytes([a, b, c, d])) != Ok(public_len)
    {
        return None;
    }
    let mut reader = Reader {
        bytes: open_part(version, reader.bytes)?,
    };
    let key = public.key(&mut reader, len)?;
    reader.bytes.is_empty().then_some(key)
}

/// The secret part, if it is not encrypted and its sum is right.
fn open_part(version: u8, bytes: &[u8]) -> Option<&[u8]> {
    // Anything but 0 says that the rest is encrypted.
    let rest = bytes.strip_prefix(&[0])?;
    let rest = match version {
        // No bytes more tell of an encryption. Programs differ in whether the sum counts.
        5 => rest.strip_prefix(&[0])?.get(COUNT..)?,
        6 => return Some(rest),
        _ => rest,
    };
    let (secret, sum) = rest.split_last_chunk::<2>()?;
    let add = |sum: u16, byte: &u8| sum.wrapping_add(u16::from(*byte));
    (secret.iter().fold(0, add) == u16::from_be_bytes(*sum)).then_some(secret)
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
    /// Of which the secret is written as a number.
    Curve(KeyKind),
    /// Of which the secret is written as it is, and as long as the point.
    Point(KeyKind, &'a [u8]),
}

impl<'a> Public<'a> {
    fn read(algorithm: u8, reader: &mut Reader<'a>) -> Option<Self> {
        let mut point = |kind, len| Some(Self::Point(kind, reader.take(len)?));
        Some(match algorithm {
            25 => point(KeyKind::X25519, 32)?,
            26 => point(KeyKind::X448, 56)?,
            27 => point(KeyKind::Ed25519, 32)?,
            28 => point(KeyKind::Ed448, 57)?,
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
                Self::Curve(match curve {
                    [0x2b, 6, 1, 4, 1, 0x97, ..] => KeyKind::X25519,
                    [0x2b, 0x65, 0x6f] => KeyKind::X448,
                    _ => KeyKind::Ec,
                })
            }
            19 => {
                let (_curve, _point) = (reader.short()?, reader.number()?);
                Self::Curve(KeyKind::Ec)
            }
            22 => {
                let (curve, _point) = (reader.short()?, reader.number()?);
                Self::Curve(match curve {
                    [0x2b, 0x65, 0x71] => KeyKind::Ed448,
                    _ => KeyKind::Ed25519,
                })
            }
            _ => return None,
        })
    }

    /// The key of a packet of `len` bytes.
    fn key(self, secret: &mut Reader<'a>, len: usize) -> Option<Recognised> {
        let (kind, identity) = match self {
            Self::Rsa { n } => {
                let [_d, p, q, _u] = secret.numbers()?;
                rsa(n, &[p, q])?
            }
            Self::Point(kind, point) => {
                let key = secret.take(point.len())?;
                let is_key = varied(key) && varied(point);
                return is_key.then(|| Recognised::as_bytes(len, kind, key));
            }
            Self::Dsa { p, q, y } => {
                let x = secret.number()?;
                is_dsa(p, q, y, x).then_some((KeyKind::Dsa, x))?
            }
            Self::ElGamal { p } => {
                let x = secret.number()?;
                is_elgamal(p, x).then_some((KeyKind::ElGamal, x))?
            }
            Self::Curve(kind) => (kind, secret.number().filter(|x| x.len() >= 8)?),
        };
        Some(Recognised::new(len, kind, identity))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// So many bytes.
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    /// A number: its length in two bytes, in bits, then its bytes.
    fn number(&mut self) -> Option<&'a [u8]> {
        let (bits, rest) = self.bytes.split_first_chunk()?;
        let bits = usize::from(u16::from_be_bytes(*bits));
        let (number, rest) = rest.split_at_checked(bits.div_ceil(8))?;
        // The first bit of a number is set, or the length would be wrong; but GnuPG counts all
        // bits of a byte of zeros that a scalar begins with.
        let leading = match *number.first()? {
            0 => 0,
            first => usize::try_from(first.leading_zeros()).ok()?,
        };
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
        let len = self.take(1)?[0];
        self.take(len.into())
    }
}
