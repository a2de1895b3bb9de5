//! The lab's room on a system where it is not built: same names, each refuses.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::process::ExitStatus;

pub use super::refused::*;

use super::refused::refusing;
use crate::lab::{Core, Lack, Memory, Offer, Opened, Page, Setting, WorkingSet};

/// What every door of the laboratory has here.
const LACK: Lack = (
    "the laboratory has no implementation for this system",
    "run it on Linux or Windows",
);

/// No dump can be provoked.
pub const CORE: Core = Core {
    kind: "none",
    name: Some("core.%p"),
    is_whole: false,
};

/// Nothing is shown.
pub fn offer() -> Option<Offer> {
    Some(Offer {
        swap: LACK,
        swap_count: Some(LACK),
        core: Some(LACK),
        blocks: LACK,
        child: LACK,
    })
}

/// Always `Ok(None)`: whoever looks must know a way of its own.
///
/// # Errors
/// None.
pub fn memory_of(_pid: u32) -> io::Result<Option<Box<dyn Memory>>> {
    Ok(None)
}

/// Always true: nothing of a process that may live is cleared away.
pub fn is_alive(_pid: u32) -> bool {
    true
}

/// Opens a file for reading. A link would be followed, and a pipe waited for.
///
/// # Errors
/// Those of opening.
pub fn open_here(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// The length that the file itself tells, if it is not 0.
pub fn length(file: &File) -> Option<u64> {
    let len = file.metadata().ok()?.len();
    (len > 0).then_some(len)
}

/// Always `None`: this system's statuses hold no signal that the lab could send.
pub fn exit_signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// The unit in which this room would read memory, bytes.
pub fn page_size() -> usize {
    4096
}

refusing! {
    identity(&Metadata) -> [u64; 6];
    file_system_of(&Metadata) -> u64;
    input() -> File;
    open_files(u32, &Path) -> Vec<File>;
    pages_of(u32) -> Option<Vec<Page>>;
    flush_views() -> ();
    trim_working_set() -> bool;
    write_core() -> ();
    setting(&str, &str) -> Option<Setting>;
    has_key(&str) -> bool;
    working_set() -> WorkingSet;
    kill(u32, i32) -> ();
    raise_core_limit() -> u64;
    open_direct(&Path) -> Opened;
}
