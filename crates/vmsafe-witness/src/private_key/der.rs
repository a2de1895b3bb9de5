//! Private keys in DER: PKCS #1 (RSA), the like for DSA, SEC 1 (EC) and PKCS #8 (any).

use super::Recognised;
use super::residue::{is_product, strip};
use crate::keys::KeyKind;

pub(super) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// An RSA modulus below this length, in bytes, is a toy.
pub(super) const SHORTEST_MODULUS: usize = 64;
/// One of 16384 bits is the longest that programs make …
const LONGEST_MODULUS: usize = 2048;
/// … and none has more primes than this. What claims to takes long to check.
const MOST_PRIMES: usize = 16;

/// The key that begins at the start of `bytes`.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let mut reader = Reader { bytes };
    let content = reader.take(SEQUENCE)?;
    let len = bytes.len() - reader.bytes.len();
    let (kind, identity) = pkcs1(content)
        .or_else(|| sec1(content))
        .or_else(|| pkcs8(content))?;
    Some(Recognised::as_bytes(len, kind, identity))
}

type Key<'a> = (KeyKind, &'a [u8]);

/// `SEQUENCE { 0, n, e, d, p, q, … }`, `SEQUENCE { 1, n, e, d, p, q, …, others }` if there are more
/// than two primes, or `SEQUENCE { 0, p, q, g, y, x }` for DSA.
fn pkcs1(content: &[u8]) -> Option<Key<'_>> {
    let mut reader = Reader { bytes: content };
    let version = reader.take(INTEGER)?;
    let numbers: Vec<&[u8]> = core::iter::from_fn(|| reader.positive()).take(9).collect();
    match (version, &numbers[..]) {
        ([0], &[n, _, _, p, q, _, _, _]) => rsa(n, &[p, q]),
        ([1], &[n, _, _, p, q, _, _, _]) => {
            let mut primes = vec![p, q];
            let mut others = Reader {
                bytes: reader.take(SEQUENCE)?,
            };
            while let Some(other) = others.take(SEQUENCE) {
                primes.push(Reader { bytes: other }.positive()?);
                if primes.len() > MOST_PRIMES {
                    return None;
                }
            }
            rsa(n, &primes)
        }
        ([0], &[p, q, _, y, x]) => {
            let fits = is_dsa(p, q, y, x) && reader.bytes.is_empty();
            fits.then_some((KeyKind::Dsa, x))
        }
        _ => None,
    }
}

/// An RSA key is known by its modulus; that it is one, by its factors.
pub(super) fn rsa<'a>(n: &'a [u8], primes: &[&[u8]]) -> Option<Key<'a>> {
    let n = strip(n);
    let is_usual =
        (SHORTEST_MODULUS..=LONGEST_MODULUS).contains(&n.len()) && primes.len() <= MOST_PRIMES;
    (is_usual && is_product(primes, n)).then_some((KeyKind::Rsa, n))
}

/// Whether these are of the sizes that DSA knows.
pub(super) fn is_dsa(p: &[u8], q: &[u8], y: &[u8], x: &[u8]) -> bool {
    matches!(q.len(), 20 | 28 | 32)
        && matches!(p.len(), 128 | 192 | 256 | 384)
        && y.len() <= p.len()
        && (8..=q.len()).contains(&x.len())
}

/// Whether these are of the sizes that ElGamal's may have.
pub(super) fn is_elgamal(p: &[u8], x: &[u8]) -> bool {
    p.len() >= SHORTEST_MODULUS && (8..=p.len()).contains(&x.len())
}

/// `SEQUENCE { 1, private key, [0] curve, [1] public key }`.
fn sec1(content: &[u8]) -> Option<Key<'_>> {
    let mut reader = Reader { bytes: content };
    if reader.take(INTEGER)? != [1] {
        return None;
    }
    let scalar = reader.take(OCTET_STRING)?;
    let curve = reader.take(0xa0);
    let public = reader.take(0xa1);
    let curve = match curve {
        Some(curve) => Some(Reader { bytes: curve }.curve()?),
        None => None,
    };
    // Without a curve and a public key these would be few bytes to go by.
    let public = public.and_then(|public| Reader { bytes: public }.take(BIT_STRING));
    let point_fits = match public {
        Some(&[0, 4, ref point @ ..]) => is_scalar(scalar, Some(point.len() / 2)),
        Some(&[0, 2 | 3, ref point @ ..]) => is_scalar(scalar, Some(point.len())),
        Some(_) => false,
        None => curve.is_some(),
    };
    let fits =
        point_fits && is_scalar(scalar, curve.and_then(field_len)) && reader.bytes.is_empty();
    fits.then_some((KeyKind::Ec, scalar))
}

