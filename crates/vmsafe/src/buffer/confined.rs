//! Confined: pages that may be written to one file of yours, and nowhere else.
//!
//! **Promise.** Under memory pressure the bytes go to the file that you chose, never to swap. When
//! the buffer ends, the file is burned: overwritten, checked on the medium, given back, removed.
//!
//! ```text
//!   memory     guard │ pages, shared mapping │ guard        not dumped · not in children
//!                      │ write-back
//!   your disk  [ file, 0600, new, locked ]  ── burn ──►  zeros ─► sync ─► read past the cache
//!                                                        ─► punch ─► truncate ─► unlink
//! ```
//!
//! **Mechanism.** A shared mapping of whole pages: the kernel's only place to write them is the
//! file. The file is created exclusively, through no symbolic link, and locked; space is reserved
//! first, so that a full disk is an error now and not a SIGBUS later; on btrfs, which writes blocks
//! anew elsewhere, the file is set to be written where it stands.
//! **Needs.** A file system that keeps the promise; tmpfs is refused, for its pages go to swap.
//! **Cost.** Disk space; the burn writes the length once and reads it once.
//! **Does not stop.** Another process of the same user, or root, from opening the file: the lock is
//! advisory on Linux. While the buffer lives the bytes *are* on that disk. A medium that remaps
//! blocks (flash) may keep old ones; `discard` helps as far as the device obeys. After a crash,
//! `burn_file` or `vmsafe burn FILE` finishes.

pub(super) mod burn;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use vmsafe_os::{Advice, Fork, Kernel, Mapping, Source, Store, native};

pub use self::burn::{Burned, Confirmed, burn_file, burn_file_on};
use crate::buffer::{place, whole_pages};
use crate::error::Error;
use crate::grade::{Grade, Verdict};
use crate::threat::{Demand, Demands, Threat};

/// Bytes that may be written to one file only. Burned when dropped.
pub struct Confined {
    path: PathBuf,
    len: usize,
    grade: Grade,
    kernel: &'static dyn Kernel,
    /// `None` once burned.
    held: Option<Held>,
}

/// The mapping goes before the file: it may still write there.
struct Held {
    mapping: Mapping,
    store: Box<dyn Store>,
}

/// How a [`Confined`] shall be made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    kernel: &'static dyn Kernel,
    demands: Demands,
    network: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kernel: native(),
            demands: Demands::default(),
            network: false,
        }
    }
}

impl Options {
    /// Demands this of one threat.
    #[must_use]
    pub fn demand(mut self, threat: Threat, demand: Demand) -> Self {
        self.demands = self.demands.with(threat, demand);
        self
    }

    /// Allows a file system that a server elsewhere writes. Its memory and disks are out of sight.
    #[must_use]
    pub fn allow_network(mut self) -> Self {
        self.network = true;
        self
    }

    /// Asks this kernel: for tests of what happens when one refuses.
    #[must_use]
    pub fn kernel(mut self, kernel: &'static dyn Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Creates the file `path` and a buffer of `len` zero bytes that may be written to it.
    ///
    /// # Errors
    /// [`Error::Size`] for no bytes, [`Error::File`] when the file cannot be had (it exists, the
    /// path goes through a symbolic link, no space), [`Error::Place`] when its file system would
    /// break the promise, [`Error::Unmet`] when a required protection could not be had. No file
    /// stays behind.
    pub fn create(self, path: impl AsRef<Path>, len: usize) -> Result<Confined, Error> {
        let path = path.as_ref();
        let file = |refused| Error::File {
            path: path.to_owned(),
            refused,
        };
        let pages = whole_pages(self.kernel, len, "there is nothing to confine")?;
        let store = self.kernel.create(path).map_err(file)?;
        let made = self.fill_in(path, store.as_ref(), pages);
        let (mapping, grade) = match made {
            Ok(made) => made,
            Err(error) => {
                // Nothing secret is in it yet. When even this fails, the first reason is the one
                // to tell, and an empty file stays.
                let _ = store.unlink();
                return Err(error);
            }
        };
        let held = Some(Held { mapping, store });
        Ok(Confined {
            path: path.to_owned(),
            len,
            grade,
            kernel: self.kernel,
            held,
        })
    }

    fn fill_in(
        &self,
        path: &Path,
        store: &dyn Store,
        pages: usize,
    ) -> Result<(Mapping, Grade), Error> {
        let file = |refused| Error::File {
            path: path.to_owned(),
            refused,
        };
        let filesystem = store.filesystem().map_err(file)?;
        let swap = place::swap(&filesystem, self.network);
        let demands = self.demands.on(self.kernel.evidence());
        if let (Err(refusal), Demand::Require | Demand::Grant) = (&swap, demands.of(Threat::Swap)) {
            return Err(refusal.error(path, &filesystem));
        }
        store.allocate(pages as u64).map_err(file)?;
        let mut mapping = Mapping::of(self.kernel, store, pages).map_err(file)?;
        let dump = mapping.advise(Advice::DontDump);
        let fork = mapping.on_fork(Source::Anonymous, Fork::Absent);
        let proofs = self.kernel.evidence();
        let grade = Grade::new(|threat| match threat {
            Threat::Swap => match &swap {
                Ok(by) => Verdict::closed(*by),
                Err(refusal) => refusal.verdict(),
            },
            Threat::BackingFile => place::burns(&filesystem),
            Threat::CoreDump => {
                Verdict::marked(&dump, &mapping, &proofs.dont_dump, |facts| facts.dont_dump)
            }
            Threat::Fork => {
                Verdict::marked(&fork, &mapping, &proofs.absent, |facts| facts.dont_fork)
            }
            Threat::ProcessRead => match mapping.peek() {
                Ok(false) => Verdict::by(&proofs.unread, true),
                Ok(true) => {
                    Verdict::open(format!("{}, and so does its file", proofs.unread.missing))
                }
                Err(refused) => Verdict::unknown(refused.to_string()),
            },
            Threat::Hibernation => Verdict::open("an image of memory holds the file's pages"),
        });
        grade.meet(&demands)?;
        Ok((mapping, grade))
    }
}

impl Confined {
    /// Creates the file `path` and a buffer of `len` zero bytes, with the default demands.
    ///
    /// # Errors
    /// As [`Options::create`].
    pub fn create(path: impl AsRef<Path>, len: usize) -> Result<Self, Error> {
        Self::options().create(path, len)
    }

