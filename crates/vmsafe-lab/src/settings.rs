//! The registry, where the system has one, and what else decides where memory may go there.

use vmsafe_os::lab as os;

use crate::error::{Result, While};

pub use os::{Setting, WorkingSet};

/// The value of this name below a key (`HKLM\\…`, `HKCU\\…`); `None` where there is none.
///
/// # Errors
/// `Unsupported` where the system has no registry; this user may not read it.
pub fn setting(key: &str, name: &str) -> Result<Option<Setting>> {
    os::setting(key, name).doing("read", format_args!("{key}\\{name}"))
}

/// Whether there is a key of this name.
///
/// # Errors
/// As [`setting`].
pub fn has_key(key: &str) -> Result<bool> {
    os::has_key(key).doing("read", key)
}

/// The bounds of this process's working set.
///
/// # Errors
/// `Unsupported` where the system has none.
pub fn working_set() -> Result<WorkingSet> {
    os::working_set().doing("read the working set of", "this process")
}
