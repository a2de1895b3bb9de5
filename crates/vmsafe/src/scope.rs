//! Scope: a closure on a locked stack that is wiped.
//!
//! **Promise.** What the closure keeps on its stack or in vector registers reaches no disk and is
//! zero when `scope` returns, also after a panic.
//!
//! ```text
//!   ordinary stack          locked stack, from a pool
//!   ─ caller ─ scope ──►    guard │ zeros ....... │ closure's frames │   (absent in children)
//!            ◄── result ──  lowest byte in use found, wiped from there, vector registers cleared
//! ```
//!
//! **Why.** Most ciphers leave their key in dead stack frames, and a dead frame is ordinary memory:
//! it swaps and it is dumped. So every cryptographic call of this crate runs here.
//!
//! **Mechanism.** A stack in the pool is zero. After the closure it is searched from its low end
//! for the first byte that is not, and wiped from there: no guess about how deep the closure went.
//! The search is what a larger stack costs, about 5 ns a KiB.
//!
//! **Signals.** A signal frame holds all registers. Handlers without an alternate stack run on the
//! scope's, which is locked; for those with one, the first scope of a thread makes it a locked one,
//! no smaller than the one before, until the thread ends.
//!
//! **Needs.** [`STACK`] bytes of lock quota for each thread that is inside at one time, which stay
//! locked for the next, and the alternate stack, 12 KiB or more, for each thread that ever was.
//! **Does not cover.** What the closure returns; what it puts on the heap, unless the program's
//! global allocator is a [`Switch`](crate::heap::Switch). A `fork` inside it, or in a handler on
//! the alternate stack, makes a child that has no frames to go on with and faults.

use std::cell::Cell;

use vmsafe_os::signals::{self, AlternateStack};
use vmsafe_os::{Fork, registers, stack};

use self::rack::Loan;
use crate::buffer::locked::Locked;
use crate::error::Error;

mod rack;

/// Bytes of a locked stack, if nothing else is asked for: enough for the symmetric ciphers, hashes
/// and elliptic curves of the usual crates when they are optimised.
pub const STACK: usize = 24 << 10;

/// Bytes of the stack for this crate's own cipher: known, so smaller, and sooner looked through.
pub(crate) const CIPHER: usize = 12 << 10;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// The guard below the stack that this thread is on; 0: on its own.
    static GUARD: Cell<usize> = const { Cell::new(0) };
    static HAS_ALTERNATE: Cell<bool> = const { Cell::new(false) };
    static ALTERNATE: Cell<Option<Alternate>> = const { Cell::new(None) };
}

/// Runs `f` on a locked stack of [`STACK`] bytes. Nested calls stay on the stack that they are on.
///
/// A closure that needs more hits the guard below the stack and faults; see [`with_stack`] and
/// [`explain_faults`](crate::explain_faults).
///
/// # Errors
/// When no locked stack could be had: as [`Locked::new`]. `f` has not run then.
///
/// # Panics
/// When `f` does.
#[inline]
pub fn scope<R>(f: impl FnOnce() -> R) -> Result<R, Error> {
    with_stack(STACK, f)
}

/// As [`scope()`], on a stack of at least `bytes` bytes, which costs a longer search: for
/// algorithms with large tables on the stack, code that is not optimised, or a panic message with
/// its backtrace. In a nested call `bytes` means nothing.
///
/// # Errors
/// As [`scope()`].
///
/// # Panics
/// When `f` does.
pub fn with_stack<R>(bytes: usize, f: impl FnOnce() -> R) -> Result<R, Error> {
    if INSIDE.get() {
        return Ok(f());
    }
    if !HAS_ALTERNATE.get() {
        Alternate::install()?;
    }
    let mut lease = Lease(rack::take(bytes)?);
    let stack = lease.0.pages();
    INSIDE.set(true);
    GUARD.set(stack.address());
    Ok(stack::call_on(stack, f))
}

/// True while this thread is inside a scope.
#[must_use]
#[inline]
pub fn is_inside() -> bool {
    INSIDE.get()
}

/// What a fault at an address has to do with this thread's scope. For a signal handler.
pub(crate) fn explain(address: usize) -> Option<&'static str> {
    let below = GUARD.get().wrapping_sub(address);
    (1..=GUARD_BYTES).contains(&below).then_some(
        "the stack of a scope overflowed into its guard; \
         give the closure a larger one with scope::with_stack",
    )
}

/// The least that a guard page has on any machine.
const GUARD_BYTES: usize = 4096;

/// A stack on loan. Wiped and handed back however the closure ends.
struct Lease(Loan);

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        INSIDE.set(false);
        GUARD.set(0);
        stack::wipe_used(self.0.pages());
        // Last: the search had the stack's bytes in these registers.
        registers::clear_vectors();
    }
}

/// A locked alternate stack for this thread's signal handlers.
struct Alternate {
    _stack: AlternateStack,
}

impl Alternate {
    fn install() -> Result<(), Error> {
        let least = signals::least_stack();
        if least == 0 {
            HAS_ALTERNATE.set(true);
            return Ok(());
        }
        // A child keeps running on what it inherits, so it must have one: empty, and locked again.
        let options = Locked::options().fork(Fork::Wiped);
        // The program's handlers may need all of the one that it has.
        let stack = options.create(least.max(signals::present_stack()))?;
        let refused = |error| vmsafe_os::Refused::new(vmsafe_os::Call::Protect, error);
        let stack = AlternateStack::new(stack.into_pages()).map_err(refused)?;
        let alternate = Self { _stack: stack };
        // A thread whose locals are gone keeps what it has, and asks again.
        if ALTERNATE
            .try_with(|place| place.set(Some(alternate)))
            .is_ok()
        {
            HAS_ALTERNATE.set(true);
        }
        Ok(())
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        HAS_ALTERNATE.set(false);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
