//! Private files, direct reads, and where a file lies on its device.

use core::iter;
use core::ops::Range;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::fs::{
    DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};
use std::path::Path;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;

use super::check;
use crate::lab::{Extent, Opened};

/// Creates a file that nobody had and only this user can open: O_EXCL, O_NOFOLLOW, mode 0600.
///
/// # Errors
/// `AlreadyExists` for any file, link or directory of that name.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Creates a directory with exactly these permission bits.
///
/// # Errors
/// `AlreadyExists` for any file, link or directory of that name.
pub fn create_private_dir(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    change_mode(path, mode)
}

/// Sets the permission bits of a file.
///
/// # Errors
/// The kernel's refusal.
pub fn change_mode(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Whether a path names, by itself and not through a symbolic link, a directory or an only-named
/// file of the effective user: something that nobody else can have put there or aimed elsewhere.
///
/// # Errors
/// `NotFound`; EACCES on the way.
pub fn is_own(path: &Path) -> io::Result<bool> {
    let about = std::fs::symlink_metadata(path)?;
    let sole = about.is_dir() || (about.is_file() && about.nlink() == 1);
    Ok(sole && about.uid() == rustix::process::geteuid().as_raw())
}

/// Whether the file's mode lets every user read it.
///
/// # Errors
/// The kernel's refusal.
pub fn readable_by_all(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.permissions().mode() & 0o004 != 0)
}

/// Standard input without the standard library's buffer, which nobody wipes. The cursor is shared
/// with it.
///
/// # Errors
/// It is closed.
pub fn input() -> io::Result<File> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// What this process holds open under a number, whatever it is and whoever could open it again. The
/// cursor is shared.
///
/// # Errors
/// Nothing has that number.
pub fn descriptor(number: u32) -> io::Result<File> {
    let number = i32::try_from(number).map_err(|_| io::Error::from(Errno::BADF))?;
    // SAFETY: F_DUPFD_CLOEXEC takes numbers only; one that means nothing is an error (fcntl(2)).
    let copy = check(i64::from(unsafe {
        libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3)
    }))?;
    let copy = i32::try_from(copy).map_err(io::Error::other)?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// A number that all files of one file system have, and none of another.
///
/// # Errors
/// None.
pub fn file_system_of(about: &Metadata) -> io::Result<u64> {
    Ok(about.dev())
}

/// Numbers that nothing else has which this process can open: of a file, until it is changed; of a
/// device, until the next boot or, where the kernel counts media (5.15), another medium.
///
/// # Errors
/// The kernel does not tell which boot this is.
pub fn identity(about: &Metadata) -> io::Result<[u64; 6]> {
    if about.file_type().is_block_device() {
        let (device, boot) = (about.rdev(), boot()?);
        return Ok([device, 0, 0, medium(device), boot[0], boot[1]]);
    }
    let changed = if about.is_file() {
        [about.ctime(), about.ctime_nsec()].map(i64::cast_unsigned)
    } else {
        [0; 2]
    };
    Ok([about.dev(), about.ino(), changed[0], changed[1], 0, 0])
}

/// The number of the medium in a block device, or in the one that it is a partition of; 0 where the
/// kernel does not count.
fn medium(device: u64) -> u64 {
    let (major, minor) = (libc::major(device), libc::minor(device));
    let own = format!("/sys/dev/block/{major}:{minor}/diskseq");
    let whole = format!("/sys/dev/block/{major}:{minor}/../diskseq");
    let read = |path| std::fs::read_to_string(path).ok()?.trim().parse().ok();
    read(own).or_else(|| read(whole)).unwrap_or(0)
}

/// The number that the kernel drew when it was booted.
fn boot() -> io::Result<[u64; 2]> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    let number = u128::from_str_radix(&digits, 16).map_err(io::Error::other)?;
    let half = |shift: u32| u64::try_from((number >> shift) & u128::from(u64::MAX));
    Ok([
        half(64).map_err(io::Error::other)?,
        half(0).map_err(io::Error::other)?,
    ])
}

/// Bytes that can be read at any place; `None` for what comes as a stream, and for the files of
/// `/proc`, which tell no length. The cursor is moved.
pub fn length(mut file: &File) -> Option<u64> {
    let len = io::Seek::seek(&mut file, io::SeekFrom::End(0)).ok()?;
    (len > 0).then_some(len)
}

/// The files below `dir` that a process holds open, named or not.
///
/// # Errors
/// Somebody else's process; none of that number.
pub fn open_files(pid: u32, dir: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let link = entry?.path();
        let below = std::fs::read_link(&link).is_ok_and(|target| target.starts_with(dir));
        // A store holds its folder too.
        if below && link.metadata()?.is_file() {
            files.push(File::open(&link)?);
        }
    }
    Ok(files)
}

/// The process that holds the lock of a whole file (`flock`), if one does and the kernel tells.
///
/// # Errors
/// `/proc/locks` cannot be read.
pub fn lock_holder(file: &File) -> io::Result<Option<u32>> {
    let about = file.metadata()?;
    let (major, minor) = (
        rustix::fs::major(about.dev()),
        rustix::fs::minor(about.dev()),
    );
    let file = format!("{major:02x}:{minor:02x}:{}", about.ino());
    let table = std::fs::read_to_string("/proc/locks")?;
    // `1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`; one that waits has `->` before it.
    Ok(table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, whose, ..] = fields[..] else {
            return None;
        };
        (whose == file).then(|| pid.parse().ok()).flatten()
    }))
}

