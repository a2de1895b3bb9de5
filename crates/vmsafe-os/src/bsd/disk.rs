//! Disk: what it takes to be alone with a file, and to read and free what the medium holds.

use std::fs::File;
use std::io;

use super::own;
pub(crate) use super::own::{LINKS as LINK, open_straight, punch};
use crate::contract::ReadBack;

/// Refused: no reservation here holds on every file system (posix_fallocate(2) does not on zfs),
/// and written zeros do as well.
pub(crate) fn reserve(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Waits for the medium, for which msync(2) need not. On macOS this is `F_FULLFSYNC`.
pub(crate) fn settle(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Reads past the cache, as far as the system tries to. None of these promises that the medium was
/// asked.
pub(crate) fn past_cache<R>(file: &File, read: impl FnOnce() -> R) -> io::Result<(R, ReadBack)> {
    // Nothing hangs on it: the answer says that the cache may have given the bytes all the same.
    let _ = own::past_cache(file, true);
    let read = read();
    own::past_cache(file, false)?;
    Ok((read, ReadBack::FromCache))
}
