//! Private keys as JSON Web Keys (RFC 7517, 7518 and 8037), also inside a string of other JSON.

use core::ops::Range;

use base64ct::Base64UrlUnpadded;
use memchr::memchr2_iter;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Recognised;
use super::der::{rsa, varied};
use super::pem::decode_digits;
use crate::keys::KeyKind;

/// The name of the member that no key lacks, without its last quote.
pub(super) const MEMBER: &[u8] = b"\"kty";

/// No brace of a key is further away from its marker …
const FURTHEST: usize = super::OVERLAP;
/// … and no more are between: what was made to hold many others would be read as often as it does.
const MOST_BRACES: usize = 64;

/// Where an object begins, and whether it is read as one in a string.
pub(super) type Object = (usize, bool);

/// The key whose marker stands at `at`, from its brace to the other, and where it begins. The
/// object `read` was asked about; now this one is.
pub(super) fn around(
    hay: &[u8],
    at: usize,
    read: &mut Option<Object>,
) -> Option<(usize, Recognised)> {
    let object = object_around(hay, at)?;
    let is_in_string = hay[..at].ends_with(b"\\");
    let this = Some((object.start, is_in_string));
    if core::mem::replace(read, this) == this {
        return None;
    }
    let bytes = &hay[object.clone()];
    let key = if is_in_string {
        in_string(bytes)
    } else {
        at_start(bytes)
    };
    Some((object.start, key?))
}

/// The key that `bytes` begins with.
fn at_start(bytes: &[u8]) -> Option<Recognised> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Key<'_>>();
    let key = values.next()?.ok()?;
    key.recognise(values.byte_offset())
}

/// As [`at_start`], where each quote is written as one in a string is.
fn in_string(bytes: &[u8]) -> Option<Recognised> {
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    text.extend(characters(bytes).map(|(byte, _)| byte));
    let key = at_start(&text)?;
    let lengths = characters(bytes).map(|(_, len)| len);
    let len = lengths.take(key.len).sum();
    Some(Recognised { len, ..key })
}

/// What a string that begins so spells, up to its end: each byte, and how many it is written with.
fn characters(bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (byte, behind) = match rest {
            [b'\\', b'n' | b'r' | b't', behind @ ..] => (b' ', behind),
            [b'\\', escaped, behind @ ..] => (*escaped, behind),
            [b'"' | b'\\', ..] | [] => return None,
            [byte, behind @ ..] => (*byte, behind),
        };
        let len = rest.len() - behind.len();
        rest = behind;
        Some((byte, len))
    })
}

/// The innermost object that what stands at `at` is a member of.
fn object_around(hay: &[u8], at: usize) -> Option<Range<usize>> {
    let first = at.saturating_sub(FURTHEST);
    let before = memchr2_iter(b'{', b'}', &hay[first..at]).rev();
    let start = unmatched(b'{', before.map(|place| first + place), hay)?;
    let last = hay.len().min(start + FURTHEST);
    let behind = memchr2_iter(b'{', b'}', hay.get(at..last)?);
    let end = unmatched(b'}', behind.map(|place| at + place), hay)?;
    Some(start..end + 1)
}

/// The first of these braces that is this one and belongs to none before it.
fn unmatched(wanted: u8, braces: impl Iterator<Item = usize>, hay: &[u8]) -> Option<usize> {
    let mut others = 0;
    for place in braces.take(MOST_BRACES) {
        match hay[place] == wanted {
            true if others == 0 => return Some(place),
            true => others -= 1,
            false => others += 1,
        }
    }
    None
}

/// Its members, borrowed: what is copied would stay in our memory.
#[derive(Deserialize)]
struct Key<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    d: &'a str,
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    /// The primes behind the second.
    #[serde(default, borrow)]
    oth: Vec<Other<'a>>,
}

#[derive(Deserialize)]
struct Other<'a> {
    r: &'a str,
}

impl Key<'_> {
    /// A key of `len` bytes with these members.
    fn recognise(&self, len: usize) -> Option<Recognised> {
        if self.kty == "RSA" {
            let others = self.oth.iter().map(|other| Some(other.r));
            let primes = [self.p, self.q].into_iter().chain(others).map(decode);
            let primes: Vec<_> = primes.collect::<Option<_>>()?;
            let primes: Vec<&[u8]> = primes.iter().map(|prime| &prime[..]).collect();
            let n = decode(self.n)?;
            let (kind, n) = rsa(&n, &primes)?;
            return Some(Recognised::new(len, kind, n));
        }
        let secret = decode(Some(self.d))?;
        let (kind, field_len) = match (self.kty, self.crv?) {
            ("EC", "P-256" | "secp256k1") => (KeyKind::Ec, 32),
            ("EC", "P-384") => (KeyKind::Ec, 48),
            ("EC", "P-521") => (KeyKind::Ec, 66),
            ("OKP", "Ed25519") => (KeyKind::Ed25519, 32),
            ("OKP", "X25519") => (KeyKind::X25519, 32),
            ("OKP", "Ed448") => (KeyKind::Ed448, 57),
            ("OKP", "X448") => (KeyKind::X448, 56),
            _ => return None,
        };
        let is_field = |number: Option<&str>| decode(number).is_some_and(|x| x.len() == field_len);
        let is_point = is_field(self.x) && (kind != KeyKind::Ec || is_field(self.y));
        let fits = is_point && secret.len() == field_len && varied(&secret);
        fits.then(|| Recognised::as_bytes(len, kind, &secret))
    }
}

/// What digits spell, padded or not.
fn decode(digits: Option<&str>) -> Option<Zeroizing<Vec<u8>>> {
    decode_digits::<Base64UrlUnpadded>(digits?.trim_end_matches('=').as_bytes())
}
