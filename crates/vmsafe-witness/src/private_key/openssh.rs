//! Private keys in the format of OpenSSH, without a passphrase.

use super::Recognised;
use super::der::rsa;
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
    let (kind, identity) = private_part(private, Reader { bytes: public }.string()?)?;
    Some(Recognised::new(len, kind, identity))
}

fn private_part<'a>(private: &'a [u8], public_name: &[u8]) -> Option<(KeyKind, &'a [u8])> {
    let mut reader = Reader { bytes: private };
    // Two equal numbers, by which a wrong passphrase would be noticed.
    let equal = reader.number()? == reader.number()?;
    let name = reader.string()?;
    if !equal || name != public_name {
        return None;
    }
    let key = match name {
        b"ssh-rsa" => {
            let [n, _e, _d, _inverse, p, q] = reader.strings()?;
            rsa(n, &[p, q])?
        }
        b"ssh-ed25519" => {
            let [public, secret] = reader.strings()?;
            let seed = secret.strip_suffix(public).filter(|_| public.len() == 32)?;
            (KeyKind::Ed25519, seed)
        }
        b"ssh-dss" => {
            let [_p, _q, _g, _y, x] = reader.strings()?;
            (KeyKind::Dsa, x)
        }
        name if name.starts_with(b"ecdsa-sha2-") => {
            let [_curve, _point, scalar] = reader.strings()?;
            (KeyKind::Ec, scalar)
        }
        _ => return None,
    };
    let _comment = reader.string()?;
    let padding = reader.bytes;
    let is_padded =
        padding.len() < 256 && (1..=u8::MAX).zip(padding).all(|(nth, byte)| nth == *byte);
    (is_padded && !key.1.is_empty()).then_some(key)
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
