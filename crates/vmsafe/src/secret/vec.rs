//! SecretVec: values side by side, that grow without leaving copies.

use std::alloc::Layout;
use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::ptr::NonNull;

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::Error;
use crate::heap::Heap;
use crate::plain::{Plain, bytes_of, bytes_of_mut};

/// A growing row of values in locked memory. The old place is zeroed when it moves, and all of it
/// when it is dropped.
pub struct SecretVec<T: Plain> {
    at: NonNull<T>,
    len: usize,
    /// Values that fit; 0: nothing is lent yet.
    capacity: usize,
    heap: Heap,
    owns: PhantomData<T>,
}

// SAFETY: it owns its values, as a Vec does.
unsafe impl<T: Plain + Send> Send for SecretVec<T> {}
// SAFETY: a shared one lends shared references only.
unsafe impl<T: Plain + Sync> Sync for SecretVec<T> {}

impl<T: Plain> SecretVec<T> {
    /// An empty row.
    ///
    /// # Errors
    /// As [`Heap::global`].
    pub fn new() -> Result<Self, Error> {
        Ok(Self::new_in(Heap::global()?))
    }

    /// An empty row in this heap.
    #[must_use]
    pub fn new_in(heap: Heap) -> Self {
        Self {
            at: NonNull::dangling(),
            len: 0,
            capacity: 0,
            heap,
            owns: PhantomData,
        }
    }

    /// An empty row with room for `capacity` values.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    pub fn with_capacity(capacity: usize) -> Result<Self, Error> {
        let mut row = Self::new()?;
        row.reserve(capacity)?;
        Ok(row)
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values it can hold without moving.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for `more` values.
    ///
    /// # Errors
    /// As [`Heap::lend`]; nothing has changed then.
    pub fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let too_long = Error::Size {
            len: more,
            because: "it exceeds the address space",
        };
        let Some(wanted) = self.len.checked_add(more) else {
            return Err(too_long);
        };
        if wanted <= self.capacity || size_of::<T>() == 0 {
            return Ok(());
        }
        let wanted = wanted.max(self.capacity.saturating_mul(2));
        let Ok(layout) = Layout::array::<T>(wanted) else {
            return Err(too_long);
        };
        let at = match self.layout() {
            None => self.heap.lend(layout)?,
            // SAFETY: lent for that layout, and only the new place is used from here on.
            Some(old) => unsafe { self.heap.resize(self.at.cast(), old, layout) }?,
        };
        self.at = at.cast();
        self.capacity = wanted;
        Ok(())
    }

    /// The layout that its memory was lent for.
    fn layout(&self) -> Option<Layout> {
        let layout = Layout::array::<T>(self.capacity).ok();
        layout.filter(|_| self.capacity > 0)
    }

    /// Adds a value. The one that is passed is the caller's to zero.
    ///
    /// # Errors
    /// As [`SecretVec::reserve`].
    pub fn push(&mut self, value: T) -> Result<(), Error> {
        self.reserve(1)?;
        // SAFETY: room for one more was made a line above.
        let end = unsafe { self.at.add(self.len) };
        // SAFETY: within what is lent, or a place of no size; nobody else's.
        unsafe { end.write(value) };
        self.len += 1;
        Ok(())
    }

    /// Adds copies of values, which are the caller's to zero.
    ///
    /// # Errors
    /// As [`SecretVec::reserve`].
    pub fn extend_from_slice(&mut self, values: &[T]) -> Result<(), Error> {
        self.reserve(values.len())?;
        let len = self.len;
        self.len += values.len();
        let (_, new) = self.as_mut_slice().split_at_mut(len);
        bytes_of_mut(new).copy_from_slice(bytes_of(values));
        Ok(())
    }

    /// Makes it `len` values long: cuts off and zeroes, or adds zeros.
    ///
    /// # Errors
    /// As [`SecretVec::reserve`].
    pub fn resize(&mut self, len: usize) -> Result<(), Error> {
        self.truncate(len);
        self.reserve(len - self.len)?;
        // What is lent and not used is zero: `truncate` and the heap see to it.
        self.len = len;
        Ok(())
    }

    /// Cuts off what is behind `len` values, and zeroes it.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            bytes_of_mut(&mut self.as_mut_slice()[len..]).zeroize();
            self.len = len;
        }
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Lends the values.
    pub fn expose<R>(&self, f: impl FnOnce(&[T]) -> R) -> R {
        f(self.as_slice())
    }

    /// Lends the values, to change.
    pub fn expose_mut<R>(&mut self, f: impl FnOnce(&mut [T]) -> R) -> R {
        f(self.as_mut_slice())
    }

    /// One more of the same.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    pub fn try_clone(&self) -> Result<Self, Error> {
        let mut clone = Self::new_in(self.heap);
        clone.extend_from_slice(self.as_slice())?;
        Ok(clone)
    }

    pub(super) fn as_slice(&self) -> &[T] {
        // SAFETY: `len` values that are whole, or none at a dangling but aligned place.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`; `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}

impl SecretVec<u8> {
    /// Reads all that `from` has to give straight into locked memory. From a file, a pipe or a
    /// socket no byte is in ordinary memory on its way; a buffered reader keeps its own copy.
    ///
    /// # Errors
    /// Of kind `OutOfMemory` when no memory could be had, with the reason as its source; and what
    /// `from` returns. What was read until then is zeroed when the row is dropped.
    pub fn read_to_end(&mut self, mut from: impl Read) -> io::Result<usize> {
        const STEP: usize = 512;
        let before = self.len;
        loop {
            let full = |error| io::Error::new(io::ErrorKind::OutOfMemory, error);
            let len = self.len;
            self.reserve(STEP).map_err(full)?;
            let room = self.capacity - len;
            self.resize(len + room).map_err(full)?;
            let mut filled = Filled { row: self, len };
            let read = from.read(&mut filled.row.as_mut_slice()[len..]);
            if let Ok(read) = read {
                filled.len = len.saturating_add(read);
            }
            drop(filled);
            let interrupted = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
            match read {
                Ok(0) => return Ok(self.len - before),
                Err(error) if !interrupted(&error) => return Err(error),
                _ => {}
            }
        }
    }
}

/// A row of which a reader has filled `len` bytes: what is behind them is cut off, also when the
/// reader panics.
struct Filled<'a> {
    row: &'a mut SecretVec<u8>,
    len: usize,
}

impl Drop for Filled<'_> {
    fn drop(&mut self) {
        self.row.truncate(self.len);
    }
}

impl<T: Plain> Drop for SecretVec<T> {
    fn drop(&mut self) {
        if self.capacity > 0 {
            // SAFETY: lent by this heap, and nobody refers to it any more.
            unsafe { self.heap.free(self.at.cast()) };
        }
    }
}

impl<T: Plain> ConstantTimeEq for SecretVec<T> {
    /// The lengths are no secret.
    fn ct_eq(&self, other: &Self) -> Choice {
        bytes_of(self.as_slice()).ct_eq(bytes_of(other.as_slice()))
    }
}

/// In constant time for equal lengths.
impl<T: Plain> PartialEq for SecretVec<T> {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl<T: Plain> Eq for SecretVec<T> {}

impl<T: Plain> Zeroize for SecretVec<T> {
    fn zeroize(&mut self) {
        self.clear();
    }
}

impl<T: Plain> ZeroizeOnDrop for SecretVec<T> {}

impl<T: Plain> fmt::Debug for SecretVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretVec(..)")
    }
}
