//! The page of 2001 under its name: plain, lent by address, and watched.

use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use vmsafe_os::{FileSystem, Kernel, native};

use super::file::{HEAD, TAIL, Tail};
use super::watch::{GUARD, Watch};
use crate::buffer::confined::{Burned, burn};
use crate::buffer::place;
use crate::error::Error;
use crate::grade::{Grade, Verdict};
use crate::threat::{Demand, Demands, Threat};

/// A page whose first 512 bytes are a file's and whose others vanish at the next write-back: as
/// win32vmSafe lent it in 2001, for code that needs an address. Burned when dropped.
///
/// The bytes are plain. Where a plain tail is known to reach the disk the constructor refuses, and
/// says where not. For code that needs no address there is [`Evaporating`](super::Evaporating),
/// which holds everywhere.
pub struct PlainPage {
    path: PathBuf,
    kernel: &'static dyn Kernel,
    grade: Grade,
    watch: Watch,
    /// `None` once burned.
    tail: Option<Tail>,
}

/// How a [`PlainPage`] shall be made.
#[derive(Clone, Copy, Debug)]
pub struct PlainOptions {
    kernel: &'static dyn Kernel,
    as_2001: bool,
}

impl PlainOptions {
    /// Takes any place and every refusal, as in 2001; the grade tells.
    #[must_use]
    pub fn as_2001(mut self) -> Self {
        self.as_2001 = true;
        self
    }

    /// Asks this kernel: for tests of what happens when one refuses.
    #[must_use]
    pub fn kernel(mut self, kernel: &'static dyn Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Creates the file `path` of 512 bytes and maps its page.
    ///
    /// # Errors
    /// [`Error::Place`] where the plain bytes may reach the disk, [`Error::File`] when the file
    /// cannot be had, [`Error::Unmet`] when dumps or children could not be kept from it, and as
    /// [`Locked::new`](crate::Locked::new) for the page that watches it. No file stays behind.
    pub fn create(self, path: impl AsRef<Path>) -> Result<PlainPage, Error> {
        let path = path.as_ref();
        let mut watch = Watch::new(self.kernel)?;
        let mut tail = Tail::named(self.kernel, path)?;
        match self.judge(path, &mut tail) {
            Ok(grade) => {
                watch.arm(tail.mapping());
                Ok(PlainPage {
                    path: path.to_owned(),
                    kernel: self.kernel,
                    grade,
                    watch,
                    tail: Some(tail),
                })
            }
            Err(error) => {
                // Nothing is in it yet; when even this fails, the first reason is the one to tell.
                let (mapping, store) = tail.into_parts();
                drop(mapping);
                let _ = store.unlink();
                Err(error)
            }
        }
    }

    fn judge(&self, path: &Path, tail: &mut Tail) -> Result<Grade, Error> {
        let filesystem = tail.filesystem().map_err(|refused| Error::File {
            path: path.to_owned(),
            refused,
        })?;
        let lock = tail.mapping().lock();
        let proofs = self.kernel.evidence();
        let locked = Verdict::marked(&lock, tail.mapping(), &proofs.locked, |facts| facts.locked);
        let file = match place::tail(&filesystem, locked.is_closed()) {
            Ok(verdict) => verdict,
            Err(refusal) if self.as_2001 => refusal.verdict(),
            Err(refusal) => return Err(refusal.error(path, &filesystem)),
        };
        let grade = Grade::new(|threat| match threat {
            Threat::Swap => swap(&filesystem, &locked),
            Threat::CoreDump => tail.marks.dump.clone(),
            Threat::Fork => tail.marks.fork.clone(),
            Threat::ProcessRead => Verdict::open(proofs.unread.missing),
            Threat::Hibernation => Verdict::open("an image of memory holds it"),
            Threat::BackingFile => file.clone(),
        });
        let demands = match self.as_2001 {
            true => Demands::all(Demand::Prefer),
            false => Demands::default().on(proofs),
        };
        grade.meet(&demands)?;
        Ok(grade)
    }
}

/// A page that is not locked goes where its file's pages go.
fn swap(filesystem: &FileSystem, locked: &Verdict) -> Verdict {
    match place::swap(filesystem, false) {
        Ok(by) => Verdict::closed(by),
        Err(_) if locked.is_closed() => locked.clone(),
        Err(refusal) => refusal.verdict(),
    }
}

impl PlainPage {
    /// Bytes at the start of the page that are the file's, and are written to it.
    pub const HEAD: usize = HEAD;
    /// Bytes behind them that vanish, and are free to use.
    pub const PAYLOAD: usize = TAIL - GUARD;

