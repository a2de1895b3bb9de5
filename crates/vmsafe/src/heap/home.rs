//! Home: one heap's shelves and pool, and the paths through them.
//!
//! ```text
//!   lend   cache ──empty──► shelf of the class ──empty──► pool ──empty──► one more chunk
//!   free   own slab: two bits and a wipe   ·   another's: one atomic bit, seldom the shelf
//! ```
//!
//! Locks are taken in this order: that of the growth, a shelf's, the pool's, and below it those of
//! the system room.

use std::alloc::Layout;
use std::ptr::NonNull;

use vmsafe_os::{Call, Fork, Kernel, Refused};

use super::bytes;
use super::class::{self, CLASSES, GRANULE};
use super::crime::{Crime, stop};
use super::growth::Growth;
use super::pool::{Pool, Want};
use super::shelf::Shelf;
use super::slab::{Kind, NOBODY, Slab};
use super::sync::{Mutex, MutexGuard, lock};
use super::{busy, cache, map};
use crate::buffer::locked;
use crate::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a kernel without a cell of its own is looked at: never equal, so it is always asked.
static NEVER: AtomicU64 = AtomicU64::new(u64::MAX);

/// One heap. Never given back: its memory is, chunk by chunk.
#[derive(Debug)]
pub(super) struct Home {
    id: u32,
    row: usize,
    kernel: &'static dyn Kernel,
    cell: &'static AtomicU64,
    epoch: AtomicU64,
    fork: Fork,
    hardened: bool,
    canary: Option<u64>,
    /// There is something to check or to set before a slot is lent.
    checks: bool,
    extra: usize,
    /// Slots up to this size are wiped in line; 0 when there are canaries to look at first.
    inline_wipe: usize,
    shelves: [Shelf; CLASSES],
    pool: Mutex<Pool>,
    growth: Growth,
}

impl Home {
    pub(super) fn new(
        id: u32,
        options: locked::Options,
        hardened: bool,
        canary: Option<u64>,
    ) -> Self {
        let (kernel, fork) = (options.kernel, options.fork);
        Self {
            id,
            row: cache::HEAPS.min(id as usize),
            kernel,
            cell: kernel.epoch_cell().unwrap_or(&NEVER),
            epoch: AtomicU64::new(kernel.epoch()),
            fork,
            hardened,
            canary,
            checks: hardened || canary.is_some(),
            inline_wipe: if canary.is_some() { 0 } else { bytes::FEW },
            extra: if canary.is_some() { bytes::CANARY } else { 0 },
            shelves: std::array::from_fn(|_| Shelf::new()),
            pool: Mutex::new(Pool::new(id)),
            growth: Growth::new(options),
        }
    }

    /// Its row in the caches; [`cache::HEAPS`] when it has none.
    #[inline]
    pub(super) fn row(&self) -> usize {
        self.row
    }

