//! Steps: a path without symbolic links, one directory at a time.

use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{self, CWD, Mode, OFlags};

/// Opens a directory through no symbolic link. Each directory on the way must be readable.
pub(crate) fn open_straight(dir: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let first = if dir.is_absolute() { "/" } else { "." };
    let mut at = fs::openat(CWD, first, flags, Mode::empty())?;
    for step in dir.components() {
        if let Component::Normal(_) | Component::ParentDir = step {
            at = fs::openat(&at, step.as_os_str(), flags, Mode::empty())?;
        }
    }
    Ok(at)
}
