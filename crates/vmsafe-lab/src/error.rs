//! What went wrong, on what, and what to do next.

use std::fmt::Display;
use std::io;

/// What the laboratory returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A step that the machine refused, with advice where there is some.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {on}: {source}{}", suffix(advice.as_deref()))]
pub struct Error {
    doing: &'static str,
    on: String,
    source: io::Error,
    advice: Option<String>,
}

impl Error {
    pub(crate) fn new(doing: &'static str, on: impl Display, source: io::Error) -> Self {
        Self {
            doing,
            on: on.to_string(),
            advice: (source.kind() == io::ErrorKind::FileTooLarge).then(|| RAISE.to_owned()),
            source,
        }
    }

    pub(crate) fn refused(doing: &'static str, on: impl Display, why: impl Into<String>) -> Self {
        Self::new(doing, on, io::Error::other(why.into()))
    }

    pub(crate) fn needs_root(doing: &'static str, on: impl Display) -> Self {
        let denied = io::Error::new(io::ErrorKind::PermissionDenied, "only root may");
        Self::new(doing, on, denied).advise("run it as root, for example with sudo")
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The kind of the underlying error: `PermissionDenied` where root is needed, `Unsupported`
    /// where this system cannot do it at all.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// What to do next, if there is something.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

const RAISE: &str = "raise the limit on the size of files: `ulimit -f unlimited` in a shell, \
                     LimitFSIZE= in a systemd unit";

/// Keeps the kind, and says all of it.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

/// The way out for the root of a container, and of a user namespace.
pub(crate) const OUTSIDE: &str = "run it as the machine's root, outside of a container and of a \
                                  user namespace";

fn suffix(advice: Option<&str>) -> String {
    advice
        .map(|advice| format!("; {advice}"))
        .unwrap_or_default()
}

/// Adds what was being done to an I/O result.
pub(crate) trait While<T> {
    fn doing(self, doing: &'static str, on: impl Display) -> Result<T>;
}

impl<T> While<T> for io::Result<T> {
    fn doing(self, doing: &'static str, on: impl Display) -> Result<T> {
        self.map_err(|source| Error::new(doing, on, source))
    }
}
