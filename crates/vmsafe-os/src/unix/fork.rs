//! Fork: what a child finds where its parent had protected pages.
//!
//! ```text
//!            before fork            in the child, before fork() returns there
//!   Absent   MADV_DONTFORK          the hole becomes PROT_NONE: nothing else can land in it
//!   Wiped    MADV_WIPEONFORK        mlock again (locks are not inherited), else PROT_NONE
//!   Moved    MADV_DONTFORK + copy   lock the copy, move it to the old address, else PROT_NONE
//! ```
//!
//! The words are Linux's; elsewhere `minherit` says the same. What each system does its own way
//! stands in its room `heir`.
//!
//! `Moved` never leaves an instant in which a page of the secret is unlocked: the copy is made and
//! locked by the parent, in pages that both share; the child locks them too, and only then does the
//! parent, who waits for that, let go. A plain inherited page could not be used: a child's mapping
//! is born unlocked, and when the parent writes first the child keeps the original page, unlocked.
//!
//! The handlers run under pthread_atfork(3). A process that is made by a bare clone(2) runs none of
//! them: there `Absent` is a hole, `Wiped` is zero but unlocked, and `Moved` is absent.

use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs::{self, CWD, Mode, OFlags};
use rustix::io::retry_on_intr;
use rustix::mm::{self, MapFlags, ProtFlags};
use zeroize::Zeroize;

use super::pages;
use super::row::Row;
use super::system::heir;
use super::system::memory::{self, GUARDS};
use crate::contract::{Advice, Answer, AroundFork, Fork, Region, Source, Span};
use crate::refused::{Call, Refused};

/// A region and what a child shall find there.
#[derive(Clone, Copy)]
struct Entry {
    region: Region,
    source: Source,
    fork: Fork,
    /// The process in which the region can be used; a child that has it says so.
    usable_in: u64,
    /// During a fork: the copy that the child will adopt.
    copy: Option<Span>,
}

/// All regions with a fork policy, and the files that are their owner's alone; during a fork, also
/// the pipe by which the child says "locked".
///
/// While its lock is held nothing is taken from the program's allocator or given back to it: that
/// may be a heap whose next chunk is to be entered here, or whose locks another thread holds that
/// is about to fork and waits for this one.
struct Registry {
    entries: Row<Entry>,
    files: Row<RawFd>,
    locked: Option<(OwnedFd, OwnedFd)>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    entries: Row::new(),
    files: Row::new(),
    locked: None,
});

