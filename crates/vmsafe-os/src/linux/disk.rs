//! Disk: openat2(2), fallocate(2), open(2) `O_DIRECT`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, CWD, FallocateFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::place;
use crate::contract::ReadBack;

/// What the kernel answers where a symbolic link stands in the way.
pub(crate) const LINK: [Errno; 1] = [Errno::LOOP];

/// Opens a directory through no symbolic link.
pub(crate) fn open_straight(dir: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let straight = ResolveFlags::NO_SYMLINKS;
    fs::openat2(CWD, dir, flags, Mode::empty(), straight)
}

/// Reserves space for `len` bytes.
pub(crate) fn reserve(file: &File, len: u64) -> io::Result<()> {
    Ok(fs::fallocate(file, FallocateFlags::empty(), 0, len)?)
}

/// Gives blocks back.
pub(crate) fn punch(file: &File, len: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fs::fallocate(file, flags, 0, len)?)
}

/// Nothing is left to wait for after msync(2) with `MS_SYNC`.
pub(crate) fn settle(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Reads past the page cache where the file system keeps the word, and tells where bytes came from.
pub(crate) fn past_cache<R>(file: &File, read: impl FnOnce() -> R) -> io::Result<(R, ReadBack)> {
    if !place::reads_directly(&place::of(file)?) || direct(file, true).is_err() {
        return Ok((read(), ReadBack::FromCache));
    }
    let read = read();
    direct(file, false)?;
    Ok((read, ReadBack::FromMedium))
}

fn direct(file: &File, on: bool) -> rustix::io::Result<()> {
    let flags = fs::fcntl_getfl(file)?;
    let wanted = if on {
        flags | OFlags::DIRECT
    } else {
        flags - OFlags::DIRECT
    };
    fs::fcntl_setfl(file, wanted)
}
