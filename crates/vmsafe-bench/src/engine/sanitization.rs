//! The crate sanitization: a locked mapping for each secret, and its pool of equal slots.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use sanitization::{LockedSecretVec, SecretPool, SecretPoolSlot};

use super::Engine;

/// `LockedSecretVec`: a mapping each.
#[derive(Default)]
pub(super) struct Mapped(Mutex<HashMap<usize, LockedSecretVec>>);

impl Engine for Mapped {
    fn is_a_page_each(&self) -> bool {
        true
    }

    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        let mut secret = LockedSecretVec::from_exact_len(size, |_| {}).ok()?;
        let at = secret.try_with_secret_mut(<[u8]>::as_mut_ptr).ok()?;
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert(at.addr(), secret);
        NonNull::new(at)
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = owners.remove(&at.addr().get());
        drop(owners);
        drop(secret);
    }
}

/// Slots of the pool: all that may be live at once, which its program decides.
const SLOTS: usize = 4096;

type Slot = SecretPoolSlot<'static, 32, SLOTS>;

/// `SecretPool`: one mapping, slots of 32 bytes.
pub(super) struct Pool {
    pool: &'static SecretPool<32, SLOTS>,
    base: usize,
    /// By the number of the slot: what its lender holds.
    held: Box<[UnsafeCell<Option<Slot>>]>,
}

// SAFETY: a place of `held` is touched by whoever has the slot, and by nobody else.
unsafe impl Sync for Pool {}

impl Pool {
    pub(super) fn new() -> Result<Self, String> {
        let pool = SecretPool::new().map_err(|error| format!("{error:?}"))?;
        let pool: &'static _ = Box::leak(Box::new(pool));
        let mut first = match pool.try_allocate() {
            Ok(Some(slot)) => slot,
            _ => return Err("an empty pool has no slot".to_owned()),
        };
        let base = address(&mut first)
            .ok_or("its slot cannot be opened")?
            .addr()
            .get();
        let held = (0..SLOTS).map(|_| UnsafeCell::new(None)).collect();
        Ok(Self { pool, base, held })
    }

    fn place(&self, at: NonNull<u8>) -> *mut Option<Slot> {
        self.held[(at.addr().get() - self.base) / 32].get()
    }
}

fn address(slot: &mut Slot) -> Option<NonNull<u8>> {
    let at = slot.try_with_secret_mut(|bytes| bytes.as_mut_ptr()).ok()?;
    NonNull::new(at)
}

impl Engine for Pool {
    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        (size == 32).then_some(())?;
        let mut slot = self.pool.try_allocate().ok()??;
        let at = address(&mut slot)?;
        // SAFETY: the slot was just lent, so nobody else touches its place.
        unsafe { self.place(at).write(Some(slot)) };
        Some(at)
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        // SAFETY: lent by this pool, so its place is ours, and was written.
        drop(unsafe { self.place(at).replace(None) });
    }
}
