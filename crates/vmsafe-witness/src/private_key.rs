//! Finds private keys that nobody named, by their formats.
//!
//! Each format has a parser that accepts whole keys only; what it accepts is checked further where
//! the format allows: an RSA modulus must be the product of the primes, a checksum must be right. A
//! key that is encrypted under a passphrase is no finding.

mod age;
mod der;
mod expression;
mod jwk;
mod markers;
mod nibbles;
mod openpgp;
mod openssh;
mod pem;
mod public;
mod putty;
mod residue;
#[cfg(test)]
mod tests;
mod twice;

use core::cmp::Reverse;
use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::keys::{Fingerprint, KeyHit, KeyKind};

pub(crate) use public::public_modulus;
pub(crate) use residue::is_product;

use markers::{Format, sweep};
use residue::strip;

/// How many bytes two adjacent pieces must share so that no key is lost between them: more than an
/// RSA key of 16384 bits takes as text.
pub(crate) const OVERLAP: usize = 16 * 1024;

/// A key that a parser accepted.
#[derive(Clone, Copy, Debug)]
struct Recognised {
    len: usize,
    kind: KeyKind,
    fingerprint: Fingerprint,
}

impl Recognised {
    /// A key of `len` bytes in its form; `identity` tells it from others in every form.
    fn new(len: usize, kind: KeyKind, identity: &[u8]) -> Self {
        Self {
            len,
            kind,
            // Some forms write a number as long as it can become, and some as short as it is.
            fingerprint: Fingerprint::of(strip(identity)),
        }
    }

    /// As [`Self::new`], of what is written as RFC 7748 and RFC 8032 do: the lowest byte of an
    /// X25519 key comes first then, and last wherever else it is a number.
    fn as_bytes(len: usize, kind: KeyKind, identity: &[u8]) -> Self {
        if kind != KeyKind::X25519 {
            return Self::new(len, kind, identity);
        }
        let number: Zeroizing<Vec<u8>> = Zeroizing::new(identity.iter().rev().copied().collect());
        Self::new(len, kind, &number)
    }
}

/// The private keys in `hay`, by rising offset. The same key inside another (PKCS #1 inside
/// PKCS #8, for example) is not told again.
pub(crate) fn find_private_keys(base_offset: u64, hay: &[u8]) -> Vec<KeyHit> {
    let mut found = Vec::new();
    let mut read = Read::default();
    sweep(hay, &mut |marker, at| {
        let keys = recognise(hay, marker.format, at, &mut read);
        found.extend(keys.into_iter().map(|(start, key)| KeyHit {
            offset: base_offset + start as u64,
            len: key.len as u64,
            kind: key.kind,
            form: marker.format.form(),
            matching: key.len as u64,
            fingerprint: key.fingerprint,
        }));
    });
    let mut found = each_once(found);
    found.sort_unstable_by_key(|key| (key.offset, Reverse(key.len), key.form));
    found
}

/// Without what is the same key in the same form again: of those inside each other the one that
/// ends first, of those that end together the longest.
///
/// A scan tells a key with the bytes in which it ends, and does not see what is behind them: so it
/// tells the same wherever these end. Another key inside one is told, since whoever wrote the outer
/// one may have left room for it; and so is the key in another form, which is a second copy.
fn each_once(mut found: Vec<KeyHit>) -> Vec<KeyHit> {
    found.sort_unstable_by_key(|key| (key.end(), key.offset));
    // Of each key the end of the last one, and the offset of the innermost.
    let mut before: HashMap<_, (u64, u64)> = HashMap::new();
    found.retain(|key| {
        let same = (key.fingerprint, key.form);
        let Some((end, innermost)) = before.get_mut(&same) else {
            before.insert(same, (key.end(), key.offset));
            return true;
        };
        let is_again = key.end() == *end || key.offset <= *innermost;
        *end = key.end();
        *innermost = key.offset.max(*innermost);
        !is_again
    });
    found
}

/// What was read, and need not be read again for each marker in it.
#[derive(Default)]
struct Read {
    texts: twice::Texts,
    objects: jwk::Objects,
}

/// The keys that a marker at `at` belongs to, and where each begins.
fn recognise(hay: &[u8], format: Format, at: usize, read: &mut Read) -> Vec<(usize, Recognised)> {
    let here = |key: Recognised| (at, key);
    let one = match format {
        Format::Der => {
            // Behind the tag of the sequence its length takes one, two or three bytes.
            let starts = [2, 3, 4]
                .iter()
                .filter_map(|header| at.checked_sub(*header));
            let at_start = |start| Some((start, der::recognise(&hay[start..])?));
            starts.into_iter().find_map(at_start)
        }
        Format::Pem => return behind(at, pem::recognise(&hay[at..])),
        Format::PemTwice => return twice::recognise(hay, at, &mut read.texts),
        Format::OpenSsh => openssh::recognise(&hay[at..]).map(here),
        Format::Putty => putty::recognise(&hay[at..]).map(here),
        Format::Jwk => jwk::around(hay, at, &mut read.objects),
        Format::OpenPgpExponent => openpgp::around_exponent(hay, at),
        Format::OpenPgpCurve => openpgp::around_curve(hay, at),
        Format::OpenPgpAlgorithm => openpgp::around_algorithm(hay, at),
        Format::OpenPgpStart => openpgp::at_start(hay, at),
        Format::Expression => expression::recognise(hay, at).map(here),
        Format::Age => age::recognise(&hay[at..]).map(here),
    };
    one.into_iter().collect()
}

/// Keys that begin so much further on.
fn behind(at: usize, mut keys: Vec<(usize, Recognised)>) -> Vec<(usize, Recognised)> {
    keys.iter_mut().for_each(|(start, _)| *start += at);
    keys
}