/// The registry's guard from `prepare` to `in_parent` or `in_child`.
struct Held(UnsafeCell<Option<MutexGuard<'static, Registry>>>);

// SAFETY: only the thread that holds REGISTRY's lock touches the cell: `prepare` fills it after
// locking, and the handlers that empty it run in that same thread or its only copy (fork(2)).
unsafe impl Sync for Held {}

static HELD: Held = Held(UnsafeCell::new(None));

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Arranges what children find in `region`.
pub(crate) fn remember(region: Region, source: Source, fork: Fork) -> Answer<()> {
    install()?;
    let entry = Entry {
        region,
        source,
        fork,
        usable_in: epoch(),
        copy: None,
    };
    let entered = registry().entries.push(entry);
    if entered { Ok(()) } else { no_memory() }
}

#[cold]
fn no_memory() -> Answer<()> {
    let kind = io::ErrorKind::OutOfMemory;
    Err(Refused::new(Call::OnFork, io::Error::from(kind)))
}

/// Whether this process has what its parent arranged for.
pub(crate) fn is_inherited(region: Region) -> bool {
    let here = epoch();
    let has = |entry: &Entry| entry.region == region && entry.usable_in == here;
    registry().entries.items().iter().any(has)
}

/// Ends the arrangement.
pub(crate) fn forget(region: Region) {
    let mut registry = registry();
    registry.entries.retain_mut(|entry| entry.region != region);
}

/// Keeps a file from children: an inherited descriptor would hold its owner's lock, and its
/// content, for as long as a child lives.
pub(crate) fn remember_file(file: BorrowedFd<'_>) -> Answer<()> {
    install()?;
    let entered = registry().files.push(file.as_raw_fd());
    if entered { Ok(()) } else { no_memory() }
}

/// Ends what `remember_file` began. To be called before the file is closed.
pub(crate) fn forget_file(file: BorrowedFd<'_>) {
    let file = file.as_raw_fd();
    registry().files.retain_mut(|known| *known != file);
}

/// What else runs around a fork. A place each, so that the handlers need no lock to read them.
static HOOKS: [OnceLock<&'static dyn AroundFork>; 4] = [const { OnceLock::new() }; 4];

fn hooks() -> impl Iterator<Item = &'static dyn AroundFork> {
    HOOKS.iter().filter_map(|place| place.get().copied())
}

/// Runs `hook` around every fork from now on.
pub(crate) fn hook(hook: &'static dyn AroundFork) -> Answer<bool> {
    install()?;
    let is_there = hooks().any(|there| ptr::addr_eq(there, hook));
    if is_there || HOOKS.iter().any(|place| place.set(hook).is_ok()) {
        return Ok(true);
    }
    Err(Refused::because(
        Call::OnFork,
        io::ErrorKind::OutOfMemory,
        "more hooks than there are places for",
    ))
}

fn install() -> Answer<()> {
    static INSTALLED: OnceLock<i32> = OnceLock::new();
    let errno = *INSTALLED.get_or_init(|| {
        // SAFETY: pthread_atfork(3) keeps three functions that live as long as the program.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) }
    });
    if errno == 0 {
        return Ok(());
    }
    Err(Refused::new(
        Call::OnFork,
        io::Error::from_raw_os_error(errno),
    ))
}

extern "C" fn prepare() {
    // First the hooks: who holds one of their locks may be about to take the registry's.
    hooks().for_each(AroundFork::before);
    let mut registry = registry();
    let mut handshake = false;
    let here = epoch();
    // What a bare clone(2) kept from this process cannot be copied for its children.
    let moved = |entry: &&mut Entry| entry.fork == Fork::Moved && entry.usable_in == here;
    for entry in registry.entries.items().iter_mut().filter(moved) {
        // Without a copy the child finds the region inaccessible: weaker would be worse.
        entry.copy = heir::copy_of(entry.region.inner, entry.source).ok();
        handshake |= entry.source == Source::Anonymous;
    }
    if handshake {
        registry.locked = heir::pipe().ok();
        if registry.locked.is_none() {
            // Unable to wait for the child's lock: let the child have nothing.
            registry.entries.items().iter_mut().for_each(wipe_copy);
            registry.entries.items().iter_mut().for_each(drop_copy);
        }
    }
    // SAFETY: this thread holds the lock; see `Held`.
    unsafe { *HELD.0.get() = Some(registry) };
}

extern "C" fn in_parent() {
    settle_parent();
    hooks().for_each(|hook| hook.after(false));
}

extern "C" fn in_child() {
    settle_child();
    hooks().for_each(|hook| hook.after(true));
}

fn settle_parent() {
    // SAFETY: this thread filled the cell in `prepare` and holds the lock; see `Held`.
    let Some(mut registry) = (unsafe { (*HELD.0.get()).take() }) else {
        return;
    };
    if let Some((reader, writer)) = registry.locked.take() {
        drop(writer);
        // A byte: the child has locked its copies, which are ours no more. End of file: it died.
        let mut byte = [0_u8; 1];
        let adopted = retry_on_intr(|| rustix::io::read(&reader, &mut byte)) == Ok(1);
        if !adopted {
            registry.entries.items().iter_mut().for_each(wipe_copy);
        }
    }
    registry.entries.items().iter_mut().for_each(drop_copy);
}

fn settle_child() {
    // SAFETY: the child is the only copy of the thread that filled the cell; see `Held`.
    let Some(mut registry) = (unsafe { (*HELD.0.get()).take() }) else {
        return;
    };
    registry.entries.retain_mut(|entry| {
        let inner = entry.region.inner;
        let kept = match (entry.fork, entry.copy.take()) {
            (Fork::Absent, _) | (Fork::Moved, None) => false,
            (Fork::Wiped, _) => heir::lock_zeros(inner),
            (Fork::Moved, Some(copy)) => heir::adopt(copy, inner, entry.source),
        };
        if kept {
            // `remember` asked first, so that this starts nothing new inside a fork.
            entry.usable_in = epoch();
        } else {
            // Shut it stays, for children of this child too: there is nothing left to arrange.
            shut(inner);
        }
        kept
    });
    leave_files(registry.files.items());
    // Left for good: a child that closes all descriptors may give these numbers to others.
    registry.files.retain_mut(|_| false);
    if let Some((_, writer)) = registry.locked.take() {
        // The parent waits for this byte or for the end of the pipe; both let it go on.
        let _ = retry_on_intr(|| rustix::io::write(&writer, &[1]));
    }
}

/// Puts /dev/null in the place of each file. Closing them would free numbers that their owners'
/// copies in this process will close again.
fn leave_files(files: &[RawFd]) {
    if files.is_empty() {
        return;
    }
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let Ok(null) = fs::openat(CWD, c"/dev/null", flags, Mode::empty()) else {
        // Without it a child holds the lock longer than it should; no byte is less protected.
        return;
    };
    for &file in files {
        heir::replace(file, null.as_fd());
    }
}

/// Puts inaccessible pages where the child must find nothing.
fn shut(span: Span) {
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | GUARDS;
    let start = span.start.as_ptr().cast();
    // SAFETY: MAP_FIXED over the inside of our own region, whose bytes are not for this process.
    let shut = unsafe { mm::mmap_anonymous(start, span.len, ProtFlags::empty(), flags) };
    if shut.is_err() {
        // A page that may be unlocked or stale must not be reachable; there is no caller to tell.
        std::process::abort();
    }
}

fn drop_copy(entry: &mut Entry) {
    if let Some(copy) = entry.copy.take() {
        release(copy);
    }
}

/// Zeroes a copy that no child has adopted.
fn wipe_copy(entry: &mut Entry) {
    if let Some(Span { start, len }) = entry.copy {
        // SAFETY: a live mapping of this room's own, to which no other reference exists.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), len) }.zeroize();
    }
}

/// Unmaps a copy, which the child may hold too.
pub(crate) fn release(copy: Span) {
    // Nothing can be told from inside a fork, and a copy that stays mapped stays locked.
    // SAFETY: a mapping of this room's own that nobody refers to any more.
    let _ = unsafe { mm::munmap(copy.start.as_ptr().cast(), copy.len) };
}

/// Differs between a process and its children, however they were made: it stands in a page that
/// the kernel zeroes in a child.
pub(crate) fn epoch() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let Some(here) = epoch_cell() else {
        // Without such a page the process number serves; it may be used again, but not by a parent.
        return u64::from(std::process::id());
    };
    let epoch = here.load(Ordering::Relaxed);
    if epoch != 0 {
        return epoch;
    }
    // First use, or first use in a child: LAST was inherited, so the next number is new here.
    let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    match here.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => next,
        Err(other) => other,
    }
}

/// Where the epoch stands.
pub(crate) fn epoch_cell() -> Option<&'static AtomicU64> {
    static PAGE: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();
    *PAGE.get_or_init(epoch_page)
}

fn epoch_page() -> Option<&'static AtomicU64> {
    let region = pages::map_anonymous(rustix::param::page_size()).ok()?;
    let start: NonNull<u8> = region.inner.start;
    // SAFETY: a fresh mapping that is never unmapped.
    unsafe { memory::advise(region.inner, Advice::WipeOnFork) }.ok()?;
    // SAFETY: page-aligned, zero, never unmapped, and reached through this reference only.
    Some(unsafe { start.cast::<AtomicU64>().as_ref() })
}
