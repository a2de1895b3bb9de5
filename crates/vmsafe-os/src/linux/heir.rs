//! Heir: how a child of Linux gets what its parent arranged for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

use rustix::mm::{self, MremapFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use super::memory;
use super::unix::fork::release;
use super::unix::pages;
use crate::contract::{Advice, Source, Span};

/// Locks in a child what MADV_WIPEONFORK zeroed there.
pub(crate) fn lock_zeros(span: Span) -> bool {
    // SAFETY: the span is a live mapping of this process.
    unsafe { pages::lock(span) }.is_ok()
}

/// The pipe by which a child says "locked". No program that is started meanwhile gets it.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Puts `new` where `old` stood.
pub(crate) fn replace(old: RawFd, new: BorrowedFd<'_>) {
    // SAFETY: dup3(2) onto a number that the registry's owner still holds in this process; the old
    // file is closed by the same call.
    let _ = unsafe { libc::dup3(new.as_raw_fd(), old, libc::O_CLOEXEC) };
}

/// A copy of the bytes in pages that parent and child can share, locked.
pub(crate) fn copy_of(original: Span, source: Source) -> io::Result<Span> {
    let len = original.len;
    let copy = match source {
        Source::Secret => {
            let fd = memory::secret_file(len).map_err(|refused| refused.source)?;
            pages::map_bare(Some(fd.as_fd()), len)?
        }
        Source::Anonymous => pages::map_bare(None, len)?,
    };
    let mut kept = Ok(());
    if source == Source::Anonymous {
        // SAFETY: the copy is a fresh mapping of ours; madvise(2) keeps it out of dumps.
        kept = unsafe { memory::advise(copy, Advice::DontDump) };
        if kept.is_ok() {
            // SAFETY: as above; locked before the secret enters it.
            kept = unsafe { pages::lock(copy) };
        }
    }
    if let Err(refused) = kept {
        release(copy);
        return Err(refused.source);
    }
    let from = original.start.as_ptr();
    // SAFETY: both spans are mapped, `len` long and apart. Another thread may be writing the
    // original: the caller of fork() in a threaded program answers for that, as for all its memory.
    unsafe { ptr::copy_nonoverlapping(from, copy.start.as_ptr(), len) };
    Ok(copy)
}

/// Makes the copy this process's own at the old address; false when that failed.
pub(crate) fn adopt(copy: Span, at: Span, source: Source) -> bool {
    // A secret file's pages need no lock; anonymous ones get the child's own before the parent's
    // goes.
    // SAFETY: the copy was inherited mapped, and is this process's.
    let locked = source == Source::Secret || unsafe { pages::lock(copy) }.is_ok();
    if !locked {
        release(copy);
        return false;
    }
    let flags = MremapFlags::MAYMOVE;
    let (old, new) = (copy.start.as_ptr().cast(), at.start.as_ptr().cast());
    // SAFETY: mremap(2) puts the copy over a hole of our own region, between its guards.
    if unsafe { mm::mremap_fixed(old, copy.len, at.len, flags, new) }.is_err() {
        release(copy);
        return false;
    }
    // SAFETY: the span is the copy, now at its place. A grandchild gets a copy of its own again.
    unsafe { memory::advise(at, Advice::DontFork) }.is_ok()
}
