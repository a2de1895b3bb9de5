//! Private keys in the format of PuTTY, without a passphrase.
//!
//! ```text
//! PuTTY-User-Key-File-3: ssh-ed25519
//! Encryption: none
//! Comment: …
//! Public-Lines: 2
//! AAAAC3NzaC1lZDI1NTE5…
//! …
//! Private-Lines: 1
//! AAAAI…
//! Private-MAC: …
//! ```

use core::str;

use memchr::memchr;

use super::der::{is_dsa, rsa, varied};
use super::openssh::Reader;
use super::residue::strip;
use super::{Recognised, pem};
use crate::keys::KeyKind;

/// What a file begins with; the version follows.
pub(super) const BEGIN: &[u8] = b"PuTTY-User-Key-File-";
const VERSIONS: [&[u8]; 2] = [b"2: ", b"3: "];

/// The key whose file begins at the start of `bytes`, up to its last digit. One that is encrypted
/// is none.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let mut lines = Lines {
        text: &bytes[..bytes.len().min(super::OVERLAP)],
        at: 0,
    };
    let name = lines.line()?.strip_prefix(BEGIN)?;
    let name = VERSIONS
        .iter()
        .find_map(|version| name.strip_prefix(*version))?;
    if lines.value(b"Encryption: ")? != b"none" {
        return None;
    }
    lines.value(b"Comment: ")?;
    let public = pem::decode(lines.block(b"Public-Lines: ")?)?;
    let private = lines.block(b"Private-Lines: ")?;
    let len = lines.at - (private.len() - private.trim_ascii_end().len());
    let private = pem::decode(private)?;
    let mut parts = [&public, &private].map(|bytes| Reader { bytes });
    let (kind, identity) = key(name, &mut parts)?;
    let is_whole = parts.iter().all(|part| part.bytes.is_empty());
    is_whole.then(|| Recognised::new(len, kind, identity))
}

/// What both parts together are, if the public one is of the algorithm that the file names.
fn key<'a>(name: &[u8], [public, private]: &mut [Reader<'a>; 2]) -> Option<(KeyKind, &'a [u8])> {
    let [named] = public.strings()?;
    if named != name {
        return None;
    }
    match name {
        b"ssh-rsa" => {
            let ([_e, n], [_d, p, q, _inverse]) = (public.strings()?, private.strings()?);
            rsa(n, &[p, q])
        }
        b"ssh-dss" => {
            let ([p, q, _g, y], [x]) = (public.strings()?, private.strings()?);
            let [p, q, y, x] = [p, q, y, x].map(strip);
            is_dsa(p, q, y, x).then_some((KeyKind::Dsa, x))
        }
        b"ssh-ed25519" => edwards(public, private, KeyKind::Ed25519, 32),
        b"ssh-ed448" => edwards(public, private, KeyKind::Ed448, 57),
        name if name.starts_with(b"ecdsa-sha2-") => {
            let ([_curve, point], [scalar]) = (public.strings()?, private.strings()?);
            let scalar = strip(scalar);
            let fits = (16..=point.len() / 2).contains(&scalar.len()) && varied(scalar);
            fits.then_some((KeyKind::Ec, scalar))
        }
        _ => None,
    }
}

fn edwards<'a>(
    public: &mut Reader<'a>,
    private: &mut Reader<'a>,
    kind: KeyKind,
    len: usize,
) -> Option<(KeyKind, &'a [u8])> {
    let ([point], [secret]) = (public.strings()?, private.strings()?);
    ([point.len(), secret.len()] == [len; 2] && varied(secret)).then_some((kind, secret))
}

/// Takes one line after the other.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    /// The next line without its end; the last may have none.
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.text[self.at..];
        let line = match memchr(b'\n', rest) {
            Some(len) => &rest[..=len],
            None if rest.is_empty() => return None,
            None => rest,
        };
        self.at += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// What stands on the next line behind its name.
    fn value(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        self.line()?.strip_prefix(name)
    }

    /// So many lines as the next one says.
    fn block(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        let count: usize = str::from_utf8(self.value(name)?).ok()?.parse().ok()?;
        let from = self.at;
        for _ in 0..count {
            self.line()?;
        }
        Some(&self.text[from..self.at])
    }
}
