//! Heap: any number of secrets of any size, at the price of an ordinary allocation.
//!
//! **Promise.** What is lent lies in [`Locked`] memory, is zero at first, and is zeroed when it is
//! given back. When no more memory may be locked, lending fails; nothing spills to ordinary memory.
//! A free that is wrong ends the program with a message.
//!
//! ```text
//!   thread ── cache: one slab per class ──► shelf of the class ──► pool of granules ──► Locked
//!
//!   secret pages    guard │ slot slot slot … │ slot slot … │ run ....... │ guard    secrets only
//!   ordinary memory  map: address → book of the slab: two bits a slot               books only
//! ```
//!
//! **Mechanism.** 40 size classes from 16 bytes to 32 KiB, runs of granules above. A thread lends
//! and frees in slabs that it owns without a lock or an atomic step; what another thread frees is
//! one atomic bit. The books lie outside the secret pages: an overrun corrupts no book, and hits a
//! guard at the end of its chunk.
//!
//! **Needs.** Lock quota, as [`Locked`]. **Cost.** Rounding to the class; one slab per class and
//! thread; the books, one byte of ordinary memory for sixteen of slots.
//! **Does not stop.** A read after a free, before the slot is lent again: it finds zeros. A second
//! free after the slot was lent again: it cannot be told from a right one. Where the frames can
//! move ([`Heap::leaves_stale_frames`]) old frames keep copies until the kernel uses them again.
//!
//! [`Locked`]: crate::Locked

use std::alloc::Layout;
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use vmsafe_os::{Fork, Kernel};

use self::class::GRANULE;
use self::home::Home;
use crate::buffer::locked;
use crate::error::Error;
use crate::grade::Grade;
use crate::threat::{Demand, Threat};

#[cfg(feature = "allocator-api2")]
mod allocator;
mod around_fork;
pub(crate) mod busy;
mod bytes;
mod cache;
mod class;
mod crime;
mod growth;
mod home;
mod map;
mod pool;
mod shelf;
mod slab;
mod switch;
mod sync;

pub use self::switch::Switch;

/// A heap of locked memory. A handle: copies are the same heap. The heap stays for the rest of the
/// program; its memory goes back to the system chunk by chunk as it is freed.
#[derive(Clone, Copy)]
pub struct Heap {
    home: &'static Home,
}

/// How a [`Heap`] shall be made.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Options {
    locked: locked::Options,
    hardened: bool,
    canaries: bool,
}

impl Options {
    /// Demands this of one threat.
    pub fn demand(mut self, threat: Threat, demand: Demand) -> Self {
        self.locked = self.locked.demand(threat, demand);
        self
    }

    /// Lets a child see this. After [`Fork::Absent`], the default, a child begins with an empty
    /// heap, and what it frees of its parent's is left alone. One of [`Fork::Wiped`] holds plain
    /// values only: it refuses [`Secret::build_in`](crate::Secret::build_in) and collections.
    pub fn fork(mut self, fork: Fork) -> Self {
        self.locked = self.locked.fork(fork);
        self
    }

    /// Asks this kernel: for tests of what happens when one refuses.
    pub fn kernel(mut self, kernel: &'static dyn Kernel) -> Self {
        self.locked = self.locked.kernel(kernel);
        self
    }

    /// Checks that a slot is zero before it is lent: a write to it while it was free ends the
    /// program. Off unless switched on: the safe types of this crate cannot write there; a program
    /// that uses the heap by hand, or from C, may want to know.
    pub fn hardened(mut self, hardened: bool) -> Self {
        self.hardened = hardened;
        self
    }

    /// Ends each slot with eight bytes that are checked when it is freed: an overrun within the
    /// chunk, which reaches no guard, ends the program. Off unless switched on; costs those bytes.
    pub fn canaries(mut self, canaries: bool) -> Self {
        self.canaries = canaries;
        self
    }

