//! Which file systems keep the promise, and which let the file be burned in place.

use std::path::Path;

use vmsafe_os::{FileSystem, FsKind, Upper};

use crate::error::Error;
use crate::grade::Verdict;

/// Why pages of such a file may go elsewhere than to the file.
pub(super) struct Refusal {
    certain: bool,
    because: &'static str,
    advice: &'static str,
}

const IN_MEMORY: &str = "name a file in memory (/dev/shm, ramfs) or on btrfs";
const ON_A_DISK: &str = "name a file on a disk (ext4, xfs, btrfs)";

impl Refusal {
    pub(super) fn error(&self, path: &Path, filesystem: &FileSystem) -> Error {
        Error::Place {
            path: path.to_owned(),
            filesystem: filesystem.to_string(),
            because: self.because,
            advice: self.advice,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.certain {
            Verdict::open(self.because)
        } else {
            Verdict::unknown(self.because)
        }
    }
}

/// Where pressure sends the pages of a file there.
pub(super) fn swap(filesystem: &FileSystem, network: bool) -> Result<&'static str, Refusal> {
    let open = |because, advice| {
        Err(Refusal {
            certain: true,
            because,
            advice,
        })
    };
    let unknown = |because, advice| {
        Err(Refusal {
            certain: false,
            because,
            advice,
        })
    };
    match filesystem.kind {
        FsKind::Ext | FsKind::Xfs | FsKind::Fat | FsKind::Ntfs | FsKind::Btrfs | FsKind::Ufs => {
            Ok("a shared mapping of a file on a disk is written to that file")
        }
        FsKind::Zfs
        | FsKind::F2fs
        | FsKind::Bcachefs
        | FsKind::Apfs
        | FsKind::Hfs
        | FsKind::Overlay(Upper::Disk) => {
            Ok("a shared mapping of a file on a disk is written to that file system")
        }
        FsKind::TmpfsNoSwap | FsKind::Ramfs => Ok("its pages stay in memory"),
        FsKind::Network if network => Ok("its pages go to the server, as you allowed"),
        FsKind::Tmpfs => open("its pages go to swap", ON_A_DISK),
        FsKind::Overlay(Upper::Swappable) => open(
            "its upper layer's pages go to swap",
            "name a file on a mounted volume",
        ),
        FsKind::Overlay(Upper::Unknown) => unknown(
            "its upper layer cannot be seen from here",
            "name a file on a mounted volume",
        ),
        FsKind::Network => unknown(
            "a server elsewhere writes it",
            "name a file on a disk of this machine, or allow the network by name",
        ),
        FsKind::Fuse => unknown(
            "a process writes it, and that process's memory may be swapped",
            ON_A_DISK,
        ),
        _ => unknown("vmsafe does not know it", ON_A_DISK),
    }
}

/// Whether anything carries off plain bytes behind the end of a short file there. `locked`: their
/// page was shown to stay in memory.
pub(super) fn tail(filesystem: &FileSystem, locked: bool) -> Result<Verdict, Refusal> {
    let refuse = |certain, because, advice| {
        Err(Refusal {
            certain,
            because,
            advice,
        })
    };
    if filesystem.journals_data == Some(true) {
        let because = "its journal takes the whole page within seconds";
        return refuse(true, because, IN_MEMORY);
    }
    match filesystem.kind {
        FsKind::TmpfsNoSwap | FsKind::Ramfs => Ok(Verdict::closed("its pages stay in memory")),
        FsKind::Tmpfs | FsKind::Overlay(Upper::Swappable) if locked => {
            Ok(Verdict::closed("it is memory, and the page is locked"))
        }
        FsKind::Tmpfs | FsKind::Overlay(Upper::Swappable) => refuse(
            true,
            "its pages go to swap, and this one could not be locked",
            "raise the limit of locked memory, or name a file on ramfs or btrfs",
        ),
        FsKind::Ext | FsKind::Xfs => refuse(
            true,
            "a store while the page is written back takes plain bytes behind its end to the disk",
            IN_MEMORY,
        ),
        _ if filesystem.journals_data.is_none() => refuse(
            false,
            "whether its journal takes the whole page cannot be told from here",
            IN_MEMORY,
        ),
        FsKind::Btrfs => Ok(Verdict::unknown(
            "no racing write-back was seen to take it, and nothing confirms that none can",
        )),
        FsKind::Fat | FsKind::Ntfs => Ok(Verdict::unknown(
            "how much of the page is written depends on the sectors, and was not measured",
        )),
        _ => refuse(
            false,
            "whether it writes plain bytes behind a file's end is not known",
            IN_MEMORY,
        ),
    }
}

/// Whether a store into a mapping may want space that was not reserved, as where blocks are written
/// anew elsewhere. On a full disk it ends the program by SIGBUS.
pub(super) fn stores_may_fault(filesystem: &FileSystem) -> bool {
    !matches!(
        filesystem.kind,
        FsKind::Ext
            | FsKind::Xfs
            | FsKind::Fat
            | FsKind::Ntfs
            | FsKind::Ufs
            | FsKind::Hfs
            | FsKind::Tmpfs
            | FsKind::TmpfsNoSwap
            | FsKind::Ramfs
    )
}

/// Whether overwriting the file overwrites what the medium holds.
pub(super) fn burns(filesystem: &FileSystem) -> Verdict {
    if filesystem.journals_data == Some(true) {
        return Verdict::open("data=journal leaves copies in the journal");
    }
    if filesystem.compresses == Some(true) {
        return Verdict::open("compressed data is written elsewhere than it stood");
    }
    match filesystem.kind {
        FsKind::Ext | FsKind::Xfs | FsKind::Fat if filesystem.journals_data.is_none() => {
            Verdict::unknown(
                "whether a journal keeps copies of the data cannot be told: /proc/fs/ext4 and the \
                 flags of chattr would tell",
            )
        }
        FsKind::Ext | FsKind::Xfs | FsKind::Fat if filesystem.compresses.is_none() => {
            Verdict::unknown("whether the data is compressed cannot be told from here")
        }
        FsKind::Ext | FsKind::Xfs | FsKind::Fat => {
            Verdict::closed("an overwrite goes where the data stood, and is read back from there")
        }
        FsKind::Ntfs => Verdict::unknown(
            "an overwrite goes where the data stood, and a shadow copy may keep what that was",
        ),
        FsKind::Ufs => Verdict::unknown(
            "an overwrite goes where the data stood, and a snapshot may keep what that was",
        ),
        FsKind::Hfs => Verdict::unknown(
            "an overwrite goes where the data stands now, and the file may have been moved",
        ),
        FsKind::TmpfsNoSwap | FsKind::Ramfs => Verdict::closed("it is memory, and is zeroed"),
        FsKind::Btrfs | FsKind::Zfs | FsKind::F2fs | FsKind::Bcachefs | FsKind::Apfs => {
            Verdict::open("an overwrite goes elsewhere, and the old blocks keep their bytes")
        }
        FsKind::Tmpfs | FsKind::Overlay(Upper::Swappable) => {
            Verdict::open("it is memory that goes to swap")
        }
        _ => Verdict::unknown("where an overwrite goes cannot be told from here"),
    }
}
