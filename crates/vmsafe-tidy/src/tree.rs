//! The files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold nothing that was written by hand.
const MADE: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

/// All files of a workspace, named by their path from its root.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    /// The workspace that this crate belongs to.
    ///
    /// # Panics
    /// When a directory of it cannot be read, or a name is no UTF-8.
    #[must_use]
    pub fn of_workspace() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here
            .ancestors()
            .nth(2)
            .expect("this crate lies two levels below the root");
        Self::at(root)
    }

    /// The tree below `root`.
    ///
    /// # Panics
    /// As [`Tree::of_workspace`].
    #[must_use]
    pub fn at(root: &Path) -> Self {
        let mut files = Vec::new();
        walk(root, root, &mut files);
        files.sort();
        Self {
            root: root.to_owned(),
            files,
        }
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The files whose names end so.
    pub fn ending(&self, end: &str) -> impl Iterator<Item = &str> {
        self.files().filter(move |file| file.ends_with(end))
    }

    /// The Rust sources of one crate, its tests and examples too.
    pub fn sources_of(&self, package: &str) -> impl Iterator<Item = &str> {
        let below = format!("crates/{package}/");
        self.ending(".rs")
            .filter(move |file| file.starts_with(&below))
    }

    /// The names of the crates.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.files().filter_map(|file| {
            let name = file.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
            (!name.contains('/')).then_some(name)
        })
    }

    /// True when a file or directory of that path exists.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// A file's text.
    ///
    /// # Panics
    /// When it cannot be read as UTF-8.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.root.join(file));
        text.unwrap_or_else(|error| panic!("{file}: {error}"))
    }
}

fn walk(root: &Path, dir: &Path, files: &mut Vec<String>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for entry in entries {
        let path = entry.expect("a directory that opened can be read").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_none_or(|name| MADE.contains(&name)) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            let relative = path
                .strip_prefix(root)
                .expect("the walk starts at the root");
            files.push(relative.to_str().expect("names are UTF-8").to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_holds_this_very_file() {
        let tree = Tree::of_workspace();
        assert!(
            tree.sources_of("vmsafe-tidy")
                .any(|file| file == "crates/vmsafe-tidy/src/tree.rs")
        );
        assert!(tree.packages().any(|name| name == "vmsafe-tidy"));
        assert!(tree.files().all(|file| !file.starts_with("target/")));
    }
}
