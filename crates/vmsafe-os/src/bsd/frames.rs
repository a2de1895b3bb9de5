//! Frames: what the system says of signal frames and of faults.

use super::own;
pub(crate) use super::own::FAULT;

/// The least that a frame takes.
pub(crate) fn least_frame() -> usize {
    libc::MINSIGSTKSZ
}

/// Whether memory of a program's own may be a stack.
pub(crate) const STACKS: Result<(), &str> = own::STACKS;
