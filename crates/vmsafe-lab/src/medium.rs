//! Reading a medium as it is, and finding where a file lies on it.

use core::ops::Range;
use std::fs::{File, Metadata};
use std::path::Path;

use vmsafe_os::lab as os;

use crate::error::{Result, While};

pub use os::{Extent, Opened};

/// Where the pieces of a file lie on its device. Asking writes nothing back; a piece that waits for
/// write-back is not `located`.
///
/// On btrfs `physical` is an address of the file system; it equals the device's offset on a
/// [`Scratch`](crate::Scratch) (one device, single profiles), not in general.
///
/// # Errors
/// The file system does not say (tmpfs, FUSE, many overlays).
pub fn extents(file: &File) -> Result<Vec<Extent>> {
    os::extents(file).doing("map the extents of", "a file")
}

/// Where a file holds data, in order: between lie holes, which read as zeros. The cursor is moved.
///
/// # Errors
/// The system does not say.
pub fn data_ranges(file: &File) -> Result<Vec<Range<u64>>> {
    os::data_ranges(file).doing("find the holes of", "a file")
}

/// Opens a file or device for reading past the page cache, or says that it could only be opened
/// through it.
///
/// # Errors
/// Those of opening it at all.
pub fn open_direct(path: &Path) -> Result<Opened> {
    os::open_direct(path).doing("open", path.display())
}

/// Opens a file for reading; on Linux without following a final symbolic link and without waiting
/// for a writer: what it is can be asked then.
///
/// # Errors
/// Those of opening it; ELOOP for a link.
pub fn open_here(path: &Path) -> std::io::Result<File> {
    os::open_here(path)
}

/// Bytes of a file, device or volume that can be read at any place; `None` for what comes as a
/// stream. The cursor is moved.
#[must_use]
pub fn length(file: &File) -> Option<u64> {
    os::length(file)
}

/// A number that all files of one file system have, and none of another that a walk through
/// directories can come to. `None` where the system does not tell.
#[must_use]
pub fn file_system_of(about: &Metadata) -> Option<u64> {
    os::file_system_of(about).ok()
}

/// Numbers that nothing else has which this process can open: of a file, until it is changed; of a
/// device, until the next boot or another medium. `None` where the system does not tell.
#[must_use]
pub fn identity(about: &Metadata) -> Option<[u64; 6]> {
    os::identity(about).ok()
}

/// The name of the file system that a path lies on, if the kernel makes up what is read there:
/// proc, sysfs and their like. `None` for all others, and where the system does not tell.
#[must_use]
pub fn pseudo_filesystem(path: &Path) -> Option<&'static str> {
    os::pseudo_filesystem(path).ok().flatten()
}

/// Hands what this process stored into mapped files to those files, where a sync of them does not.
///
/// # Errors
/// The system's refusal.
pub fn flush_views() -> Result<()> {
    os::flush_views().doing("write back", "the mapped files of this process")
}

/// Whether the file's mode lets every user read it.
///
/// # Errors
/// The system does not say.
pub fn readable_by_all(file: &File) -> Result<bool> {
    os::readable_by_all(file).doing("read the mode of", "a file")
}
