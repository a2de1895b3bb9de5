//! Dumps: MiniDumpWriteDump, with what Windows Error Reporting asks of it.

use std::fs::File;
use std::io;
use std::os::windows::io::AsRawHandle;
use std::ptr;

use windows_sys::Win32::System::Diagnostics::Debug::{
    MINIDUMP_TYPE, MiniDumpWithDataSegs, MiniDumpWithProcessThreadData,
    MiniDumpWithUnloadedModules, MiniDumpWriteDump,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::check;
use crate::lab::Core;

/// A program that ends writes it by [`write_core`], where it runs.
pub const CORE: Core = Core {
    kind: "minidump as error reports hold it: stacks, data segments and threads",
    name: Some("core.%p"),
    is_whole: false,
};

/// What LocalDumps takes unless told otherwise ("Collecting User-Mode Dumps", CustomDumpFlags).
const REPORTED: MINIDUMP_TYPE =
    MiniDumpWithDataSegs | MiniDumpWithUnloadedModules | MiniDumpWithProcessThreadData;

/// Windows has no limit on dumps.
///
/// # Errors
/// None.
pub fn raise_core_limit() -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Writes the dump of this process as it is now, below the directory where it runs.
///
/// # Errors
/// The file cannot be created; the dump is refused.
pub fn write_core() -> io::Result<()> {
    // Of a thread that writes the dump of its own process, the stack is not sure to be in it.
    let written = std::thread::spawn(write).join();
    written.unwrap_or_else(|_| Err(io::Error::other("the writer of the dump panicked")))
}

fn write() -> io::Result<()> {
    let pid = std::process::id();
    let name = CORE
        .name
        .unwrap_or_default()
        .replace("%p", &pid.to_string());
    let file = File::create_new(name)?;
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    let (to, none) = (file.as_raw_handle(), ptr::null());
    // SAFETY: it reads this process and writes to the open file; no exception, stream or callback
    // is given.
    check(unsafe { MiniDumpWriteDump(me, pid, to, REPORTED, none, ptr::null(), ptr::null()) })
}
