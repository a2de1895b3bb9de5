//! The crate secrets, which is linked with libsodium and so only built when asked for.

use std::collections::HashMap;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use secrets::SecretVec;

use super::Engine;

/// `SecretVec`: pages each. Open from lending to freeing, as its user has it between making and
/// dropping it; in a debug build the crate objects to that.
#[derive(Default)]
pub(super) struct Secrets(Mutex<HashMap<usize, SecretVec<u8>>>);

impl Engine for Secrets {
    fn is_a_page_each(&self) -> bool {
        true
    }

    fn lend(&self, size: usize) -> Option<NonNull<u8>> {
        // It panics where it has no memory.
        let made = std::panic::catch_unwind(|| SecretVec::<u8>::new(size, |_| {}));
        let mut secret = made.ok()?;
        let mut open = secret.borrow_mut();
        let at = NonNull::new(open.as_mut_ptr())?;
        std::mem::forget(open);
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.insert(at.addr().get(), secret);
        Some(at)
    }

    unsafe fn free(&self, at: NonNull<u8>, _size: usize) {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = owners.remove(&at.addr().get());
        drop(owners);
        drop(secret);
    }
}
