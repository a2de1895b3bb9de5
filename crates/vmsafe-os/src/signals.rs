//! Signals: where their frames go, and what a fault in a guard means.

use std::io;

use crate::Mapping;
use crate::system::signals as system;

/// Makes `stack` the place where this thread's signal handlers run that ask for an alternate one.
/// Their frames hold all registers.
///
/// # Errors
/// As sigaltstack(2), for instance when a handler is running there now.
///
/// # Panics
/// When the mapping is smaller than the system's minimum.
pub fn use_stack(stack: &mut Mapping) -> io::Result<()> {
    assert!(
        stack.len() >= least_stack(),
        "an alternate stack that is too small"
    );
    system::use_stack(stack)
}

/// Ends the use of `stack`, which may be unmapped then.
///
/// # Errors
/// When a handler is running there now.
pub fn leave_stack(stack: &mut Mapping) -> io::Result<()> {
    system::leave_stack(stack)
}

/// Bytes that an alternate stack needs on this machine; 0 where handlers have none of their own.
#[must_use]
pub fn least_stack() -> usize {
    system::least_stack()
}

/// From now on a fault at an address for which `explain` has words says them on standard error
/// before it ends the program; any other fault is handled as before. `explain` runs in a signal
/// handler: it may read plain memory and nothing else.
///
/// # Errors
/// As sigaction(2).
pub fn explain_faults(explain: fn(usize) -> Option<&'static str>) -> io::Result<()> {
    system::explain_faults(explain)
}
