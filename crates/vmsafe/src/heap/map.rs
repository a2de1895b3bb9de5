//! Map: from an address to the book of the granule that it lies in.
//!
//! ```text
//!   address   47 ─── 30 │ 29 ─── 12 │ 11 ─── 0
//!               root    │   leaf    │  granule        two loads, no lock
//! ```
//!
//! The root is zero until used; a leaf covers 1 GiB, is made at first use, and stays.

use std::sync::atomic::{AtomicPtr, Ordering};

use super::class::GRANULE;
use super::slab::Slab;

const LEAF_BITS: u32 = 18;
const GRANULE_BITS: u32 = GRANULE.trailing_zeros();
const ROOTS: usize = 1 << (if usize::BITS == 64 { 18 } else { 2 });

type Leaf = [AtomicPtr<Slab>; 1 << LEAF_BITS];

static ROOT: [AtomicPtr<Leaf>; ROOTS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; ROOTS];

fn split(address: usize) -> (usize, usize) {
    let granule = address >> GRANULE_BITS;
    (granule >> LEAF_BITS, granule & ((1 << LEAF_BITS) - 1))
}

/// The book of the granule that holds `address`; `None` when it is no heap's.
#[inline]
pub(super) fn find(address: usize) -> Option<&'static Slab> {
    let (root, place) = split(address);
    let leaf = ROOT.get(root)?.load(Ordering::Acquire);
    // SAFETY: null, or a leaf that `leaf` leaked, whole before it was published.
    let leaf = unsafe { leaf.as_ref() }?;
    let slab = leaf[place].load(Ordering::Acquire);
    // SAFETY: null, or what `set` made of a &'static Slab.
    unsafe { slab.as_ref() }
}

/// Enters `slab` (or nobody) for the granules of `bytes` bytes at `start`. False when the system
/// gives addresses that the root does not reach.
#[must_use]
pub(super) fn set(start: usize, bytes: usize, slab: Option<&'static Slab>) -> bool {
    let slab = slab.map_or(std::ptr::null_mut(), |slab| {
        std::ptr::from_ref(slab).cast_mut()
    });
    for granule in 0..bytes.div_ceil(GRANULE) {
        let (root, place) = split(start + granule * GRANULE);
        let Some(root) = ROOT.get(root) else {
            return false;
        };
        leaf(root)[place].store(slab, Ordering::Release);
    }
    true
}

fn leaf(root: &AtomicPtr<Leaf>) -> &'static Leaf {
    let mut leaf = root.load(Ordering::Acquire);
    if leaf.is_null() {
        let fresh = Box::<Leaf>::new_zeroed();
        // SAFETY: all bytes zero is an array of null pointers.
        let fresh = Box::into_raw(unsafe { fresh.assume_init() });
        let null = std::ptr::null_mut();
        leaf = match root.compare_exchange(null, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => fresh,
            Err(other) => {
                // SAFETY: made a moment ago by Box::into_raw, and published nowhere.
                drop(unsafe { Box::from_raw(fresh) });
                other
            }
        };
    }
    // SAFETY: not null, and leaves are never given back.
    unsafe { &*leaf }
}
