//! Private keys in the format of OpenSSH, without a passphrase.

use super::Recognised;
use super::der::{is_dsa, is_scalar, rsa, varied};
use super::residue::strip;
use crate::keys::KeyKind;

/// What the binary form begins with.
pub(super) const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The key that begins at the start of `bytes`. One that is encrypted is none.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let mut reader = Reader {
        bytes: bytes.strip_prefix(MAGIC)?,
    };
    let (cipher, kdf, options) = (reader.string()?, reader.string()?, reader.string()?);
    if (cipher, kdf, options) != (b"none", b"none", b"") || reader.number()? != 1 {
        return None;
    }
    let public = reader.string()?;
    let private = reader.string()?;
    let len = bytes.len() - reader.bytes.len();
    let (kind, identity) = private_part(private, public)?;
    Some(Recognised::new(len, kind, identity))
}

fn private_part<'a>(private: &'a [u8], public: &[u8]) -> Option<(KeyKind, &'a [u8])> {
    let mut reader = Reader { bytes: private };
    // Two equal numbers, by which a wrong passphrase would be noticed.
    if reader.number()? != reader.number()? {
        return None;
    }
    // Of all but RSA the private part repeats the public one.
    let repeats = reader.bytes.starts_with(public);
    let name = reader.string()?;
    if name != (Reader { bytes: public }).string()? {
        return None;
    }
    let key = match name {
        b"ssh-rsa" => {
            let [n, _e, _d, _inverse, p, q] = reader.strings()?;
            rsa(n, &[p, q])?
        }
        _ if !repeats => return None,
        b"ssh-ed25519" => {
            let [public, secret] = reader.strings()?;
            let seed = secret.strip_suffix(public)?;
            let fits = (seed.len(), public.len()) == (32, 32) && varied(seed);
            fits.then_some((KeyKind::Ed25519, seed))?
        }
        b"ssh-dss" => {
            let [p, q, _g, y, x] = reader.strings()?.map(strip);
            is_dsa(p, q, y, x).then_some((KeyKind::Dsa, x))?
        }
        _ => {
            let [curve, point, scalar] = reader.strings()?;
            let scalar = strip(scalar);
            let fits = name.strip_prefix(b"ecdsa-sha2-")? == curve && is_on(curve, point, scalar);
            fits.then_some((KeyKind::Ec, scalar))?
        }
    };
    let _comment = reader.string()?;
    let padding = reader.bytes;
    let is_padded =
        padding.len() < 256 && (1..=u8::MAX).zip(padding).all(|(nth, byte)| nth == *byte);
    is_padded.then_some(key)
}

/// Whether the point and the scalar are as long as this curve wants.
fn is_on(curve: &[u8], point: &[u8], scalar: &[u8]) -> bool {
    let field_len = match curve {
        b"nistp256" => 32,
        b"nistp384" => 48,
        b"nistp521" => 66,
        _ => return false,
    };
    let is_point = matches!(point, [4, both @ ..] if both.len() == 2 * field_len);
    is_point && is_scalar(scalar, Some(field_len))
}

/// Takes one field after the other: each a length in four bytes, then its content.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (content, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(content)
    }

    pub(super) fn strings<const COUNT: usize>(&mut self) -> Option<[&'a [u8]; COUNT]> {
        let mut all = [&[][..]; COUNT];
        for string in &mut all {
            *string = self.string()?;
        }
        Some(all)
    }
}
