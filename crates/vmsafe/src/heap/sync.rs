//! Atomics and locks: the standard ones, or loom's when it walks through all interleavings.

#[cfg(all(loom, test))]
pub(super) use loom::sync::{
    Mutex, MutexGuard, RwLock, RwLockWriteGuard,
    atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};
#[cfg(not(all(loom, test)))]
pub(super) use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockWriteGuard,
    atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// Stands between a SeqCst store and a SeqCst load of another place, where a second thread does the
/// same the other way round and one of them must see the other. Two SeqCst steps have one order for
/// all threads and need no more; loom takes them for AcqRel, and keeps that order by a fence only.
#[inline]
pub(super) fn in_one_order() {
    #[cfg(all(loom, test))]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Locks, and goes on after a panic elsewhere: nothing in this room panics while it holds a lock
/// with its work half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
