//! Exit codes: the same meaning for every command.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It holds, or is clean.
    Holds = 0,
    /// A secret leaked, or was found.
    Found = 1,
    /// Wrong usage, or an error of input or output.
    Usage = 2,
    /// It could not be told.
    Unknown = 3,
}

/// The same in words, for the help of every command.
pub(crate) const EXIT_CODES: &str = "Exit codes: \
    0 holds or clean, 1 leaked or found, 2 usage or I/O error, 3 could not tell.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Holds => Self::from(0),
            Exit::Found => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Unknown => Self::from(3),
        }
    }
}
