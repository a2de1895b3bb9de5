//! Evaporating: bytes that vanish before they could be written.
//!
//! **Promise.** The bytes are written nowhere in the clear. They may vanish at any time; the owner
//! always notices, and never gets a damaged copy.
//!
//! ```text
//!   a file of 512 bytes, one page of it mapped:
//!   0        512                                                   4096
//!   │ file    │ tail: what the kernel drops at the next write-back    │   one per 3,568 bytes
//!               └─ ciphertext ───────────────────────────────┬─ tag ─┘
//!   Locked:   key │ slot, where the copy is opened and lent, and wiped after
//! ```
//!
//! **Mechanism.** A file of 512 bytes has a page of 4,096; the kernel writes the 512 and zeroes the
//! rest. Measured, a store *while* the page is written can carry the tail to the device, and some
//! journals write it whole. So what stands there is a sealed box whose key lives in [`Locked`]
//! memory and dies with the buffer. Reading copies the tail out, then checks the copy, then lends
//! it: the kernel zeroes a page byte by byte, and what was checked in place may be gone a moment
//! later. Each writing has a generation, bound to the box, so that an old tail can never come back
//! as new.
//!
//! Where the system has memory that vanishes by itself (macOS: purgeable memory) the box stands
//! there, and there is no file.
//!
//! **Needs.** A directory on a file system; lock quota for the key and one copy of the payload.
//! **Cost.** One file, one page and three mappings for each 3,568 bytes.
//! **Does not stop.** The loss: that is what it is for. See [`Lifetime`].

mod file;
mod page;
mod plain;
mod watch;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use vmsafe_os::{FileSystem, FsKind, Kernel, Refused, Upper, native, registers};
use zeroize::Zeroize;

use self::file::{TAIL, Tail};
pub use self::page::{PlainOptions, PlainPage};
pub use self::plain::Plain2001;
use crate::aead::{self, KEY, TAG};
use crate::buffer::locked::Locked;
use crate::error::Error;
use crate::grade::{Grade, Verdict};
use crate::scope::scope;
use crate::threat::{Demand, Demands, Threat};

/// Payload bytes in one page.
pub const PAYLOAD: usize = TAIL - TAG;

/// Where the slot starts in the locked pages, behind the key.
const SLOT: usize = 64;

/// Bytes that vanish rather than be written.
pub struct Evaporating {
    /// Key, then the slot.
    locked: Locked,
    tails: Vec<Tail>,
    capacity: usize,
    len: usize,
    /// Of what is held; 0: nothing yet.
    generation: u64,
    /// The last that anything was sealed as, held or not.
    sealed: u64,
    filesystem: Option<FileSystem>,
    grade: Grade,
}

/// The bytes are gone. Nothing of them was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes have evaporated: write them again, or abort")]
pub struct Evaporated;

/// How long the bytes stay, as far as their file system is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lifetime {
    /// Until the kernel next writes the page back, by itself or because somebody syncs. The time is
    /// what was measured when nobody does; it is no floor.
    UntilWriteBack {
        /// About as long, undisturbed.
        about: Duration,
    },
    /// Until the kernel reclaims the page, or sooner.
    UntilReclaimed,
    /// Until the buffer is dropped: the file system keeps its pages in memory.
    UntilDropped,
}

/// How an [`Evaporating`] shall be made.
#[derive(Debug)]
pub struct Options {
    kernel: &'static dyn Kernel,
    demands: Demands,
    key: Option<Locked>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kernel: native(),
            demands: Demands::default(),
            key: None,
        }
    }
}

impl Options {
    /// Demands this of one threat. The key is locked in any case, and kept
    /// from dumps as [`Demands`] does by default.
    #[must_use]
    pub fn demand(mut self, threat: Threat, demand: Demand) -> Self {
        self.demands = self.demands.with(threat, demand);
        self
    }

    /// Seals with this key of 32 bytes instead of a random one: for tests that search for it. Using
    /// one key for two buffers breaks the cipher.
    #[must_use]
    pub fn key(mut self, key: Locked) -> Self {
        self.key = Some(key);
        self
    }

