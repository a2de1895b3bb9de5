//! OpenBSD: mmap(2) `MAP_CONCEAL`, sysctl kern.proc_vmmap.
//!
//! The kernel ends a program whose stack pointer leaves pages of `MAP_STACK`, and refuses
//! `MAP_STACK` together with `MAP_CONCEAL`. So there is no stack here that is kept from cores, and
//! whatever needs one is refused.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr;

use rustix::fs::StatFs;
use rustix::io::Errno;
use rustix::mm::MapFlags;
use rustix::pipe::{PipeFlags, pipe_with};

use super::memory::{Entry, inherit};
pub(crate) use super::steps::open_straight;
use crate::contract::{Answer, Evidence, Facts, Proof, Span};
use crate::refused::Call;

pub(super) const EVIDENCE: Evidence = Evidence {
    locked: Proof::of(
        "kern.proc_vmmap shows the pages wired",
        "kern.proc_vmmap does not show the pages wired",
    ),
    dont_dump: Proof::of(
        "kern.proc_vmmap shows the pages concealed",
        "kern.proc_vmmap does not show the pages concealed",
    ),
    absent: Proof::of(
        "kern.proc_vmmap shows MAP_INHERIT_NONE: children do not have it",
        "kern.proc_vmmap does not show MAP_INHERIT_NONE",
    ),
    moved: Proof::of(
        "kern.proc_vmmap shows MAP_INHERIT_NONE: children get a locked copy",
        "kern.proc_vmmap does not show MAP_INHERIT_NONE",
    ),
    wiped: Proof::of(
        "kern.proc_vmmap shows MAP_INHERIT_ZERO: children find zeros",
        "kern.proc_vmmap does not show MAP_INHERIT_ZERO",
    ),
    unread: Proof::of(
        "no process may trace this one",
        "a process that traces this one reads it",
    ),
};

pub(super) const LOCKS: &str = "a third of the machine's memory, for all processes together";
/// Every page of ours is concealed from its first day: there is no call to conceal one later.
pub(super) const PAGES: MapFlags = MapFlags::from_bits_retain(libc::MAP_CONCEAL.cast_unsigned());
pub(super) const ABSENT: i32 = libc::MAP_INHERIT_NONE;
pub(super) const HIDES_FROM_CORES: bool = true;
pub(super) const STACKS: Result<(), &str> =
    Err("openbsd lets nothing run on a stack that is kept from cores");
pub(crate) const FAULT: i32 = libc::SIGSEGV;
pub(crate) const LINKS: [Errno; 1] = [Errno::LOOP];

/// `MNT_LOCAL` of sys/mount.h, which libc has for OpenBSD's sisters only.
const MNT_LOCAL: u32 = 0x1000;

/// Entries asked for at a time; the kernel gives 64 KiB of them at most.
const BATCH: usize = 256;

/// The entries that touch the addresses from `start` up to `end`.
pub(super) fn entries(start: u64, end: u64) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        let batch = batch(from)?;
        let Some(last) = batch.last() else {
            return Ok(found);
        };
        if last.end <= from || last.start >= end {
            found.extend(touching(&batch, start, end));
            return Ok(found);
        }
        from = last.end;
        found.extend(touching(&batch, start, end));
    }
}

fn touching(entries: &[Entry], start: u64, end: u64) -> impl Iterator<Item = Entry> {
    let touches = move |entry: &&Entry| entry.end > start && entry.start < end;
    entries.iter().filter(touches).copied()
}

/// Some entries from an address on, which the first one of the question names.
fn batch(from: u64) -> io::Result<Vec<Entry>> {
    let me = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let name = [libc::CTL_KERN, libc::KERN_PROC_VMMAP, me];
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut told: Vec<libc::kinfo_vmentry> = vec![unsafe { std::mem::zeroed() }; BATCH];
    told[0].kve_start = from;
    let mut size = size_of_val(told.as_slice());
    let into = told.as_mut_ptr().cast();
    // SAFETY: sysctl(2) writes `size` bytes at most to `into`.
    let done = unsafe { libc::sysctl(name.as_ptr(), 3, into, &raw mut size, ptr::null_mut(), 0) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    told.truncate(size / size_of::<libc::kinfo_vmentry>());
    Ok(told.iter().map(entry).collect())
}

fn entry(told: &libc::kinfo_vmentry) -> Entry {
    Entry {
        start: told.kve_start,
        end: told.kve_end,
        facts: Facts {
            locked: told.kve_wired_count > 0,
            secret: false,
            dont_dump: told.kve_etype & libc::KVE_ET_CONCEAL != 0,
            dont_fork: told.kve_inheritance == libc::MAP_INHERIT_NONE,
            wipe_on_fork: told.kve_inheritance == libc::MAP_INHERIT_ZERO,
        },
    }
}

/// Done when the pages were mapped.
pub(super) fn hide_from_cores(_span: Span) -> Answer<()> {
    Ok(())
}

pub(super) fn wipe_on_fork(span: Span) -> Answer<()> {
    inherit(span, libc::MAP_INHERIT_ZERO, Call::WipeOnFork)
}

/// The kernel maps the zeros.
pub(super) fn refill(_span: Span) -> bool {
    true
}

/// A parent may trace its child, and with kern.global_ptrace any process of the user may.
pub(super) fn is_traceable(_span: Span) -> Answer<bool> {
    Ok(true)
}

pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

/// There is no such request.
pub(super) fn past_cache(_file: &File, _on: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) fn punch(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

pub(super) fn is_local(told: &StatFs) -> bool {
    told.f_flags & MNT_LOCAL != 0
}
