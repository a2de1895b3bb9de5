//! Memory: mmap(2), memfd_secret(2), mlock(2), madvise(2), mprotect(2), /proc/self/smaps.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use procfs::process::{MMapPath, MemoryMap, Process, VmFlags};
use rustix::mm::{self, MapFlags, MprotectFlags, ProtFlags};

use crate::contract::{Access, Advice, Answer, Facts, Region, Span};
use crate::refused::{Call, Refused};

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Private zero pages between guards.
pub(super) fn map_anonymous(len: usize) -> Answer<Region> {
    let call = Call::MapAnonymous;
    let region = reserve(len, call)?;
    // SAFETY: the span lies within the reservation that was made a line above.
    let opened = unsafe { protect(region.inner, Access::ReadWrite) };
    opened.map_err(|refused| give_up(region, Refused::new(call, refused.source)))?;
    Ok(region)
}

/// Pages of a fresh memfd_secret(2) between guards. The guards are private anonymous pages, for the
/// kernel charges the whole length of a secret file to the lock limit. The descriptor is closed at
/// once: the mapping keeps the pages.
pub(super) fn map_secret(len: usize) -> Answer<Region> {
    let fd = secret_file(len)?;
    map_shared(fd.as_fd(), len, Call::MapSecret)
}

/// A shared mapping of a file's first `len` bytes between guards.
pub(super) fn map_shared(fd: BorrowedFd<'_>, len: usize, call: Call) -> Answer<Region> {
    let region = reserve(len, call)?;
    let start = region.inner.start.as_ptr().cast::<c_void>();
    let flags = MapFlags::SHARED.union(MapFlags::FIXED);
    // SAFETY: MAP_FIXED replaces pages of our own reservation only (mmap(2)).
    let mapped = unsafe { mm::mmap(start, len, READ_WRITE, flags, fd, 0) };
    mapped.map_err(|errno| give_up(region, Refused::new(call, errno)))?;
    Ok(region)
}

/// Shared pages without guards, as the fork room needs for copies.
pub(super) fn map_bare(fd: Option<BorrowedFd<'_>>, len: usize) -> io::Result<Span> {
    let any = ptr::null_mut();
    let start = match fd {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing of ours.
        Some(fd) => unsafe { mm::mmap(any, len, READ_WRITE, MapFlags::SHARED, fd, 0) },
        // SAFETY: as above.
        None => unsafe { mm::mmap_anonymous(any, len, READ_WRITE, MapFlags::SHARED) },
    }?;
    span(start, len)
}

