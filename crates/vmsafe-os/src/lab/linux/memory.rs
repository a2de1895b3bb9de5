//! Page-out, and reading memory in a way that survives a fault.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};

use super::check;
use crate::lab::Copied;

/// Gives memory that was freed back to the system: glibc keeps it for each of its threads, however
/// much it was. Other libraries are not asked.
pub fn give_back_freed() {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: malloc_trim(3) touches free memory alone, and is safe among threads (MT-Safe).
        unsafe { libc::malloc_trim(0) };
    }
}

/// The size of a page, bytes.
pub fn page_size() -> usize {
    rustix::param::page_size()
}

/// Empties the per-CPU lists of pages that no reclaim can see yet.
///
/// `mbind(…, MPOL_MF_MOVE)` makes the kernel drain them on every CPU, for an ordinary user and
/// whatever page it is called on, here a scratch page. Without it about 3 % of single page-outs
/// miss their page.
///
/// # Errors
/// The kernel's refusal of `mmap` or `mbind` (a seccomp filter of a container may forbid it).
pub fn drain_page_lists() -> io::Result<()> {
    let page = page_size();
    // SAFETY: mmap(2) of a new anonymous mapping at an address of the kernel's choice cannot touch
    // existing memory.
    let scratch = unsafe {
        rustix::mm::mmap_anonymous(
            core::ptr::null_mut(),
            page,
            rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE,
            rustix::mm::MapFlags::PRIVATE,
        )
    }?;
    // SAFETY: `scratch` is one mapped, writable page that only this function knows.
    unsafe { scratch.cast::<u8>().write(1) };
    // SAFETY: mbind(2) changes no contents; MPOL_DEFAULT takes no node mask (null, 0), and the
    // range is our own page.
    let bound = check(unsafe {
        libc::syscall(
            libc::SYS_mbind,
            scratch,
            page,
            libc::MPOL_DEFAULT,
            core::ptr::null::<libc::c_ulong>(),
            0_usize,
            MPOL_MF_MOVE,
        )
    });
    // SAFETY: the page was mapped above, and no reference to it exists.
    unsafe { rustix::mm::munmap(scratch, page) }?;
    bound.map(drop)
}

/// `madvise(MADV_PAGEOUT)` on memory of this process.
///
/// # Errors
/// `InvalidInput` (EINVAL): the range touches a locked, secret or huge-page mapping.
/// ENOMEM: part of it is not mapped. Success says nothing of what was written (docs of the lab).
pub fn advise_pageout(range: Range<usize>) -> io::Result<()> {
    // SAFETY: madvise(2): MADV_PAGEOUT never changes what the memory reads as, for any address.
    check(i64::from(unsafe {
        libc::madvise(
            core::ptr::with_exposed_provenance_mut(range.start),
            range.len(),
            libc::MADV_PAGEOUT,
        )
    }))
    .map(drop)
}

/// A handle to another process that cannot come to mean a different one.
#[derive(Debug)]
pub struct Process(OwnedFd);

impl Process {
    /// Opens a handle to `pid`.
    ///
    /// # Errors
    /// `NotFound`-like ESRCH when there is no such process.
    pub fn open(pid: u32) -> io::Result<Self> {
        let pid = super::process::raw_pid(pid)?;
        Ok(Self(rustix::process::pidfd_open(
            pid,
            rustix::process::PidfdFlags::empty(),
        )?))
    }

    /// `process_madvise(MADV_PAGEOUT)` on its memory; returns the bytes that were advised.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_NICE and the right to trace it; EINVAL for a locked or special range.
    pub fn advise_pageout(&self, range: Range<usize>) -> io::Result<usize> {
        let piece = libc::iovec {
            iov_base: core::ptr::without_provenance_mut(range.start),
            iov_len: range.len(),
        };
        // SAFETY: process_madvise(2) reads one iovec, which outlives the call; the addresses in it
        // belong to the other process, and MADV_PAGEOUT changes no contents there either.
        let advised = check(unsafe {
            libc::syscall(
                libc::SYS_process_madvise,
                self.0.as_raw_fd(),
                &raw const piece,
                1_usize,
                libc::MADV_PAGEOUT,
                0_u32,
            )
        })?;
        usize::try_from(advised).map_err(io::Error::other)
    }
}

/// Writes memory at an address to a file descriptor, so that an unreadable page is an answer and
/// not a crash. Blocks as `write(2)` does, for example on a full pipe.
///
/// # Errors
/// Errors of the file, not of the memory.
pub fn copy_memory(range: Range<usize>, to: &File) -> io::Result<Copied> {
    let mut at = range.start;
    while at < range.end {
        // SAFETY: write(2) reads user memory with fault handling: an address that cannot be read
        // is EFAULT or a short count, never undefined behaviour. No Rust reference is made.
        let wrote = check(unsafe {
            libc::write(
                to.as_raw_fd(),
                core::ptr::with_exposed_provenance(at),
                range.end - at,
            )
        } as i64);
        match wrote {
            Ok(0) => {
                return Ok(Copied::Faulted {
                    after: at - range.start,
                });
            }
            Ok(n) => at += usize::try_from(n).map_err(io::Error::other)?,
            Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {
                return Ok(Copied::Faulted {
                    after: at - range.start,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Copied::Whole)
}

/// Copies memory at an address into a vector: what could be read, up to the first fault.
///
/// # Errors
/// The refusal of a pipe (too many open files).
pub fn read_memory(range: Range<usize>) -> io::Result<(Vec<u8>, Copied)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (mut reader, writer) = (File::from(reader), File::from(writer));
    let mut bytes = vec![0; range.len()];
    let mut done = 0;
    // A page at a time: a new pipe holds at least one, so the write never blocks.
    for start in range.clone().step_by(page_size()) {
        let end = range.end.min(start + page_size());
        let copied = copy_memory(start..end, &writer)?;
        let got = match copied {
            Copied::Whole => end - start,
            Copied::Faulted { after } => after,
        };
        if let Some(target) = bytes.get_mut(done..done + got) {
            reader.read_exact(target)?;
        }
        done += got;
        if copied != Copied::Whole {
            bytes.truncate(done);
            return Ok((bytes, Copied::Faulted { after: done }));
        }
    }
    Ok((bytes, Copied::Whole))
}

/// `linux/mempolicy.h`; the libc crate lacks it.
const MPOL_MF_MOVE: libc::c_uint = 1 << 1;
