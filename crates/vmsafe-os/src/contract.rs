//! The contract: everything that vmsafe asks of an operating system, on one page.
//!
//! ```text
//!   Kernel  memory:  map  unmap  lock  advise  protect  facts  peek  evidence
//!                    map_vanishing  let_vanish
//!           forks:   epoch  on_fork  is_inherited    limits:  lock_limit  hibernation
//!           files:   create  reopen
//!   Store   a file:  filesystem  len  set_len  allocate  map  write  flush  sync  read_back
//!                    punch  unlink
//! ```
//!
//! What holds for all of them:
//!
//! 1. A call either does what its line says or returns [`Refused`]. None succeeds by half.
//! 2. Lengths are in bytes and, for memory, multiples of [`Kernel::page_size`].
//! 3. No call logs, prints, changes a limit of the process, or knows what the bytes mean.
//! 4. An answer is what the kernel said now. Nothing is inferred from a version number.
//!
//! Implementations: `linux`, `windows`, `bsd` (macOS, FreeBSD, OpenBSD), `absent` (refuses
//! everything, compiles everywhere) and [`model`](crate::model) (a kernel in a struct, for tests of
//! every refusal). What `linux` and `bsd` share stands in the folder `unix`.

use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::{fmt, io};

pub use crate::evidence::{Evidence, Proof};
pub use crate::filesystem::{FileSystem, FsKind};
pub use crate::refused::{Call, Refused};

/// What every call of the contract returns.
pub type Answer<T> = Result<T, Refused>;

/// A run of bytes in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte, aligned to a page.
    pub start: NonNull<u8>,
    /// Bytes, a multiple of the page size.
    pub len: usize,
}

// SAFETY: a span is two numbers; whoever dereferences it answers for the access.
unsafe impl Send for Span {}
// SAFETY: as above: sharing two numbers is harmless.
unsafe impl Sync for Span {}

/// A mapped span between two guard pages. The guards cost no quota and fault on any access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The guards and what lies between them.
    pub outer: Span,
    /// What may be used.
    pub inner: Span,
}

/// Where the pages of a mapping come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Pages that the kernel itself has no mapping of (`memfd_secret`): locked from birth.
    Secret,
    /// Private zero pages.
    Anonymous,
}

/// What a mapping's pages shall not do, or shall do, from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Stay out of core dumps.
    DontDump,
    /// Be absent from a child.
    DontFork,
    /// Be zero in a child. Where the kernel cannot, be absent until [`Kernel::on_fork`] has
    /// arranged for zeros.
    WipeOnFork,
    /// Never be merged with an equal page of another process.
    Unmergeable,
    /// Go to swap now. A locked mapping refuses: that refusal is the proof of its lock.
    PageOut,
}

/// What an access to a mapping does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Faults.
    None,
    /// Reads work, writes fault.
    Read,
    /// Both work.
    ReadWrite,
}

/// What a child sees of a mapping after `fork`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Fork {
    /// Nothing: an access faults.
    #[default]
    Absent,
    /// Zeros, locked again before anything else runs; what cannot be locked again faults.
    Wiped,
    /// A copy of its own, locked before anything else runs; what cannot be copied faults.
    Moved,
}

/// What the kernel's own record of a mapping says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its pages stay in memory.
    pub locked: bool,
    /// Its pages are secret memory, which has no place on any disk.
    pub secret: bool,
    /// It is left out of core dumps.
    pub dont_dump: bool,
    /// It is absent from a child.
    pub dont_fork: bool,
    /// It is zero in a child.
    pub wipe_on_fork: bool,
}

/// How much memory may be locked, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockLimit {
    /// In force now; `None` is no limit.
    pub soft: Option<u64>,
    /// What this process may raise it to.
    pub hard: Option<u64>,
    /// Locked by this process already.
    pub used: u64,
}

