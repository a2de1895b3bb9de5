//! What can be searched.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::output::plain;

/// Something to search.
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        if text == "-" {
            return Ok(Self::Input);
        }
        let pid = text.strip_prefix("pid:").and_then(|pid| pid.parse().ok());
        Ok(pid.map_or_else(|| Self::Path(text.into()), Self::Process))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "pid:{pid}"),
            Self::Input => f.write_str("-"),
            Self::Path(path) => f.write_str(&plain(&path.display().to_string())),
        }
    }
}
