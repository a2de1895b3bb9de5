//! SecretString: text in locked memory.

use std::fmt;
use std::io::{self, Read};

use subtle::{Choice, ConstantTimeEq};
use vmsafe_os::terminal::Terminal;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::SecretVec;
use crate::error::Error;
use crate::heap::Heap;

/// Text in locked memory, that grows without leaving copies. Zeroed when dropped.
#[derive(PartialEq, Eq)]
pub struct SecretString(SecretVec<u8>);

/// Bytes that are no text. Where they went wrong is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret is no UTF-8 text; keep it in a SecretVec<u8>")]
pub struct NotUtf8;

impl SecretString {
    /// No text yet.
    ///
    /// # Errors
    /// As [`Heap::global`].
    pub fn new() -> Result<Self, Error> {
        SecretVec::new().map(Self)
    }

    /// No text yet, in this heap.
    #[must_use]
    pub fn new_in(heap: Heap) -> Self {
        Self(SecretVec::new_in(heap))
    }

    /// Text out of bytes, in their place.
    ///
    /// # Errors
    /// [`NotUtf8`]; the bytes are zeroed then.
    pub fn from_utf8(bytes: SecretVec<u8>) -> Result<Self, NotUtf8> {
        match std::str::from_utf8(bytes.as_slice()) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(NotUtf8),
        }
    }

    /// Adds a copy of `text`, which is the caller's to zero.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    pub fn push_str(&mut self, text: &str) -> Result<(), Error> {
        self.0.extend_from_slice(text.as_bytes())
    }

    /// Reads text to its end, straight into locked memory, as [`SecretVec::read_to_end`].
    ///
    /// # Errors
    /// As there, and of kind `InvalidData` with [`NotUtf8`].
    pub fn read(from: impl Read) -> io::Result<Self> {
        let mut bytes = SecretVec::new().map_err(out_of_memory)?;
        bytes.read_to_end(from)?;
        Self::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Asks for a line at the terminal of this process, without echo, straight into locked memory.
    /// The end of the line is not part of it.
    ///
    /// The kernel's own line buffer holds what is typed until it is read; it is never swapped.
    ///
    /// # Errors
    /// When there is no terminal, when no memory could be had, and of kind `InvalidData` with
    /// [`NotUtf8`].
    pub fn prompt(prompt: &str) -> io::Result<Self> {
        let mut bytes = SecretVec::new().map_err(out_of_memory)?;
        bytes.read_to_end(Terminal::open(prompt)?)?;
        Self::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Bytes of text.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lends the text.
    pub fn expose<R>(&self, f: impl FnOnce(&str) -> R) -> R {
        f(std::str::from_utf8(self.0.as_slice()).expect("checked when it was made"))
    }

    /// One more of the same.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        self.0.try_clone().map(Self)
    }

    /// Its bytes, in their place.
    #[must_use]
    pub fn into_bytes(self) -> SecretVec<u8> {
        self.0
    }
}

fn out_of_memory(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, error)
}

impl ConstantTimeEq for SecretString {
    /// The lengths are no secret.
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Zeroize for SecretString {
    fn zeroize(&mut self) {
        self.0.clear();
    }
}

impl ZeroizeOnDrop for SecretString {}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(..)")
    }
}
