//! Peers that are crates.

use std::alloc::Layout;
use std::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use secmem_alloc::sec_alloc::SecStackSinglePageAlloc;

use super::Engine;

/// memsec: libsodium's way in Rust.
pub(super) struct Memsec;

impl Engine for Memsec {
    fn is_a_page_each(&self) -> bool {
        true
    }

    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: any size.
        unsafe { memsec::malloc_sized(size) }.map(NonNull::cast)
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: lent by malloc_sized; free wipes.
        unsafe { memsec::free(at) };
    }
}

/// memsec on memfd_secret.
pub(super) struct MemsecSecret;

impl Engine for MemsecSecret {
    fn is_a_page_each(&self) -> bool {
        true
    }

    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: any size.
        unsafe { memsec::memfd_secret_sized(size) }.map(NonNull::cast)
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: lent by memfd_secret_sized.
        unsafe { memsec::free_memfd_secret(at) };
    }
}

/// secmem-alloc: one locked page, here one for each secret, as its allocator serves one thread.
pub(super) struct SecmemPage;

impl Engine for SecmemPage {
    fn is_a_page_each(&self) -> bool {
        true
    }

    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(size, 16).ok()?;
        let page = Box::new(SecStackSinglePageAlloc::new().ok()?);
        let at = page.allocate(layout).ok()?.cast::<usize>();
        // The last word of the page says where its owner is; a secret that needs it does not fit.
        if size > 4096 - 16 {
            // SAFETY: lent a moment ago, for this layout.
            unsafe { page.deallocate(at.cast(), layout) };
            return None;
        }
        let owner = Box::into_raw(page).expose_provenance();
        // SAFETY: the page is 4,096 bytes long and this allocator's alone.
        let place = unsafe { at.byte_add(4096 - 8) };
        // SAFETY: aligned, within the page, and in use by nobody.
        unsafe { place.write(owner) };
        Some(at.cast())
    }

    unsafe fn free(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: as in `lend`.
        let place = unsafe { at.cast::<usize>().byte_add(4096 - 8) };
        // SAFETY: `lend` wrote it.
        let owner = unsafe { place.read() };
        let owner = std::ptr::with_exposed_provenance_mut::<SecStackSinglePageAlloc>(owner);
        // SAFETY: made by Box::into_raw in `lend`.
        let page = unsafe { Box::from_raw(owner) };
        let layout = Layout::from_size_align(size, 16).expect("as it was lent");
        // SAFETY: lent by it for this layout.
        unsafe { page.deallocate(at, layout) };
    }
}
