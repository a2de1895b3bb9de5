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
//! `linux` implements it. `windows` has the same names, and implements what means something there;
//! what Linux alone lets a program do is `refused` with [`std::io::ErrorKind::Unsupported`].
//! `absent` refuses all, for every other system; `--cfg vmsafe_absent` selects it on Linux too, so
//! that the twin is type-checked where the developers are.

use core::ops::Range;
use std::fs::File;
use std::io::{self, Read, Seek};

#[cfg(any(vmsafe_absent, not(any(target_os = "linux", windows))))]
mod absent;
#[cfg(any(vmsafe_absent, not(any(target_os = "linux", windows))))]
use absent as system;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
mod linux;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
use linux as system;
#[cfg(any(vmsafe_absent, not(target_os = "linux")))]
mod refused;
#[cfg(all(windows, not(vmsafe_absent)))]
mod windows;
#[cfg(all(windows, not(vmsafe_absent)))]
use windows as system;

pub use system::{
    CORE, LoopDevice, Process, advise_pageout, change_mode, copy_memory, create_private,
    create_private_dir, data_ranges, descriptor, descriptor_limit, drain_page_lists, dump_no_core,
    exit_signal, extents, file_system_of, flush_views, fork_child, give_back_freed, hangup,
    has_key, identity, input, is_alive, is_own, is_root, kernel_release, kill, length, lock_holder,
    memory_of, mount, mount_fuse, offer, open_direct, open_files, open_here, open_plain, oversize,
    page_size, pages_of, pseudo_filesystem, punch, raise_core_limit, read_at, read_memory,
    readable_by_all, serve_block_io, setting, spawn_apart, status, swap_off, swap_on,
    sync_filesystem, trim_working_set, unmount, wait, working_set, write_at, write_core,
};

/// Why something cannot be shown here, and what would show it.
pub type Lack = (&'static str, &'static str);

/// What a system shows of what leaves memory, where that does not depend on the machine's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// A swap area of its own, raw.
    pub swap: Lack,
    /// The count of pages that have left memory; `None`: it is shown.
    pub swap_count: Option<Lack>,
    /// A dump of a program that crashed; `None`: it is shown.
    pub core: Option<Lack>,
    /// Each block that is written.
    pub blocks: Lack,
    /// A child that has its parent's memory.
    pub child: Lack,
}

/// How a program dumps its memory when it crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    /// What such a dump is and holds, in words.
    pub kind: &'static str,
    /// Its name, with %p for the process; `None`: a setting of the machine says.
    pub name: Option<&'static str>,
    /// It holds all kinds of memory.
    pub is_whole: bool,
}

/// A mapped range of another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Its addresses.
    pub range: Range<u64>,
    /// What is mapped there.
    pub name: String,
    /// What may be done with it, in the letters of Linux: `rw-p`, `r-xs`.
    pub permissions: String,
}

/// The memory of another process, where the system shows it by calls and not as a file. An address
/// is an offset.
pub trait Memory: Read + Seek + Send {
    /// What can be read of it, by rising address.
    ///
    /// # Errors
    /// The process is gone.
    fn mapped(&self) -> io::Result<Vec<Mapped>>;
}

/// A page of a process that has been used, where the system tells by calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its address.
    pub address: u64,
    /// It is in memory, and the process needs no help of the system to read it.
    pub resident: bool,
    /// It cannot leave.
    pub locked: bool,
    /// A file takes it, and not the page file.
    pub of_file: bool,
}

/// How much a process may keep in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingSet {
    /// What it keeps, and so may lock; bytes.
    pub least: u64,
    /// Bytes above which the system takes pages.
    pub most: u64,
    /// The upper bound holds even while memory is free, so that the lower cannot be raised past it.
    pub is_capped: bool,
}

/// A value of the system's registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A number.
    Number(u64),
    /// One text, or one a line.
    Text(String),
}

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
