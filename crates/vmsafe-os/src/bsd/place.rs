//! Where a file lies: fstatfs(2), and the name that it gives.

use std::ffi::c_char;
use std::fs::File;
use std::io;

use rustix::fs::fstatfs;

use super::own;
use crate::filesystem::{FileSystem, FsKind};

pub(crate) fn of(file: &File) -> io::Result<FileSystem> {
    let told = fstatfs(file)?;
    let name = text(&told.f_fstypename);
    Ok(FileSystem {
        kind: kind_of(&name, own::is_local(&told)),
        name,
        // What journals file data (gjournal) stands below the file system, out of its sight.
        journals_data: Some(false),
        compresses: Some(false),
        discards: false,
    })
}

fn kind_of(name: &str, local: bool) -> FsKind {
    match name {
        "fusefs" | "fuse" | "macfuse" | "osxfuse" => FsKind::Fuse,
        _ if !local => FsKind::Network,
        "apfs" => FsKind::Apfs,
        "hfs" => FsKind::Hfs,
        "ufs" | "ffs" => FsKind::Ufs,
        "zfs" => FsKind::Zfs,
        "ext2fs" => FsKind::Ext,
        "msdos" | "msdosfs" | "exfat" => FsKind::Fat,
        "tmpfs" | "mfs" => FsKind::Tmpfs,
        "nfs" | "smbfs" | "afpfs" | "webdav" | "p9fs" => FsKind::Network,
        _ => FsKind::Other,
    }
}

/// The text up to its end or the first zero.
fn text(name: &[c_char]) -> String {
    let name = name.iter().take_while(|unit| **unit != 0);
    let bytes: Vec<u8> = name.map(|unit| unit.to_ne_bytes()[0]).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_and_what_is_not_local_is_a_servers() {
        assert_eq!(kind_of("apfs", true), FsKind::Apfs);
        assert_eq!(kind_of("zfs", true), FsKind::Zfs);
        assert_eq!(kind_of("ufs", true), FsKind::Ufs);
        assert_eq!(kind_of("ufs", false), FsKind::Network);
        assert_eq!(kind_of("nullfs", true), FsKind::Other);
        let name = [b'u', b'f', b's', 0, b'x'].map(|byte| c_char::from_ne_bytes([byte]));
        assert_eq!(text(&name), "ufs");
    }
}
