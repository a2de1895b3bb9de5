//! What Linux alone lets a laboratory do: the same names on other systems, each refuses.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::ExitStatus;
use std::thread::JoinHandle;

use crate::lab::{Copied, Extent, Unmount};

pub(super) fn refuse<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system lets the laboratory do nothing of the kind",
    ))
}

/// No device can exist.
#[derive(Debug)]
pub struct LoopDevice(Infallible);

impl LoopDevice {
    /// Refuses.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn attach(_backing: &File) -> io::Result<Self> {
        refuse()
    }

    /// Cannot be reached.
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    /// Cannot be reached.
    pub fn file(&self) -> &File {
        match self.0 {}
    }

    /// Cannot be reached.
    ///
    /// # Errors
    /// None.
    pub fn detach(self) -> io::Result<()> {
        match self.0 {}
    }
}

/// No handle can exist.
#[derive(Debug)]
pub struct Process(Infallible);

impl Process {
    /// Refuses.
    ///
    /// # Errors
    /// Always `Unsupported`.
    pub fn open(_pid: u32) -> io::Result<Self> {
        refuse()
    }

    /// Cannot be reached.
    ///
    /// # Errors
    /// None.
    pub fn advise_pageout(&self, _range: Range<usize>) -> io::Result<usize> {
        match self.0 {}
    }
}

/// Always false: nothing here needs or uses a privilege.
pub fn is_root() -> bool {
    false
}

/// None: the system has no such signal, or nobody here asks for it.
pub fn hangup() -> Option<i32> {
    None
}

/// None: as for [`hangup`].
pub fn oversize() -> Option<i32> {
    None
}

/// Does nothing: no library here is asked.
pub fn give_back_freed() {}

/// None: no system here is asked.
pub fn descriptor_limit() -> Option<u64> {
    None
}

/// Always `None`: Wine shows the files of the system below it, where another process has this
/// number.
pub fn status(_pid: u32) -> Option<String> {
    None
}

/// The system's name; no release is asked for.
pub fn kernel_release() -> String {
    std::env::consts::OS.to_owned()
}

/// Each refuses with `Unsupported`.
macro_rules! refusing {
    ($($name:ident($($kind:ty),*) -> $answer:ty;)*) => {$(
        /// Refuses.
        ///
        /// # Errors
        /// Always `Unsupported`.
        pub fn $name($(_: $kind),*) -> std::io::Result<$answer> {
            $crate::lab::refused::refuse()
        }
    )*};
}

#[cfg(any(vmsafe_absent, not(windows)))]
pub(super) use refusing;

refusing! {
    drain_page_lists() -> ();
    advise_pageout(Range<usize>) -> ();
    copy_memory(Range<usize>, &File) -> Copied;
    read_memory(Range<usize>) -> (Vec<u8>, Copied);
    fork_child(impl FnOnce()) -> u32;
    wait(u32) -> ExitStatus;
    spawn_apart(&str, impl FnOnce(io::Result<()>) + Send + 'static) -> JoinHandle<()>;
    dump_no_core() -> ();
    create_private(&Path) -> File;
    create_private_dir(&Path, u32) -> ();
    change_mode(&Path, u32) -> ();
    is_own(&Path) -> bool;
    readable_by_all(&File) -> bool;
    data_ranges(&File) -> Vec<Range<u64>>;
    pseudo_filesystem(&Path) -> Option<&'static str>;
    descriptor(u32) -> File;
    open_plain(&Path) -> File;
    lock_holder(&File) -> Option<u32>;
    read_at(&File, &mut [u8], u64) -> ();
    write_at(&File, &[u8], u64) -> ();
    punch(&File, u64, u64) -> ();
    extents(&File) -> Vec<Extent>;
    swap_on(&Path, u16) -> ();
    swap_off(&Path) -> ();
    mount(&Path, &Path, &str, &str) -> ();
    mount_fuse(&File, &Path) -> ();
    unmount(&Path, Unmount) -> ();
    sync_filesystem(&File) -> ();
    serve_block_io() -> ();
}
