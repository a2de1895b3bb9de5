//! Secret: one value in the heap.
//!
//! **Promise.** From the first byte to the last the value lies in [`Locked`](crate::Locked) memory;
//! it is lent to closures only, never printed, never copied unless asked, and zero when dropped.
//!
//! ```
//! use vmsafe::Secret;
//!
//! let key = Secret::<[u8; 32]>::random()?;
//! let first = key.expose(|key| key[0]);
//! assert_eq!(format!("{key:?}"), "Secret(..)");
//! # let _ = first;
//! # Ok::<(), vmsafe::Error>(())
//! ```
//!
//! **Does not stop.** A closure that copies what it sees. What it returns is no secret any more:
//! compute in [`scope`](crate::scope()) what must not stand on an ordinary stack.

use std::alloc::Layout;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use subtle::{Choice, ConstantTimeEq};
use vmsafe_os::{Call, Refused};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::Error;
use crate::heap::Heap;
use crate::plain::{Plain, bytes_of, bytes_of_mut};
use crate::scope::scope;

mod guarded;
mod places;
mod string;
mod vec;

#[cfg(feature = "secrecy")]
mod secrecy;
#[cfg(feature = "serde")]
mod serde;

pub use guarded::Guarded;
pub(crate) use places::explain;
pub use string::{NotUtf8, SecretString};
pub use vec::SecretVec;

/// A value in locked memory. Zeroed when dropped.
///
/// It can be sent to, and shared with, another thread as its value can:
///
/// ```
/// let key = vmsafe::Secret::<[u8; 32]>::random()?;
/// std::thread::scope(|all| all.spawn(|| key.expose(|key| key[0])).join().is_ok());
/// # Ok::<(), vmsafe::Error>(())
/// ```
/// ```compile_fail,E0277
/// let shared = vmsafe::Secret::build(|| std::rc::Rc::new(7)).unwrap();
/// std::thread::spawn(move || shared.expose(|value| **value));
/// ```
///
/// A copy is made by [`Secret::try_clone`] only, and what is lent stays in its closure:
///
/// ```compile_fail,E0599
/// let key = vmsafe::Secret::<[u8; 32]>::random().unwrap();
/// let twin = key.clone();
/// ```
/// ```compile_fail
/// let key = vmsafe::Secret::<[u8; 32]>::random().unwrap();
/// let kept: &[u8; 32] = key.expose(|key| key);
/// ```
pub struct Secret<T> {
    at: NonNull<T>,
    heap: Heap,
    owns: PhantomData<T>,
}

// SAFETY: a secret owns its value, as a box does.
unsafe impl<T: Send> Send for Secret<T> {}
// SAFETY: a shared secret lends shared references only.
unsafe impl<T: Sync> Sync for Secret<T> {}

impl<T> Secret<T> {
    /// Builds a value that no zeros or random bytes make: `f` runs in a [`scope`](crate::scope()),
    /// so that the value lies on a locked stack until it is moved into its place.
    ///
    /// What the value owns elsewhere, say the buffer of a `Vec`, lies where it was allocated.
    ///
    /// # Errors
    /// As [`Heap::lend`] and [`scope`](crate::scope()).
    pub fn build(f: impl FnOnce() -> T) -> Result<Self, Error> {
        Self::build_in(Heap::global()?, f)
    }

    /// As [`Secret::build`], in this heap. Not in one of [`Fork::Wiped`](crate::Fork::Wiped): a
    /// child would find zeros there, and zeros may be no value of `T`.
    ///
    /// # Errors
    /// As [`Secret::build`], and [`Error::System`] for such a heap.
    pub fn build_in(heap: Heap, f: impl FnOnce() -> T) -> Result<Self, Error> {
        if heap.is_wiped_in_children() {
            return Err(Error::System(Refused::because(
                Call::OnFork,
                std::io::ErrorKind::Unsupported,
                "children find zeros in this heap, which may be no value of the type; begin with \
                 Secret::zeroed_in, or build in a heap of Fork::Absent or Fork::Moved",
            )));
        }
        let slot = Slot::<T>::new(heap)?;
        scope(|| {
            let value = f();
            // SAFETY: the slot is lent for a `T`, and holds none yet.
            unsafe { slot.at.write(value) };
        })?;
        Ok(slot.whole())
    }

