//! Where a file lies, and how many names it has.

use std::fs::File;
use std::io;
use std::os::windows::fs::MetadataExt;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ATTRIBUTE_COMPRESSED, FILE_NAME_NORMALIZED, GetDriveTypeW,
    GetFileInformationByHandle, GetFinalPathNameByHandleW, GetVolumeInformationByHandleW,
};
use windows_sys::Win32::System::WindowsProgramming::{
    DRIVE_RAMDISK, DRIVE_REMOTE, DRIVE_REMOVABLE,
};

use crate::filesystem::{FileSystem, FsKind};

/// Longest path and name that are asked for, in UTF-16 units.
const LONGEST: u32 = 1 << 15;

pub(super) fn of(file: &File) -> io::Result<FileSystem> {
    let name = volume_name(file)?;
    let drive = drive(file)?;
    let attributes = file.metadata()?.file_attributes();
    Ok(FileSystem {
        kind: kind_of(&name, drive),
        name: match drive {
            DRIVE_REMOVABLE => format!("{name} on a removable drive"),
            DRIVE_REMOTE => format!("{name} of a server"),
            DRIVE_RAMDISK => format!("{name} on a RAM disk"),
            _ => name,
        },
        journals_data: Some(false),
        compresses: Some(attributes & FILE_ATTRIBUTE_COMPRESSED != 0),
        discards: false,
    })
}

fn kind_of(name: &str, drive: u32) -> FsKind {
    match name {
        _ if drive == DRIVE_REMOTE => FsKind::Network,
        // A driver's memory, of which only that driver knows whether it is paged.
        _ if drive == DRIVE_RAMDISK => FsKind::Other,
        "NTFS" => FsKind::Ntfs,
        "FAT" | "FAT32" | "exFAT" => FsKind::Fat,
        // ReFS writes elsewhere where integrity is on; what others do is not known.
        _ => FsKind::Other,
    }
}

/// The name of the file system, as the volume gives it.
fn volume_name(file: &File) -> io::Result<String> {
    let mut name = [0_u16; 64];
    let (handle, into) = (file.as_raw_handle(), name.as_mut_ptr());
    let (none, no) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the buffer is 64 units long, and nothing else is asked for.
    let told = unsafe { GetVolumeInformationByHandleW(handle, none, 0, no, no, no, into, 64) };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    let end = name.iter().position(|unit| *unit == 0);
    Ok(String::from_utf16_lossy(&name[..end.unwrap_or(name.len())]))
}

/// The kind of the file's drive, as GetDriveTypeW has it. `\\?\UNC\server\share\…` is a server's.
fn drive(file: &File) -> io::Result<u32> {
    let mut path = vec![0_u16; LONGEST as usize];
    let (handle, into) = (file.as_raw_handle(), path.as_mut_ptr());
    // SAFETY: the buffer is as long as it is said to be.
    let len = unsafe { GetFinalPathNameByHandleW(handle, into, LONGEST, FILE_NAME_NORMALIZED) };
    if len == 0 || len >= LONGEST {
        return Err(io::Error::last_os_error());
    }
    let path = String::from_utf16_lossy(&path[..len as usize]);
    let Some(drive) = path
        .strip_prefix(r"\\?\")
        .filter(|rest| rest.get(1..3) == Some(r":\"))
    else {
        return Ok(DRIVE_REMOTE);
    };
    let root: Vec<u16> = drive[..3].encode_utf16().chain([0]).collect();
    // SAFETY: the root is ended by zero.
    Ok(unsafe { GetDriveTypeW(root.as_ptr()) })
}

/// How many names the file has.
pub(super) fn names(file: &File) -> io::Result<u32> {
    // SAFETY: all fields are numbers, for which zero is a value.
    let mut info: BY_HANDLE_FILE_INFORMATION = unsafe { std::mem::zeroed() };
    // SAFETY: the call fills the structure that it is given.
    if unsafe { GetFileInformationByHandle(file.as_raw_handle(), &raw mut info) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(info.nNumberOfLinks)
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::WindowsProgramming::DRIVE_FIXED;

    use super::*;

    #[test]
    fn a_drive_decides_before_the_file_system() {
        assert_eq!(kind_of("NTFS", DRIVE_FIXED), FsKind::Ntfs);
        assert_eq!(kind_of("exFAT", DRIVE_REMOVABLE), FsKind::Fat);
        assert_eq!(kind_of("NTFS", DRIVE_REMOTE), FsKind::Network);
        assert_eq!(kind_of("NTFS", DRIVE_RAMDISK), FsKind::Other);
        assert_eq!(kind_of("ReFS", DRIVE_FIXED), FsKind::Other);
    }
}
