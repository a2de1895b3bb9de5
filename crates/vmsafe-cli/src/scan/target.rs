//! What can be searched.

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::output::is_plain;

/// Something to search.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// The memory of a process.
    Process(u32),
    /// Standard input.
    Input,
    /// A file of any kind.
    Path(PathBuf),
}

impl Target {
    /// What to open: standard input is opened by its path, since the standard library's own handle
    /// would keep what it read in a buffer that nobody wipes.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Process(_) => None,
            Self::Input => Some(Path::new("/dev/stdin")),
            Self::Path(path) => Some(path),
        }
    }

    /// Its name, from which no other target's differs only in what cannot be shown.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Path(path) => format!(
                "path {}",
                path.as_os_str().as_encoded_bytes().escape_ascii()
            ),
            _ => self.to_string(),
        }
    }

    /// What the keys of all files below it begin with, if it is a directory.
    pub(super) fn key_of_all_below(&self) -> String {
        match self {
            Self::Path(path) => Self::Path(path.join("")).key(),
            _ => self.key(),
        }
    }

    /// Whether it is the pipe, socket or terminal that `source` reads from: whoever reads first
    /// leaves nothing to the other. A file can be read twice.
    pub(super) fn is_stream_of(&self, source: &File) -> bool {
        let about = match self {
            Self::Process(_) => return false,
            Self::Input => vmsafe_lab::input()
                .ok()
                .and_then(|file| file.metadata().ok()),
            Self::Path(path) => path.metadata().ok(),
        };
        let (Some(about), Ok(source)) = (about, source.metadata()) else {
            return false;
        };
        let identity = vmsafe_lab::identity(&about);
        !source.is_file() && identity.is_some() && identity == vmsafe_lab::identity(&source)
    }
}

impl From<OsString> for Target {
    fn from(name: OsString) -> Self {
        let pid = |text: &str| text.strip_prefix("pid:")?.parse().ok();
        match name.to_str() {
            Some("-") => Self::Input,
            text => text
                .and_then(pid)
                .map_or_else(|| Self::Path(name.clone().into()), Self::Process),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "pid:{pid}"),
            Self::Input => f.write_str("-"),
            Self::Path(path) => write_escaped(path, f),
        }
    }
}

/// What a terminal would obey, and what is no text, by its number: names stay apart.
fn write_escaped(path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            if is_plain(char) {
                f.write_char(char)?;
            } else if char.is_ascii() {
                write!(f, "\\x{:02x}", u32::from(char))?;
            } else {
                write!(f, "{}", char.escape_unicode())?;
            }
        }
        write!(f, "{}", chunk.invalid().escape_ascii())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_told_apart() {
        let target = |name: &str| Target::from(OsString::from(name));
        assert_eq!(
            target("a\u{1b}[1m\u{2061}ü").to_string(),
            "a\\x1b[1m\\u{2061}ü"
        );
        assert_ne!(target("a\u{1}").to_string(), target("a\u{2}").to_string());
        assert_ne!(target("a\\x01").key(), target("a\u{1}").key());
        assert_ne!(target("./pid:7").key(), target("pid:7").key());
        assert_eq!(target("pid:7"), Target::Process(7));
        assert_eq!(target("-"), Target::Input);
    }
}
