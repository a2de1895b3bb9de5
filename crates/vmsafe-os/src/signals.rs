//! Signals: where their frames go, and what a fault in a guard means.

use std::io;
use std::marker::PhantomData;

use crate::Mapping;
use crate::contract::{Answer, Facts};
use crate::system::signals as system;

/// Where those handlers of a thread run that ask for an alternate stack. Their frames hold all
/// registers. It stays with the thread that it was made in:
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<vmsafe_os::signals::AlternateStack>();
/// ```
#[derive(Debug)]
pub struct AlternateStack {
    /// None at its end only.
    pages: Option<Mapping>,
    /// Not for another thread: only this one can end its use.
    stays: PhantomData<*const ()>,
}

impl AlternateStack {
    /// Makes the mapping this thread's alternate stack.
    ///
    /// # Errors
    /// As sigaltstack(2), for instance when a handler is running on the one before.
    ///
    /// # Panics
    /// When the mapping is smaller than the system's minimum, or shut.
    pub fn new(mut pages: Mapping) -> io::Result<Self> {
        assert!(
            pages.len() >= least_stack(),
            "an alternate stack that is too small"
        );
        system::use_stack(&mut pages)?;
        Ok(Self {
            pages: Some(pages),
            stays: PhantomData,
        })
    }

    /// The kernel's own record of it.
    ///
    /// # Errors
    /// As [`Mapping::facts`].
    pub fn facts(&self) -> Answer<Facts> {
        let pages = self.pages.as_ref();
        pages.expect("they are taken at its end").facts()
    }
}

impl Drop for AlternateStack {
    /// Ends its use and gives it back; or lets it be where a handler is running on it now.
    fn drop(&mut self) {
        if let Some(mut pages) = self.pages.take()
            && system::leave_stack(&mut pages).is_err()
        {
            std::mem::forget(pages);
        }
    }
}

/// Bytes that an alternate stack needs on this machine; 0 where handlers have none of their own.
#[must_use]
pub fn least_stack() -> usize {
    system::least_stack()
}

/// Bytes of the alternate stack that this thread has now; 0 for none.
#[must_use]
pub fn present_stack() -> usize {
    system::present_stack()
}

/// From now on a fault at an address for which `explain` has words says them on standard error
/// before it ends the program; any other fault is handled as before.
///
/// # Safety
/// `explain` runs in a signal handler, in the midst of whatever the thread was doing: it reads
/// plain memory and atomics, and neither allocates, takes a lock nor panics (signal-safety(7)).
///
/// # Errors
/// As sigaction(2).
pub unsafe fn explain_faults(explain: fn(usize) -> Option<&'static str>) -> io::Result<()> {
    system::explain_faults(explain)
}
