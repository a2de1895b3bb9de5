//! The files below a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use vmsafe_lab::{file_system_of, open_here, pseudo_filesystem};
use walkdir::{DirEntry, IntoIter, WalkDir};

use super::explain;

/// Something below a directory.
pub(super) enum Below {
    /// A regular file, open.
    File(PathBuf, File, Box<Metadata>),
    /// What could not be looked into, and why.
    Closed(PathBuf, String),
    /// Something else, which is counted.
    Other,
}

/// A way through a directory and all below it, in the order in which the file system gives it.
/// Symbolic links are not followed, and nothing but files and directories is opened: what a name
/// leads to is asked of the open file, since another may have its name by then.
pub(super) struct Directory {
    walk: IntoIter,
    /// Given if no other is to be entered.
    file_system: Option<u64>,
    /// The directories on the way to the one at hand, from the first on.
    way: Vec<PathBuf>,
    /// The names of file systems that the kernel makes up, none for others.
    known: BTreeMap<u64, Option<&'static str>>,
    opened: u64,
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
    /// What lies on another file system.
    foreign: u64,
    /// Names of file systems that the kernel makes up.
    made_up: BTreeSet<&'static str>,
}

/// Directories that are open at a time: of one that is closed before its end all names are kept.
pub(super) const MOST_OPEN: usize = 32;

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
            way: Vec::new(),
            known: BTreeMap::new(),
            opened: 0,
            passed: Passed::default(),
        })
    }

    /// What follows; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Below> {
        Some(match self.walk.next()? {
            Ok(entry) => self.entry(entry),
            Err(error) => self.error(&error),
        })
    }

    fn entry(&mut self, entry: DirEntry) -> Below {
        let kind = entry.file_type();
        if kind.is_file() {
            return self.file(entry.into_path());
        }
        if kind.is_dir() {
            self.directory(&entry);
        } else if !kind.is_symlink() {
            self.passed.special += 1;
        } else if entry.depth() > 0 {
            self.passed.links += 1;
        } else {
            // The first one is followed: it was named.
            self.enter(&entry);
        }
        Below::Other
    }

    fn file(&mut self, path: PathBuf) -> Below {
        let opened = open_here(&path).and_then(|file| Ok((file.metadata()?, file)));
        match opened {
            Ok((about, file)) if about.is_file() => {
                if self.belongs(&path, &about) {
                    self.opened += 1;
                    return Below::File(path, file, about.into());
                }
            }
            Ok(_) => self.passed.special += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => self.passed.vanished += 1,
            Err(_) if path.is_symlink() => self.passed.links += 1,
            Err(error) => {
                let because = explain::closed(&path, &error);
                return Below::Closed(path, because);
            }
        }
        Below::Other
    }

    fn directory(&mut self, entry: &DirEntry) {
        // Of one that cannot be asked it is told that it cannot be opened.
        let about = entry.metadata().ok();
        if about.is_none_or(|about| self.belongs(entry.path(), &about)) {
            self.enter(entry);
        } else {
            self.walk.skip_current_dir();
        }
    }

    fn enter(&mut self, entry: &DirEntry) {
        self.way.truncate(entry.depth());
        self.way.push(entry.path().to_owned());
    }

    /// Whether what is at `path` lies where is to be searched; else it is counted.
    fn belongs(&mut self, path: &Path, about: &Metadata) -> bool {
        let file_system = file_system_of(about);
        if self.file_system.is_some() && self.file_system != file_system {
            self.passed.foreign += 1;
            return false;
        }
        let made_up = match file_system {
            Some(number) => *self
                .known
                .entry(number)
                .or_insert_with(|| pseudo_filesystem(path)),
            None => pseudo_filesystem(path),
        };
        self.passed.made_up.extend(made_up);
        made_up.is_none()
    }

    fn error(&mut self, error: &walkdir::Error) -> Below {
        let kind = error.io_error().map(std::io::Error::kind);
        if kind == Some(ErrorKind::NotFound) && error.depth() > 0 {
            self.passed.vanished += 1;
            return Below::Other;
        }
        let cause = match error.io_error() {
            Some(cause) => cause.to_string(),
            None => error.to_string(),
        };
        let (path, what) = match error.path() {
            Some(path) => (Some(path), "it cannot be opened"),
            // Of one that is being read.
            None => {
                let at_hand = self.way.get(error.depth().saturating_sub(1));
                let path = at_hand.or(self.way.last()).map(PathBuf::as_path);
                (path, "it cannot be read to its end")
            }
        };
        let path = path.unwrap_or(Path::new("")).to_owned();
        Below::Closed(path, format!("{what}: {cause}"))
    }

    /// What a reader must know of what was searched and what was passed over.
    pub(super) fn notes(&self) -> Vec<String> {
        let Passed {
            links,
            special,
            vanished,
            foreign,
            made_up,
        } = &self.passed;
        let counts = [
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
            (*foreign, "not entered on other file systems", ""),
            (*vanished, "gone before they were searched", ""),
        ];
        let told = |(count, what, advice)| format!("{what}: {count}{advice}");
        let some = counts.into_iter().filter(|(count, ..)| *count > 0);
        // Also where there was none: the name may be another one than was meant.
        let mut notes = vec![format!("files opened in it: {}", self.opened)];
        notes.extend(some.map(told));
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_takes_the_name_of_a_file_meanwhile_is_not_followed_and_not_waited_for() {
        let room = tempfile::tempdir().expect("a directory");
        let path = |name: &str| room.path().join(name);
        fs::create_dir(path("top")).expect("as this test made it");
        let names = ["top/a", "top/b", "top/c", "top/d"].map(path);
        for name in names.iter().chain([&path("aside")]) {
            fs::write(name, "content").expect("as this test made it");
        }
        let mut directory = Directory::open(&path("top"), false).expect("it is one");
        let mut files = Vec::new();
        while let Some(below) = directory.next() {
            let Below::File(first, ..) = below else {
                continue;
            };
            // All names were read with the first one.
            if files.is_empty() {
                let others: Vec<_> = names.iter().filter(|name| **name != first).collect();
                others
                    .iter()
                    .for_each(|name| fs::remove_file(name).expect("it is there"));
                let make = |program: &mut Command| assert!(program.status().unwrap().success());
                make(
                    Command::new("ln")
                        .arg("-s")
                        .arg(path("aside"))
                        .arg(others[0]),
                );
                make(Command::new("mkfifo").arg(others[1]));
            }
            files.push(first);
        }
        assert_eq!(files.len(), 1, "{files:?}");
        let Passed {
            links,
            special,
            vanished,
            ..
        } = directory.passed;
        assert_eq!((links, special, vanished), (1, 1, 1));
    }
}
