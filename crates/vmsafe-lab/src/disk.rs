//! Scratch file systems: a whole disk to write to, to scan raw, and to throw away.
//!
//! **Promise.** A [`Scratch`] is a fresh file system of the kind asked for, on a block device of
//! its own, mounted where any user may write; after [`Scratch::flush`], what is on the device can
//! be read raw at [`Scratch::raw_path`].
//!
//! **Mechanism.** A sparse image file, `mkfs`, a loop device, `mount(2)`; for
//! [`Scratch::create_watched`] a [watched](crate::Watch) file between image and loop device.
//!
//! **Needs.** Root, the `mkfs` program of the file system, `/dev/loop-control`.
//!
//! **What it does not do.** It does not overwrite the image before removing it: nothing belongs on
//! it but canaries.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use vmsafe_os::lab::{self as os, LoopDevice, Unmount};

use crate::error::{Error, Result, While};
use crate::mkfs::{self, FsKind};
use crate::owner;
use crate::tables::mounts;
use crate::watched::{Callback, Server, Watch};

/// A mounted scratch file system, unmounted and removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    kind: FsKind,
    dir: PathBuf,
    mounted: bool,
    device: Option<LoopDevice>,
    server: Option<Server>,
}

impl Scratch {
    /// Makes a file system of the kind's usual size and options, with its image in `dir`. First
    /// removes those of killed runs in `dir`.
    ///
    /// # Errors
    /// Not root; the `mkfs` program is missing (the error names its package); no loop device; the
    /// kernel does not know the file system.
    pub fn create(kind: FsKind, dir: impl AsRef<Path>) -> Result<Self> {
        ScratchOptions::new(kind).create(dir)
    }

    /// The same, with `callback` seeing every block that is written from the mount on.
    ///
    /// # Errors
    /// As [`Scratch::create`]; the kernel has no FUSE.
    pub fn create_watched(
        kind: FsKind,
        dir: impl AsRef<Path>,
        callback: impl Fn(u64, &[u8]) + Send + Sync + 'static,
    ) -> Result<Self> {
        ScratchOptions::new(kind).create_watched(dir, callback)
    }

    /// The directory where the file system is mounted; any user may create files in it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(MOUNT_POINT)
    }

    /// The block device, to be scanned with [`crate::open_direct`] after [`Scratch::flush`].
    #[must_use]
    pub fn raw_path(&self) -> &Path {
        self.device.as_ref().map_or(Path::new(""), LoopDevice::path)
    }

    /// The image file below the device.
    #[must_use]
    pub fn image_path(&self) -> PathBuf {
        self.dir.join(IMAGE)
    }

    /// Which file system it is.
    #[must_use]
    pub fn kind(&self) -> FsKind {
        self.kind
    }

    /// The watcher's end, on a watched disk.
    #[must_use]
    pub fn watch(&self) -> Option<&Watch> {
        self.server.as_ref().map(Server::watch)
    }

    /// Writes everything of the file system to its device.
    ///
    /// # Errors
    /// The write-back failed.
    pub fn flush(&self) -> Result<()> {
        let path = self.path();
        let root = File::open(&path).doing("open", path.display())?;
        os::sync_filesystem(&root).doing("sync", path.display())
    }

    /// Unmounts and removes it, and says so if that failed. A plain drop does the same in silence,
    /// and detaches what is still used.
    ///
    /// # Errors
    /// A process still uses it; it is detached all the same.
    pub fn close(mut self) -> Result<()> {
        self.take_down()
    }

    /// In this order: the file system, the loop device, then the server below it, which is alive as
    /// long as anything could write to it.
    fn take_down(&mut self) -> Result<()> {
        let point = self.path();
        let mut outcome = Ok(());
        if std::mem::take(&mut self.mounted) {
            outcome = unmount_patiently(&point).doing("unmount", point.display());
            if outcome.is_err() {
                let _ = os::unmount(&point, Unmount::Lazy);
            }
        }
        if let Some(device) = self.device.take() {
            let detached = device.detach().doing("detach", self.dir.display());
            outcome = outcome.and(detached);
        }
        drop(self.server.take());
        remove_files(&self.dir);
        outcome
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whatever could not be removed goes at the next creation.
        let _ = self.take_down();
    }
}

/// A scratch file system yet to be made.
#[derive(Clone, Debug)]
#[must_use]
pub struct ScratchOptions {
    kind: FsKind,
    bytes: u64,
    mkfs: Vec<OsString>,
    mount: Vec<String>,
}

impl ScratchOptions {
    /// The kind's usual size and options.
    pub fn new(kind: FsKind) -> Self {
        let (bytes, mount) = (kind.usual_bytes(), kind.mount_options().map(str::to_owned));
        Self {
            kind,
            bytes,
            mkfs: Vec::new(),
            mount: mount.into_iter().collect(),
        }
    }

    /// Another size of the disk, bytes. xfs needs 300 MiB, btrfs about 110.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// One more argument of the `mkfs` program, for example `-b1024`.
    pub fn mkfs_arg(mut self, arg: impl Into<OsString>) -> Self {
        self.mkfs.push(arg.into());
        self
    }

