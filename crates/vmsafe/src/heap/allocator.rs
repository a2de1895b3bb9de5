//! `allocator_api2`: collections whose elements lie in a heap.

use std::alloc::Layout;
use std::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use super::Heap;

// SAFETY: memory is valid until freed, for chunks outlive what is lent of them, and a heap that
// would let a child find zeros in place of a collection lends none; copies of a handle are the same
// heap, so any of them frees what another lent.
unsafe impl Allocator for Heap {
    /// Fails in a heap of [`Fork::Wiped`](crate::Fork::Wiped): zeros may be no elements.
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if self.is_wiped_in_children() {
            return Err(AllocError);
        }
        let at = self.lend(layout).map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(at, layout.size()))
    }

    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // All that a heap lends is zero.
        self.allocate(layout)
    }

    unsafe fn deallocate(&self, at: NonNull<u8>, _layout: Layout) {
        // SAFETY: the trait's contract: lent by this heap, and given up.
        unsafe { self.free(at) }
    }

    unsafe fn grow(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the trait's contract is the one of `resize`.
        let at = unsafe { self.resize(at, old, new) }.map_err(|_| AllocError)?;
        Ok(NonNull::slice_from_raw_parts(at, new.size()))
    }

    unsafe fn grow_zeroed(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as in `grow`, which zeroes too.
        unsafe { self.grow(at, old, new) }
    }

    unsafe fn shrink(
        &self,
        at: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: as in `grow`.
        unsafe { self.grow(at, old, new) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use allocator_api2::vec::Vec;

    use super::*;

    #[test]
    fn no_collection_is_made_where_children_would_find_zeros() {
        let heap = |fork| Heap::options().fork(fork).create().unwrap();
        let mut control = Vec::new_in(heap(vmsafe_os::Fork::Moved));
        assert!(control.try_reserve(10).is_ok(), "the control");
        control.push(Box::new(7));
        let mut row = Vec::<Box<u8>, Heap>::new_in(heap(vmsafe_os::Fork::Wiped));
        assert!(row.try_reserve(10).is_err());
    }

    #[test]
    fn a_vector_grows_and_shrinks_in_the_heap_and_leaves_no_copy() {
        let heap = Heap::new().unwrap();
        let mut row = Vec::new_in(heap);
        row.extend_from_slice(&[0xA5_u8; 40]);
        let small = NonNull::from(&row[0]).cast::<[u8; 40]>();
        assert!(heap.owns(small.cast()));
        // SAFETY: 40 bytes that the row holds: the control.
        assert_eq!(unsafe { small.read() }, [0xA5; 40]);
        row.resize(5000, 0xA5);
        assert!(heap.owns(NonNull::from(&row[0])) && !heap.owns(small.cast()));
        // SAFETY: the slab of the old place is still this thread's, so the page is there.
        assert_eq!(unsafe { small.read() }, [0; 40]);
        row.truncate(8);
        row.shrink_to_fit();
        assert_eq!(row[..], [0xA5; 8]);
        assert_eq!(heap.stats().lent, 16);
        drop(row);
        assert_eq!(heap.stats().count, 0);
    }
}
