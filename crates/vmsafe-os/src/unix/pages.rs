//! Pages between guards: mmap(2), mprotect(2), mlock(2), munmap(2).

use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

use super::system::memory::{GUARDS, PAGES};
use crate::contract::{Access, Answer, Region, Span};
use crate::refused::{Call, Refused};

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Private zero pages between guards.
pub(crate) fn map_anonymous(len: usize) -> Answer<Region> {
    let call = Call::MapAnonymous;
    let region = reserve(len, call)?;
    // SAFETY: the span lies within the reservation that was made a line above.
    let opened = unsafe { protect(region.inner, Access::ReadWrite) };
    opened.map_err(|refused| give_up(region, Refused::new(call, refused.source)))?;
    Ok(region)
}

/// A shared mapping of a file's first `len` bytes between guards.
pub(crate) fn map_shared(fd: BorrowedFd<'_>, len: usize, call: Call) -> Answer<Region> {
    let region = reserve(len, call)?;
    let start = region.inner.start.as_ptr().cast::<c_void>();
    let flags = MapFlags::SHARED.union(MapFlags::FIXED).union(PAGES);
    // SAFETY: MAP_FIXED replaces pages of our own reservation only (mmap(2)).
    let mapped = unsafe { mm::mmap(start, len, READ_WRITE, flags, fd, 0) };
    mapped.map_err(|errno| give_up(region, Refused::new(call, errno)))?;
    Ok(region)
}

/// Shared pages without guards, as a fork needs for copies.
pub(crate) fn map_bare(fd: Option<BorrowedFd<'_>>, len: usize) -> io::Result<Span> {
    let any = ptr::null_mut();
    let flags = MapFlags::SHARED.union(PAGES);
    let start = match fd {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        Some(fd) => unsafe { mm::mmap(any, len, READ_WRITE, flags, fd, 0) },
        // SAFETY: as above.
        None => unsafe { mm::mmap_anonymous(any, len, READ_WRITE, flags) },
    }?;
    span(start, len)
}

/// Inaccessible pages: guard, `len` bytes, guard.
fn reserve(len: usize, call: Call) -> Answer<Region> {
    let page = rustix::param::page_size();
    let whole = len
        .checked_add(2 * page)
        .filter(|_| len > 0 && len.is_multiple_of(page));
    let Some(whole) = whole else {
        return Err(Refused::because(
            call,
            io::ErrorKind::InvalidInput,
            "a length that is no multiple of the page size",
        ));
    };
    let flags = MapFlags::PRIVATE.union(GUARDS);
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
    let start = unsafe { mm::mmap_anonymous(ptr::null_mut(), whole, ProtFlags::empty(), flags) };
    let start = start.map_err(|errno| Refused::new(call, errno))?;
    let outer = span(start, whole).map_err(|error| Refused::new(call, error))?;
    // SAFETY: one page into a reservation of at least three.
    let inner = unsafe { outer.start.add(page) };
    Ok(Region {
        outer,
        inner: Span { start: inner, len },
    })
}

/// Unmaps a region whose construction failed, and hands the reason on.
pub(crate) fn give_up(region: Region, refused: Refused) -> Refused {
    // SAFETY: the region was mapped a moment ago and never handed out.
    let unmapped = unsafe { unmap(region) };
    // Empty pages without access: leaking them harms nobody, and the first reason is the one to
    // tell.
    drop(unmapped);
    refused
}

fn span(start: *mut c_void, len: usize) -> io::Result<Span> {
    let start = NonNull::new(start.cast::<u8>());
    let start = start.ok_or_else(|| io::Error::other("the kernel mapped address zero"))?;
    Ok(Span { start, len })
}

/// # Safety
/// The region is a live mapping that nobody uses any more.
pub(crate) unsafe fn unmap(region: Region) -> Answer<()> {
    let Span { start, len } = region.outer;
    // SAFETY: the caller gives up the region; munmap(2) of a whole mapping splits none.
    let unmapped = unsafe { mm::munmap(start.as_ptr().cast(), len) };
    unmapped.map_err(|errno| Refused::new(Call::Unmap, errno))
}

/// # Safety
/// The span is a live mapping of the caller's.
pub(crate) unsafe fn lock(span: Span) -> Answer<()> {
    // SAFETY: mlock(2) changes where pages may be, not what they hold.
    let locked = unsafe { mm::mlock(span.start.as_ptr().cast(), span.len) };
    locked.map_err(|errno| Refused::new(Call::Lock, errno))
}

/// # Safety
/// The span is a live mapping of the caller's, and no reference into it needs more access.
pub(crate) unsafe fn protect(span: Span, access: Access) -> Answer<()> {
    let flags = match access {
        Access::None => MprotectFlags::empty(),
        Access::Read => MprotectFlags::READ,
        Access::ReadWrite => MprotectFlags::READ.union(MprotectFlags::WRITE),
    };
    // SAFETY: the caller lends nothing that the new access would break (mprotect(2)).
    let done = unsafe { mm::mprotect(span.start.as_ptr().cast(), span.len, flags) };
    done.map_err(|errno| Refused::new(Call::Protect, errno))
}
