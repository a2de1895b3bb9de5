//! Faults: says what an access was that a guard of this crate has stopped.

use std::io;

use vmsafe_os::signals;

use crate::{heap, scope, secret};

/// From now on the program says so before it ends because the stack of a [`scope`](crate::scope())
/// overflowed, a [`Guarded`](crate::Guarded) was used outside its closure, or an access went
/// beyond a chunk of a [`Heap`](crate::Heap). Installs a handler of SIGSEGV, which hands every
/// fault on to the one that was there before. The words hold neither content nor an address.
///
/// # Errors
/// As sigaction(2).
pub fn explain_faults() -> io::Result<()> {
    let explain = |address| {
        scope::explain(address)
            .or_else(|| secret::explain(address))
            .or_else(|| heap::explain(address))
    };
    // SAFETY: all three read atomics, and thread-locals that need no making and have no end; they
    // neither allocate, lock nor panic.
    unsafe { signals::explain_faults(explain) }
}
