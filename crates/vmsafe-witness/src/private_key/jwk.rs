//! Private keys as JSON Web Keys (RFC 7517, 7518 and 8037), also inside a string of other JSON.

use base64ct::Base64UrlUnpadded;
use memchr::memchr_iter;
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
/// … and no more open between: what was made to hold many others would be read as often as it does.
const MOST_BRACES: usize = 64;

/// Where an object may begin, and whether it is read as one in a string.
type Object = (usize, bool);

/// The objects that were read last.
pub(super) struct Objects {
    objects: [Object; MOST_BRACES],
    next: usize,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            objects: [(usize::MAX, false); MOST_BRACES],
            next: 0,
        }
    }
}

impl Objects {
    /// Whether this one is none of them. Then it is the last.
    fn is_new(&mut self, object: Object) -> bool {
        if self.objects.contains(&object) {
            return false;
        }
        self.objects[self.next] = object;
        self.next = (self.next + 1) % MOST_BRACES;
        true
    }
}

/// The key whose marker stands at `at`, from its brace to the other, and where it begins, unless it
/// was `read` before.
pub(super) fn around(hay: &[u8], at: usize, read: &mut Objects) -> Option<(usize, Recognised)> {
    let is_in_string = hay[..at].ends_with(b"\\");
    let reader = if is_in_string { in_string } else { at_start };
    let first = at.saturating_sub(FURTHEST);
    // The next brace before may stand in a string, or be of an object that ends before: then that
    // is no object, or not this one.
    for brace in memchr_iter(b'{', &hay[first..at]).rev().take(MOST_BRACES) {
        let start = first + brace;
        if !read.is_new((start, is_in_string)) {
            continue;
        }
        let Some(object) = reader(&hay[start..hay.len().min(start + FURTHEST)]) else {
            continue;
        };
        if start + object.len > at {
            return Some((start, object.key?));
        }
    }
    None
}

/// An object of JSON.
struct Parsed {
    len: usize,
    key: Option<Recognised>,
}

/// The object that `bytes` begins with, if it has the members of a key.
fn at_start(bytes: &[u8]) -> Option<Parsed> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Key<'_>>();
    let key = values.next()?.ok()?;
    let len = values.byte_offset();
    Some(Parsed {
        len,
        key: key.recognise(len),
    })
}

/// As [`at_start`], where each quote is written as one in a string is.
fn in_string(bytes: &[u8]) -> Option<Parsed> {
    let mut text = Zeroizing::new(Vec::with_capacity(bytes.len()));
    text.extend(characters(bytes).map(|(byte, _)| byte));
    let parsed = at_start(&text)?;
    let lengths = characters(bytes).map(|(_, len)| len);
    let len = lengths.take(parsed.len).sum();
    let key = parsed.key.map(|key| Recognised { len, ..key });
    Some(Parsed { len, key })
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
