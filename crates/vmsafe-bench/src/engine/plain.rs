//! The controls: no protection at all.

use std::ffi::c_void;
use std::ptr::NonNull;

use libloading::Library;
use zeroize::Zeroize;

use super::Engine;

/// mimalloc, wiped by zeroize.
pub(super) struct Mimalloc;

impl Engine for Mimalloc {
    #[inline]
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: mi_malloc takes any size.
        NonNull::new(unsafe { libmimalloc_sys::mi_malloc(size) }.cast())
    }

    #[inline]
    unsafe fn free(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: lent for `size` bytes, which the measured work has written.
        unsafe { std::slice::from_raw_parts_mut(at.as_ptr(), size) }.zeroize();
        // SAFETY: lent by mi_malloc.
        unsafe { libmimalloc_sys::mi_free(at.as_ptr().cast()) };
    }
}

/// The C library's allocator, wiped by its explicit_bzero.
pub(super) struct Glibc {
    malloc: unsafe extern "C" fn(usize) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    bzero: unsafe extern "C" fn(*mut c_void, usize),
    _library: Library,
}

impl Glibc {
    pub(super) fn open() -> Result<Self, String> {
        let library = super::libraries::open(&["libc.so.6"], "libc6")?;
        Ok(Self {
            // SAFETY: the C library's own declaration.
            malloc: unsafe { super::libraries::symbol(&library, "malloc") }?,
            // SAFETY: as above.
            free: unsafe { super::libraries::symbol(&library, "free") }?,
            // SAFETY: as above.
            bzero: unsafe { super::libraries::symbol(&library, "explicit_bzero") }?,
            _library: library,
        })
    }
}

impl Engine for Glibc {
    #[inline]
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: malloc(3) takes any size.
        NonNull::new(unsafe { (self.malloc)(size) }.cast())
    }

    #[inline]
    unsafe fn free(&self, at: NonNull<u8>, size: usize) {
        // SAFETY: lent for `size` bytes.
        unsafe { (self.bzero)(at.as_ptr().cast(), size) };
        // SAFETY: lent by malloc.
        unsafe { (self.free)(at.as_ptr().cast()) };
    }
}
