//! Finds private keys that nobody named, by their formats.
//!
//! Each format has a parser that accepts whole keys only; what it accepts is checked further where
//! the format allows: an RSA modulus must be the product of the two primes, a checksum must be
//! right. A key that is encrypted under a passphrase is no finding.

mod age;
mod der;
mod expression;
mod markers;
mod nibbles;
mod openpgp;
mod openssh;
mod pem;
mod public;
mod residue;
#[cfg(test)]
mod tests;

use crate::keys::{Fingerprint, KeyForm, KeyHit, KeyKind};

pub(crate) use public::public_modulus;
pub(crate) use residue::is_product;

use markers::{Format, sweep};

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
            fingerprint: Fingerprint::of(identity),
        }
    }
}

/// The private keys in `hay`, by rising offset. One inside another (PKCS #1 inside PKCS #8, for
/// example) is the same key and not told again.
pub(crate) fn find_private_keys(base_offset: u64, hay: &[u8]) -> Vec<KeyHit> {
    let mut found = Vec::new();
    sweep(hay, &mut |marker, at| {
        if let Some((start, form, key)) = recognise(hay, marker.format, at) {
            found.push(KeyHit {
                offset: base_offset + start as u64,
                len: key.len as u64,
                kind: key.kind,
                form,
                matching: key.len as u64,
                fingerprint: key.fingerprint,
            });
        }
    });
    found.sort_unstable_by_key(|key| (key.offset, core::cmp::Reverse(key.len), key.form));
    let mut reached = 0;
    found.retain(|key| {
        let inside = key.end() <= reached;
        reached = reached.max(key.end());
        !inside
    });
    found
}

/// The key that a marker at `at` belongs to: where it begins, its form, and what it is.
fn recognise(hay: &[u8], format: Format, at: usize) -> Option<(usize, KeyForm, Recognised)> {
    let (start, form, key) = match format {
        Format::Der => {
            // Behind the tag of the sequence its length takes one, two or three bytes.
            let starts = [2, 3, 4]
                .iter()
                .filter_map(|header| at.checked_sub(*header));
            let at_start = |start| Some((start, der::recognise(&hay[start..])?));
            let (start, key) = starts.into_iter().find_map(at_start)?;
            (start, KeyForm::Der, key)
        }
        Format::Pem => (at, KeyForm::Pem, pem::recognise(&hay[at..])?),
        Format::OpenSsh => (at, KeyForm::OpenSsh, openssh::recognise(&hay[at..])?),
        Format::OpenPgpExponent => {
            let (start, key) = openpgp::around_exponent(hay, at)?;
            (start, KeyForm::OpenPgp, key)
        }
        Format::OpenPgpCurve => {
            let (start, key) = openpgp::around_curve(hay, at)?;
            (start, KeyForm::OpenPgp, key)
        }
        Format::Expression => {
            let key = expression::recognise(&hay[at..])?;
            (at, KeyForm::Expression, key)
        }
        Format::Age => (at, KeyForm::AgeIdentity, age::recognise(&hay[at..])?),
    };
    Some((start, form, key))
}