    #[inline]
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn kernel(&self) -> &'static dyn Kernel {
        self.kernel
    }

    pub(super) fn fork(&self) -> Fork {
        self.fork
    }

    pub(super) fn shelves(&self) -> &[Shelf] {
        &self.shelves
    }

    pub(super) fn pool(&self) -> MutexGuard<'_, Pool> {
        lock(&self.pool)
    }

    pub(super) fn growth(&self) -> &Growth {
        &self.growth
    }

    /// A slab of free slots for a thread, or for nobody.
    pub(super) fn slab(&self, class: usize, owner: u64) -> Result<&'static Slab, Error> {
        self.growth.cover(&self.pool, Want::Slots { class, owner })
    }

    /// Bytes at the end of each slot that are not lent.
    #[inline]
    pub(super) fn extra(&self) -> usize {
        self.extra
    }

    /// The class of a layout; `None` for a run.
    #[inline]
    pub(super) fn class(&self, layout: Layout) -> Option<usize> {
        class::of(class::padded(layout, self.extra())).filter(|_| layout.align() <= GRANULE)
    }

    /// True when the process is the one that the heap is whole in, and that can be told by a look.
    #[inline]
    fn is_surely_here(&self) -> bool {
        self.cell.load(Ordering::Relaxed) == self.epoch.load(Ordering::Relaxed)
    }

    /// False in a process that a bare clone(2) made: no handler told this heap what became of it.
    fn is_here(&self) -> bool {
        self.is_surely_here() || self.kernel.epoch() == self.epoch.load(Ordering::Relaxed)
    }

    /// Lends zeroed memory.
    #[inline]
    pub(super) fn lend(&'static self, layout: Layout) -> Result<NonNull<u8>, Error> {
        match self.lend_ready(layout) {
            Some(at) => Ok(at),
            None => self.lend_slowly(layout),
        }
    }

    /// The short path: a small slot that this thread has ready. It calls nothing.
    #[inline]
    fn lend_ready(&self, layout: Layout) -> Option<NonNull<u8>> {
        // A layout's size is below 2^63.
        let size = layout.size() + self.extra;
        if layout.align() > 16 || size > class::NEAR || !self.is_surely_here() {
            return None;
        }
        let at = NonNull::new(cache::take(self, class::near(size)?)?)?;
        if self.checks {
            return Some(self.check_out_ready(at, class::near(size)?));
        }
        Some(at)
    }

    /// [`Home::check_out`] of the short path.
    #[inline(never)]
    fn check_out_ready(&self, at: NonNull<u8>, class: usize) -> NonNull<u8> {
        let size = class::SIZES[class];
        // SAFETY: as in `check_out`.
        let zero = size <= bytes::FEW && unsafe { bytes::is_zero_few(at, size) };
        if !zero || self.canary.is_some() {
            self.check_out(at, size);
        }
        at
    }

    #[cold]
    #[inline(never)]
    fn lend_slowly(&'static self, layout: Layout) -> Result<NonNull<u8>, Error> {
        if !self.is_here() {
            return Err(Error::System(Refused::because(
                Call::OnFork,
                std::io::ErrorKind::Unsupported,
                "this process was made by a bare clone, which runs no fork handler",
            )));
        }
        let _busy = busy::enter();
        let attempt = || match self.class(layout) {
            Some(class) => self.lend_slot(class),
            None => self.lend_run(layout),
        };
        match attempt() {
            Err(Error::LockLimit { .. }) => {
                cache::flush(self);
                attempt()
            }
            other => other,
        }
    }

    /// Lends of the slab that this thread has, or of another that it gets; or off the shelf.
    fn lend_slot(&'static self, class: usize) -> Result<NonNull<u8>, Error> {
        let Some(token) = cache::enlist(self, class) else {
            return self.lend_shared(class);
        };
        let last = cache::current(self, class);
        if let Some(slab) = last {
            let index = slab.take();
            let index = index.or_else(|| slab.collect().then(|| slab.take()).flatten());
            if let Some(index) = index {
                return Ok(self.hand_out(slab, index));
            }
            cache::replace(self, class, None);
        }
        let slab = match self.next_slab(class, last, token) {
            Some(slab) => slab,
            None => self.slab(class, token)?,
        };
        cache::replace(self, class, Some(slab));
        Ok(self.hand_out_first(slab))
    }

    /// A slab off the shelf, in exchange for the thread's last one.
    fn next_slab(
        &self,
        class: usize,
        last: Option<&'static Slab>,
        token: u64,
    ) -> Option<&'static Slab> {
        let shelf = &self.shelves[class];
        let Some(last) = last else {
            return shelf.claim(token);
        };
        let exchanged = shelf.exchange(last, token);
        if let Some(empty) = exchanged.empty {
            self.pool().release(empty);
        }
        exchanged.claimed
    }

    fn lend_shared(&'static self, class: usize) -> Result<NonNull<u8>, Error> {
        if let Some((slab, index)) = self.shelves[class].take() {
            return Ok(self.hand_out(slab, index));
        }
        let slab = self.slab(class, NOBODY)?;
        let slot = self.hand_out_first(slab);
        self.retire(slab);
        Ok(slot)
    }

    fn lend_run(&self, layout: Layout) -> Result<NonNull<u8>, Error> {
        let size = layout.size().saturating_add(self.extra());
        let limit = isize::MAX.unsigned_abs() - layout.align() - GRANULE;
        if size > limit {
            return Err(Error::Size {
                len: layout.size(),
                because: "it exceeds the address space",
            });
        }
        let (bytes, align) = (size, layout.align());
        let slab = self.growth.cover(&self.pool, Want::Run { bytes, align })?;
        // SAFETY: the base of a run that was just made for this caller.
        let at = unsafe { bytes::slot(slab.base(), 0) };
        self.check_out(at, slab.bytes());
        Ok(at)
    }

    fn hand_out_first(&self, slab: &Slab) -> NonNull<u8> {
        let index = slab
            .take()
            .expect("a slab that was found to have a free slot");
        self.hand_out(slab, index)
    }

    #[inline]
    fn hand_out(&self, slab: &Slab, index: usize) -> NonNull<u8> {
        let size = slab.size();
        // SAFETY: a slot of the slab lies within its chunk.
        let at = unsafe { bytes::slot(slab.base(), index * size) };
        self.check_out(at, size);
        at
    }

    fn check_out(&self, at: NonNull<u8>, size: usize) {
        if self.hardened {
            // SAFETY: the slot was free until now and is nobody else's yet.
            let zero = unsafe { bytes::is_zero(at, size) };
            if !zero {
                stop(Crime::WrittenAfterFree, at.addr().get());
            }
        }
        if let Some(canary) = self.canary {
            let value = canary ^ at.addr().get() as u64;
            // SAFETY: as above.
            unsafe { bytes::set_canary(at, size, value) };
        }
    }

    /// Wipes memory and takes it back.
    ///
    /// # Safety
    /// Nobody uses what `at` points to any more. Whether it was lent is found out here.
    #[inline]
    pub(super) unsafe fn free(&'static self, at: NonNull<u8>) {
        let address = at.addr().get();
        // The short path: an own slab's small slot. It calls nothing.
        if let Some(slab) = map::find(address)
            && let Some(index) = slab.index_of(address)
            && slab.owner() == cache::name(self)
            && slab.size() <= self.inline_wipe
            && self.is_surely_here()
            && slab.is_lent_here(index)
        {
            // SAFETY: a slot that is lent, of a slab that this thread owns, and out of use.
            unsafe { bytes::wipe_few(at, slab.size()) };
            return slab.put(index);
        }
        // SAFETY: as the caller promised.
        unsafe { self.free_slowly(at) }
    }

    /// Frees what is large or has a canary, a run, or into a slab of another thread or of nobody;
    /// and finds out what is wrong with any other address.
    ///
    /// # Safety
    /// As [`Home::free`].
    #[cold]
    #[inline(never)]
    unsafe fn free_slowly(&'static self, at: NonNull<u8>) {
        let address = at.addr().get();
        let Some(slab) = map::find(address) else {
            stop(Crime::Foreign, address);
        };
        if slab.home() != self.id {
            stop(Crime::Foreign, address);
        }
        if !self.is_here() {
            // The pages are not this process's.
            return;
        }
        let _busy = busy::enter();
        match slab.index_of(address) {
            // SAFETY: as the caller promised.
            Some(index) => unsafe { self.free_slot(slab, index, at) },
            None if slab.is_run_at(address) => {
                slab.give_run();
                // SAFETY: a whole run that is out of use.
                unsafe { self.take_back(at, slab.bytes()) };
                self.pool().release(slab);
            }
            None => accuse(slab, address),
        }
    }

    /// # Safety
    /// As [`Home::free`].
    unsafe fn free_slot(&'static self, slab: &'static Slab, index: usize, at: NonNull<u8>) {
        slab.check_lent(index);
        let class = slab.class();
        // SAFETY: a slot that is lent and out of use.
        unsafe { self.take_back(at, slab.size()) };
        if slab.owner() == cache::name(self) {
            return slab.put(index);
        }
        if let Some(empty) = self.shelves[class].give(slab, index, self.id, class) {
            self.pool().release(empty);
        }
    }

    /// # Safety
    /// A whole slot or run that nobody uses.
    unsafe fn take_back(&self, at: NonNull<u8>, size: usize) {
        if let Some(canary) = self.canary {
            let value = canary ^ at.addr().get() as u64;
            // SAFETY: as the caller promised.
            let intact = unsafe { bytes::has_canary(at, size, value) };
            if !intact {
                stop(Crime::Overrun, at.addr().get());
            }
        }
        // SAFETY: slots and runs are aligned to 16 bytes and multiples of them; out of use.
        unsafe { bytes::wipe(at, size) };
    }

    /// Takes a slab from the thread that had it.
    pub(super) fn retire(&self, slab: &'static Slab) {
        if let Some(empty) = self.shelves[slab.class()].release(slab) {
            self.pool().release(empty);
        }
    }

    /// Bytes that may be used at an address that was lent; `None` for any other address, and where
    /// the pages are not this process's.
    pub(super) fn usable(&self, at: NonNull<u8>) -> Option<usize> {
        if !self.is_here() {
            return None;
        }
        let address = at.addr().get();
        let slab = map::find(address).filter(|slab| slab.home() == self.id)?;
        let size = match slab.index_of(address) {
            Some(index) if slab.is_lent(index) => slab.size(),
            None if slab.is_run_at(address) => slab.bytes(),
            _ => return None,
        };
        Some(size - self.extra())
    }

    /// In a child: takes stock of what the fork left.
    pub(super) fn adopt(&'static self) {
        if self.fork == Fork::Absent {
            self.pool().lose();
            self.shelves.iter().for_each(Shelf::clear);
            for class in 0..class::CACHED {
                cache::replace(self, class, None);
            }
        } else {
            // The threads that owned these are not in this process.
            let slabs: Vec<_> = self.pool().slabs().collect();
            let own = cache::name(self);
            if self.fork == Fork::Wiped {
                slabs.iter().for_each(|slab| self.set_canaries_anew(slab));
            }
            for slab in slabs.into_iter().filter(|slab| is_orphan(slab, own)) {
                slab.gather();
                self.retire(slab);
            }
        }
        self.epoch.store(self.kernel.epoch(), Ordering::Relaxed);
    }

    /// In a child that found its slots wiped: so were their canaries.
    fn set_canaries_anew(&self, slab: &Slab) {
        let Some(canary) = self.canary else { return };
        let size = slab.slot_bytes();
        for index in (0..slab.count_slots()).filter(|index| slab.is_lent(*index)) {
            // SAFETY: a slot of the slab lies within its chunk.
            let at = unsafe { bytes::slot(slab.base(), index * size) };
            // SAFETY: a whole slot or run; the one thread of a child that is being made is here.
            unsafe { bytes::set_canary(at, size, canary ^ at.addr().get() as u64) };
        }
    }
}

fn is_orphan(slab: &Slab, own: u64) -> bool {
    slab.kind() == Kind::Slots && slab.owner() != NOBODY && slab.owner() != own
}

/// What a free of an address that starts no slot means.
#[cold]
fn accuse(slab: &Slab, address: usize) {
    match slab.kind() {
        // Its parent's: the pages are not here, and there is nothing to wipe.
        Kind::Lost => {}
        Kind::Vacant | Kind::Spare => stop(Crime::DoubleFree, address),
        Kind::Slots | Kind::Run => stop(Crime::Misaligned, address),
    }
}