    /// One more option of the file system's own, for example `nodelalloc` or `compress=zstd`.
    pub fn mount_option(mut self, option: impl Into<String>) -> Self {
        self.mount.push(option.into());
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// As [`Scratch::create`].
    pub fn create(self, dir: impl AsRef<Path>) -> Result<Scratch> {
        self.build(dir.as_ref(), None)
    }

    /// Makes it, watched.
    ///
    /// # Errors
    /// As [`Scratch::create_watched`].
    pub fn create_watched(
        self,
        dir: impl AsRef<Path>,
        callback: impl Fn(u64, &[u8]) + Send + Sync + 'static,
    ) -> Result<Scratch> {
        self.build(dir.as_ref(), Some(Box::new(callback)))
    }

    fn build(self, parent: &Path, callback: Option<Callback>) -> Result<Scratch> {
        if !os::is_root() {
            return Err(Error::needs_root(
                "make a scratch disk in",
                parent.display(),
            ));
        }
        remove_orphans(parent)?;
        let parent = fs::canonicalize(parent).doing("find", parent.display())?;
        let dir = parent.join(owner::new_name(KIND));
        // Others may pass through to the mount, but not look at the image.
        os::create_private_dir(&dir, 0o711).doing("create", dir.display())?;
        let kind = self.kind;
        let mut scratch = Scratch {
            kind,
            dir,
            mounted: false,
            device: None,
            server: None,
        };
        self.attach(&mut scratch, callback)?;
        self.mount(&mut scratch)?;
        Ok(scratch)
    }

    fn attach(&self, scratch: &mut Scratch, callback: Option<Callback>) -> Result<()> {
        let path = scratch.image_path();
        let image = os::create_private(&path).doing("create", path.display())?;
        image.set_len(self.bytes).doing("size", path.display())?;
        mkfs::run(self.kind, &self.mkfs, &path)?;
        let backing = match callback {
            None => image,
            Some(callback) => {
                let at = scratch.dir.join(WATCHED);
                os::create_private(&at).doing("create", at.display())?;
                scratch.server = Some(Server::start(&path, &at, callback)?);
                let served = os::open_plain(&at).doing("open", at.display())?;
                // Older kernels (6.1) take the size that the inode has now, and it has none until
                // somebody asks the server.
                served.metadata().doing("measure", at.display())?;
                served
            }
        };
        let device = LoopDevice::attach(&backing).map_err(|error| {
            Error::new("attach a loop device to", path.display(), error)
                .advise("load the module: modprobe loop")
        })?;
        scratch.device = Some(device);
        Ok(())
    }

    fn mount(&self, scratch: &mut Scratch) -> Result<()> {
        let point = scratch.path();
        os::create_private_dir(&point, 0o700).doing("create", point.display())?;
        let options = self.mount.join(",");
        os::mount(
            scratch.raw_path(),
            &point,
            self.kind.kernel_name(),
            &options,
        )
        .doing("mount", point.display())?;
        scratch.mounted = true;
        os::change_mode(&point, 0o1777).doing("open to all", point.display())
    }
}

/// A program that another thread is just starting holds every open file of ours, those on this disk
/// too, until it reaches its `exec`. That lasts for less than a millisecond; a real user stays.
fn unmount_patiently(point: &Path) -> io::Result<()> {
    for _ in 0..40 {
        match os::unmount(point, Unmount::Normal) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(5));
            }
            outcome => return outcome,
        }
    }
    os::unmount(point, Unmount::Normal)
}

/// Ends the connections of watched disks that killed runs left: whoever waits for one then fails,
/// and a killed owner among them can end.
pub(crate) fn end_dead_servers() {
    // Without a table nothing can be ended, and the wait shows.
    let mounts = mounts().unwrap_or_default();
    for dir in mounts.iter().filter_map(|mount| orphan_above(&mount.point)) {
        let _ = os::unmount(&dir.join(WATCHED), Unmount::Abort);
    }
}

/// Takes down what killed runs left in `parent`, and what they left mounted anywhere: a dead FUSE
/// mount makes programs such as mkfs.btrfs, which look at every loop device, fail elsewhere too.
pub(crate) fn remove_orphans(parent: &Path) -> Result<()> {
    let parent = fs::canonicalize(parent).doing("find", parent.display())?;
    let mut dirs = owner::orphans(&parent, KIND);
    dirs.extend(
        mounts()?
            .iter()
            .filter_map(|mount| orphan_above(&mount.point)),
    );
    dirs.sort();
    dirs.dedup();
    for dir in dirs {
        // Should anything still hold its FUSE connection open, the file system above would wait for
        // an answer for ever: end that first.
        let _ = os::unmount(&dir.join(WATCHED), Unmount::Abort);
        let inside = mounts()?.into_iter().map(|mount| mount.point);
        for point in inside
            .filter(|point| point.starts_with(&dir))
            .collect::<Vec<_>>()
            .iter()
            .rev()
        {
            if os::unmount(point, Unmount::Normal).is_err() {
                let _ = os::unmount(point, Unmount::Lazy);
            }
        }
        remove_files(&dir);
    }
    Ok(())
}

/// The directory of a killed run that a mount point lies in.
fn orphan_above(point: &Path) -> Option<PathBuf> {
    let named = |dir: &&Path| {
        let name = dir.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| owner::is_orphan(name, KIND))
    };
    let dir = point.ancestors().find(named)?;
    os::is_own(dir).unwrap_or(false).then(|| dir.to_path_buf())
}

/// By name, never by walking the tree: what is still mounted there must not be emptied.
fn remove_files(dir: &Path) {
    let _ = fs::remove_dir(dir.join(MOUNT_POINT));
    let _ = fs::remove_file(dir.join(WATCHED));
    let _ = fs::remove_file(dir.join(IMAGE));
    let _ = fs::remove_dir(dir);
}

const KIND: &str = "scratch";
const IMAGE: &str = "disk.img";
const WATCHED: &str = "watched";
const MOUNT_POINT: &str = "mnt";
