//! The page that evaporates: behind a file of 512 bytes, or one that the system itself lets vanish.

use std::io;
use std::path::{Path, PathBuf};

use vmsafe_os::{Advice, Call, FileSystem, Fork, Kernel, Mapping, Refused, Source, Store};

use crate::aead::TAG;
use crate::error::Error;
use crate::grade::Verdict;

/// Bytes of the file.
pub(super) const HEAD: usize = 512;
/// Bytes of the page that belong to no file.
pub(super) const TAIL: usize = 4096 - HEAD;

/// One page whose tail evaporates. Its file, if it has one, has no name.
#[derive(Debug)]
pub(super) struct Tail {
    mapping: Mapping,
    /// Held open: the page belongs to it. None where the system's own pages vanish.
    store: Option<Box<dyn Store>>,
    /// What its own mapping shows.
    pub(super) marks: Marks,
}

/// The flags that tails' mappings show.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    pub(super) dump: Verdict,
    pub(super) fork: Verdict,
}

/// Several tails, and what is known of all.
#[derive(Debug)]
pub(super) struct Tails {
    pub(super) files: Vec<Tail>,
    pub(super) filesystem: Option<FileSystem>,
    pub(super) marks: Marks,
}

impl Tail {
    /// `count` tails: where the system has none that vanish by themselves, in files without a name
    /// in `dir`.
    pub(super) fn create_in(
        kernel: &'static dyn Kernel,
        dir: &Path,
        count: usize,
    ) -> Result<Tails, Error> {
        let mut files = Vec::with_capacity(count);
        for _ in 0..count {
            files.push(match Self::vanishing(kernel) {
                Err(refused) if refused.kind() == io::ErrorKind::Unsupported => {
                    Self::create(kernel, &fresh_name(dir)?)?
                }
                made => made?,
            });
        }
        let first: &Self = files.first().ok_or(Error::Size {
            len: 0,
            because: "no page",
        })?;
        let file = |refused| Error::File {
            path: dir.to_owned(),
            refused,
        };
        let filesystem = first.store.as_ref().map(|store| store.filesystem());
        let filesystem = filesystem.transpose().map_err(file)?;
        let marks = Marks {
            dump: worst(files.iter().map(|tail| &tail.marks.dump)),
            fork: worst(files.iter().map(|tail| &tail.marks.fork)),
        };
        Ok(Tails {
            files,
            filesystem,
            marks,
        })
    }

    /// One tail in the file `path`, whose name is removed at once.
    pub(super) fn create(kernel: &'static dyn Kernel, path: &Path) -> Result<Self, Error> {
        let file = |refused| Error::File {
            path: path.to_owned(),
            refused,
        };
        let store = kernel.create(path).map_err(file)?;
        store.unlink().map_err(file)?;
        let (mapping, marks) = map(kernel, store.as_ref(), path)?;
        Ok(Self {
            mapping,
            store: Some(store),
            marks,
        })
    }

    /// One tail without a file.
    fn vanishing(kernel: &'static dyn Kernel) -> Result<Self, Refused> {
        let mut mapping = Mapping::vanishing(kernel, page_size(kernel)?)?;
        // Asked at once, so that a refusal comes before there is anything to lose.
        mapping.let_vanish(true)?;
        let marks = Marks::of(&mut mapping);
        Ok(Self {
            mapping,
            store: None,
            marks,
        })
    }

    /// One tail in the file `path`, which keeps its name.
    pub(super) fn named(kernel: &'static dyn Kernel, path: &Path) -> Result<Self, Error> {
        let file = |refused| Error::File {
            path: path.to_owned(),
            refused,
        };
        let store = kernel.create(path).map_err(file)?;
        match map(kernel, store.as_ref(), path) {
            Ok((mapping, marks)) => Ok(Self {
                mapping,
                store: Some(store),
                marks,
            }),
            Err(error) => {
                // It is empty; when even this fails, the first reason is the one to tell.
                let _ = store.unlink();
                Err(error)
            }
        }
    }