    /// Lends the value.
    #[inline]
    pub fn expose<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: a whole value that is ours; `&self` keeps writers out.
        f(unsafe { self.at.as_ref() })
    }

    /// Lends the value, to change.
    #[inline]
    pub fn expose_mut<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: as in `expose`; `&mut self` makes this the only reference.
        f(unsafe { self.at.as_mut() })
    }

    /// Lets go of the value without dropping it; [`Secret::from_raw`] takes it back.
    #[must_use]
    pub fn into_raw(self) -> NonNull<T> {
        std::mem::ManuallyDrop::new(self).at
    }

    /// Takes back what [`Secret::into_raw`] let go of.
    ///
    /// # Safety
    /// `at` came from `into_raw` of a secret of this type in [`Heap::global`], and is used no more.
    ///
    /// # Panics
    /// When there is no such heap yet, so that `at` cannot have come from it.
    #[must_use]
    pub unsafe fn from_raw(at: NonNull<T>) -> Self {
        let heap = Heap::global().expect("the heap that the value came from");
        Self {
            at,
            heap,
            owns: PhantomData,
        }
    }
}

impl<T: Plain> Secret<T> {
    /// A value of zeros.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    #[inline]
    pub fn zeroed() -> Result<Self, Error> {
        Self::zeroed_in(Heap::global()?)
    }

    /// A value of zeros in this heap.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    #[inline]
    pub fn zeroed_in(heap: Heap) -> Result<Self, Error> {
        // What the heap lends is zero, and zeros are a value.
        Ok(Slot::new(heap)?.whole())
    }

    /// A value of random bytes.
    ///
    /// # Errors
    /// As [`Heap::lend`], and [`Error::Random`].
    pub fn random() -> Result<Self, Error> {
        Self::try_init_with(|value| {
            let bytes = bytes_of_mut(std::slice::from_mut(value));
            getrandom::fill(bytes).map_err(Error::Random)
        })
    }

    /// A value that `f` makes in its place, out of zeros.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    pub fn init_with(f: impl FnOnce(&mut T)) -> Result<Self, Error> {
        let mut secret = Self::zeroed()?;
        secret.expose_mut(f);
        Ok(secret)
    }

    /// As [`Secret::init_with`], for an `f` that can fail: then its bytes are zeroed.
    ///
    /// # Errors
    /// As [`Heap::lend`], and what `f` returns.
    pub fn try_init_with<E: From<Error>>(
        f: impl FnOnce(&mut T) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut secret = Self::zeroed()?;
        secret.expose_mut(f)?;
        Ok(secret)
    }

    /// One more of the same.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        let mut clone = Self::zeroed_in(self.heap)?;
        clone.bytes_mut().copy_from_slice(self.bytes());
        Ok(clone)
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: as in `expose`.
        bytes_of(std::slice::from_ref(unsafe { self.at.as_ref() }))
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `expose_mut`.
        bytes_of_mut(std::slice::from_mut(unsafe { self.at.as_mut() }))
    }
}

impl<T> Drop for Secret<T> {
    #[inline]
    fn drop(&mut self) {
        // Zeroed and freed at the end, also when the value's own end panics.
        let slot = Slot {
            at: self.at,
            heap: self.heap,
        };
        if std::mem::needs_drop::<T>() && slot.heap.owns(slot.at.cast()) {
            // SAFETY: a whole value, dropped once; in a child that has it not, it is left alone.
            unsafe { slot.at.drop_in_place() };
        }
    }
}

/// Memory for a value that is not there yet. Freed, unless made whole.
struct Slot<T> {
    at: NonNull<T>,
    heap: Heap,
}

impl<T> Slot<T> {
    #[inline]
    fn new(heap: Heap) -> Result<Self, Error> {
        let at = heap.lend(Layout::new::<T>())?.cast();
        Ok(Self { at, heap })
    }

    #[inline]
    fn whole(self) -> Secret<T> {
        let slot = std::mem::ManuallyDrop::new(self);
        Secret {
            at: slot.at,
            heap: slot.heap,
            owns: PhantomData,
        }
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // SAFETY: lent by this heap, and never used.
        unsafe { self.heap.free(self.at.cast()) };
    }
}

impl<T: Plain> ConstantTimeEq for Secret<T> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.bytes().ct_eq(other.bytes())
    }
}

/// In constant time.
impl<T: Plain> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl<T: Plain> Eq for Secret<T> {}

impl<T: Plain> Zeroize for Secret<T> {
    fn zeroize(&mut self) {
        self.bytes_mut().zeroize();
    }
}

impl<T> ZeroizeOnDrop for Secret<T> {}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