/// Opens a file or device for reading past the page cache, or says that it could not.
///
/// # Errors
/// Those of opening it at all. A file system without direct I/O is no error: see [`Opened`].
pub fn open_direct(path: &Path) -> io::Result<Opened> {
    match OpenOptions::new()
        .read(true)
        // What a pipe was put in place of is not waited for.
        .custom_flags(libc::O_DIRECT | libc::O_NONBLOCK)
        .open(path)
    {
        Ok(file) => Ok(Opened::Direct(file)),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            File::open(path).map(Opened::Buffered)
        }
        Err(error) => Err(error),
    }
}

/// Bytes of a block as stat(2) counts them.
const BLOCK: u64 = 512;
/// Bytes that are read faster than it is asked whether they are there.
const SHORT: u64 = 1 << 16;

/// More pieces of data than this are told as one: memory stays bounded.
const MOST_RANGES: usize = 1 << 18;

/// Where a file holds data, in order. Between these ranges lie holes, which read as zeros; those of
/// a short file that takes as much room as it is long count as data. The cursor is moved.
///
/// # Errors
/// The kernel's refusal. A file system that knows no holes gives the whole file.
pub fn data_ranges(file: &File) -> io::Result<Vec<Range<u64>>> {
    let about = file.metadata()?;
    let end = about.len();
    // Most files are short, and such a one that takes as much room as it is long has no holes worth
    // two calls for each. (Room that was taken beforehand is told as holes.)
    if (1..=SHORT).contains(&end) && about.blocks().saturating_mul(BLOCK) >= end {
        return Ok(iter::once(0..end).collect());
    }
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    while at < end {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            // Nothing but a hole follows.
            Err(Errno::NXIO) => break,
            start => start?,
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(start))?;
        if ranges.len() == MOST_RANGES {
            ranges.push(start..end);
            break;
        }
        ranges.push(start..at);
    }
    Ok(ranges)
}

/// Opens a file or device for reading and writing without following a final symbolic link.
///
/// # Errors
/// ELOOP for a link; otherwise those of opening.
pub fn open_plain(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Opens a file for reading, without following a final symbolic link and without waiting for a
/// writer where that is a pipe.
///
/// # Errors
/// ELOOP for a link; otherwise those of opening.
pub fn open_here(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Fills the buffer from an offset of a file, whatever its cursor.
///
/// # Errors
/// `UnexpectedEof` beyond its end.
pub fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(into, offset)
}

/// Writes all bytes at an offset of a file, whatever its cursor.
///
/// # Errors
/// ENOSPC, EIO.
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Gives a range of a file back to its file system; it reads as zeros.
///
/// # Errors
/// EOPNOTSUPP: the file system cannot.
pub fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, offset, len)?)
}

/// Where the pieces of a file lie, by FIEMAP, without FIEMAP_FLAG_SYNC: asking writes nothing back
/// (a sync would empty the tail of a short mapped file).
///
/// # Errors
/// EOPNOTSUPP: the file system does not say (tmpfs, overlay of some, FUSE).
pub fn extents(file: &File) -> io::Result<Vec<Extent>> {
    let mut found: Vec<Extent> = Vec::new();
    loop {
        let start = found.last().map_or(0, |e| e.logical + e.len);
        let mut request = Fiemap {
            start,
            length: u64::MAX - start,
            extent_count: BATCH,
            ..Fiemap::default()
        };
        // SAFETY: FS_IOC_FIEMAP (linux/fiemap.h) reads the header and writes at most
        // `extent_count` extents behind it; `Fiemap` has that layout and that much room.
        check(i64::from(unsafe {
            libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP, &raw mut request)
        }))?;
        let mapped = usize::try_from(request.mapped_extents).map_err(io::Error::other)?;
        let batch = request.extents.get(..mapped).unwrap_or_default();
        found.extend(batch.iter().map(Extent::from));
        let last = batch.last().is_none_or(|e| e.flags & LAST != 0);
        if last {
            return Ok(found);
        }
    }
}

impl From<&FiemapExtent> for Extent {
    fn from(raw: &FiemapExtent) -> Self {
        let located = raw.flags & (UNKNOWN | DELAYED | ENCODED | ENCRYPTED | INLINE | TAIL) == 0;
        Self {
            logical: raw.logical,
            physical: if located { raw.physical } else { 0 },
            len: raw.length,
            located,
            unwritten: raw.flags & UNWRITTEN != 0,
        }
    }
}

/// `struct fiemap_extent` of `linux/fiemap.h`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct FiemapExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap` with its flexible array made fixed.
#[repr(C)]
#[derive(Default)]
struct Fiemap {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [FiemapExtent; BATCH as usize],
}

const _: () = assert!(size_of::<FiemapExtent>() == 56);
const _: () = assert!(core::mem::offset_of!(Fiemap, extents) == 32);

const BATCH: u32 = 32;
/// `_IOWR('f', 11, struct fiemap)`.
const FS_IOC_FIEMAP: libc::c_ulong = 0xC020_660B;
const LAST: u32 = 0x1;
const UNKNOWN: u32 = 0x2;
const DELAYED: u32 = 0x4;
const ENCODED: u32 = 0x8;
const ENCRYPTED: u32 = 0x80;
const INLINE: u32 = 0x200;
const TAIL: u32 = 0x400;
const UNWRITTEN: u32 = 0x800;