/// Whether this may be the scalar of a key of a curve whose coordinates take so many bytes.
///
/// The number of points takes a byte more or less than they on some curves, and some programs leave
/// out zeros that a scalar begins with.
pub(super) fn is_scalar(scalar: &[u8], field_len: Option<usize>) -> bool {
    (16..=72).contains(&scalar.len())
        && field_len.is_none_or(|len| (len.saturating_sub(3)..=len + 1).contains(&scalar.len()))
        && varied(scalar)
}

/// The bytes of a coordinate on a named curve, if we know it.
fn field_len(curve: &[u8]) -> Option<usize> {
    Some(match curve {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => 32,
        [0x2b, 0x81, 4, 0, 0x22] => 48,
        [0x2b, 0x81, 4, 0, 0x23] => 66,
        [0x2b, 0x81, 4, 0, 0x0a] => 32,
        _ => return None,
    })
}

/// `SEQUENCE { 0 or 1, SEQUENCE { algorithm, … }, OCTET STRING { key }, … }`.
fn pkcs8(content: &[u8]) -> Option<Key<'_>> {
    let mut reader = Reader { bytes: content };
    if !matches!(reader.take(INTEGER)?, [0 | 1]) {
        return None;
    }
    let mut algorithm = Reader {
        bytes: reader.take(SEQUENCE)?,
    };
    let object = algorithm.take(OBJECT)?;
    let key = reader.take(OCTET_STRING)?;
    // Attributes and a public key, and nothing that would be no part of the key.
    while [0xa0, 0x81, 0xa1]
        .iter()
        .any(|tag| reader.take(*tag).is_some())
    {}
    if !reader.bytes.is_empty() {
        return None;
    }
    let edwards = |kind, len| {
        let raw = Reader { bytes: key }.take(OCTET_STRING)?;
        (raw.len() == len && varied(raw)).then_some((kind, raw))
    };
    match object {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1 | 10] => {
            pkcs1(Reader { bytes: key }.take(SEQUENCE)?)
        }
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1] => {
            let curve = algorithm.curve()?;
            pkcs8_ec(Reader { bytes: key }.take(SEQUENCE)?, curve)
        }
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1] => {
            let x = Reader { bytes: key }.positive()?;
            matches!(x.len(), 8..=32).then_some((KeyKind::Dsa, x))
        }
        [0x2b, 0x65, 0x6e] => edwards(KeyKind::X25519, 32),
        [0x2b, 0x65, 0x6f] => edwards(KeyKind::X448, 56),
        [0x2b, 0x65, 0x70] => edwards(KeyKind::Ed25519, 32),
        [0x2b, 0x65, 0x71] => edwards(KeyKind::Ed448, 57),
        _ => None,
    }
}

/// In PKCS #8 the curve stands with the algorithm, so that the inner key may lack it.
fn pkcs8_ec<'a>(content: &'a [u8], curve: &[u8]) -> Option<Key<'a>> {
    let mut reader = Reader { bytes: content };
    let version = reader.take(INTEGER)?;
    let scalar = reader.take(OCTET_STRING)?;
    let fits = version == [1] && is_scalar(scalar, field_len(curve));
    fits.then_some((KeyKind::Ec, scalar))
}

/// Whether these may be the bytes of a secret.
///
/// Programs hold the beginning of such a key as a constant, with code or text behind it. Of secrets
/// that are drawn at random one in a million fails this; of what follows such a constant, most.
pub(super) fn varied(secret: &[u8]) -> bool {
    let mut seen = [false; 256];
    secret
        .iter()
        .for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    let in_a_row = secret
        .windows(4)
        .any(|bytes| bytes.iter().all(|byte| *byte == bytes[0]));
    8 * distinct >= 5 * secret.len() && !in_a_row && !secret.is_ascii()
}

/// Takes one element after the other.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The content of the next element, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.bytes.split_first()?;
        if found != tag {
            return None;
        }
        let (len, rest) = match rest {
            [len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
            [0x81, len @ 0x80..=0xff, rest @ ..] => (usize::from(*len), rest),
            [0x82, high @ 1..=0xff, low, rest @ ..] => {
                (usize::from(*high) << 8 | usize::from(*low), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.bytes = rest;
        Some(content)
    }

    /// The name of a curve, or what is told of one that is not named.
    fn curve(&mut self) -> Option<&'a [u8]> {
        self.take(OBJECT).or_else(|| self.take(SEQUENCE))
    }

    /// The next element as a positive number without its leading zero.
    pub(super) fn positive(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)? {
            [0, number @ ..] | number @ [0..0x80, ..] if !number.is_empty() => Some(strip(number)),
            _ => None,
        }
    }
}
