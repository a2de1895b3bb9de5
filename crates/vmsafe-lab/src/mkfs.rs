//! The file systems that a scratch disk can have, and the programs that make them.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result, While};

/// A file system for a [`Scratch`](crate::Scratch) disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FsKind {
    /// ext2, driven by the kernel's ext4: no journal.
    Ext2,
    /// ext4 with its usual journal of metadata.
    Ext4,
    /// ext4 with `data=journal`: contents go through the journal too.
    Ext4Journal,
    /// xfs.
    Xfs,
    /// btrfs on one device with single profiles: a file's `physical` address is the device's.
    Btrfs,
}

impl FsKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ext2,
        Self::Ext4,
        Self::Ext4Journal,
        Self::Xfs,
        Self::Btrfs,
    ];

    /// The name for people, as in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext2 => "ext2",
            Self::Ext4 => "ext4",
            Self::Ext4Journal => "ext4 data=journal",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    pub(crate) fn kernel_name(self) -> &'static str {
        match self {
            Self::Ext2 | Self::Ext4 | Self::Ext4Journal => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    pub(crate) fn usual_bytes(self) -> u64 {
        match self {
            Self::Ext2 | Self::Ext4 | Self::Ext4Journal => 128 << 20,
            Self::Xfs => 320 << 20,
            Self::Btrfs => 256 << 20,
        }
    }

    pub(crate) fn mount_options(self) -> Option<&'static str> {
        (self == Self::Ext4Journal).then_some("data=journal")
    }

    fn program(self) -> &'static str {
        match self {
            Self::Ext2 => "mkfs.ext2",
            Self::Ext4 | Self::Ext4Journal => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
            Self::Btrfs => "mkfs.btrfs",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Ext2 | Self::Ext4 | Self::Ext4Journal => "e2fsprogs",
            Self::Xfs => "xfsprogs",
            Self::Btrfs => "btrfs-progs",
        }
    }

    /// Everything is initialised now, so that no thread of the kernel writes to the disk later.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Ext2 => &["-q", "-F", "-m0", "-Elazy_itable_init=0"],
            Self::Ext4 | Self::Ext4Journal => &[
                "-q",
                "-F",
                "-m0",
                "-Elazy_itable_init=0,lazy_journal_init=0",
            ],
            Self::Xfs => &["-q", "-f"],
            Self::Btrfs => &["-q", "-f", "-dsingle", "-msingle"],
        }
    }
}

/// Makes the file system in an image.
pub(crate) fn run(kind: FsKind, extra: &[OsString], image: &Path) -> Result<()> {
    let name = kind.program();
    let program = find(name).ok_or_else(|| {
        Error::refused("find", name, "it is not installed")
            .advise(format!("run: apt-get install {}", kind.package()))
    })?;
    let output = Command::new(program)
        .args(kind.arguments())
        .args(extra)
        .arg(image)
        .stdin(Stdio::null())
        .output()
        .doing("run", name)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::refused("make a file system with", name, said.trim()))
}

/// In `PATH`, and in the directories of system programs, which an ordinary `PATH` lacks.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
}
