//! vmsafe itself: the raw heap, and the type that people hold.

use std::alloc::Layout;
use std::ptr::NonNull;

use vmsafe::{Heap, Secret};

use super::Engine;

/// The heap.
pub(super) struct Subject(Heap);

impl Subject {
    pub(super) fn new(hardened: bool, canaries: bool) -> Result<Self, String> {
        let options = Heap::options().hardened(hardened).canaries(canaries);
        let heap = options.create();
        heap.map(Self).map_err(|error| error.to_string())
    }
}

impl Engine for Subject {
    #[inline]
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(size, 16).ok()?;
        self.0.lend(layout).ok()
    }

    fn refusal(&self) -> String {
        refusal(self.0)
    }

    #[inline]
    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: lent by this heap and out of use, says the caller.
        unsafe { self.0.free(at) };
    }
}

/// The error of a heap that has no more.
fn refusal(heap: Heap) -> String {
    match heap.lend(Layout::new::<[u8; 32]>()) {
        Err(error) => error.to_string(),
        Ok(_) => "has memory again".to_owned(),
    }
}

/// `Secret<[u8; 32]>`; other sizes are not its.
pub(super) struct Typed;

impl Typed {
    pub(super) fn new() -> Result<Self, String> {
        Heap::global()
            .map(|_| Self)
            .map_err(|error| error.to_string())
    }
}

impl Engine for Typed {
    #[inline]
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        (size == 32).then_some(())?;
        let secret = Secret::<[u8; 32]>::zeroed().ok()?;
        Some(secret.into_raw().cast())
    }

    fn refusal(&self) -> String {
        Heap::global().map_or_else(|error| error.to_string(), refusal)
    }

    #[inline]
    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: made by `into_raw` a moment ago.
        drop(unsafe { Secret::<[u8; 32]>::from_raw(at.cast()) });
    }
}