    /// Asks this kernel: for tests of what happens when one refuses.
    #[must_use]
    pub fn kernel(mut self, kernel: &'static dyn Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Makes a buffer for up to `capacity` bytes, in files without a name in `dir`. Where the
    /// system has memory that vanishes by itself, `dir` is not used.
    ///
    /// # Errors
    /// [`Error::Size`] for no bytes or a key of another length, [`Error::File`] when a file cannot
    /// be had, and as [`Locked::new`] for the key and the slot.
    pub fn create_in(
        mut self,
        dir: impl AsRef<Path>,
        capacity: usize,
    ) -> Result<Evaporating, Error> {
        self.demands = self.demands.on(self.kernel.evidence());
        let no = |because| Error::Size {
            len: capacity,
            because,
        };
        if capacity == 0 {
            return Err(no("there is nothing to hold"));
        }
        if self.key.as_ref().is_some_and(|key| key.len() != KEY) {
            return Err(no("the key must be of 32 bytes"));
        }
        let pages = capacity.div_ceil(PAYLOAD);
        let size = pages
            .checked_mul(PAYLOAD)
            .and_then(|slot| slot.checked_add(SLOT));
        let size = size.ok_or_else(|| no("it exceeds the address space"))?;
        let locked = self.lock(size)?;
        let tails = Tail::create_in(self.kernel, dir.as_ref(), pages)?;
        let (filesystem, marks) = (tails.filesystem, tails.marks);
        let grade = grade(&locked, &marks, filesystem.is_some());
        grade.meet(&self.demands)?;
        Ok(Evaporating {
            locked,
            tails: tails.files,
            capacity,
            len: 0,
            generation: 0,
            sealed: 0,
            filesystem,
            grade,
        })
    }

    /// The locked pages, with a key at their start.
    fn lock(&self, size: usize) -> Result<Locked, Error> {
        let usual = Demands::default().on(self.kernel.evidence());
        let demands = Threat::ALL
            .into_iter()
            .fold(Locked::options(), |options, threat| {
                let demand = match (threat, self.demands.of(threat)) {
                    (_, Demand::Require) => Demand::Require,
                    (Threat::Swap | Threat::CoreDump, _) => usual.of(threat),
                    (_, stated) => stated,
                };
                options.demand(threat, demand)
            });
        demands
            .kernel(self.kernel)
            .create_with(size, |locked| match &self.key {
                Some(key) => {
                    locked[..KEY].copy_from_slice(key);
                    registers::clear_vectors();
                    Ok(())
                }
                None => getrandom::fill(&mut locked[..KEY]).map_err(Error::Random),
            })
    }
}

/// The key's grade, for the tail's bytes are worth no more than it, and less where a tail's own
/// mark is missing.
fn grade(locked: &Locked, marks: &file::Marks, has_file: bool) -> Grade {
    let sealed = if has_file {
        "what stands behind the file's end is ciphertext, and its key is locked memory"
    } else {
        "there is no file"
    };
    let mut grade = locked
        .grade()
        .clone()
        .with(Threat::BackingFile, Verdict::closed(sealed));
    for (threat, mark) in [(Threat::CoreDump, &marks.dump), (Threat::Fork, &marks.fork)] {
        if mark < grade.of(threat) {
            grade = grade.with(threat, mark.clone());
        }
    }
    grade
}

impl Evaporating {
    /// Makes a buffer for up to `capacity` bytes, with the default demands, in files without a name
    /// in `dir`.
    ///
    /// # Errors
    /// As [`Options::create_in`].
    pub fn create_in(dir: impl AsRef<Path>, capacity: usize) -> Result<Self, Error> {
        Self::options().create_in(dir, capacity)
    }

    /// Demands, key and kernel, to choose.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// What was confirmed, threat by threat.
    #[must_use]
    pub fn grade(&self) -> &Grade {
        &self.grade
    }

    /// Bytes that it can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What its file system lets one expect.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        lifetime(self.filesystem.as_ref())
    }

