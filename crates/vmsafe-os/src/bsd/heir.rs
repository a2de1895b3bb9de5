//! Heir: how a child gets what its parent arranged for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use rustix::mm::{self, MapFlags, ProtFlags};
use zeroize::Zeroize;

use super::memory::{self, PAGES};
use super::own;
pub(crate) use super::own::pipe;
use super::unix::fork::release;
use super::unix::pages;
use crate::contract::{Advice, Source, Span};

/// Locks in a child the zeros that stand where its parent's pages were.
pub(crate) fn lock_zeros(span: Span) -> bool {
    if !own::refill(span) {
        return false;
    }
    // SAFETY: a live mapping of this process.
    unsafe { pages::lock(span) }.is_ok() && is_kept(span, Advice::WipeOnFork)
}

/// Marks pages of a child as its parent's were: for cores, and for children of its own.
fn is_kept(span: Span, fork: Advice) -> bool {
    let hidden = !own::HIDES_FROM_CORES || own::hide_from_cores(span).is_ok();
    // SAFETY: a live mapping of this process; no such advice changes its bytes here.
    hidden && unsafe { memory::advise(span, fork) }.is_ok()
}

/// Puts `new` where `old` stood.
pub(crate) fn replace(old: RawFd, new: BorrowedFd<'_>) {
    // SAFETY: dup2(2) onto a number that the registry's owner still holds in this process; the old
    // file is closed by the same call.
    let _ = unsafe { libc::dup2(new.as_raw_fd(), old) };
    // SAFETY: fcntl(2) sets a flag of that number.
    let _ = unsafe { libc::fcntl(old, libc::F_SETFD, libc::FD_CLOEXEC) };
}

/// A copy of the bytes in pages that parent and child share, locked by the parent until the child
/// says that it has taken them.
pub(crate) fn copy_of(original: Span, source: Source) -> io::Result<Span> {
    if source == Source::Secret {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    let copy = pages::map_bare(None, original.len)?;
    let mut kept = Ok(());
    if own::HIDES_FROM_CORES {
        kept = own::hide_from_cores(copy);
    }
    if kept.is_ok() {
        // SAFETY: the copy is a fresh mapping of ours; locked before the secret enters it.
        kept = unsafe { pages::lock(copy) };
    }
    if let Err(refused) = kept {
        release(copy);
        return Err(refused.source);
    }
    let (from, to) = (original.start.as_ptr(), copy.start.as_ptr());
    // SAFETY: both spans are mapped, as long, and apart. Another thread may be writing the
    // original: the caller of fork() in a threaded program answers for that, as for all its memory.
    unsafe { ptr::copy_nonoverlapping(from, to, original.len) };
    Ok(copy)
}

/// Moves the copy into locked pages of this child's own at the old address, and zeroes it; false
/// when that failed.
pub(crate) fn adopt(copy: Span, at: Span, _source: Source) -> bool {
    let adopted = put_pages(at)
        // SAFETY: mapped a moment ago, and this process's.
        && unsafe { pages::lock(at) }.is_ok()
        && is_kept(at, Advice::DontFork);
    if adopted {
        let (from, to) = (copy.start.as_ptr(), at.start.as_ptr());
        // SAFETY: both spans are mapped, as long, and apart.
        unsafe { ptr::copy_nonoverlapping(from, to, at.len) };
    }
    // SAFETY: shared with the parent, who waits and does not touch it.
    unsafe { std::slice::from_raw_parts_mut(copy.start.as_ptr(), copy.len) }.zeroize();
    release(copy);
    adopted
}

/// Maps zero pages where a child has a hole.
pub(super) fn put_pages(span: Span) -> bool {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | PAGES;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: MAP_FIXED over the inside of our own region, of which this child has nothing.
    unsafe { mm::mmap_anonymous(span.start.as_ptr().cast(), span.len, access, flags) }.is_ok()
}
