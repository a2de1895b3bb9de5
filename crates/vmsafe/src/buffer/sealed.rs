//! Sealed: ciphertext in ordinary memory, for as many secrets as there is memory.
//!
//! **Promise.** The secret is in the clear in locked memory only, and only while a closure has it.
//! What swaps, is dumped or inherited is ciphertext. Whoever changed it, or put another in its
//! place, is found out.
//!
//! ```text
//!   ordinary memory, swap, core       locked memory
//!   ciphertext │ tag │ number  ──►    key ── cipher on a locked stack ──► slot ──► closure
//!                                                                         wiped after
//! ```
//!
//! **Mechanism.** AES-256-GCM under one key of this process, which children do not have. The nonce
//! is a number that is counted up and never given back, so none comes twice under a key: not in a
//! child either, which seals under a key of its own. Bound to the ciphertext are its length and the
//! caller's context; not its address, so it can be moved.
//!
//! **Needs.** One slot of a [`Heap`](crate::Heap), and a [`scope`](crate::scope()), for each
//! secret that is open.
//! **Cost.** 28 bytes and rounding each; a cipher run and a scope each time it is opened.
//! **Does not stop.** What the closure copies. A child cannot open what its parent sealed. Whoever
//! can write this process's memory can put back an older ciphertext of the same secret.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use vmsafe_os::native;

use crate::aead::{Cipher, KEY, NONCE, TAG};
use crate::error::Error;
use crate::plain::{Plain, bytes_of, bytes_of_mut};
use crate::scope::{CIPHER, with_stack};
use crate::secret::{Secret, SecretVec};

/// A value that is ciphertext while nobody has it open.
pub struct Sealed<T: Plain> {
    /// Ciphertext: any bytes are a `T`, so these are one, without a meaning.
    body: T,
    stamp: Stamp,
}

/// Bytes that are ciphertext while nobody has them open.
pub struct SealedBytes {
    body: Box<[u8]>,
    stamp: Stamp,
}

/// What is needed to open a ciphertext beside it and the key.
#[derive(Clone, Copy)]
struct Stamp {
    tag: [u8; TAG],
    number: u64,
    epoch: u64,
}

/// The key of one process, and of its children's after it.
struct Keeper {
    epoch: u64,
    cipher: Secret<Cipher>,
    next: AtomicU64,
    child: OnceLock<Box<Self>>,
}

impl Keeper {
    fn new(epoch: u64) -> Result<Self, Error> {
        let key = Secret::<[u8; KEY]>::random()?;
        let cipher = Secret::build(|| key.expose(|key| Cipher::new(key)))?;
        Ok(Self {
            epoch,
            cipher,
            next: AtomicU64::new(0),
            child: OnceLock::new(),
        })
    }

    /// The key under which this process seals.
    fn current() -> Result<&'static Self, Error> {
        static FIRST: OnceLock<Box<Keeper>> = OnceLock::new();
        let epoch = native().epoch();
        let mut place = &FIRST;
        loop {
            let keeper = match place.get() {
                Some(keeper) => keeper,
                None => {
                    let fresh = Box::new(Self::new(epoch)?);
                    // If another thread was first, its key is as good, and this one is dropped.
                    place.get_or_init(|| fresh)
                }
            };
            if keeper.epoch == epoch {
                return Ok(keeper);
            }
            // A parent's. What stands behind it is this process's, or a nearer parent's.
            place = &keeper.child;
        }
    }

    fn seal(&self, context: &[u8], plain: &[u8], sealed: &mut [u8]) -> Result<Stamp, Error> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let bound = Bound::new(plain.len(), context);
        let tag = with_stack(CIPHER, || {
            let seal = |cipher: &Cipher| cipher.seal(nonce(number), bound.bytes(), plain, sealed);
            self.cipher.expose(seal)
        })?;
        Ok(Stamp {
            tag,
            number,
            epoch: self.epoch,
        })
    }

    fn open(
        &self,
        context: &[u8],
        stamp: Stamp,
        sealed: &[u8],
        plain: &mut [u8],
    ) -> Result<(), Error> {
        if stamp.epoch != self.epoch {
            return Err(Error::SealedElsewhere);
        }
        let (nonce, bound) = (nonce(stamp.number), Bound::new(sealed.len(), context));
        let opened = with_stack(CIPHER, || {
            let open =
                |cipher: &Cipher| cipher.open(nonce, bound.bytes(), sealed, stamp.tag, plain);
            self.cipher.expose(open)
        })?;
        opened.map_err(|_| Error::Tampered)
    }
}

fn nonce(number: u64) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce
}

/// What a ciphertext is bound to: its length, and the caller's context.
struct Bound {
    len: [u8; 8],
    long: Vec<u8>,
}

impl Bound {
    fn new(len: usize, context: &[u8]) -> Self {
        let len = (len as u64).to_le_bytes();
        let long = if context.is_empty() {
            Vec::new()
        } else {
            [&len, context].concat()
        };
        Self { len, long }
    }

