//! Memory: memfd_secret(2), madvise(2), process_vm_readv(2), /proc/self/smaps.

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::mm::{self, MapFlags};

use super::record;
use super::unix::{pages, store};
use crate::contract::{Advice, Answer, Facts, Region, Span};
use crate::refused::{Call, Refused};

/// How guards are mapped, beside privately.
pub(crate) const GUARDS: MapFlags = MapFlags::NORESERVE;
/// How a file's pages are mapped, beside shared.
pub(crate) const PAGES: MapFlags = MapFlags::empty();

/// Pages of a fresh memfd_secret(2) between guards. The guards are private anonymous pages, for the
/// kernel charges the whole length of a secret file to the lock limit. The descriptor is closed at
/// once: the mapping keeps the pages.
pub(crate) fn map_secret(len: usize) -> Answer<Region> {
    let fd = secret_file(len)?;
    pages::map_shared(fd.as_fd(), len, Call::MapSecret)
}

/// A file of secret memory, `len` bytes long.
pub(crate) fn secret_file(len: usize) -> Answer<OwnedFd> {
    let refused = |error: io::Error| Refused::new(Call::MapSecret, error);
    let size = u64::try_from(len).expect("a length fits 64 bits");
    // Secret memory is a file, whose size is limited as that of any other.
    store::within_limit(size).map_err(refused)?;
    let flags = libc::c_uint::try_from(libc::O_CLOEXEC).expect("O_CLOEXEC is positive");
    // SAFETY: memfd_secret(2) takes flags only.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, flags) };
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    let fd = fd.ok_or_else(|| refused(io::Error::last_os_error()))?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    rustix::fs::ftruncate(&fd, size).map_err(|errno| refused(errno.into()))?;
    Ok(fd)
}

/// # Safety
/// The span is a live mapping of the caller's.
pub(crate) unsafe fn advise(span: Span, advice: Advice) -> Answer<()> {
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

/// VmFlags of the mapping that holds the span: `lo`, `dd`, `dc`, `wf` (proc_pid_smaps(5)). Read up
/// to there, for the kernel walks the pages of each mapping that it tells of.
pub(crate) fn facts(span: Span) -> Answer<Facts> {
    let first = span.start.as_ptr().addr() as u64;
    let last = first + span.len as u64;
    // Within the mapping, whether it is of secret memory.
    let mut within = None;
    let told = record::find("/proc/self/smaps", |line| {
        if let Some((start, end)) = range(line) {
            within = (start <= first && last <= end).then(|| is_secret(line));
            return None;
        }
        let flags = line.strip_prefix(b"VmFlags:")?;
        within.map(|secret| facts_of(flags, secret))
    });
    let told = told.map_err(|error| Refused::new(Call::Facts, error))?;
    told.ok_or_else(|| {
        Refused::because(
            Call::Facts,
            io::ErrorKind::NotFound,
            "the kernel lists no such mapping",
        )
    })
}

/// The addresses in the first line of a mapping; `None` of any other line.
fn range(line: &[u8]) -> Option<(u64, u64)> {
    let word = line.split(|byte| *byte == b' ').next()?;
    let (start, end) = std::str::from_utf8(word).ok()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?))
}

/// The path stands behind five words; secret memory is a file without one.
fn is_secret(line: &[u8]) -> bool {
    let mut words = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    words.nth(5) == Some(b"/secretmem") && words.next() == Some(b"(deleted)")
}

fn facts_of(flags: &[u8], secret: bool) -> Facts {
    let has = |flag: &[u8]| flags.split(|byte| *byte == b' ').any(|word| word == flag);
    Facts {
        locked: has(b"lo"),
        secret,
        dont_dump: has(b"dd"),
        dont_fork: has(b"dc"),
        wipe_on_fork: has(b"wf"),
    }
}

/// Reads one byte through process_vm_readv(2), as a debugger of the same user would.
pub(crate) fn peek(span: Span) -> Answer<bool> {
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
        let plain = pages::map_anonymous(page).expect("memory");
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
            unsafe { pages::unmap(region) }.expect("unmapped");
        }
    }
}
