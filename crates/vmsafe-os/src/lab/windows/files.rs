//! Files, volumes, standard input, and the files that another process holds open.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_NO_BUFFERING, FILE_NAME_NORMALIZED, FILE_SHARE_DELETE, FILE_SHARE_READ,
    FILE_SHARE_WRITE, FILE_TYPE_DISK, GetFileType, GetFinalPathNameByHandleW,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{GET_LENGTH_INFORMATION, IOCTL_DISK_GET_LENGTH_INFO};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetProcessHandleCount, PROCESS_DUP_HANDLE, PROCESS_QUERY_INFORMATION,
};

use super::{check, open_process};
use crate::lab::Opened;

/// Longest path that is asked for, in UTF-16 units.
const LONGEST: u32 = 1 << 15;
/// Handles are multiples of this ("Object handles"), and the first is one of it.
const STEP: usize = 4;
/// Values that are tried for each handle that a process has: its table may have holes.
const HOLES: usize = 8;

/// Standard input without the standard library's buffer, which nobody wipes.
///
/// # Errors
/// This process has none.
pub fn input() -> io::Result<File> {
    let handle = io::stdin().as_handle().try_clone_to_owned()?;
    Ok(File::from(handle))
}

/// Always the same: another volume begins behind a mount point, which is a kind of link.
///
/// # Errors
/// None.
pub fn file_system_of(_about: &Metadata) -> io::Result<u64> {
    Ok(0)
}

/// When a file was made: with its length and the time of its last change that tells it from others.
///
/// # Errors
/// The file system does not say; a volume has none.
pub fn identity(about: &Metadata) -> io::Result<[u64; 6]> {
    match about.creation_time() {
        0 => Err(io::ErrorKind::Unsupported.into()),
        made => Ok([made, 0, 0, 0, 0, 0]),
    }
}

/// Bytes of a file, or of a volume or disk; `None` for what comes as a stream.
pub fn length(file: &File) -> Option<u64> {
    let len = file.metadata().ok().map(|about| about.len());
    len.filter(|len| *len > 0).or_else(|| device_length(file))
}

fn device_length(file: &File) -> Option<u64> {
    let mut info = GET_LENGTH_INFORMATION::default();
    let size = u32::try_from(size_of::<GET_LENGTH_INFORMATION>()).ok()?;
    let (handle, mut returned) = (file.as_raw_handle(), 0);
    let (code, into) = (IOCTL_DISK_GET_LENGTH_INFO, (&raw mut info).cast());
    let (none, over) = (ptr::null(), ptr::null_mut());
    // SAFETY: the output is `size` bytes long, and no input is given.
    let told =
        unsafe { DeviceIoControl(handle, code, none, 0, into, size, &raw mut returned, over) };
    check(told).ok()?;
    u64::try_from(info.Length).ok().filter(|len| *len > 0)
}

/// Opens a file for reading. A link would be followed, which few users may make.
///
/// # Errors
/// Those of opening.
pub fn open_here(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Opens a file or volume for reading past the cache (FILE_FLAG_NO_BUFFERING), whoever else uses
/// it.
///
/// # Errors
/// Only an administrator opens a volume; nobody a page file that is in use.
pub fn open_direct(path: &Path) -> io::Result<Opened> {
    let direct = OpenOptions::new()
        .read(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
        .custom_flags(FILE_FLAG_NO_BUFFERING)
        .open(path)?;
    Ok(Opened::Direct(direct))
}

/// The files below `dir` that a process holds open, as handles of our own to the same open files:
/// so one is seen that is not shared.
///
/// # Errors
/// Somebody else's process; none of that number.
pub fn open_files(pid: u32, dir: &Path) -> io::Result<Vec<File>> {
    let process = open_process(pid, PROCESS_DUP_HANDLE | PROCESS_QUERY_INFORMATION)?;
    let mut count = 0;
    // SAFETY: the number is written to `count`.
    check(unsafe { GetProcessHandleCount(process.as_raw_handle(), &raw mut count) })?;
    let dir = dir.canonicalize()?;
    let last = STEP * HOLES * (count as usize + HOLES);
    let all = (STEP..last).step_by(STEP);
    let copies = all.filter_map(|number| duplicate(&process, number).ok());
    // NTFS moves a file there that is removed while it is open.
    let removed = |path: &Path| path.iter().any(|name| name == "$Deleted");
    let is_ours = |path: PathBuf| path.starts_with(&dir) || removed(&path);
    let ours = |file: &File| final_path(file).is_some_and(is_ours);
    Ok(copies.map(File::from).filter(ours).collect())
}

fn duplicate(process: &OwnedHandle, number: usize) -> io::Result<OwnedHandle> {
    let mut copy = ptr::null_mut();
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    let (from, handle) = (process.as_raw_handle(), ptr::without_provenance_mut(number));
    let (into, same) = (&raw mut copy, DUPLICATE_SAME_ACCESS);
    // SAFETY: `number` means a handle of that other process, or nothing, which is an error.
    check(unsafe { DuplicateHandle(from, handle, me, into, 0, 0, same) })?;
    // SAFETY: the kernel just made this handle for us; nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(copy) })
}

/// `None` for what is no file on a disk: to ask a pipe for its name could wait for ever.
fn final_path(file: &File) -> Option<PathBuf> {
    let handle = file.as_raw_handle();
    // SAFETY: it asks about a handle of ours.
    if unsafe { GetFileType(handle) } != FILE_TYPE_DISK {
        return None;
    }
    let mut path = vec![0_u16; LONGEST as usize];
    let into = path.as_mut_ptr();
    // SAFETY: the buffer is as long as it is said to be.
    let len = unsafe { GetFinalPathNameByHandleW(handle, into, LONGEST, FILE_NAME_NORMALIZED) };
    let name = path.get(..len as usize).filter(|name| !name.is_empty())?;
    Some(PathBuf::from(String::from_utf16_lossy(name)))
}
