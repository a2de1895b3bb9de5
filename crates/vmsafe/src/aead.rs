//! The cipher: AES-256-GCM, detached and in place. To be called inside a [`scope`](crate::scope).

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Key, Nonce, Tag};

/// Bytes of a key.
pub(crate) const KEY: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;

/// The box was changed, or is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tampered;

/// Encrypts `data` in place and returns the tag. A nonce must never come twice under one key.
///
/// # Panics
/// When the key is not [`KEY`] bytes long, or the data longer than 64 GiB.
pub(crate) fn seal(key: &[u8], nonce: [u8; NONCE], bound: &[u8], data: &mut [u8]) -> [u8; TAG] {
    let tag = cipher(key).encrypt_inout_detached(&Nonce::from(nonce), bound, data.into());
    tag.expect("shorter than the 64 GiB that one nonce can encrypt")
        .into()
}

/// Decrypts `data` in place. On an error its bytes mean nothing.
///
/// # Errors
/// [`Tampered`] when key, nonce, bound data, ciphertext and tag do not belong together.
///
/// # Panics
/// When the key is not [`KEY`] bytes long.
pub(crate) fn open(
    key: &[u8],
    nonce: [u8; NONCE],
    bound: &[u8],
    data: &mut [u8],
    tag: [u8; TAG],
) -> Result<(), Tampered> {
    let (nonce, tag) = (Nonce::from(nonce), Tag::from(tag));
    cipher(key)
        .decrypt_inout_detached(&nonce, bound, data.into(), &tag)
        .map_err(|_| Tampered)
}

fn cipher(key: &[u8]) -> Aes256Gcm {
    let key: &Key<Aes256Gcm> = key.try_into().expect("a key of 32 bytes");
    Aes256Gcm::new(key)
}

/// A cipher with its key set up: to be kept in locked memory.
pub(crate) struct Cipher(Aes256Gcm);

impl Cipher {
    /// # Panics
    /// When the key is not [`KEY`] bytes long.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(cipher(key))
    }

    /// Encrypts `plain` into `sealed`, of the same length, and returns the tag. A nonce must never
    /// come twice.
    ///
    /// # Panics
    /// When the lengths differ, or are beyond 64 GiB.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE],
        bound: &[u8],
        plain: &[u8],
        sealed: &mut [u8],
    ) -> [u8; TAG] {
        let buffers = InOutBuf::new(plain, sealed).expect("two buffers of one length");
        let tag = self
            .0
            .encrypt_inout_detached(&Nonce::from(nonce), bound, buffers);
        tag.expect("shorter than the 64 GiB that one nonce can encrypt")
            .into()
    }

    /// Decrypts `sealed` into `plain`, of the same length, which stays as it is on an error.
    ///
    /// # Errors
    /// [`Tampered`] when key, nonce, bound data, ciphertext and tag do not belong together.
    ///
    /// # Panics
    /// When the lengths differ.
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE],
        bound: &[u8],
        sealed: &[u8],
        tag: [u8; TAG],
        plain: &mut [u8],
    ) -> Result<(), Tampered> {
        let buffers = InOutBuf::new(sealed, plain).expect("two buffers of one length");
        self.0
            .decrypt_inout_detached(&Nonce::from(nonce), bound, buffers, &Tag::from(tag))
            .map_err(|_| Tampered)
    }
}

#[cfg(test)]
mod tests;
