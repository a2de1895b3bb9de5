//! Processes: whether they live, their ends.

use std::io;
use std::os::windows::io::AsRawHandle;
use std::process::ExitStatus;

use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, WAIT_OBJECT_0};
use windows_sys::Win32::System::Threading::{
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, TerminateProcess, WaitForSingleObject,
};

use super::{check, open_process};

/// The numbers that the laboratory knows, as on Linux.
const ABORT: i32 = 6;
const KILL: i32 = 9;
/// What a process that is killed ends with, by [`kill`] and by the standard library.
const KILLED: u32 = 1;
/// STATUS_STACK_BUFFER_OVERRUN, with which `abort` ends a process (`__fastfail`); and what the C
/// library's ends with.
const ABORTED: [u32; 2] = [0xC000_0409, 3];

/// Whether a process of this number lives.
pub fn is_alive(pid: u32) -> bool {
    match open_process(pid, PROCESS_SYNCHRONIZE) {
        // SAFETY: it asks about a handle of ours, and does not wait.
        Ok(process) => unsafe { WaitForSingleObject(process.as_raw_handle(), 0) != WAIT_OBJECT_0 },
        // No process has that number. Somebody else's lives as well.
        Err(error) => error.raw_os_error() != i32::try_from(ERROR_INVALID_PARAMETER).ok(),
    }
}

/// Ends a process at once.
///
/// # Errors
/// `Unsupported` for any other signal; somebody else's process; none of that number.
pub fn kill(pid: u32, signal: i32) -> io::Result<()> {
    if signal != KILL {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let process = open_process(pid, PROCESS_TERMINATE)?;
    // SAFETY: it ends another process and touches no memory of this one.
    check(unsafe { TerminateProcess(process.as_raw_handle(), KILLED) })
}

/// The signal that would have ended a child so on Linux: Windows gives the manner of an end as its
/// exit code.
pub fn exit_signal(status: ExitStatus) -> Option<i32> {
    match u32::from_ne_bytes(status.code()?.to_ne_bytes()) {
        KILLED => Some(KILL),
        code if ABORTED.contains(&code) => Some(ABORT),
        _ => None,
    }
}
