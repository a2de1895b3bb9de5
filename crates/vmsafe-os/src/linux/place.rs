//! Where a file lies: fstatfs(2), statx(2), /proc/self/mountinfo, chattr(1) flags.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, IFlags, StatFs, StatxFlags};
use rustix::io::Errno;

use super::record::{self, Mount};
use crate::filesystem::{FileSystem, FsKind, Upper};

/// Magic numbers of statfs(2), and what the kernel calls their owners.
const MAGIC: [(u32, FsKind); 19] = [
    (0xEF53, FsKind::Ext),
    (0x5846_5342, FsKind::Xfs),
    (0x4D44, FsKind::Fat),
    (0x2011_BAB0, FsKind::Fat),
    (0x9123_683E, FsKind::Btrfs),
    (0x2FC1_2FC1, FsKind::Zfs),
    (0xF2F5_2010, FsKind::F2fs),
    (0x3434, FsKind::F2fs),
    (0xCA45_1A4E, FsKind::Bcachefs),
    (0x0102_1994, FsKind::Tmpfs),
    (0x8584_58F6, FsKind::Ramfs),
    (0x794C_7630, FsKind::Overlay(Upper::Unknown)),
    (0x6969, FsKind::Network),
    (0xFF53_4D42, FsKind::Network),
    (0xFE53_4D42, FsKind::Network),
    (0x0102_1997, FsKind::Network),
    (0x00C3_6400, FsKind::Network),
    (0x5346_414F, FsKind::Network),
    (0x6573_5546, FsKind::Fuse),
];

pub(crate) fn of(file: &File) -> io::Result<FileSystem> {
    let stat = fs::fstatfs(file)?;
    let kind = kind_of_magic(stat.f_type);
    let mount = mount_of(file)?;
    let flags = told(fs::ioctl_getflags(file));
    let has = |flag| flags.map(|flags| flags.contains(flag));
    let mounted_so = mount.has_like("compress");
    Ok(FileSystem {
        kind: refine(kind, &stat, &mount),
        name: mount.fs_type.clone(),
        journals_data: match kind {
            FsKind::Ext => either(has(IFlags::JOURNALING), journals(&mount)),
            _ => has(IFlags::JOURNALING),
        },
        compresses: either(has(IFlags::COMPRESSED), Some(mounted_so)),
        discards: mount.option("discard").is_some(),
    })
}

/// What the kernel says without a look at the mount: an overlay is just that.
pub(crate) fn kind_of(file: &File) -> io::Result<FsKind> {
    Ok(kind_of_magic(fs::fstatfs(file)?.f_type))
}

/// The flags of chattr(1): none where the file system has none, `None` where the kernel will not
/// tell them, as a sandbox may have it.
fn told(flags: rustix::io::Result<IFlags>) -> Option<IFlags> {
    match flags {
        Err(Errno::NOTTY | Errno::OPNOTSUPP) => Some(IFlags::empty()),
        told => told.ok(),
    }
}

/// One yes is enough; without one, both must be known to be no.
fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// True where a direct read comes from the medium. Elsewhere the kernel accepts `O_DIRECT` and
/// reads its cache: ext4 with data=journal and btrfs with compression were seen to.
pub(crate) fn reads_directly(place: &FileSystem) -> bool {
    use FsKind::{Bcachefs, Btrfs, Ext, F2fs, Fat, Xfs};
    let direct = matches!(place.kind, Ext | Xfs | Fat | Btrfs | F2fs | Bcachefs);
    direct && (place.journals_data, place.compresses) == (Some(false), Some(false))
}

/// f_type is a signed word on some machines: its low 32 bits are what counts.
pub(crate) fn magic_of(f_type: impl TryInto<i64>) -> i64 {
    f_type.try_into().unwrap_or(0) & 0xFFFF_FFFF
}

fn kind_of_magic(f_type: impl TryInto<i64>) -> FsKind {
    let magic = magic_of(f_type);
    let known = MAGIC.iter().find(|(value, _)| i64::from(*value) == magic);
    known.map_or(FsKind::Other, |(_, kind)| *kind)
}

fn refine(kind: FsKind, stat: &StatFs, mount: &Mount) -> FsKind {
    match kind {
        FsKind::Tmpfs if mount.option("noswap").is_some() => FsKind::TmpfsNoSwap,
        FsKind::Overlay(_) => FsKind::Overlay(upper(stat, mount)),
        other => other,
    }
}

/// The layer that an overlay writes to may lie in another mount namespace, or its mount may have
/// gone from that path: what stands there now is believed only if it is as large as the overlay,
/// which tells the size of its upper layer (statfs(2)).
fn upper(overlay: &StatFs, mount: &Mount) -> Upper {
    let Some(path) = mount.option("upperdir") else {
        return Upper::Unknown;
    };
    let size = |layer: &StatFs| (layer.f_blocks, layer.f_bsize, layer.f_frsize);
    match fs::statfs(OsStr::from_bytes(path)) {
        Ok(layer) if size(&layer) == size(overlay) => match kind_of_magic(layer.f_type) {
            FsKind::Tmpfs | FsKind::Ramfs => Upper::Swappable,
            // A server's or a process's memory is out of sight, wherever its layer is mounted.
            FsKind::Overlay(_) | FsKind::Other | FsKind::Network | FsKind::Fuse => Upper::Unknown,
            _ => Upper::Disk,
        },
        _ => Upper::Unknown,
    }
}

/// Where /proc is a procfs: the magic number in statfs(2).
const PROC: u32 = 0x9FA0;

/// ext4 leaves a default of its superblock out of mountinfo, but tells it in /proc/fs/ext4, also
/// where it serves a mount as ext3 or ext2. `None` where that is out of sight (subset=pid).
fn journals(mount: &Mount) -> Option<bool> {
    if let Some(mode) = mount.option("data") {
        return Some(mode == b"journal");
    }
    // The mount's source may be another name of the device (/dev/mapper, /dev/root).
    let device = std::fs::read_link(Path::new("/sys/dev/block").join(&mount.device)).ok()?;
    let all = Path::new("/proc/fs/ext4");
    match std::fs::read(all.join(device.file_name()?).join("options")) {
        Ok(options) => Some(
            options
                .split(|byte| *byte == b'\n')
                .any(|option| option == b"data=journal"),
        ),
        // ext4 serves every other mount in that list: this one is the old ext2's, which has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound && mount.fs_type == "ext2" => {
            let list = fs::statfs(all).ok()?;
            (magic_of(list.f_type) == i64::from(PROC)).then_some(false)
        }
        Err(_) => None,
    }
}

fn mount_of(file: &File) -> io::Result<Mount> {
    let stat = fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    let mount = record::mount(stat.stx_mnt_id)?;
    mount.ok_or_else(|| io::Error::other("the file's mount is not in /proc/self/mountinfo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_the_kernel_will_not_tell_are_not_taken_for_none() {
        let none = Some(IFlags::empty());
        assert_eq!(told(Err(Errno::NOTTY)), none, "a file system without flags");
        assert_eq!(told(Ok(IFlags::JOURNALING)), Some(IFlags::JOURNALING));
        assert_eq!(told(Err(Errno::PERM)), None, "a sandbox refuses");
        assert_eq!(either(None, Some(false)), None);
        assert_eq!(either(None, Some(true)), Some(true));
        assert_eq!(either(Some(false), Some(false)), Some(false));
    }
}
