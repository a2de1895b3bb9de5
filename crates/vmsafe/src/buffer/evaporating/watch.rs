//! Tells whether a plain tail is still what it was.
//!
//! ```text
//!   512                                              4080      4096
//!   │ whatever its user stores, at any time           │ guard   │    the kernel zeroes from left
//!   └───────────────── digest, taken by mark ─────────┴─────────┘    to right: the guard goes last
//! ```
//!
//! The guard is random and nobody puts it back: once it is gone, a loss is complete. A loss that is
//! under way leaves it for an instant; only the digest, over every byte of a copy, tells that too.

use subtle::ConstantTimeEq;
use vmsafe_os::{Kernel, Mapping};
use zeroize::Zeroize;

use super::file::{HEAD, TAIL};
use crate::aead::{self, KEY, NONCE, TAG};
use crate::buffer::locked::Locked;
use crate::error::Error;
use crate::scope::scope;

/// Bytes at the end of the page that belong to the watch.
pub(super) const GUARD: usize = 16;

/// Where what it keeps stands in its locked page.
const AT_GUARD: usize = KEY;
const AT_DIGEST: usize = AT_GUARD + GUARD;
const AT_COPY: usize = AT_DIGEST + TAG;

/// Key, guard and digest, and room for a copy of the tail, all in locked memory.
#[derive(Debug)]
pub(super) struct Watch {
    locked: Locked,
    marked: bool,
}

impl Watch {
    pub(super) fn new(kernel: &'static dyn Kernel) -> Result<Self, Error> {
        let options = Locked::options().kernel(kernel);
        let locked = options.create_with(AT_COPY + TAIL, |locked| {
            getrandom::fill(&mut locked[..AT_DIGEST]).map_err(Error::Random)
        })?;
        Ok(Self {
            locked,
            marked: false,
        })
    }

    /// Puts the guard up. What stands before it may be anything until it is marked.
    pub(super) fn arm(&mut self, page: &mut Mapping) {
        page.copy_in(HEAD + TAIL - GUARD, &self.locked[AT_GUARD..AT_DIGEST]);
        self.marked = false;
    }

    /// Takes what stands in the tail as what shall stand there. False: the guard was gone, so that
    /// what was stored before may be too; it is up again.
    pub(super) fn mark(&mut self, page: &mut Mapping) -> Result<bool, Error> {
        let whole = self.has_guard(page);
        self.arm(page);
        let digest = self.digest(page, Guard::AsItOughtToBe)?;
        self.locked[AT_DIGEST..AT_COPY].copy_from_slice(&digest);
        self.marked = true;
        Ok(whole)
    }

    /// Whether every byte is as it was marked; before any mark, whether the guard stands.
    pub(super) fn is_whole(&mut self, page: &Mapping) -> Result<bool, Error> {
        if !self.marked {
            return Ok(self.has_guard(page));
        }
        let digest = self.digest(page, Guard::AsFound)?;
        Ok(digest.ct_eq(&self.locked[AT_DIGEST..AT_COPY]).into())
    }

    fn has_guard(&self, page: &Mapping) -> bool {
        let mut guard = [0; GUARD];
        page.copy_out(HEAD + TAIL - GUARD, &mut guard);
        guard.ct_eq(&self.locked[AT_GUARD..AT_DIGEST]).into()
    }

    /// A keyed digest of a copy.
    fn digest(&mut self, page: &Mapping, guard: Guard) -> Result<[u8; TAG], Error> {
        let (kept, copy) = self.locked.split_at_mut(AT_COPY);
        let copy = &mut copy[..TAIL];
        page.copy_out(HEAD, copy);
        if guard == Guard::AsItOughtToBe {
            copy[TAIL - GUARD..].copy_from_slice(&kept[AT_GUARD..AT_DIGEST]);
        }
        // One nonce for all: neither ciphertext nor digest leaves locked memory.
        let digest = scope(|| aead::seal(&kept[..KEY], [0; NONCE], BOUND, copy));
        copy.zeroize();
        digest
    }
}

/// Which guard a digest counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    AsFound,
    /// A loss that sweeps the page while it is marked takes the guard at last, and no later digest
    /// equals this one then.
    AsItOughtToBe,
}

const BOUND: &[u8] = b"vmsafe plain tail";
