//! A path without detours: each folder on it is held open while the file is opened, and none is a
//! reparse point (symbolic link, junction, mount point, file of a cloud store).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use crate::contract::Answer;
use crate::refused::{Call, Refused};

/// The folders above a file. While it lives none of them can be renamed or removed.
#[derive(Debug)]
pub(super) struct Straight {
    pub(super) path: PathBuf,
    /// Held open, never used.
    _folders: Vec<File>,
}

pub(super) fn hold(path: &Path, call: Call) -> Answer<Straight> {
    let refused = |error: io::Error| Refused::new(call, error);
    let path = std::path::absolute(path).map_err(refused)?;
    let mut folders = Vec::new();
    for folder in path.ancestors().skip(1) {
        let folder = open(folder).map_err(refused)?;
        if is_detour(&folder).map_err(refused)? {
            let reason = "the path goes through a link; give the path that it stands for";
            return Err(Refused::because(call, io::ErrorKind::InvalidInput, reason));
        }
        folders.push(folder);
    }
    Ok(Straight {
        path,
        _folders: folders,
    })
}

/// Open for its attributes only, and not shared for deletion or renaming.
fn open(folder: &Path) -> io::Result<File> {
    OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(folder)
}

pub(super) fn is_detour(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0)
}
