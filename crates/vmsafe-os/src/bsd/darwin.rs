//! macOS: Mach's view of memory, and the calls that only it has.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use mach2::kern_return::{KERN_INVALID_ADDRESS, KERN_SUCCESS, kern_return_t};
use mach2::traps::mach_task_self;
use mach2::vm::{
    mach_vm_allocate, mach_vm_purgable_control, mach_vm_read_overwrite, mach_vm_region,
};
use mach2::vm_inherit::VM_INHERIT_NONE;
use mach2::vm_purgable::{VM_PURGABLE_NONVOLATILE, VM_PURGABLE_SET_STATE, VM_PURGABLE_VOLATILE};
use mach2::vm_region::{VM_REGION_BASIC_INFO_64, vm_region_basic_info_64};
use mach2::vm_statistics::{VM_FLAGS_FIXED, VM_FLAGS_OVERWRITE, VM_FLAGS_PURGABLE};
use rustix::fs::{self, CWD, Mode, OFlags, StatFs};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mm::MapFlags;
use rustix::process::{Resource, getrlimit};

use super::heir;
use super::memory::{Entry, inherit};
use super::unix::pages;
use crate::contract::{Answer, Evidence, Facts, Proof, Region, Span};
use crate::refused::{Call, Refused};

pub(super) const EVIDENCE: Evidence = Evidence {
    locked: Proof::of(
        "mach_vm_region shows the pages wired by this process",
        "mach_vm_region does not show the pages wired by this process",
    ),
    dont_dump: Proof::one_way(
        "the hard limit of core files is 0: the kernel writes none of this process",
        "macos keeps no memory out of a core file, and the hard limit of core files is not 0",
    ),
    absent: Proof::of(
        "mach_vm_region shows VM_INHERIT_NONE: children do not have it",
        "mach_vm_region does not show VM_INHERIT_NONE",
    ),
    moved: Proof::of(
        "mach_vm_region shows VM_INHERIT_NONE: children get a locked copy",
        "mach_vm_region does not show VM_INHERIT_NONE",
    ),
    wiped: Proof::of(
        "mach_vm_region shows VM_INHERIT_NONE: children find zeros, mapped in its place",
        "mach_vm_region does not show VM_INHERIT_NONE",
    ),
    unread: Proof::of("mach_vm_read cannot read it", "mach_vm_read reads it"),
};

pub(super) const LOCKS: &str = "sysctl vm.user_wire_limit, vm.global_user_wire_limit";
pub(super) const PAGES: MapFlags = MapFlags::empty();
pub(super) const ABSENT: i32 = libc::VM_INHERIT_NONE;
pub(super) const HIDES_FROM_CORES: bool = false;
pub(super) const STACKS: Result<(), &str> = Ok(());
/// A page without access raises SIGBUS here; SIGSEGV is for addresses without a page.
pub(crate) const FAULT: i32 = libc::SIGBUS;
pub(crate) const LINKS: [Errno; 1] = [Errno::LOOP];

fn address(span: Span) -> u64 {
    span.start.as_ptr().addr() as u64
}

fn me() -> mach2::mach_types::task_t {
    // SAFETY: it only names this process's own task.
    unsafe { mach_task_self() }
}

/// What Mach answered, as an error for people.
fn mach(call: Call, told: kern_return_t) -> Answer<()> {
    if told == KERN_SUCCESS {
        return Ok(());
    }
    let text = format!("the kernel returned {told} (mach/kern_return.h)");
    Err(Refused::new(call, io::Error::other(text)))
}

/// The regions from `start` up to `end`.
pub(super) fn entries(start: u64, end: u64) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    // A core that is never written leaves everything out.
    let dont_dump = no_cores();
    let mut at = start;
    while at < end {
        let Some((start, size, info)) = region(at)? else {
            break;
        };
        // Read by value: the structure is packed.
        let (wired, inheritance) = (info.user_wired_count, info.inheritance);
        let absent = inheritance == VM_INHERIT_NONE;
        found.push(Entry {
            start,
            end: start + size,
            facts: Facts {
                locked: wired > 0,
                secret: false,
                dont_dump,
                dont_fork: absent,
                wipe_on_fork: absent,
            },
        });
        at = start + size;
    }
    Ok(found)
}

/// The first region at or behind an address.
fn region(at: u64) -> io::Result<Option<(u64, u64, vm_region_basic_info_64)>> {
    let (mut start, mut size, mut object) = (at, 0, 0);
    let mut info = vm_region_basic_info_64::default();
    let mut count = vm_region_basic_info_64::count();
    // SAFETY: each answer goes to a variable of its type; `count` says how long `info` is.
    let told = unsafe {
        mach_vm_region(
            me(),
            &raw mut start,
            &raw mut size,
            VM_REGION_BASIC_INFO_64,
            (&raw mut info).cast(),
            &raw mut count,
            &raw mut object,
        )
    };
    match told {
        KERN_INVALID_ADDRESS => Ok(None),
        told => mach(Call::Facts, told)
            .map(|()| Some((start, size, info)))
            .map_err(|refused| refused.source),
    }
}