    /// Demands, kernel and network leave, to choose.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// What was confirmed, threat by threat.
    #[must_use]
    pub fn grade(&self) -> &Grade {
        &self.grade
    }

    /// False in a child, whose parent goes on using the bytes and their file.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.held().mapping.is_present()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the bytes are, for a foreign caller; valid until the buffer ends.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.held().mapping.start()
    }

    /// Writes the bytes to the file now, and waits. The kernel does it on its own under pressure.
    ///
    /// # Errors
    /// [`Error::File`] when the medium refuses, [`Error::Elsewhere`] in a child.
    pub fn write_back(&self) -> Result<(), Error> {
        let held = self.held();
        if !held.mapping.is_present() {
            return Err(Error::Elsewhere);
        }
        let flushed = held.mapping.flush(held.store.as_ref());
        flushed.map_err(|refused| Error::File {
            path: self.path.clone(),
            refused,
        })
    }

    /// Zeroes the bytes, in memory and in the file, and tells what could be confirmed. The buffer
    /// lives on.
    ///
    /// # Errors
    /// [`Error::File`] with the step that failed; the bytes in memory are zero all the same.
    /// [`Error::Elsewhere`] in a child, whose parent goes on using the file.
    pub fn wipe(&mut self) -> Result<Burned, Error> {
        let held = self
            .held
            .as_mut()
            .expect("a buffer holds its file until it is burned");
        burn::content(&mut held.mapping, held.store.as_ref(), &self.path)
    }

    /// Burns the file and tells what could be confirmed. Dropping the buffer burns too, but has
    /// nobody to tell.
    ///
    /// # Errors
    /// [`Error::File`] with the step that failed. A file whose content is not surely gone keeps its
    /// name, for [`burn_file`] or `vmsafe burn FILE` to try again. [`Error::Elsewhere`] in a child,
    /// whose parent goes on using the file.
    pub fn burn(mut self) -> Result<Burned, Error> {
        self.burn_now()
    }

    fn burn_now(&mut self) -> Result<Burned, Error> {
        let Some(Held { mapping, store }) = self.held.take() else {
            unreachable!("a buffer is burned by value or by drop, once");
        };
        burn::end(self.kernel, mapping, store.as_ref(), &self.path)
    }

    fn held(&self) -> &Held {
        self.held
            .as_ref()
            .expect("a buffer holds its file until it is burned")
    }
}

impl Deref for Confined {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.held().mapping.as_slice()[..self.len]
    }
}

impl DerefMut for Confined {
    fn deref_mut(&mut self) -> &mut [u8] {
        let held = self
            .held
            .as_mut()
            .expect("a buffer holds its file until it is burned");
        &mut held.mapping.as_mut_slice()[..self.len]
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        if self.held.is_some() {
            // A file that could not be burned keeps its name, and in a child it is the parent's;
            // there is nobody here to tell.
            let _ = self.burn_now();
        }
    }
}

impl fmt::Debug for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Confined");
        debug
            .field("path", &self.path)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