    /// Makes a heap and its first chunk.
    ///
    /// # Errors
    /// As [`Locked::new`](crate::Locked::new), and [`Error::Random`] for want of a canary.
    pub fn create(self) -> Result<Heap, Error> {
        static IDS: AtomicU32 = AtomicU32::new(0);
        let _busy = busy::enter();
        let canary = if self.canaries {
            Some(getrandom::u64().map_err(Error::Random)?)
        } else {
            None
        };
        // What the system refuses is told now, not at the first secret, and before there is any
        // heap: its id and its books stay for the rest of the program.
        let first = growth::first(self.locked)?;
        let is_forked = self.locked.kernel.around_fork(around_fork::hook())?;
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let home = Home::new(id, self.locked, self.hardened, canary);
        home.pool().enter(first)?;
        let home: &'static Home = Box::leak(Box::new(home));
        if is_forked {
            around_fork::watch(home);
        }
        cache::enter(home);
        Ok(Heap { home })
    }
}

/// What a heap has and what of it is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes that are locked.
    pub locked: usize,
    /// Bytes of slots and runs that are lent, rounding included.
    pub lent: usize,
    /// Slots and runs that are lent.
    pub count: usize,
    /// Chunks: mappings between guards.
    pub chunks: usize,
}

/// How many more secrets of one size fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Without locking another page. Counts what threads hold ready.
    pub ready: usize,
    /// Until the limit on locked memory is reached; `None` where there is no limit.
    pub limit: Option<u64>,
}

impl Heap {
    /// A heap of its own with the default options.
    ///
    /// # Errors
    /// As [`Options::create`].
    pub fn new() -> Result<Self, Error> {
        Self::options().create()
    }

    /// The heap that the process shares, made at the first call.
    ///
    /// # Errors
    /// As [`Options::create`]; the next call tries again.
    #[inline]
    pub fn global() -> Result<Self, Error> {
        if let Some(heap) = GLOBAL.get() {
            return Ok(*heap);
        }
        first_global()
    }

    /// Demands, fork policy and checks, to choose.
    pub fn options() -> Options {
        Options::default()
    }

    /// Lends zeroed memory for `layout`, at least 16 bytes. Does not fail for a size of zero.
    ///
    /// # Errors
    /// [`Error::LockLimit`] when no more memory may be locked, and as [`Options::create`].
    #[inline]
    pub fn lend(self, layout: Layout) -> Result<NonNull<u8>, Error> {
        self.home.lend(layout)
    }

    /// Zeroes memory and takes it back. An address that this heap did not lend, or that it has
    /// already, ends the program with a message.
    ///
    /// # Safety
    /// Nobody reads or writes what `at` points to from now on.
    #[inline]
    pub unsafe fn free(self, at: NonNull<u8>) {
        // SAFETY: as the caller promised.
        unsafe { self.home.free(at) }
    }

