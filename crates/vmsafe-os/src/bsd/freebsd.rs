//! FreeBSD: madvise(2) `MADV_NOCORE`, sysctl kern.proc.vmmap, procctl(2), fspacectl(2).

use std::fs::File;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use libc::kinfo_vmentry;
use rustix::fs::StatFs;
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::memory::{Entry, inherit};
pub(crate) use super::steps::open_straight;
use crate::contract::{Answer, Evidence, Facts, Proof, Span};
use crate::refused::{Call, Refused};

/// kern.proc.vmmap tells of locks and cores; of inheritance no call tells.
const GRANTED: &str = "minherit granted it, and the kernel does not show inheritance";

pub(super) const EVIDENCE: Evidence = Evidence {
    locked: Proof::of(
        "kern.proc.vmmap shows the pages wired by this process",
        "kern.proc.vmmap does not show the pages wired by this process",
    ),
    dont_dump: Proof::of(
        "kern.proc.vmmap shows NOCOREDUMP",
        "kern.proc.vmmap does not show NOCOREDUMP",
    ),
    absent: Proof::one_way(GRANTED, GRANTED),
    moved: Proof::one_way(GRANTED, GRANTED),
    wiped: Proof::one_way(GRANTED, GRANTED),
    unread: Proof::of(
        "procctl shows that nobody but root may trace this process",
        "another process of this user may trace this one and read it",
    ),
};

pub(super) const LOCKS: &str = "sysctl vm.max_user_wired, security.bsd.unprivileged_mlock";
pub(super) const PAGES: MapFlags = MapFlags::empty();
pub(super) const ABSENT: i32 = libc::INHERIT_NONE;
pub(super) const HIDES_FROM_CORES: bool = true;
pub(super) const STACKS: Result<(), &str> = Ok(());
pub(crate) const FAULT: i32 = libc::SIGSEGV;
/// `O_NOFOLLOW` answers EMLINK here (open(2)).
pub(crate) const LINKS: [Errno; 2] = [Errno::LOOP, Errno::MLINK];

/// The entries that touch the addresses from `start` up to `end`.
pub(super) fn entries(start: u64, end: u64) -> io::Result<Vec<Entry>> {
    let told = vmmap()?;
    let mut found = Vec::new();
    let mut rest = told.as_slice();
    while let Some((entry, size)) = first_entry(rest) {
        rest = &rest[size..];
        if entry.end > start && entry.start < end {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The kernel cuts an entry behind the name of its file, and says how long it is.
fn first_entry(told: &[u8]) -> Option<(Entry, usize)> {
    let size = i32::from_ne_bytes(field(told, offset_of!(kinfo_vmentry, kve_structsize))?);
    let size = usize::try_from(size).ok();
    let size = size.filter(|size| (1..=told.len()).contains(size))?;
    let flags = i32::from_ne_bytes(field(told, offset_of!(kinfo_vmentry, kve_flags))?);
    let entry = Entry {
        start: u64::from_ne_bytes(field(told, offset_of!(kinfo_vmentry, kve_start))?),
        end: u64::from_ne_bytes(field(told, offset_of!(kinfo_vmentry, kve_end))?),
        facts: Facts {
            locked: flags & libc::KVME_FLAG_USER_WIRED != 0,
            dont_dump: flags & libc::KVME_FLAG_NOCOREDUMP != 0,
            ..Facts::default()
        },
    };
    Some((entry, size))
}

fn field<const N: usize>(told: &[u8], offset: usize) -> Option<[u8; N]> {
    told.get(offset..)?.first_chunk().copied()
}

/// sysctl kern.proc.vmmap of this process, whose map may grow between two questions.
fn vmmap() -> io::Result<Vec<u8>> {
    let me = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_VMMAP, me];
    loop {
        let mut size = 0;
        ask(&name, ptr::null_mut(), &mut size)?;
        let mut told = vec![0_u8; size + size / 4];
        size = told.len();
        match ask(&name, told.as_mut_ptr(), &mut size) {
            Ok(()) => {
                told.truncate(size);
                return Ok(told);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(error),
        }
    }
}

fn ask(name: &[i32; 4], into: *mut u8, size: &mut usize) -> io::Result<()> {
    // SAFETY: sysctl(3) writes `size` bytes at most to `into`, or none where that is null.
    let done = unsafe { libc::sysctl(name.as_ptr(), 4, into.cast(), size, ptr::null(), 0) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

pub(super) fn hide_from_cores(span: Span) -> Answer<()> {
    let start = span.start.as_ptr().cast();
    // SAFETY: madvise(2): this value changes no byte.
    if unsafe { libc::madvise(start, span.len, libc::MADV_NOCORE) } == 0 {
        return Ok(());
    }
    Err(Refused::new(Call::DontDump, io::Error::last_os_error()))
}

pub(super) fn wipe_on_fork(span: Span) -> Answer<()> {
    inherit(span, libc::INHERIT_ZERO, Call::WipeOnFork)
}

/// The kernel maps the zeros.
pub(super) fn refill(_span: Span) -> bool {
    true
}

/// Whether another process may trace this one: procctl(2) `PROC_TRACE_STATUS` answers -1 after
/// `PROC_TRACE_CTL_DISABLE`.
pub(super) fn is_traceable(_span: Span) -> Answer<bool> {
    let me = std::process::id().into();
    let mut status = 0_i32;
    let into = (&raw mut status).cast();
    // SAFETY: PROC_TRACE_STATUS writes one int.
    let done = unsafe { libc::procctl(libc::P_PID, me, libc::PROC_TRACE_STATUS, into) };
    if done == 0 {
        return Ok(status != -1);
    }
    Err(Refused::new(Call::Peek, io::Error::last_os_error()))
}

pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// Nothing to ask for: `O_DIRECT` may be answered by the cache.
pub(super) fn past_cache(_file: &File, _on: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) fn punch(file: &File, len: u64) -> io::Result<()> {
    let mut hole = libc::spacectl_range {
        r_offset: 0,
        r_len: i64::try_from(len).map_err(io::Error::other)?,
    };
    // The kernel may do a part and tell what is left.
    while hole.r_len > 0 {
        let before = hole.r_len;
        let (file, range) = (file.as_raw_fd(), &raw mut hole);
        // SAFETY: fspacectl(2) reads one range and writes what is left of it to the same place.
        let done =
            unsafe { libc::fspacectl(file, libc::SPACECTL_DEALLOC, range.cast_const(), 0, range) };
        if done == -1 {
            return Err(io::Error::last_os_error());
        }
        if hole.r_len >= before {
            return Err(io::Error::other("the kernel gave no block back"));
        }
    }
    Ok(())
}

pub(super) fn is_local(told: &StatFs) -> bool {
    told.f_flags & libc::MNT_LOCAL != 0
}