    /// Holds these bytes from now on.
    ///
    /// # Errors
    /// [`Error::Size`] when they are more than the capacity (what was held stays), and when no
    /// locked stack could be had for the cipher.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > self.capacity {
            return Err(Error::Size {
                len: bytes.len(),
                because: "it is more than the capacity",
            });
        }
        self.fill(|slot| {
            slot[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        })
    }

    /// Holds what `fill` puts into the locked slot it is lent (of [`Evaporating::capacity`] bytes);
    /// it returns how many bytes count.
    ///
    /// # Errors
    /// What `fill` returns, [`Error::Elsewhere`] in a child, as [`Evaporating::write`] else. The
    /// slot is zeroed in any case.
    pub fn fill<E: From<Error>>(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        if !self.locked.is_present() {
            return Err(Error::Elsewhere.into());
        }
        let capacity = self.capacity;
        let mut slot = Slot(&mut self.locked);
        let len = fill(&mut slot.bytes()[..capacity])?;
        if len > capacity {
            return Err(Error::Size {
                len,
                because: "it is more than the capacity",
            }
            .into());
        }
        slot.bytes()[len..].zeroize();
        // Counted before it is used: a sealing that fails halfway has used its nonces.
        let generation = self.sealed + 1;
        self.sealed = generation;
        scope(|| seal_all(slot.0, &mut self.tails, generation))?.map_err(Error::System)?;
        drop(slot);
        self.len = len;
        self.generation = generation;
        Ok(())
    }

    /// Lends the bytes to `f`: a copy in locked memory, checked whole before and zeroed after.
    ///
    /// # Errors
    /// [`Evaporated`] when any part is gone, when nothing was written yet, in a child, or when no
    /// locked stack could be had to open them on. `f` has not run then.
    pub fn with<R>(&mut self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Evaporated> {
        if self.generation == 0 || !self.locked.is_present() {
            return Err(Evaporated);
        }
        let (len, generation) = (self.len, self.generation);
        let mut slot = Slot(&mut self.locked);
        scope(|| open_all(slot.0, &self.tails, generation)).map_err(|_| Evaporated)??;
        Ok(f(&slot.bytes()[..len]))
    }

    /// Lends the bytes to `f`; when they have evaporated, `restore` puts them back first, or
    /// aborts. It gets the locked slot to fill and returns how many bytes count.
    ///
    /// # Errors
    /// What `restore` returns, and as [`Evaporating::write`].
    pub fn or_restore<R, E: From<Error>>(
        &mut self,
        restore: impl FnOnce(&mut [u8]) -> Result<usize, E>,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, E> {
        let mut f = Some(f);
        let mut run = |bytes: &[u8]| f.take().map(|f| f(bytes));
        if let Ok(Some(result)) = self.with(&mut run) {
            return Ok(result);
        }
        // What is put back may be gone before it is read; so it is lent from the slot that was
        // filled.
        let mut result = None;
        self.fill(|slot| {
            let len = restore(slot)?;
            if len <= slot.len() {
                result = run(&slot[..len]);
            }
            Ok::<_, E>(len)
        })?;
        Ok(result.expect("restored, and so lent once"))
    }
}

/// The slot behind the key, zeroed however its use ends.
struct Slot<'a>(&'a mut Locked);

impl Slot<'_> {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.0[SLOT..]
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.bytes().zeroize();
        // Copies go through vector registers, which a core dump keeps.
        registers::clear_vectors();
    }
}

fn seal_all(locked: &mut Locked, tails: &mut [Tail], generation: u64) -> Result<(), Refused> {
    let (key, slot) = split(locked);
    for (page, (tail, part)) in (0_u32..).zip(tails.iter_mut().zip(slot.chunks_mut(PAYLOAD))) {
        let tag = aead::seal(key, nonce(page, generation), &bound(page, generation), part);
        tail.store(part, &tag)?;
    }
    Ok(())
}

fn open_all(locked: &mut Locked, tails: &[Tail], generation: u64) -> Result<(), Evaporated> {
    let (key, slot) = split(locked);
    for (page, (tail, part)) in (0_u32..).zip(tails.iter().zip(slot.chunks_mut(PAYLOAD))) {
        let tag = tail.load(part);
        let opened = aead::open(
            key,
            nonce(page, generation),
            &bound(page, generation),
            part,
            tag,
        );
        opened.map_err(|_| Evaporated)?;
    }
    Ok(())
}

fn split(locked: &mut Locked) -> (&[u8], &mut [u8]) {
    let (head, slot) = locked.split_at_mut(SLOT);
    (&head[..KEY], slot)
}

/// One per page and writing, under a key of this buffer alone: none comes twice.
fn nonce(page: u32, generation: u64) -> [u8; aead::NONCE] {
    let mut nonce = [0; aead::NONCE];
    nonce[..4].copy_from_slice(&page.to_le_bytes());
    nonce[4..].copy_from_slice(&generation.to_le_bytes());
    nonce
}

/// What a box is bound to, beside its nonce: the words keep boxes of other kinds out.
fn bound(page: u32, generation: u64) -> [u8; 32] {
    let mut bound = *b"vmsafe evaporating\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    bound[20..].copy_from_slice(&nonce(page, generation));
    bound
}

fn lifetime(filesystem: Option<&FileSystem>) -> Lifetime {
    let Some(filesystem) = filesystem else {
        return Lifetime::UntilReclaimed;
    };
    let after = |seconds| Lifetime::UntilWriteBack {
        about: Duration::from_secs(seconds),
    };
    match filesystem.kind {
        FsKind::Tmpfs | FsKind::TmpfsNoSwap | FsKind::Ramfs => Lifetime::UntilDropped,
        FsKind::Overlay(Upper::Swappable) => Lifetime::UntilDropped,
        FsKind::Ext | FsKind::Xfs | FsKind::Btrfs => after(30),
        FsKind::Fuse | FsKind::Overlay(Upper::Disk) => after(30),
        _ => Lifetime::UntilReclaimed,
    }
}

impl fmt::Debug for Evaporating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaporating")
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