    fn bytes(&self) -> &[u8] {
        if self.long.is_empty() {
            &self.len
        } else {
            &self.long
        }
    }
}

impl<T: Plain> Sealed<T> {
    /// Seals a copy of a secret.
    ///
    /// # Errors
    /// [`Error::Random`] at the first seal of a process; for want of a locked stack, as
    /// [`scope`](crate::scope()).
    pub fn seal(secret: &Secret<T>) -> Result<Self, Error> {
        Self::seal_for(&[], secret)
    }

    /// Seals a copy of a secret for a context, say the name of its user: it opens for the same
    /// context only. The context is no secret.
    ///
    /// # Errors
    /// As [`Sealed::seal`].
    pub fn seal_for(context: &[u8], secret: &Secret<T>) -> Result<Self, Error> {
        secret.expose(|value| {
            let plain = bytes_of(std::slice::from_ref(value));
            let mut body = T::zeroed();
            let sealed = bytes_of_mut(std::slice::from_mut(&mut body));
            let stamp = Keeper::current()?.seal(context, plain, sealed)?;
            Ok(Self { body, stamp })
        })
    }

    /// Seals what `f` makes in its place, out of zeros.
    ///
    /// # Errors
    /// As [`Sealed::seal`] and [`Secret::init_with`].
    pub fn init_with(f: impl FnOnce(&mut T)) -> Result<Self, Error> {
        Self::seal(&Secret::init_with(f)?)
    }

    /// Seals random bytes.
    ///
    /// # Errors
    /// As [`Sealed::seal`] and [`Secret::random`].
    pub fn random() -> Result<Self, Error> {
        Self::seal(&Secret::random()?)
    }

    /// Lends the value for the length of `f`.
    ///
    /// # Errors
    /// [`Error::Tampered`]; [`Error::SealedElsewhere`] in a child; for want of locked memory, as
    /// [`Heap::lend`](crate::Heap::lend).
    pub fn open<R>(&self, f: impl FnOnce(&T) -> R) -> Result<R, Error> {
        self.open_for(&[], f)
    }

    /// As [`Sealed::open`], for the context that it was sealed for.
    ///
    /// # Errors
    /// As [`Sealed::open`].
    pub fn open_for<R>(&self, context: &[u8], f: impl FnOnce(&T) -> R) -> Result<R, Error> {
        Ok(self.unseal(context)?.expose(f))
    }

    /// Lends the value for the length of `f`, to change, and seals it anew.
    ///
    /// # Errors
    /// As [`Sealed::open`]. If it cannot be sealed again, the old value stays.
    pub fn open_mut<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        let mut secret = self.unseal(&[])?;
        let result = secret.expose_mut(f);
        *self = Self::seal(&secret)?;
        Ok(result)
    }

    /// The value as a secret of its own.
    ///
    /// # Errors
    /// As [`Sealed::open`].
    pub fn unseal(&self, context: &[u8]) -> Result<Secret<T>, Error> {
        let sealed = bytes_of(std::slice::from_ref(&self.body));
        Secret::try_init_with(|value| {
            let plain = bytes_of_mut(std::slice::from_mut(value));
            Keeper::current()?.open(context, self.stamp, sealed, plain)
        })
    }
}

impl SealedBytes {
    /// Seals a copy of some bytes.
    ///
    /// # Errors
    /// As [`Sealed::seal`].
    pub fn seal(secret: &SecretVec<u8>) -> Result<Self, Error> {
        Self::seal_for(&[], secret)
    }

    /// Seals a copy of some bytes for a context, as [`Sealed::seal_for`].
    ///
    /// # Errors
    /// As [`Sealed::seal`].
    pub fn seal_for(context: &[u8], secret: &SecretVec<u8>) -> Result<Self, Error> {
        let mut body = vec![0; secret.len()].into_boxed_slice();
        let keeper = Keeper::current()?;
        let stamp = secret.expose(|plain| keeper.seal(context, plain, &mut body))?;
        Ok(Self { body, stamp })
    }

    /// How many bytes are sealed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// True when none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Lends the bytes for the length of `f`.
    ///
    /// # Errors
    /// As [`Sealed::open`].
    pub fn open<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        Ok(self.unseal(&[])?.expose(f))
    }

    /// The bytes as a secret of their own, for the context that they were sealed for.
    ///
    /// # Errors
    /// As [`Sealed::open`].
    pub fn unseal(&self, context: &[u8]) -> Result<SecretVec<u8>, Error> {
        let mut secret = SecretVec::new()?;
        secret.resize(self.body.len())?;
        let keeper = Keeper::current()?;
        secret.expose_mut(|plain| keeper.open(context, self.stamp, &self.body, plain))?;
        Ok(secret)
    }
}

impl<T: Plain> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

impl fmt::Debug for SealedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedBytes(..)")
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