/// Whether the machine can write its memory to disk and switch off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hibernation {
    /// It can.
    Offered,
    /// It cannot, as long as this process keeps what it holds.
    Refused,
    /// It does not say.
    Unknown,
}

/// What must be whole when a process is copied: locks that another thread may hold.
pub trait AroundFork: Sync + fmt::Debug {
    /// In the parent, before the copy is made and before any mapping is prepared for it.
    fn before(&self);

    /// After it, in the thread that forked: in the parent, or in the `child`, whose mappings are by
    /// then what [`Kernel::on_fork`] promised.
    fn after(&self, child: bool);
}

/// The operating system, as far as memory goes.
///
/// # Safety
/// [`Mapping`](crate::Mapping) makes slices of what an implementation answers. So each region that
/// it maps is mapped, readable, writable and zero, of the length that was asked for, aligned to a
/// page, and nobody else's, until it is unmapped; only what a line below says changes its bytes or
/// its access; and what [`Kernel::epoch`] and [`Kernel::is_inherited`] say of a child is so.
///
/// ```compile_fail,E0200
/// #[derive(Debug)]
/// struct Careless;
/// impl vmsafe_os::Kernel for Careless {}
/// ```
///
/// # Safety of the `unsafe` methods
///
/// Each takes a span or region that this same kernel returned from a `map` and that has not been
/// unmapped; nothing else in the program may rely on the bytes, or on their accessibility, in a way
/// that the call ends. [`Mapping`](crate::Mapping) owns its region and is the only caller.
pub unsafe trait Kernel: Sync + fmt::Debug {
    /// Bytes of a page.
    fn page_size(&self) -> usize;

    /// Maps `len` bytes, readable and writable, between guard pages. Zero at first.
    fn map(&self, source: Source, len: usize) -> Answer<Region>;

    /// Maps bytes, as `map` does, of pages that can be allowed to vanish: see
    /// [`let_vanish`](Kernel::let_vanish). Refused where the system has none.
    fn map_vanishing(&self, _len: usize) -> Answer<Region> {
        nothing_vanishes()
    }

    /// From now on the kernel throws the span's pages away rather than write them anywhere, all at
    /// once, and they read as zero; or it keeps them, if they are still there.
    ///
    /// # Safety
    /// See the trait; the span comes from [`map_vanishing`](Kernel::map_vanishing), and whoever
    /// reads it reckons with zeros.
    unsafe fn let_vanish(&self, _span: Span, _may: bool) -> Answer<()> {
        nothing_vanishes()
    }

    /// Gives a region back.
    ///
    /// # Safety
    /// See the trait; no reference into the region may be alive.
    unsafe fn unmap(&self, region: Region) -> Answer<()>;

    /// Keeps the span in memory until it is unmapped.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn lock(&self, span: Span) -> Answer<()>;

    /// Tells the kernel how to treat the span.
    ///
    /// # Safety
    /// See the trait.
    unsafe fn advise(&self, span: Span, advice: Advice) -> Answer<()>;

    /// Sets what an access to the span does.
    ///
    /// # Safety
    /// See the trait; a reference into the span must not outlive the access it needs.
    unsafe fn protect(&self, span: Span, access: Access) -> Answer<()>;

    /// Reads the kernel's record of the mapping that holds the span.
    fn facts(&self, span: Span) -> Answer<Facts>;

    /// Tries to read the span's first byte as a debugger would; true: it can be read from outside.
    fn peek(&self, span: Span) -> Answer<bool>;

    /// What its answers to [`facts`](Kernel::facts) and [`peek`](Kernel::peek) prove.
    fn evidence(&self) -> &'static Evidence;

    /// Sees to it that a child finds the region as `fork` says, beyond what [`Advice`] does:
    /// `Wiped` is locked again in the child, `Moved` is copied for it.
    ///
    /// # Safety
    /// See the trait. Ends when the region is unmapped.
    unsafe fn on_fork(&self, region: Region, source: Source, fork: Fork) -> Answer<()>;

