//! The kernel's files, below a root that a test can replace.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// Symbolic links that are followed in one path, as the kernel does.
const MOST_LINKS: usize = 40;

/// What a file of the kernel's says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// This, without the blanks around it.
    Says(String),
    /// The kernel has no such file: it lacks what the file is about.
    Absent,
    /// It could not be read, for this reason.
    Hidden(String),
}

/// Where `/proc`, `/sys`, `/dev` and `/etc` lie.
#[derive(Clone, Debug)]
pub(super) struct Sysroot(PathBuf);

impl Sysroot {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    /// Reads a file. A missing file means something only where its tree is mounted.
    pub(super) fn read(&self, path: &str) -> Fact {
        match fs::read_to_string(self.place(Path::new(path))) {
            Ok(text) => Fact::Says(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => self.missing(path),
            Err(error) => Fact::Hidden(format!("{path} cannot be read: {error}")),
        }
    }

    fn missing(&self, path: &str) -> Fact {
        let tree = path.split('/').nth(1).unwrap_or_default();
        match fs::read_dir(self.0.join(tree)).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Fact::Absent,
            _ => Fact::Hidden(format!("there is no /{tree} here")),
        }
    }

    /// The names in a directory, sorted; none if there is no such directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.place(Path::new(path)));
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        names
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.place(&self.resolve(Path::new(path))).exists()
    }

    /// The path without symbolic links in it, as seen from the root. Parts that do not exist stay.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        let mut left = MOST_LINKS;
        self.walk(PathBuf::from("/"), path, &mut left)
    }

    fn walk(&self, from: PathBuf, path: &Path, left: &mut usize) -> PathBuf {
        let mut at = from;
        for component in path.components() {
            match component {
                Component::RootDir | Component::Prefix(_) => at = PathBuf::from("/"),
                Component::CurDir => {}
                Component::ParentDir => {
                    at.pop();
                }
                Component::Normal(name) => {
                    let next = at.join(name);
                    match fs::read_link(self.place(&next)) {
                        Ok(target) if *left > 0 => {
                            *left -= 1;
                            at = self.walk(at, &target, left);
                        }
                        _ => at = next,
                    }
                }
            }
        }
        at
    }

    fn place(&self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }
}
