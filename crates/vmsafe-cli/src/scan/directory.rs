//! The files below a directory.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use vmsafe_lab::{file_system_of, pseudo_filesystem};
use walkdir::{DirEntry, IntoIter, WalkDir};

use super::explain;

/// Something below a directory.
pub(super) enum Below {
    /// A regular file.
    File(PathBuf),
    /// What could not be looked into, and why.
    Closed(PathBuf, String),
    /// Something else, which is counted.
    Other,
}

/// A way through a directory and all below it, in the order in which the file system gives it.
/// Symbolic links are not followed, and nothing is opened but directories.
pub(super) struct Directory {
    walk: IntoIter,
    /// Given if no other is to be entered.
    file_system: Option<u64>,
    searched: u64,
    passed: Passed,
}

/// What was passed over.
#[derive(Default)]
struct Passed {
    links: u64,
    /// Sockets, pipes and devices.
    special: u64,
    /// Gone between the look into their directory and the look at them.
    vanished: u64,
    /// Directories on which another file system is mounted.
    mounts: u64,
    /// Names of file systems that the kernel makes up.
    made_up: BTreeSet<&'static str>,
}

/// Directories that are open at a time: of one that is closed before its end all names are kept.
const MOST_OPEN: usize = 32;

impl Directory {
    /// Begins at `path`, and enters other file systems unless only `one` is wanted.
    ///
    /// # Errors
    /// The reason why nothing below `path` could be searched.
    pub(super) fn open(path: &Path, one: bool) -> Result<Self, String> {
        if let Some(because) = explain::not_to_be_searched(path) {
            return Err(because);
        }
        if let Some(name) = pseudo_filesystem(path) {
            return Err(format!(
                "it lies on {name}, which the kernel makes up as it is read: name its files, or \
                 pid:N for the memory of process N"
            ));
        }
        let own = || path.metadata().ok().as_ref().and_then(file_system_of);
        let file_system = if one {
            Some(own().ok_or("this system does not tell where another file system begins")?)
        } else {
            None
        };
        Ok(Self {
            walk: WalkDir::new(path).max_open(MOST_OPEN).into_iter(),
            file_system,
            searched: 0,
            passed: Passed::default(),
        })
    }

    /// What follows; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Below> {
        Some(match self.walk.next()? {
            Ok(entry) => self.entry(entry),
            Err(error) => self.error(error),
        })
    }

    /// Counts a file that was searched.
    pub(super) fn searched(&mut self) {
        self.searched += 1;
    }

    /// Counts a file that was gone when it was to be opened.
    pub(super) fn vanished(&mut self) {
        self.passed.vanished += 1;
    }

    fn entry(&mut self, entry: DirEntry) -> Below {
        let kind = entry.file_type();
        if kind.is_file() {
            return Below::File(entry.into_path());
        }
        if kind.is_dir() {
            if !self.enters(&entry) {
                self.walk.skip_current_dir();
            }
        } else if kind.is_symlink() {
            self.passed.links += 1;
        } else {
            self.passed.special += 1;
        }
        Below::Other
    }

    fn enters(&mut self, directory: &DirEntry) -> bool {
        if let Some(own) = self.file_system {
            let of = |about| file_system_of(&about);
            // The first may be a link, which is followed.
            if directory.depth() > 0 && directory.metadata().ok().and_then(of) != Some(own) {
                self.passed.mounts += 1;
                return false;
            }
        }
        if let Some(name) = pseudo_filesystem(directory.path()) {
            self.passed.made_up.insert(name);
            return false;
        }
        true
    }

    fn error(&mut self, error: walkdir::Error) -> Below {
        let path = error.path().map(Path::to_owned).unwrap_or_default();
        let error = io::Error::from(error);
        if error.kind() == io::ErrorKind::NotFound {
            self.vanished();
            return Below::Other;
        }
        // Walkdir's own words name the path again.
        let cause = error.get_ref().and_then(|error| error.source());
        let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
        Below::Closed(path, format!("it cannot be opened: {cause}"))
    }

    /// What a reader must know of what was searched and what was passed over.
    pub(super) fn notes(&self) -> Vec<String> {
        let Passed {
            links,
            special,
            vanished,
            mounts,
            made_up,
        } = &self.passed;
        let counts = [
            (self.searched, "files searched in it", ""),
            (
                *links,
                "symbolic links not followed",
                "; name one to search where it leads",
            ),
            (
                *special,
                "sockets, pipes and devices passed over",
                "; name one to search it",
            ),
            (*mounts, "other file systems not entered", ""),
            (*vanished, "files gone before they were searched", ""),
        ];
        let told = |(count, what, advice)| format!("{what}: {count}{advice}");
        let some = counts.into_iter().filter(|(count, ..)| *count > 0);
        let mut notes: Vec<String> = some.map(told).collect();
        if !made_up.is_empty() {
            let names: Vec<&str> = made_up.iter().copied().collect();
            notes.push(format!(
                "passed over, for the kernel makes it up as it is read: {}; name pid:N for the \
                 memory of process N",
                names.join(", ")
            ));
        }
        notes
    }
}
