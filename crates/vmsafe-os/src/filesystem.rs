//! What a file lies on.

use std::fmt;

/// A file system and what of its settings decides where bytes may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind.
    pub kind: FsKind,
    /// Its name as the kernel gives it, for messages.
    pub name: String,
    /// File data goes through a journal first (`data=journal`). `None`: the system will not tell.
    pub journals_data: Option<bool>,
    /// Data is compressed on its way to the medium. `None`: the system will not tell.
    pub compresses: Option<bool>,
    /// Blocks that are given back are also discarded on the device.
    pub discards: bool,
}

/// Kinds of file systems, by what they do with an overwritten block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FsKind {
    /// ext2, ext3, ext4: overwritten in place.
    Ext,
    /// xfs: overwritten in place, unless the extent is shared.
    Xfs,
    /// FAT and exFAT: overwritten in place.
    Fat,
    /// NTFS: overwritten in place, and copied first where the volume keeps shadow copies.
    Ntfs,
    /// ufs of the BSDs: overwritten in place, and copied first where a snapshot was taken.
    Ufs,
    /// HFS+: overwritten in place, and moved where the file system thinks it hot.
    Hfs,
    /// APFS: written elsewhere.
    Apfs,
    /// btrfs: written elsewhere.
    Btrfs,
    /// zfs: written elsewhere.
    Zfs,
    /// f2fs and other logs: written elsewhere.
    F2fs,
    /// bcachefs: written elsewhere.
    Bcachefs,
    /// tmpfs and shared memory: pages that go to swap.
    Tmpfs,
    /// tmpfs with `noswap`: pages that stay.
    TmpfsNoSwap,
    /// ramfs: pages that stay.
    Ramfs,
    /// An overlay whose upper layer has this kind of storage.
    Overlay(Upper),
    /// A server elsewhere writes it.
    Network,
    /// A process writes it.
    Fuse,
    /// None of these.
    Other,
}

/// What an overlay writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Upper {
    /// Storage.
    Disk,
    /// Memory that may be swapped.
    Swappable,
    /// It cannot be told from here.
    Unknown,
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.journals_data == Some(true) {
            f.write_str(" with data=journal")?;
        }
        if self.compresses == Some(true) {
            f.write_str(" with compression")?;
        }
        Ok(())
    }
}
