//! Shelf: the slabs of one class that no thread owns and that have slots to lend.
//!
//! ```text
//!            claim                      release: all lent
//!   Shelved ───────► Owned by a thread ──────────────────► Full
//!      ▲ ▲             │ release: some free                  │
//!      │ └─────────────┘                                     │
//!      └──────────── settle: somebody gave a slot back ◄─────┘
//!   Shelved and all free: off the shelf, its granules go back to the pool
//! ```
//!
//! A slab that is full has no owner and stands nowhere; the first who gives one of its slots back
//! puts it on the shelf. So a thread holds one slab of a class and no more, whoever frees what it
//! made.

use super::slab::{Given, NOBODY, Place, Slab};
use super::sync::{Mutex, MutexGuard, in_one_order, lock};

/// Slabs with free slots.
#[derive(Debug)]
pub(super) struct Shelf(Mutex<Vec<&'static Slab>>);

/// What stands on a shelf, locked.
pub(super) type Slabs = MutexGuard<'static, Vec<&'static Slab>>;

impl Shelf {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Holds the shelf as it is.
    pub(super) fn hold(&'static self) -> Slabs {
        lock(&self.0)
    }

    /// Forgets all of it.
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }

    /// A slab with a free slot, for `owner` from now on.
    pub(super) fn claim(&self, owner: u64) -> Option<&'static Slab> {
        claim(&mut lock(&self.0), owner)
    }

    /// A slot of a slab that stays on the shelf.
    pub(super) fn take(&self) -> Option<(&'static Slab, usize)> {
        let mut slabs = lock(&self.0);
        while let Some(slab) = slabs.last().copied() {
            let index = slab.take();
            let index = index.or_else(|| slab.collect().then(|| slab.take()).flatten());
            if let Some(index) = index {
                return Some((slab, index));
            }
            slabs.pop();
            fill(&mut slabs, slab);
        }
        None
    }

    /// Takes a slab from its owner. Returns it when it is all free: then it is the caller's to give
    /// to the pool.
    pub(super) fn release(&self, slab: &'static Slab) -> Option<&'static Slab> {
        release(&mut lock(&self.0), slab)
    }

    /// [`Shelf::release`] of one and [`Shelf::claim`] of the next, in one go.
    pub(super) fn exchange(&self, slab: &'static Slab, owner: u64) -> Exchanged {
        let mut slabs = lock(&self.0);
        let empty = release(&mut slabs, slab);
        let claimed = claim(&mut slabs, owner);
        Exchanged { empty, claimed }
    }

    /// Takes a slot back from one who does not own its slab. Returns the slab when it is to go to
    /// the pool.
    pub(super) fn give(
        &self,
        slab: &'static Slab,
        index: usize,
        home: u32,
        class: usize,
    ) -> Option<&'static Slab> {
        if slab.give(index) == Given::Quiet {
            return None;
        }
        let mut slabs = lock(&self.0);
        // Meanwhile another may have settled it, and the book may be another slab's. Whatever it
        // is, to put a slab of *this* shelf in order is right at any time.
        if slab.home() != home || slab.class() != class {
            return None;
        }
        match slab.place() {
            Place::Owned => return None,
            Place::Full if !slab.has_remote() => return None,
            Place::Full => put(&mut slabs, slab),
            Place::Shelved => {}
        }
        if !slab.is_all_free() {
            return None;
        }
        remove(&mut slabs, slab);
        Some(slab)
    }
}

/// What came of an exchange.
pub(super) struct Exchanged {
    /// All free: the caller's to give to the pool.
    pub(super) empty: Option<&'static Slab>,
    pub(super) claimed: Option<&'static Slab>,
}

fn claim(slabs: &mut Vec<&'static Slab>, owner: u64) -> Option<&'static Slab> {
    while let Some(slab) = slabs.pop() {
        if slab.collect() {
            slab.set_owner(owner);
            slab.set_place(Place::Owned);
            return Some(slab);
        }
        fill(slabs, slab);
    }
    None
}

fn release(slabs: &mut Vec<&'static Slab>, slab: &'static Slab) -> Option<&'static Slab> {
    slab.set_owner(NOBODY);
    if !slab.collect() {
        fill(slabs, slab);
        return None;
    }
    if slab.is_all_free() {
        return Some(slab);
    }
    put(slabs, slab);
    None
}

fn put(slabs: &mut Vec<&'static Slab>, slab: &'static Slab) {
    slab.set_spot(slabs.len());
    slabs.push(slab);
    slab.set_place(Place::Shelved);
}

fn remove(slabs: &mut Vec<&'static Slab>, slab: &'static Slab) {
    let spot = slab.spot();
    slabs.swap_remove(spot);
    if let Some(moved) = slabs.get(spot) {
        moved.set_spot(spot);
    }
    slab.set_place(Place::Owned);
}

/// Lets go of a slab without free slots. Who gives a slot back after the place is set sees it, and
/// settles; who did before is seen here.
fn fill(slabs: &mut Vec<&'static Slab>, slab: &'static Slab) {
    slab.set_place(Place::Full);
    in_one_order();
    if slab.has_remote() {
        put(slabs, slab);
    }
}

#[cfg(all(test, loom))]
mod tests;
