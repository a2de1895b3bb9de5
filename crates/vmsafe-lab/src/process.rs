//! Children that fork, linger and die; and memory that may fault.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::process::ExitStatus;

use vmsafe_os::lab as os;

use crate::error::{Result, While};
use crate::owner;

pub use os::{Copied, Memory};

/// A forked child. Dropping it kills and collects it.
#[derive(Debug)]
pub struct Lingering {
    pid: Option<u32>,
    id: u32,
}

impl Lingering {
    /// The child's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// Somebody else collected it.
    pub fn wait(mut self) -> Result<ExitStatus> {
        self.pid = None;
        os::wait(self.id).doing("wait for process", self.id)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.take() {
            // It is our child and not yet collected, so the id is still its own.
            let _ = os::kill(pid, SIGKILL);
            let _ = os::wait(pid);
        }
    }
}

/// Forks this process. The child shares all its memory copy-on-write, runs `body`, and ends with
/// `_exit`: status 0, or 101 if it panicked. To linger, let `body` block, for example on a pipe.
///
/// The child holds only the calling thread. A lock that another thread held at that moment stays
/// locked in it, so `body` should do little more than system calls. It also inherits every open
/// file, the laboratory's own devices included: fork from a subject's process, not from the
/// laboratory's.
///
/// # Errors
/// A limit on processes or memory.
pub fn fork_lingering(body: impl FnOnce()) -> Result<Lingering> {
    let id = os::fork_child(body).doing("fork", "this process")?;
    Ok(Lingering { pid: Some(id), id })
}

/// Sends a signal by its number.
///
/// # Errors
/// No such process or signal, or somebody else's process.
pub fn kill(pid: u32, signal: i32) -> Result<()> {
    os::kill(pid, signal).doing("signal process", pid)
}

/// The signal by which a child ended, or `None` if it exited by itself.
#[must_use]
pub fn ended_by(status: ExitStatus) -> Option<i32> {
    os::exit_signal(status)
}

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    os::is_root()
}

/// Copies memory at an address into a vector, up to the first byte that cannot be read. A fault is
/// an answer, not a crash: the kernel does the reading. The copy is ordinary memory.
///
/// # Errors
/// No pipe could be made.
pub fn readable_copy(range: Range<usize>) -> Result<(Vec<u8>, Copied)> {
    os::read_memory(range).doing("copy", "memory through a pipe")
}

/// Like [`readable_copy`], but writes to an open file or pipe and keeps no copy here.
///
/// # Errors
/// Those of the file.
pub fn readable_copy_to(range: Range<usize>, to: &File) -> Result<Copied> {
    os::copy_memory(range, to).doing("copy", "memory to a file")
}

/// Ends a process at once, with no clean-up of its own.
pub const SIGKILL: i32 = 9;
/// Ends a process with a core dump, where those are allowed.
pub const SIGABRT: i32 = 6;

/// The signal of a terminal that goes away, unless this process is to outlive its terminal, as
/// under `nohup`; `None` also where the system has no such signal.
#[must_use]
pub fn hangup() -> Option<i32> {
    os::hangup()
}

/// The signal that ends a process which writes beyond its limit on the size of files, unless it is
/// handled: then the write fails. `None` where the system has no such signal.
#[must_use]
pub fn oversize() -> Option<i32> {
    os::oversize()
}

/// Gives memory that was freed back to the system, where the C library keeps it for itself.
pub fn give_back_freed() {
    os::give_back_freed();
}

/// How many descriptors this process may have open; `None` without a limit, and where the system
/// is not asked.
#[must_use]
pub fn descriptor_limit() -> Option<u64> {
    os::descriptor_limit()
}

/// Ends this process by SIGABRT, as a failed assertion in C does. The calling thread stops here, so
/// what it holds is in the core as it is now; after a [`kill`] of oneself it may run on meanwhile.
pub fn abort_with_core() -> ! {
    // Without a core nothing is shown, which whoever looks for it tells.
    let _ = os::write_core();
    std::process::abort()
}

/// Whether a process of this number lives: it has neither ended nor been killed.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    os::is_alive(pid) && !owner::runs_no_more(pid)
}

/// The files below `dir` that a process holds open, named or not, shared or not.
///
/// # Errors
/// Somebody else's process; none of that number.
pub fn open_files(pid: u32, dir: &Path) -> Result<Vec<File>> {
    os::open_files(pid, dir).doing("list the files of process", pid)
}

/// The memory of a process, where the system shows it by calls; `None` where it is a file, which
/// needs no laboratory.
///
/// # Errors
/// Somebody else's process; none of that number.
pub fn memory_of(pid: u32) -> Result<Option<Box<dyn Memory>>> {
    os::memory_of(pid).doing("read process", pid)
}

/// What this process holds open under a number, whoever could open it again. The cursor is shared.
///
/// # Errors
/// Nothing has that number; the system has no such numbers.
pub fn descriptor(number: u32) -> Result<File> {
    os::descriptor(number).doing("open", format_args!("file descriptor {number}"))
}

/// Standard input without the standard library's buffer, which nobody wipes.
///
/// # Errors
/// This process has none.
pub fn input() -> Result<File> {
    os::input().doing("open", "standard input")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_an_answer() {
        let page = os::page_size();
        let bytes = vec![7_u8; 3 * page];
        let start = bytes.as_ptr().addr();
        let _ = bytes.as_ptr().expose_provenance();
        let (copy, how) = readable_copy(start..start + bytes.len()).expect("a pipe");
        assert_eq!((copy == bytes, how), (true, Copied::Whole));
        let (copy, how) = readable_copy(page..2 * page).expect("a pipe");
        assert_eq!((copy.len(), how), (0, Copied::Faulted { after: 0 }));
    }

    #[test]
    fn a_dropped_child_is_dead_and_collected() {
        let child = fork_lingering(|| {
            loop {
                std::thread::park();
            }
        })
        .expect("forked");
        let pid = child.id();
        drop(child);
        assert!(kill(pid, 0).is_err(), "collected");
    }

    #[test]
    fn the_signal_that_ended_a_child_and_its_own_exit() {
        let aborting = fork_lingering(|| abort_with_core()).expect("forked");
        assert_eq!(ended_by(aborting.wait().expect("collected")), Some(SIGABRT));
        let leaving = fork_lingering(|| ()).expect("forked");
        let status = leaving.wait().expect("collected");
        assert_eq!((ended_by(status), status.success()), (None, true));
    }
}