    /// Makes memory larger or smaller, in place or elsewhere; then the old place is zeroed. What is
    /// new is zero. On an error nothing has changed.
    ///
    /// # Errors
    /// As [`Heap::lend`].
    ///
    /// # Safety
    /// `at` was lent by this heap for `old`; if it comes back elsewhere, nobody uses the old place.
    pub unsafe fn resize(
        self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<u8>, Error> {
        let kept = old.size().min(new.size());
        if self.is_same_place(old, new) {
            // SAFETY: what the new layout leaves of the old one is within the same slot.
            unsafe { bytes::wipe_between(at, kept, old.size()) };
            return Ok(at);
        }
        let to = self.lend(new)?;
        // SAFETY: both are lent, at least `kept` bytes long, and two.
        unsafe { bytes::copy(at, to, kept) };
        // SAFETY: the caller gives up the old place.
        unsafe { self.free(at) };
        Ok(to)
    }

    fn is_same_place(self, old: Layout, new: Layout) -> bool {
        let bytes = |layout: Layout| layout.size() + self.home.extra();
        let granules = |layout: Layout| bytes(layout).div_ceil(GRANULE).max(1);
        match (self.home.class(old), self.home.class(new)) {
            (Some(old), Some(new)) => old == new,
            (None, None) => old.align() == new.align() && granules(old) == granules(new),
            _ => false,
        }
    }

    /// True when a child finds zeros in place of what was stored.
    pub(crate) fn is_wiped_in_children(self) -> bool {
        self.home.fork() == Fork::Wiped
    }

    /// True when this heap lent `at` and has not got it back; false in a child that has it not.
    #[must_use]
    pub fn owns(self, at: NonNull<u8>) -> bool {
        self.usable(at).is_some()
    }

    /// Bytes that may be used at an address that was lent; `None` for an address at which nothing
    /// of this heap starts, and in a child that has it not.
    #[must_use]
    pub fn usable(self, at: NonNull<u8>) -> Option<usize> {
        self.home.usable(at)
    }

    /// What it has and what of it is lent. Walks all books; exact when no other thread is at work.
    #[must_use]
    pub fn stats(self) -> Stats {
        let pool = self.home.pool();
        let mut stats = Stats {
            locked: pool.locked(),
            lent: 0,
            count: 0,
            chunks: pool.count_chunks(),
        };
        for slab in pool.slabs() {
            let lent = slab.count_slots() - slab.count_free();
            stats.count += lent;
            stats.lent += lent * slab.slot_bytes();
        }
        stats
    }

    /// How many more secrets of `size` bytes fit.
    ///
    /// # Errors
    /// [`Error::System`] when the system does not tell its limit.
    pub fn plan(self, size: usize) -> Result<Plan, Error> {
        let layout = Layout::from_size_align(size, 1).map_err(|_| Error::Size {
            len: size,
            because: "it exceeds the address space",
        })?;
        let (granules, slots) = match self.home.class(layout) {
            Some(class) => (class::granules(class), class::slots(class)),
            None => ((size + self.home.extra()).div_ceil(GRANULE).max(1), 1),
        };
        let limit = self.home.kernel().lock_limit()?;
        let pool = self.home.pool();
        let same = pool.slabs().filter(|slab| slab.size() > 0);
        let same = same.filter(|slab| Some(slab.class()) == self.home.class(layout));
        let ready = same.map(|slab| slab.count_free()).sum::<usize>();
        let ready = ready + pool.places(granules) * slots;
        let more = limit.soft.map(|soft| soft.saturating_sub(limit.used));
        let more = more.map(|bytes| bytes / (granules * GRANULE) as u64 * slots as u64);
        Ok(Plan {
            ready,
            limit: more.map(|more| more + ready as u64),
        })
    }

    /// For each threat, the worst that any of its chunks got; `None` when it has no chunk, which
    /// can be in a child only.
    #[must_use]
    pub fn grade(self) -> Option<Grade> {
        let pool = self.home.pool();
        let grade = pool.grade()?;
        if !pool.leaves_stale_frames() {
            return Some(grade);
        }
        Some(grade.noting(
            Threat::Hibernation,
            "frames that were moved keep copies in free memory until they are used again",
        ))
    }

    /// True when a frame of it can move, and the old frame keeps the bytes until it is used again.
    #[must_use]
    pub fn leaves_stale_frames(self) -> bool {
        self.home.pool().leaves_stale_frames()
    }

    /// Gives back what this thread holds ready, and every empty chunk.
    pub fn trim(self) {
        let _busy = busy::enter();
        cache::flush(self.home);
        self.home.pool().trim();
    }
}

/// What a fault at an address has to do with a heap. For a signal handler: it takes no lock.
pub(crate) fn explain(address: usize) -> Option<&'static str> {
    if let Some(book) = map::find(address) {
        let lost = book.kind() == slab::Kind::Lost;
        return lost.then_some("this process is a child that the heap's memory was kept from");
    }
    let page = vmsafe_os::native().page_size();
    let beside = [address.wrapping_sub(page), address.wrapping_add(page)];
    let beside = beside.into_iter().any(|near| map::find(near).is_some());
    beside.then_some("an access beyond a chunk of the heap hit its guard")
}

static GLOBAL: OnceLock<Heap> = OnceLock::new();

#[cold]
fn first_global() -> Result<Heap, Error> {
    static FIRST: Mutex<()> = Mutex::new(());
    let _first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    match GLOBAL.get() {
        Some(heap) => Ok(*heap),
        None => {
            let heap = Heap::new()?;
            Ok(*GLOBAL.get_or_init(|| heap))
        }
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap")
            .field("id", &self.home.id())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Heap {
    fn eq(&self, other: &Self) -> bool {
        self.home.id() == other.home.id()
    }
}

impl Eq for Heap {}

#[cfg(all(test, not(loom)))]
mod tests;
