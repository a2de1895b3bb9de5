//! Threads apart, children, signals, privileges.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitStatus;
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Resource, Rlimit};

use super::check;
use crate::linux::record;

/// Whether the effective user is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The kernel's release, as `uname -r` prints it.
pub fn kernel_release() -> String {
    rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned()
}

/// Whether a process of this number lives, or waits to be collected.
pub fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// What `/proc/PID/status` tells of a process, line by line; `None` if there is none.
pub fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

/// Sends a signal, by its number, to one process.
///
/// # Errors
/// ESRCH: no such process; EPERM: somebody else's; `InvalidInput`: no such signal, or a `pid` of 0,
/// which would mean a whole group.
pub fn kill(pid: u32, signal: i32) -> io::Result<()> {
    let pid = raw_pid(pid)?.as_raw_nonzero().get();
    // SAFETY: kill(2) touches no memory of this process.
    check(i64::from(unsafe { libc::kill(pid, signal) })).map(drop)
}

/// The signal that ended a child, or `None` if it exited by itself.
pub fn exit_signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Raises the core limit of this process to its hard limit and returns that limit in bytes,
/// `u64::MAX` for none.
///
/// # Errors
/// The kernel's refusal of `setrlimit`.
pub fn raise_core_limit() -> io::Result<u64> {
    let maximum = rustix::process::getrlimit(Resource::Core).maximum;
    rustix::process::setrlimit(
        Resource::Core,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// Forks; the child runs `body` and ends with `_exit(0)`, or `_exit(101)` if it panicked: no
/// destructor of the parent's values runs twice.
///
/// In a process with several threads the child holds only this one, and a lock that another thread
/// held stays locked for ever: `body` should do little more than system calls.
///
/// # Errors
/// EAGAIN at a limit on processes, ENOMEM.
pub fn fork_child(body: impl FnOnce()) -> io::Result<u32> {
    // SAFETY: fork(2) copies the address space, so every value stays valid in both. glibc and musl
    // take the allocator's locks around it; a lock held by another thread can block the child for
    // ever but breaks no memory.
    let pid = check(i64::from(unsafe { libc::fork() }))?;
    if pid == 0 {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        // SAFETY: _exit(2) ends the process and returns nowhere.
        unsafe { libc::_exit(if outcome.is_ok() { 0 } else { 101 }) };
    }
    u32::try_from(pid).map_err(io::Error::other)
}

/// Waits for a child of this process and collects its status.
///
/// # Errors
/// ECHILD: it is no child of ours, or was collected already.
pub fn wait(pid: u32) -> io::Result<ExitStatus> {
    let pid = raw_pid(pid)?;
    loop {
        match rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(ExitStatus::from_raw(status.as_raw())),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Starts a thread whose table of open files is its own, with nothing in it but the three standard
/// streams; the threads that it starts share that table. So what it opens is closed when it ends,
/// whatever the other threads of the process wait for. `body` is told whether that could be had.
///
/// A file that another thread opened means nothing there: `body` must neither use nor drop one.
///
/// # Errors
/// EAGAIN: no thread can be started.
pub fn spawn_apart(
    name: &str,
    body: impl FnOnce(io::Result<()>) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || body(leave_files()))
}

/// Linux 5.9 or newer.
fn leave_files() -> io::Result<()> {
    // SAFETY: close_range(2): CLOSE_RANGE_UNSHARE gives this thread a table of its own before
    // anything is closed, so no descriptor that another thread owns is touched; the thread is new
    // and owns none.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST_OTHER,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_UNSHARE,
        )
    })
    .map(drop)
}

/// Lets this process end at once when a signal would have it dump core. A dump waits until every
/// thread has stopped, and those that have stopped keep their files open meanwhile.
///
/// # Errors
/// None is known.
pub fn dump_no_core() -> io::Result<()> {
    let behavior = rustix::process::DumpableBehavior::NotDumpable;
    Ok(rustix::process::set_dumpable_behavior(behavior)?)
}

pub(super) fn raw_pid(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the id of one process"))
}

/// The signal of a terminal that goes away, unless this process is to outlive its terminal, as
/// under `nohup`, or `/proc` does not tell; `None` also where the system has no such signal.
#[must_use]
pub fn hangup() -> Option<i32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    (!ignores(&status, libc::SIGHUP)?).then_some(libc::SIGHUP)
}

/// The signal that ends a process which writes beyond its limit on the size of files, unless it is
/// handled: then the write fails with `FileTooLarge` (setrlimit(2)). `None` where the system has no
/// such signal.
#[must_use]
pub fn oversize() -> Option<i32> {
    Some(libc::SIGXFSZ)
}

/// How many descriptors this process may have open (getrlimit(2), `RLIMIT_NOFILE`); `None` without
/// a limit, or where the system has none.
#[must_use]
pub fn descriptor_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Nofile).current
}

fn ignores(status: &str, signal: i32) -> Option<bool> {
    let mut lines = status.lines();
    let set = lines.find_map(|line| record::number(line.as_bytes(), "SigIgn:", 16))?;
    Some(set & (1 << (signal - 1)) != 0)
}

/// The first descriptor behind the standard streams.
const FIRST_OTHER: libc::c_uint = 3;

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_ignored_signal_is_told_from_one_that_is_not() {
        assert_eq!(
            ignores("SigIgn:\t0000000000001001\n", libc::SIGHUP),
            Some(true)
        );
        assert_eq!(
            ignores("SigIgn:\t0000000000001000\n", libc::SIGHUP),
            Some(false)
        );
        assert_eq!(ignores("SigCgt:\t0000000000000001\n", libc::SIGHUP), None);
    }

    #[test]
    fn a_thread_apart_shares_no_file_with_the_others() {
        let ours = fs::File::open("/dev/null").expect("opened");
        let number = ours.as_raw_fd();
        let names = move |table: &str| {
            let link = format!("/proc/{table}/fd/{number}");
            fs::read_link(link).is_ok_and(|target| target == Path::new("/dev/null"))
        };
        let (told, heard) = mpsc::channel();
        let thread = spawn_apart("apart", move |left| {
            left.expect("a table of its own");
            told.send(names("thread-self")).expect("heard");
        });
        assert_eq!(heard.recv(), Ok(false), "closed there");
        thread.expect("started").join().expect("no panic");
        assert!(names("thread-self"), "the control: still open here");
    }
}
