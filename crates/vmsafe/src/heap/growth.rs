//! Growth: how a heap gets one more chunk while other threads go on with what there is.
//!
//! ```text
//!   no room ──► beside others: map and lock, with the pool open ──► enter, and lend of it
//!                   │ refused: the quota is near its end
//!                   ▼
//!               alone: what others made ──► smaller chunks ──► for what is vacant
//! ```
//!
//! The kernel takes some 15 ms to make a large chunk of secret memory. So who finds room in the
//! pool meanwhile waits for nobody, and who finds none makes a chunk too, half as long as the one
//! before it, so that all of them together lock less than two.
//!
//! The kernel counts what is locked, so they never get more than the limit. Who is refused waits
//! until nobody else makes a chunk: there may be room then, and if not, nobody else is in the way.

use std::sync::PoisonError;

use super::class::GRANULE;
use super::pool::{self, Pool, Want};
use super::slab::Slab;
use super::sync::{Mutex, RwLock, RwLockWriteGuard, lock};
use crate::buffer::locked::{Locked, Options};
use crate::error::Error;

/// The first chunk of a heap that is still to be made: as long as chunks are, or as the quota lets
/// it be.
pub(super) fn first(options: Options) -> Result<Locked, Error> {
    let mut len = pool::LEAST;
    loop {
        match options.create(len) {
            Err(Error::LockLimit { .. }) if len > GRANULE => len /= 2,
            made => return made,
        }
    }
}

/// How chunks are made, and who makes one.
#[derive(Debug)]
pub(super) struct Growth {
    options: Options,
    /// Read by those who make a chunk beside others, written by who does it alone.
    makers: RwLock<()>,
}

impl Growth {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            makers: RwLock::new(()),
        }
    }

    /// Waits until nobody makes a chunk, and lets nobody begin.
    pub(super) fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.makers.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wanted, of the pool or of a new chunk.
    pub(super) fn cover(&self, pool: &Mutex<Pool>, want: Want) -> Result<&'static Slab, Error> {
        let room = lock(pool).cover(want);
        if let Some(slab) = room {
            return Ok(slab);
        }
        match self.grow_beside(pool, want) {
            Err(Error::LockLimit { .. }) => self.grow_alone(pool, want),
            other => other,
        }
    }

    fn grow_beside(&self, pool: &Mutex<Pool>, want: Want) -> Result<&'static Slab, Error> {
        let _maker = self.makers.read().unwrap_or_else(PoisonError::into_inner);
        let len = lock(pool).begin_chunk(want);
        self.make(pool, want, len)
    }

    fn grow_alone(&self, pool: &Mutex<Pool>, want: Want) -> Result<&'static Slab, Error> {
        let _alone = self.hold();
        let mut most = usize::MAX;
        loop {
            let room = lock(pool).cover(want);
            if let Some(slab) = room {
                return Ok(slab);
            }
            let len = lock(pool).begin_chunk(want).min(most).max(want.least());
            match self.make(pool, want, len) {
                Err(Error::LockLimit { .. }) if len > want.least() => most = len / 2,
                // What is vacant in pieces may be enough in one.
                Err(Error::LockLimit { .. }) if lock(pool).trim() > 0 => {}
                other => return other,
            }
        }
    }

    /// Makes the chunk that was begun, and takes of it what is wanted before others can.
    fn make(&self, pool: &Mutex<Pool>, want: Want, len: usize) -> Result<&'static Slab, Error> {
        let made = self.options.create(len);
        let mut pool = lock(pool);
        pool.end_chunk(made)?;
        let slab = pool.cover(want);
        Ok(slab.expect("a chunk that was made long enough for this"))
    }
}
