//! Swap areas, loop devices and mounts.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use linux_raw_sys::loop_device as raw;
use rustix::mount::{MountFlags, UnmountFlags};

use super::{c_path, check};
use crate::lab::Unmount;

/// Switches a swap area on with a priority of 0 to 32767 (the highest is used first).
///
/// # Errors
/// EINVAL: the header is no swap header, or this file system has no swap files. EPERM: not root.
pub fn swap_on(path: &Path, priority: u16) -> io::Result<()> {
    let path = c_path(path)?;
    let flags = SWAP_FLAG_PREFER | (i32::from(priority) & SWAP_FLAG_PRIO_MASK);
    // SAFETY: swapon(2) reads the NUL-terminated path and no other memory.
    check(i64::from(unsafe { libc::swapon(path.as_ptr(), flags) })).map(drop)
}

/// Switches a swap area off; what is in it comes back to memory first.
///
/// # Errors
/// ENOMEM: it does not fit. EINVAL: it is no active swap area.
pub fn swap_off(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: swapoff(2) reads the NUL-terminated path and no other memory.
    check(i64::from(unsafe { libc::swapoff(path.as_ptr()) })).map(drop)
}

/// A block device over a file. It detaches itself when its last user closes it; that includes
/// this value, a mount and an active swap area.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    device: File,
}

impl LoopDevice {
    /// Attaches a free loop device to `backing`, with autoclear and without direct I/O to it.
    ///
    /// # Errors
    /// `NotFound`: no `/dev/loop-control` (a container without devices). EPERM, EACCES: not root.
    pub fn attach(backing: &File) -> io::Result<Self> {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/loop-control")?;
        loop {
            // SAFETY: LOOP_CTL_GET_FREE (linux/loop.h) takes no argument.
            let number = check(i64::from(unsafe {
                libc::ioctl(
                    control.as_raw_fd(),
                    libc::c_ulong::from(raw::LOOP_CTL_GET_FREE),
                )
            }))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = OpenOptions::new().read(true).write(true).open(&path)?;
            match configure(&device, backing) {
                Ok(()) => return Ok(Self { path, device }),
                // Somebody else took the number between the two calls.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The device's path, for example `/dev/loop3`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open device.
    pub fn file(&self) -> &File {
        &self.device
    }

    /// Asks the kernel to detach it now, or as soon as nobody uses it.
    ///
    /// # Errors
    /// ENXIO: it was detached already.
    pub fn detach(self) -> io::Result<()> {
        // SAFETY: LOOP_CLR_FD (linux/loop.h) takes no argument.
        check(i64::from(unsafe {
            libc::ioctl(
                self.device.as_raw_fd(),
                libc::c_ulong::from(raw::LOOP_CLR_FD),
            )
        }))
        .map(drop)
    }
}

fn configure(device: &File, backing: &File) -> io::Result<()> {
    let fd = u32::try_from(backing.as_raw_fd()).map_err(io::Error::other)?;
    let config = raw::loop_config {
        fd,
        block_size: 0,
        info: raw::loop_info64 {
            lo_device: 0,
            lo_inode: 0,
            lo_rdevice: 0,
            lo_offset: 0,
            lo_sizelimit: 0,
            lo_number: 0,
            lo_encrypt_type: 0,
            lo_encrypt_key_size: 0,
            lo_flags: LO_FLAGS_AUTOCLEAR,
            lo_file_name: [0; 64],
            lo_crypt_name: [0; 64],
            lo_encrypt_key: [0; 32],
            lo_init: [0; 2],
        },
        __reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which lives until the call returns.
    check(i64::from(unsafe {
        libc::ioctl(
            device.as_raw_fd(),
            libc::c_ulong::from(raw::LOOP_CONFIGURE),
            &raw const config,
        )
    }))
    .map(drop)
}

/// Mounts a block device, without set-user-id programs and device nodes. `data` is the file
/// system's own option string; an empty one gives its defaults.
///
/// # Errors
/// ENODEV: the kernel does not know the file system. EINVAL: a bad option or superblock.
pub fn mount(source: &Path, target: &Path, kind: &str, data: &str) -> io::Result<()> {
    let data = std::ffi::CString::new(data)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount(
        source,
        target,
        kind,
        flags,
        Some(data.as_c_str()),
    )?)
}

/// Mounts a FUSE file system whose root is one regular file, served through `connection` (an open
/// `/dev/fuse`), over the existing file `target`. Only root and this process may use it.
///
/// # Errors
/// ENODEV: the kernel has no FUSE. EPERM: not root.
pub fn mount_fuse(connection: &File, target: &Path) -> io::Result<()> {
    let data = format!(
        "fd={},rootmode=100600,user_id=0,group_id=0",
        connection.as_raw_fd()
    );
    mount(Path::new("vmsafe-watched"), target, "fuse", &data)
}

/// Unmounts what is mounted at `target`; a symbolic link there is not followed.
///
/// # Errors
/// EBUSY: still used. EINVAL: nothing is mounted there.
pub fn unmount(target: &Path, how: Unmount) -> io::Result<()> {
    let how = match how {
        Unmount::Normal => UnmountFlags::empty(),
        Unmount::Abort => UnmountFlags::FORCE,
        Unmount::Lazy => UnmountFlags::DETACH,
    };
    Ok(rustix::mount::unmount(
        target,
        how | UnmountFlags::NOFOLLOW,
    )?)
}

/// Writes everything of the file system that holds `file` to its device.
///
/// # Errors
/// EIO and ENOSPC of the write-back.
pub fn sync_filesystem(file: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

/// Marks the calling thread as one that serves a block device: its allocations never wait for
/// write-back, and it is not held back for dirtying pages. Otherwise it could wait for itself.
///
/// # Errors
/// EPERM without CAP_SYS_RESOURCE.
pub fn serve_block_io() -> io::Result<()> {
    Ok(rustix::process::configure_io_flusher_behavior(true)?)
}

/// `linux/swap.h`; the libc crate lacks them.
const SWAP_FLAG_PREFER: i32 = 0x8000;
const SWAP_FLAG_PRIO_MASK: i32 = 0x7fff;
/// `linux/loop.h`.
const LO_FLAGS_AUTOCLEAR: u32 = 4;
