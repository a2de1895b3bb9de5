//! Switch: a program's global allocator that sends some or all of it to the shared heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

use super::{Heap, busy, map};
use crate::scope;

/// A global allocator that sends what a [`scope`](crate::scope::scope) allocates, or everything, to
/// [`Heap::global`], and the rest to another allocator.
///
/// ```
/// use vmsafe::heap::Switch;
///
/// #[global_allocator]
/// static ALLOCATOR: Switch = Switch::in_scopes();
///
/// let key = vmsafe::scope(|| vec![7_u8; 32])?;
/// assert!(vmsafe::Heap::global()?.owns(std::ptr::NonNull::from(&key[0])));
/// # Ok::<(), vmsafe::Error>(())
/// ```
///
/// When no more memory may be locked, an allocation that belongs to the heap fails, which by
/// default ends the program; it never comes from elsewhere. The heap's own books are ordinary
/// memory.
#[derive(Clone, Copy, Debug)]
pub struct Switch<A = System> {
    rest: A,
    everything: bool,
}

impl Switch {
    /// What scopes allocate goes to the heap, the rest to the system.
    #[must_use]
    pub const fn in_scopes() -> Self {
        Self::in_scopes_over(System)
    }

    /// All of it goes to the heap: for programs that do not fork. That heap is kept from children,
    /// so a child by `fork` faults at the first use of anything that its parent allocated; one that
    /// is started by [`Command`](std::process::Command) lives, unless it has a `pre_exec` to run.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            rest: System,
            everything: true,
        }
    }
}

impl<A> Switch<A> {
    /// What scopes allocate goes to the heap, the rest to `rest`.
    #[must_use]
    pub const fn in_scopes_over(rest: A) -> Self {
        Self {
            rest,
            everything: false,
        }
    }

    fn wants(&self) -> bool {
        (self.everything || scope::is_inside()) && !busy::is_inside()
    }
}

fn lend(layout: Layout) -> *mut u8 {
    // An error may hold a string; while it is made and dropped this thread is in the books.
    let _busy = busy::enter();
    let lent = Heap::global().and_then(|heap| heap.lend(layout));
    lent.map_or(std::ptr::null_mut(), NonNull::as_ptr)
}

/// The shared heap, when `at` lies in it.
fn keeper(at: *mut u8) -> Option<(Heap, NonNull<u8>)> {
    map::find(at.addr())?;
    // An address that is some other heap's is a wrong free here, and `free` says so.
    super::GLOBAL.get().copied().zip(NonNull::new(at))
}

// SAFETY: memory comes from the heap or from `rest`, both of which keep the trait's contract, and
// goes back to the one that it lies in. Nothing here unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Switch<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.wants() {
            return lend(layout);
        }
        // SAFETY: as the caller promised.
        unsafe { self.rest.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.wants() {
            // All that a heap lends is zero.
            return lend(layout);
        }
        // SAFETY: as the caller promised.
        unsafe { self.rest.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        match keeper(at) {
            // SAFETY: as the caller promised: given up.
            Some((heap, at)) => unsafe { heap.free(at) },
            // SAFETY: not in any heap, so `rest` made it.
            None => unsafe { self.rest.dealloc(at, layout) },
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some((heap, at)) = keeper(at) else {
            // What lies outside stays outside, in a scope too: there it is not the scope's secret.
            // SAFETY: not in any heap, so `rest` made it.
            return unsafe { self.rest.realloc(at, layout, size) };
        };
        let Ok(new) = Layout::from_size_align(size, layout.align()) else {
            return std::ptr::null_mut();
        };
        let _busy = busy::enter();
        // SAFETY: lent for `layout` by this heap; the caller gives the old place up.
        let moved = unsafe { heap.resize(at, layout, new) };
        moved.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }
}
