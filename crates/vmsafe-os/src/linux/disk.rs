//! Disk: openat2(2), fallocate(2), open(2) `O_DIRECT`, ioctl_iflags(2).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, CWD, FallocateFlags, IFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::place;
use crate::contract::{FsKind, ReadBack};

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
    if place::kind_of(file)? == FsKind::Btrfs && !stands_still(file).unwrap_or(false) {
        return Err(io::Error::other(
            "btrfs would copy the file at each store, and on a full disk a store would end the \
             program; name a file on ext4 or xfs, or in a directory with `chattr +C`",
        ));
    }
    Ok(fs::fallocate(file, FallocateFlags::empty(), 0, len)?)
}

/// btrfs writes every block anew elsewhere, so space that is reserved serves the first store alone,
/// unless the file is told to stand still while it is empty (chattr(1): `C`).
fn stands_still(file: &File) -> rustix::io::Result<bool> {
    let flags = fs::ioctl_getflags(file)?;
    if flags.contains(IFlags::NOCOW) {
        return Ok(true);
    }
    fs::ioctl_setflags(file, (flags - IFlags::COMPRESSED) | IFlags::NOCOW)?;
    Ok(fs::ioctl_getflags(file)?.contains(IFlags::NOCOW))
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