/// A file of secret memory, `len` bytes long.
pub(super) fn secret_file(len: usize) -> Answer<OwnedFd> {
    let refused = |error: io::Error| Refused::new(Call::MapSecret, error);
    let flags = libc::c_uint::try_from(libc::O_CLOEXEC).expect("O_CLOEXEC is positive");
    // SAFETY: memfd_secret(2) takes flags only.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, flags) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    let fd = fd.ok_or_else(|| refused(io::Error::last_os_error()))?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let size = u64::try_from(len).expect("a length fits 64 bits");
    rustix::fs::ftruncate(&fd, size).map_err(|errno| refused(errno.into()))?;
    Ok(fd)
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
    let flags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
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
fn give_up(region: Region, refused: Refused) -> Refused {
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
pub(super) unsafe fn unmap(region: Region) -> Answer<()> {
    let Span { start, len } = region.outer;
    // SAFETY: the caller gives up the region; munmap(2) of a whole mapping splits none.
    let unmapped = unsafe { mm::munmap(start.as_ptr().cast(), len) };
    unmapped.map_err(|errno| Refused::new(Call::Unmap, errno))
}

/// # Safety
/// The span is a live mapping of the caller's.
pub(super) unsafe fn lock(span: Span) -> Answer<()> {
    // SAFETY: mlock(2) changes where pages may be, not what they hold.
    let locked = unsafe { mm::mlock(span.start.as_ptr().cast(), span.len) };
    locked.map_err(|errno| Refused::new(Call::Lock, errno))
}

/// # Safety
/// The span is a live mapping of the caller's.
pub(super) unsafe fn advise(span: Span, advice: Advice) -> Answer<()> {
    let (call, value) = match advice {
        Advice::DontDump => (Call::DontDump, mm::Advice::LinuxDontDump),
        Advice::DontFork => (Call::DontFork, mm::Advice::LinuxDontFork),
        Advice::WipeOnFork => (Call::WipeOnFork, mm::Advice::LinuxWipeOnFork),
        Advice::Unmergeable => (Call::Unmergeable, mm::Advice::LinuxUnmergeable),
        Advice::PageOut => (Call::PageOut, mm::Advice::LinuxPageOut),
    };
    // SAFETY: madvise(2): none of these five values changes the bytes that this process sees.
    let advised = unsafe { mm::madvise(span.start.as_ptr().cast(), span.len, value) };
    advised.map_err(|errno| Refused::new(call, errno))
}

/// # Safety
/// The span is a live mapping of the caller's, and no reference into it needs more access.
pub(super) unsafe fn protect(span: Span, access: Access) -> Answer<()> {
    let flags = match access {
        Access::None => MprotectFlags::empty(),
        Access::Read => MprotectFlags::READ,
        Access::ReadWrite => MprotectFlags::READ.union(MprotectFlags::WRITE),
    };
    // SAFETY: the caller lends nothing that the new access would break (mprotect(2)).
    let done = unsafe { mm::mprotect(span.start.as_ptr().cast(), span.len, flags) };
    done.map_err(|errno| Refused::new(Call::Protect, errno))
}

/// VmFlags of the mapping that holds the span: `lo`, `dd`, `dc`, `wf` (proc_pid_smaps(5)).
pub(super) fn facts(span: Span) -> Answer<Facts> {
    let refused = |error: procfs::ProcError| Refused::new(Call::Facts, io::Error::other(error));
    let maps = Process::myself()
        .and_then(|me| me.smaps())
        .map_err(refused)?;
    let first = span.start.as_ptr().addr() as u64;
    let last = first + span.len as u64;
    let map = maps
        .iter()
        .find(|map| map.address.0 <= first && last <= map.address.1);
    let map = map.ok_or_else(|| {
        Refused::because(
            Call::Facts,
            io::ErrorKind::NotFound,
            "the kernel lists no such mapping",
        )
    })?;
    Ok(facts_of(map))
}

fn facts_of(map: &MemoryMap) -> Facts {
    let flags = map.extension.vm_flags;
    let secret = matches!(&map.pathname, MMapPath::Path(path)
        if path.to_str().is_some_and(|path| path.starts_with("/secretmem")));
    Facts {
        locked: flags.contains(VmFlags::LO),
        secret,
        dont_dump: flags.contains(VmFlags::DD),
        dont_fork: flags.contains(VmFlags::DC),
        wipe_on_fork: flags.contains(VmFlags::WF),
    }
}

/// Reads one byte through process_vm_readv(2), as a debugger of the same user would.
pub(super) fn peek(span: Span) -> Answer<bool> {
    let mut byte = 0_u8;
    let local = libc::iovec {
        iov_base: ptr::from_mut(&mut byte).cast(),
        iov_len: 1,
    };
    let remote = libc::iovec {
        iov_base: span.start.as_ptr().cast(),
        iov_len: 1,
    };
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: process_vm_readv(2) writes one byte to `byte` at most; a bad remote address is
    // EFAULT.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    if read == 1 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EFAULT) => Ok(false),
        _ => Err(Refused::new(Call::Peek, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_secret_memory_from_other() {
        let page = rustix::param::page_size();
        let plain = map_anonymous(page).expect("memory");
        let told = facts(plain.inner).expect("/proc");
        assert!(!told.secret && !told.locked, "{told:?}");
        assert!(
            peek(plain.inner).expect("process_vm_readv"),
            "the control can be read"
        );
        let secret = map_secret(page).expect("secret memory");
        let told = facts(secret.inner).expect("/proc");
        assert!(told.secret && told.locked && told.dont_dump, "{told:?}");
        // SAFETY: a fresh mapping that nobody else knows.
        unsafe { secret.inner.start.as_ptr().write_volatile(1) };
        assert!(!peek(secret.inner).expect("process_vm_readv"));
        for region in [plain, secret] {
            // SAFETY: mapped above, and used no more.
            unsafe { unmap(region) }.expect("unmapped");
        }
    }
}
