//! Rack: locked stacks that wait for the next scope.
//!
//! ```text
//!   place 0 │ place 1 │ …       a scope holds the lock of its place until it ends
//! ```
//!
//! So to take a stack and to give it back is one lock, which nobody waits for: a place that is in
//! use is passed by. A child begins with the places that no other thread was using.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::{CIPHER, STACK};
use crate::buffer::locked::Locked;
use crate::error::Error;

/// A cache line of its own: neighbours are in use by other threads.
#[repr(align(64))]
struct Place(Mutex<Option<Locked>>);

impl Place {
    const fn empty() -> Self {
        Self(Mutex::new(None))
    }
}

/// How many threads find a stack again; one more makes its own each time.
const PLACES: usize = 32;

static CIPHERS: [Place; PLACES] = [const { Place::empty() }; PLACES];
static SCOPES: [Place; PLACES] = [const { Place::empty() }; PLACES];
/// Those of a size of their own: few, for each may be large.
static LARGE: [Place; 2] = [const { Place::empty() }; 2];

thread_local! {
    /// Where this thread found its last one.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// A stack on loan.
pub(super) enum Loan {
    /// It stays in its place.
    Place(MutexGuard<'static, Option<Locked>>),
    /// All places were in use.
    Own(Box<Locked>),
}

/// A zeroed stack of at least so many bytes.
///
/// # Errors
/// As [`Locked::new`].
#[inline]
pub(super) fn take(bytes: usize) -> Result<Loan, Error> {
    let (places, bytes) = if bytes <= CIPHER {
        (&CIPHERS[..], CIPHER)
    } else if bytes <= STACK {
        (&SCOPES[..], STACK)
    } else {
        (&LARGE[..], bytes)
    };
    let last = LAST.get() % places.len();
    match free(&places[last]) {
        Some(place) if is_fit(place.as_ref(), bytes) => Ok(Loan::Place(place)),
        place => take_slowly(places, bytes, place),
    }
}

#[cold]
fn take_slowly(
    places: &'static [Place],
    bytes: usize,
    first: Option<MutexGuard<'static, Option<Locked>>>,
) -> Result<Loan, Error> {
    let other = || {
        places.iter().enumerate().find_map(|(number, place)| {
            let place = free(place)?;
            LAST.set(number);
            Some(place)
        })
    };
    let Some(mut place) = first.or_else(other) else {
        return Ok(Loan::Own(Box::new(Locked::new(bytes)?)));
    };
    if !is_fit(place.as_ref(), bytes) {
        *place = Some(Locked::new(bytes)?);
    }
    Ok(Loan::Place(place))
}

/// Its lock, if nobody has it. A closure that panicked has left the stack wiped like any other.
#[inline]
fn free(place: &'static Place) -> Option<MutexGuard<'static, Option<Locked>>> {
    match place.0.try_lock() {
        Ok(place) => Some(place),
        Err(TryLockError::Poisoned(place)) => Some(PoisonError::into_inner(place)),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Of just this size, for a larger one would cost a longer search; and this process has it: a
/// child has none of its parent's.
#[inline]
fn is_fit(stack: Option<&Locked>, bytes: usize) -> bool {
    stack.is_some_and(|stack| stack.len() == bytes && stack.is_present())
}

const TAKEN: &str = "a stack stands in its place until it is given back";

impl Deref for Loan {
    type Target = Locked;

    #[inline]
    fn deref(&self) -> &Locked {
        match self {
            Self::Place(place) => place.as_ref().expect(TAKEN),
            Self::Own(stack) => stack,
        }
    }
}

impl DerefMut for Loan {
    #[inline]
    fn deref_mut(&mut self) -> &mut Locked {
        match self {
            Self::Place(place) => place.as_mut().expect(TAKEN),
            Self::Own(stack) => stack,
        }
    }
}