    /// Puts a sealed part and its tag behind the file's end, or where they may vanish.
    pub(super) fn store(&mut self, part: &[u8], tag: &[u8; TAG]) -> Result<(), Refused> {
        if self.store.is_none() {
            // Kept while it is written: what is lost halfway would be lost to no purpose.
            self.mapping.let_vanish(false)?;
        }
        self.mapping.copy_in(HEAD, part);
        self.mapping.copy_in(HEAD + part.len(), tag);
        if self.store.is_none() {
            self.mapping.let_vanish(true)?;
        }
        Ok(())
    }

    /// Copies the part out, and the tag that stood behind it.
    pub(super) fn load(&self, part: &mut [u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        self.mapping.copy_out(HEAD, part);
        self.mapping.copy_out(HEAD + part.len(), &mut tag);
        tag
    }

    /// The pages themselves.
    pub(super) fn mapping(&mut self) -> &mut Mapping {
        &mut self.mapping
    }

    /// Gives a file that somebody cut to nothing its length back: its page would fault, and is
    /// zero now, which shows as a loss.
    pub(super) fn keep_ground(&self) -> Result<(), Refused> {
        let store = self.store.as_deref().expect(IN_A_FILE);
        match store.is_empty()? {
            true => store.allocate(HEAD as u64),
            false => Ok(()),
        }
    }

    /// The pages, and the file that they belong to.
    pub(super) fn parts(&mut self) -> (&mut Mapping, &dyn Store) {
        (&mut self.mapping, self.store.as_deref().expect(IN_A_FILE))
    }

    /// Both, to end them apart.
    pub(super) fn into_parts(self) -> (Mapping, Box<dyn Store>) {
        (self.mapping, self.store.expect(IN_A_FILE))
    }

    /// What it lies on.
    pub(super) fn filesystem(&self) -> Result<FileSystem, Refused> {
        self.store.as_deref().expect(IN_A_FILE).filesystem()
    }
}

const IN_A_FILE: &str = "a tail that was made in a file";

/// The first page of an empty file, of which 512 bytes are the file's.
fn map(
    kernel: &'static dyn Kernel,
    store: &dyn Store,
    path: &Path,
) -> Result<(Mapping, Marks), Error> {
    let file = |refused| Error::File {
        path: path.to_owned(),
        refused,
    };
    // Reserved, so that a full disk is an error now and not a SIGBUS at the first store.
    store.allocate(HEAD as u64).map_err(file)?;
    let page = page_size(kernel)?;
    let mut mapping = Mapping::of(kernel, store, page).map_err(file)?;
    let marks = Marks::of(&mut mapping);
    Ok((mapping, marks))
}

impl Marks {
    /// What was asked for shows on the mapping, or it does not: see `Verdict::marked`.
    fn of(mapping: &mut Mapping) -> Self {
        let dump = mapping.advise(Advice::DontDump);
        let fork = mapping.on_fork(Source::Anonymous, Fork::Absent);
        let proofs = mapping.kernel().evidence();
        Self {
            dump: Verdict::marked(&dump, mapping, &proofs.dont_dump, |facts| facts.dont_dump),
            fork: Verdict::marked(&fork, mapping, &proofs.absent, |facts| facts.dont_fork),
        }
    }
}

fn page_size(kernel: &dyn Kernel) -> Result<usize, Refused> {
    let page = kernel.page_size();
    if page < HEAD + TAIL {
        let reason = "the system's pages are smaller than 4096 bytes";
        let kind = io::ErrorKind::Unsupported;
        return Err(Refused::because(Call::MapFile, kind, reason));
    }
    Ok(page)
}

fn worst<'a>(marks: impl Iterator<Item = &'a Verdict>) -> Verdict {
    marks.min().expect("at least one tail").clone()
}

/// A name that nobody can foresee, for the instant that it exists.
pub(super) fn fresh_name(dir: &Path) -> Result<PathBuf, Error> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(Error::Random)?;
    Ok(dir.join(format!(".vmsafe-{:016x}", u64::from_le_bytes(number))))
}
