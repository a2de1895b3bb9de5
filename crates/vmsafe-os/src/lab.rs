//! The lab's room: the system calls that *provoke* what moves memory to disk.
//!
//! Nothing here protects anything, so the library never sees this room: it exists behind the
//! feature `lab`, which only `vmsafe-lab` switches on. The rules that hold for every item:
//!
//! - it does one thing to the machine and says whether the kernel did it; policy (which order, what
//!   to restore, what to clean up) belongs to `vmsafe-lab`;
//! - a refusal is the kernel's own [`std::io::Error`], never a silent fallback;
//! - paths and addresses come from the caller; no mount point, device or limit is guessed.
//!
//! `linux` implements it. `absent` has the same names for every other system and refuses each with
//! [`std::io::ErrorKind::Unsupported`]; `--cfg vmsafe_absent` selects it on Linux too, so that the
//! twin is type-checked where the developers are.

use std::fs::File;

#[cfg(any(not(target_os = "linux"), vmsafe_absent))]
mod absent;
#[cfg(any(not(target_os = "linux"), vmsafe_absent))]
use absent as system;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
mod linux;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
use linux as system;

pub use system::{
    LoopDevice, Process, advise_pageout, change_mode, copy_memory, create_private,
    create_private_dir, data_ranges, drain_page_lists, exit_signal, extents, fork_child, is_own,
    is_root, kernel_release, kill, mount, mount_fuse, open_direct, open_plain, page_size, punch,
    raise_core_limit, read_at, read_memory, readable_by_all, serve_block_io, swap_off, swap_on,
    sync_filesystem, unmount, wait, write_at,
};

/// One piece of a file, as the file system says where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset in the file, bytes.
    pub logical: u64,
    /// Offset on the device, bytes; 0 and meaningless unless `located`.
    pub physical: u64,
    /// Length, bytes.
    pub len: u64,
    /// Whether the bytes stand on the device, at `physical`, as they are in the file: no delayed
    /// allocation, not packed into metadata, neither compressed nor encrypted.
    pub located: bool,
    /// Allocated but never written: reads as zeros, while the device holds whatever was there.
    pub unwritten: bool,
}

/// A file opened for scanning what a device really holds.
#[derive(Debug)]
pub enum Opened {
    /// O_DIRECT: each read comes from the device. Buffers, offsets and lengths must be multiples
    /// of the logical block size (4096 always serves).
    Direct(File),
    /// The file system has no direct I/O: a read may return what the page cache holds.
    Buffered(File),
}

/// How much of a piece of memory the kernel could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// All of it.
    Whole,
    /// The kernel faulted after this many bytes (EFAULT or a short count).
    Faulted {
        /// Bytes that were copied before the fault.
        after: usize,
    },
}

/// How insistently to unmount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmount {
    /// Refused with EBUSY while something uses it.
    Normal,
    /// For a FUSE mount: ends the connection, so that every waiting request fails.
    Abort,
    /// Leaves the tree at once; the rest follows when the last user is gone.
    Lazy,
}
