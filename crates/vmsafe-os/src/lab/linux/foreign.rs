//! What other systems are asked for by calls, and Linux shows in files or does by itself.

use std::io;

use crate::lab::{Core, Memory, Offer, Page, Setting, WorkingSet};

/// The kernel writes it; `kernel.core_pattern` names it.
pub const CORE: Core = Core {
    kind: "core of a SIGABRT, coredump_filter 0x1ff",
    name: None,
    is_whole: true,
};

/// `None`: what is shown depends on `/proc`, on devices and on the user.
pub fn offer() -> Option<Offer> {
    None
}

/// `None`: it is the file `/proc/PID/mem`, which needs no laboratory.
///
/// # Errors
/// None.
pub fn memory_of(_pid: u32) -> io::Result<Option<Box<dyn Memory>>> {
    Ok(None)
}

/// `None`: `/proc/PID/smaps` and `/proc/PID/pagemap` tell.
///
/// # Errors
/// None.
pub fn pages_of(_pid: u32) -> io::Result<Option<Vec<Page>>> {
    Ok(None)
}

/// Does nothing: `fsync` takes each store into a mapped file with it.
///
/// # Errors
/// None.
pub fn flush_views() -> io::Result<()> {
    Ok(())
}

/// False: [`advise_pageout`](super::advise_pageout) is the request, mapping by mapping.
///
/// # Errors
/// None.
pub fn trim_working_set() -> io::Result<bool> {
    Ok(false)
}

/// Does nothing: the kernel writes the core of a process that a signal ends.
///
/// # Errors
/// None.
pub fn write_core() -> io::Result<()> {
    Ok(())
}

/// Linux has no registry.
///
/// # Errors
/// Always `Unsupported`.
pub fn setting(_key: &str, _name: &str) -> io::Result<Option<Setting>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Linux has no registry.
///
/// # Errors
/// Always `Unsupported`.
pub fn has_key(_key: &str) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Linux limits what may be locked, and no working set.
///
/// # Errors
/// Always `Unsupported`.
pub fn working_set() -> io::Result<WorkingSet> {
    Err(io::ErrorKind::Unsupported.into())
}