    /// Place and kernel, to choose.
    #[must_use]
    pub fn options() -> PlainOptions {
        PlainOptions {
            kernel: native(),
            as_2001: false,
        }
    }

    /// What was confirmed, threat by threat.
    #[must_use]
    pub fn grade(&self) -> &Grade {
        &self.grade
    }

    /// False in a child, whose parent goes on using the page and its file.
    #[must_use]
    pub fn is_present(&mut self) -> bool {
        self.tail().mapping().is_present()
    }

    /// Where the page is; valid until it ends.
    #[must_use]
    pub fn start(&mut self) -> NonNull<u8> {
        self.tail().mapping().start()
    }

    /// Takes what stands behind the first 512 bytes as what shall stand there. False: a loss came
    /// before, so store it once more and mark again.
    ///
    /// # Errors
    /// [`Error::Elsewhere`] in a child; [`Error::File`] when somebody cut the file to nothing and
    /// it could not be given its length back; as [`scope`](crate::scope()) when no locked stack
    /// could be had.
    pub fn mark(&mut self) -> Result<bool, Error> {
        let (watch, tail) = self.present()?;
        watch.mark(tail.mapping())
    }

    /// Whether anything behind the first 512 bytes is not as it was marked; before any mark,
    /// whether a loss is complete.
    ///
    /// # Errors
    /// As [`PlainPage::mark`].
    pub fn is_lost(&mut self) -> Result<bool, Error> {
        let (watch, tail) = self.present()?;
        Ok(!watch.is_whole(tail.mapping())?)
    }

    /// Zeroes the page and its file, and tells what could be confirmed. The page lives on, and
    /// counts as lost until it is marked.
    ///
    /// # Errors
    /// [`Error::File`] with the step that failed; the page is zero all the same.
    /// [`Error::Elsewhere`] in a child.
    pub fn wipe(&mut self) -> Result<Burned, Error> {
        let path = self.path.clone();
        let (_, tail) = self.present()?;
        let (mapping, store) = tail.parts();
        burn::content(mapping, store, &path)
    }

    /// Burns the file and tells what could be confirmed. Dropping the page burns too, but has
    /// nobody to tell.
    ///
    /// # Errors
    /// As [`Confined::burn`](crate::Confined::burn).
    pub fn burn(mut self) -> Result<Burned, Error> {
        self.burn_now()
    }

    fn burn_now(&mut self) -> Result<Burned, Error> {
        let Some(tail) = self.tail.take() else {
            unreachable!("a page is burned by value or by drop, once");
        };
        let (mapping, store) = tail.into_parts();
        burn::end(self.kernel, mapping, store.as_ref(), &self.path)
    }

    fn present(&mut self) -> Result<(&mut Watch, &mut Tail), Error> {
        let tail = self.tail.as_mut().expect(UNBURNED);
        if !tail.mapping().is_present() {
            return Err(Error::Elsewhere);
        }
        tail.keep_ground().map_err(|refused| Error::File {
            path: self.path.clone(),
            refused,
        })?;
        Ok((&mut self.watch, tail))
    }

    fn tail(&mut self) -> &mut Tail {
        self.tail.as_mut().expect(UNBURNED)
    }
}

const UNBURNED: &str = "a page holds its file until it is burned";

impl Drop for PlainPage {
    fn drop(&mut self) {
        if self.tail.is_some() {
            // A file that could not be burned keeps its name, and in a child it is the parent's;
            // there is nobody here to tell.
            let _ = self.burn_now();
        }
    }
}

impl fmt::Debug for PlainPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainPage")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
