//! Frames: what Linux says of signal frames and of faults.

/// What an access to a guard raises.
pub(crate) const FAULT: i32 = libc::SIGSEGV;

/// The least that a frame takes, with the widest registers of this processor.
pub(crate) fn least_frame() -> usize {
    rustix::param::linux_minsigstksz().max(libc::MINSIGSTKSZ)
}

/// Whether memory of a program's own may be a stack.
pub(crate) const STACKS: Result<(), &str> = Ok(());