    /// A number that differs between a process and its children.
    fn epoch(&self) -> u64;

    /// In a child: whether it has the region that its parent arranged for with
    /// [`on_fork`](Kernel::on_fork). False for what was kept from it, and for what could not be
    /// locked again or copied, and so faults.
    fn is_inherited(&self, region: Region) -> bool;

    /// Where that number stands, if it can be read without a call; zero there means: ask
    /// [`Kernel::epoch`].
    fn epoch_cell(&self) -> Option<&'static AtomicU64> {
        None
    }

    /// Runs `hook` around every later fork, for the rest of the program. False where processes are
    /// never copied: there is nothing to run around.
    fn around_fork(&self, hook: &'static dyn AroundFork) -> Answer<bool> {
        let _ = hook;
        Ok(false)
    }

    /// The limit on locked memory.
    fn lock_limit(&self) -> Answer<LockLimit>;

    /// Whether the machine may hibernate now.
    fn hibernation(&self) -> Hibernation;

    /// Creates a file that is ours alone: new, 0600, through no symbolic link, locked.
    fn create(&self, path: &Path) -> Answer<Box<dyn Store>>;

    /// Opens what an earlier run left behind, as `create` would: a regular file with one name,
    /// through no symbolic link, with no living owner.
    fn reopen(&self, path: &Path) -> Answer<Box<dyn Store>>;
}

fn nothing_vanishes<T>() -> Answer<T> {
    let (call, kind) = (Call::MapAnonymous, io::ErrorKind::Unsupported);
    Err(Refused::because(
        call,
        kind,
        "this system has no pages that vanish",
    ))
}

/// What a read past the page cache told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// The bytes came from the medium.
    FromMedium,
    /// The file system would not go past its cache; the bytes prove nothing.
    FromCache,
}

/// One file that is ours alone.
///
/// # Safety
/// What [`Store::map`] answers is mapped, readable and writable, of the length that was asked for,
/// aligned to a page, and nobody else's, until the kernel that made the store unmaps it.
pub unsafe trait Store: Send + Sync + fmt::Debug {
    /// What it lies on.
    fn filesystem(&self) -> Answer<FileSystem>;

    /// Its length in bytes.
    fn len(&self) -> Answer<u64>;

    /// True when it holds no byte.
    ///
    /// # Errors
    /// As [`Store::len`].
    fn is_empty(&self) -> Answer<bool> {
        self.len().map(|len| len == 0)
    }

    /// Sets its length without reserving space.
    fn set_len(&self, len: u64) -> Answer<()>;

    /// Reserves space for `len` bytes, so that a later store cannot fail for want of it.
    fn allocate(&self, len: u64) -> Answer<()>;

    /// Maps `len` bytes of it from its start, shared, between guard pages.
    fn map(&self, len: usize) -> Answer<Region>;

    /// Writes all of `bytes` at `offset`.
    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<()>;

    /// Writes the span, a mapping of this file, to the medium and waits.
    ///
    /// # Safety
    /// The span is part of a region that this store's `map` returned and that is still mapped.
    unsafe fn flush(&self, span: Span) -> Answer<()>;

    /// Writes everything to the medium and waits.
    fn sync(&self) -> Answer<()>;

    /// Reads from the medium, not from the cache, where the file system lets us. `offset` is a
    /// multiple of the page size; returns the bytes read, fewer only at the end of the file.
    fn read_back(&self, offset: u64, into: &mut [u8]) -> Answer<(usize, ReadBack)>;

    /// Gives its blocks back, and tells the device to forget them where it is mounted so.
    fn punch(&self, len: u64) -> Answer<()>;

    /// Removes its name, and makes the removal permanent. The name must still be this file's.
    fn unlink(&self) -> Answer<()>;
}

#[cfg(all(test, not(vmsafe_absent)))]
mod tests;