/// True when this process can never write a core again: a hard limit is not raised but by root.
fn no_cores() -> bool {
    getrlimit(Resource::Core).maximum == Some(0)
}

pub(super) fn hide_from_cores(_span: Span) -> Answer<()> {
    if no_cores() {
        return Ok(());
    }
    super::nothing(
        Call::DontDump,
        "macos keeps no memory out of a core file; set the hard limit of core files to 0 \
         (`ulimit -Hc 0`)",
    )
}

/// Absent at first: `refill` maps the zeros in the child.
pub(super) fn wipe_on_fork(span: Span) -> Answer<()> {
    inherit(span, ABSENT, Call::WipeOnFork)
}

pub(super) fn refill(span: Span) -> bool {
    heir::put_pages(span)
}

/// Has locked pages zeroed also when the process is killed before it unmaps them.
pub(super) fn zero_at_end(span: Span) {
    let start = span.start.as_ptr().cast();
    // An extra, which no grade rests on: every kernel zeroes a page before another process has it.
    // SAFETY: madvise(2): this value changes no byte of a live mapping.
    let _ = unsafe { libc::madvise(start, span.len, libc::MADV_ZERO_WIRED_PAGES) };
}

/// Reads one byte as a debugger that holds this task's port would.
pub(super) fn is_traceable(span: Span) -> Answer<bool> {
    let (mut byte, mut size) = (0_u8, 0);
    let into = (&raw mut byte).addr() as u64;
    // SAFETY: it writes one byte to `byte` at most; an address without access is an error.
    let told = unsafe { mach_vm_read_overwrite(me(), address(span), 1, into, &raw mut size) };
    Ok(told == KERN_SUCCESS)
}

/// Purgeable memory between guards.
pub(super) fn map_vanishing(len: usize) -> Answer<Region> {
    let region = pages::map_anonymous(len)?;
    let (mut start, size) = (address(region.inner), region.inner.len as u64);
    let flags = VM_FLAGS_FIXED | VM_FLAGS_OVERWRITE | VM_FLAGS_PURGABLE;
    // SAFETY: it replaces pages of our own fresh region only, at their own address.
    let told = unsafe { mach_vm_allocate(me(), &raw mut start, size, flags) };
    mach(Call::MapAnonymous, told).map_err(|refused| pages::give_up(region, refused))?;
    Ok(region)
}

/// Volatile memory is thrown away under pressure, never compressed and never written to swap.
pub(super) fn let_vanish(span: Span, may: bool) -> Answer<()> {
    let state = if may {
        VM_PURGABLE_VOLATILE
    } else {
        VM_PURGABLE_NONVOLATILE
    };
    set_state(span, state)
}

/// Throws volatile memory away now, as pressure would.
#[cfg(test)]
pub(super) fn purge(span: Span) -> Answer<()> {
    set_state(span, mach2::vm_purgable::VM_PURGABLE_EMPTY)
}

fn set_state(span: Span, mut state: i32) -> Answer<()> {
    let at = address(span);
    // SAFETY: it changes what may become of pages that hold nothing which must stay.
    let told = unsafe { mach_vm_purgable_control(me(), at, VM_PURGABLE_SET_STATE, &raw mut state) };
    mach(Call::MapAnonymous, told)
}

/// Without pipe2(2) a program that another thread starts in the instant between the calls gets the
/// ends too; it learns nothing from them.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe()?;
    fcntl_setfd(&reader, FdFlags::CLOEXEC)?;
    fcntl_setfd(&writer, FdFlags::CLOEXEC)?;
    Ok((reader, writer))
}

/// Opens a directory through no symbolic link: `/var` is one here, `/private/var` is not.
pub(crate) fn open_straight(dir: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW_ANY;
    fs::openat(CWD, dir, flags, Mode::empty())
}

pub(super) fn past_cache(file: &File, on: bool) -> io::Result<()> {
    Ok(fs::fcntl_nocache(file, on)?)
}

pub(crate) fn punch(file: &File, len: u64) -> io::Result<()> {
    let hole = libc::fpunchhole_t {
        fp_flags: 0,
        reserved: 0,
        fp_offset: 0,
        fp_length: i64::try_from(len).map_err(io::Error::other)?,
    };
    // SAFETY: F_PUNCHHOLE reads the structure that it is given (fcntl(2)).
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const hole) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub(super) fn is_local(told: &StatFs) -> bool {
    told.f_flags & libc::MNT_LOCAL.cast_unsigned() != 0
}
