//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;

use vmsafe_os::{Kernel, Refused};

use crate::threat::Threat;

/// Why a buffer could not be had. Holds no byte of any secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required protection could not be had.
    #[error(
        "{threat} could not be closed: {because}; \
         mend that, or state Demand::Prefer for it and read the grade"
    )]
    Unmet {
        /// The threat that stays open.
        threat: Threat,
        /// Why.
        because: String,
    },
    /// The limit on locked memory is reached.
    #[error(
        "{needed} more bytes cannot be locked: {used} of {limit} are in use; raise RLIMIT_MEMLOCK: \
         `ulimit -l` in a shell, LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container"
    )]
    LockLimit {
        /// Bytes that were asked for.
        needed: u64,
        /// Bytes that this process has locked.
        used: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A length that makes no sense here.
    #[error("a buffer of {len} bytes cannot be made: {because}")]
    Size {
        /// Bytes that were asked for.
        len: usize,
        /// Why not.
        because: &'static str,
    },
    /// The file system would break the promise.
    #[error("{path}: {filesystem} cannot keep the promise: {because}; {advice}")]
    Place {
        /// The file.
        path: PathBuf,
        /// What it lies on.
        filesystem: String,
        /// Why not there.
        because: &'static str,
        /// Where instead.
        advice: &'static str,
    },
    /// The file could not be had.
    #[error("{path}: {refused}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        refused: Refused,
    },
    /// A sealed secret was changed, is another one, or was sealed for another context.
    #[error(
        "the sealed secret was tampered with, or is another one: its tag does not fit; \
         do not use it"
    )]
    Tampered,
    /// A sealed secret whose key this process does not have.
    #[error(
        "the secret was sealed by the parent of this process, and its key stayed there; \
         seal it again in this process"
    )]
    SealedElsewhere,
    /// No random bytes could be had.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
    /// A child process holds a buffer of its parent's, whose pages it does not have.
    #[error("the buffer belongs to the parent process; make one of this process's own")]
    Elsewhere,
    /// The system refused something else.
    #[error(transparent)]
    System(#[from] Refused),
}

impl Error {
    /// The error for a lock that was refused: the limit with its numbers where the limit is the
    /// reason, else what the system said.
    pub(crate) fn of_lock(kernel: &dyn Kernel, needed: usize, refused: Refused) -> Self {
        use io::ErrorKind::{OutOfMemory, PermissionDenied, WouldBlock};
        let limited = matches!(refused.kind(), OutOfMemory | WouldBlock | PermissionDenied);
        let limit = kernel.lock_limit().ok().filter(|_| limited);
        let needed = needed as u64;
        // The same kinds come for want of other things: blame the limit only where its numbers do.
        let numbers = limit
            .and_then(|limit| limit.soft.map(|soft| (limit.used, soft)))
            .filter(|(used, limit)| used.saturating_add(needed) > *limit);
        match numbers {
            Some((used, limit)) => Self::LockLimit {
                needed,
                used,
                limit,
            },
            None => Self::System(refused),
        }
    }
}
