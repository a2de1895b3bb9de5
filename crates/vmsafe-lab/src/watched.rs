//! A disk whose every write is shown to a callback while it happens.
//!
//! ```text
//!   a file system of the scratch disk
//!     └─ /dev/loopN            (its own direct I/O is off: it sends what it is given)
//!          └─ DIR/watched      (FUSE, one file, FOPEN_DIRECT_IO: no cache between)
//!               └─ our threads ──► callback(offset on the disk, bytes) ──► DIR/disk.img
//! ```
//!
//! A scan at the end sees only what was left there; a block that was overwritten or discarded
//! meanwhile is gone. Here nothing is.
//!
//! **Why it does not deadlock.** The threads that serve allocate nothing per request; their buffers
//! are touched beforehand. Where the user has CAP_SYS_RESOURCE they are marked as block I/O
//! (PR_SET_IO_FLUSHER): what the kernel allocates for them never waits for write-back, and they are
//! not held back for dirty pages; [`Watch::survives_memory_pressure`] tells.
//!
//! **Why a kill ends it.** The kernel ends the connection, and every waiting request fails, when
//! the last descriptor of `/dev/fuse` is closed. A thread that waits for the disk while the process
//! is killed cannot end before that, and would keep the process's files open. So the threads that
//! serve have a table of open files of their own ([`os::spawn_apart`]); the connection stands in no
//! other, and no thread with that table ever waits for the disk. A core dump would stop them with
//! their files open until the one that waits has stopped too: such a process dumps none.
//!
//! **Rules for the user.** Do not put this process into a squeezed [`Cgroup`](crate::Cgroup), and
//! do not map files of the watched disk in it: a page fault that waits for the disk holds the very
//! lock that a serving thread may need. Subjects are processes of their own.
//!
//! **What it does not do.** A flush of the device ends in the page cache of the image file: the
//! disk survives a kill of any process, not a loss of power.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::{self, JoinHandle};

use vmsafe_os::lab::{self as os, Unmount};

use crate::error::{Error, OUTSIDE, Result, While};
use crate::fuse::{Call, MAX_REQUEST, Reply, Request};

/// Sees each write request: its offset on the disk in bytes, and what it writes there. It runs
/// before the bytes reach the image, possibly on two threads at once. It must use neither the disk
/// nor any file: in the threads that serve, no file of another thread is open.
pub type Callback = Box<dyn Fn(u64, &[u8]) + Send + Sync>;

/// The watcher's end of a watched disk.
#[derive(Clone)]
pub struct Watch(Arc<Shared>);

impl Watch {
    /// Puts another callback in place. When this returns, the old one runs no more. Not to be
    /// called from a callback.
    pub fn set_callback(&self, callback: impl Fn(u64, &[u8]) + Send + Sync + 'static) {
        let mut place = self
            .0
            .callback
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Box::new(callback);
    }

    /// Bytes written to the disk so far, all of which a callback has seen or is seeing.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Acquire)
    }

    /// Write requests so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Acquire)
    }

    /// Whether the serving threads are marked as block I/O. Without the capability SYS_RESOURCE
    /// they cannot be: the disk works, but could stop for good if the machine runs out of memory.
    #[must_use]
    pub fn survives_memory_pressure(&self) -> bool {
        !self.0.unmarked.load(Ordering::Acquire)
    }

    /// How often the callback panicked. Such a write went through unseen: a search with any is
    /// inconclusive.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("writes", &self.writes())
            .field("bytes", &self.bytes())
            .finish()
    }
}

struct Shared {
    size: u64,
    callback: RwLock<Callback>,
    bytes: AtomicU64,
    writes: AtomicU64,
    panics: AtomicU64,
    unmarked: AtomicBool,
}

/// What stands in the serving threads' own table of open files, and must be dropped there.
struct Files {
    connection: File,
    image: File,
}

/// The serving side: a FUSE mount over one file, and its threads. Dropping it ends both.
#[derive(Debug)]
pub(crate) struct Server {
    watch: Watch,
    mounted_at: PathBuf,
    keeper: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `image` as the file `at`; both must exist.
    pub(crate) fn start(image: &Path, at: &Path, callback: Callback) -> Result<Self> {
        os::dump_no_core().doing("forbid", "core dumps of this process")?;
        let size = image.metadata().doing("measure", image.display())?.len();
        let shared = Arc::new(Shared {
            size,
            callback: RwLock::new(callback),
            bytes: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            unmarked: AtomicBool::new(false),
        });
        let mut server = Self {
            watch: Watch(Arc::clone(&shared)),
            mounted_at: at.to_owned(),
            keeper: None,
        };
        let (image, at) = (image.to_owned(), at.to_owned());
        let (told, heard) = mpsc::channel();
        let keeper = os::spawn_apart(THREAD, move |apart| {
            let begun = apart
                .doing("separate", "the open files of a thread")
                .and_then(|()| Files::open(&image, &at));
            match begun {
                Ok(files) => keep(&shared, &files, &told),
                // Nobody waits for it only if this thread's owner is gone.
                Err(error) => drop(told.send(Err(error))),
            }
        });
        server.keeper = Some(keeper.doing("start", THREAD_NAME)?);
        let ended = |_| Err(Error::refused("start", THREAD_NAME, "it ended"));
        heard.recv().unwrap_or_else(ended)?;
        Ok(server)
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if os::unmount(&self.mounted_at, Unmount::Normal).is_err() {
            // Somebody still holds the file. Ending the connection frees our threads in any case.
            let _ = os::unmount(&self.mounted_at, Unmount::Abort);
            let _ = os::unmount(&self.mounted_at, Unmount::Lazy);
        }
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

impl Files {
    /// Opens the connection and mounts it. In the table of the thread that calls, and in no other.
    fn open(image: &Path, at: &Path) -> Result<Self> {
        let connection = os::open_plain(Path::new(FUSE)).map_err(unopened)?;
        let image = os::open_plain(image).doing("open", image.display())?;
        os::mount_fuse(&connection, at).map_err(|error| unmounted(at, error))?;
        Ok(Self { connection, image })
    }
}

/// Serves until the connection ends, with as many threads as are wanted.
fn keep(shared: &Shared, files: &Files, told: &mpsc::Sender<Result<()>>) {
    thread::scope(|scope| {
        for _ in 1..THREADS {
            let thread = thread::Builder::new().name(THREAD.to_owned());
            let spawned = thread.spawn_scoped(scope, || serve(shared, files));
            if let Err(error) = spawned {
                // Who hears this unmounts, which ends those that were started.
                let _ = told.send(Err(Error::new("start", THREAD_NAME, error)));
                return;
            }
        }
        let _ = told.send(Ok(()));
        serve(shared, files);
    });
}

/// One thread: reads requests until the connection ends.
fn serve(shared: &Shared, files: &Files) {
    if os::serve_block_io().is_err() {
        shared.unmarked.store(true, Ordering::Release);
    }
    let mut buffer = vec![0xff; MAX_REQUEST];
    let mut reply = Reply::new();
    loop {
        let read = match (&files.connection).read(&mut buffer) {
            Ok(read) => read,
            // A request was taken back before it was read, or a signal came.
            Err(error) if is_transient(&error) => continue,
            // ENODEV: unmounted.
            Err(_) => return,
        };
        let Some(request) = buffer.get(..read).and_then(Request::parse) else {
            continue;
        };
        if answer(shared, &files.image, &request.call, &mut reply) {
            // ENOENT: whoever asked was interrupted and waits no more.
            let _ = (&files.connection).write(reply.message(request.unique));
        }
    }
}

/// What to do where it cannot be mounted.
fn unmounted(at: &Path, error: io::Error) -> Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::new("mount a watched disk at", at.display(), error);
    if denied { error.advise(OUTSIDE) } else { error }
}

/// What to do where `/dev/fuse` cannot be opened.
fn unopened(error: io::Error) -> Error {
    let advice = match error.raw_os_error() {
        Some(ENOENT | ENXIO | ENODEV) => "load the module: modprobe fuse",
        Some(EPERM | EACCES) => OUTSIDE,
        _ => return Error::new("open", FUSE, error),
    };
    Error::new("open", FUSE, error).advise(advice)
}

fn is_transient(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::Interrupted
        || kind == io::ErrorKind::NotFound
        || kind == io::ErrorKind::WouldBlock
}

/// Does what the kernel asks and makes the reply; false if it wants none.
fn answer(shared: &Shared, image: &File, call: &Call<'_>, reply: &mut Reply) -> bool {
    match *call {
        Call::Init { flags } => reply.init(flags),
        Call::Attributes => reply.attributes(shared.size),
        Call::Open => reply.opened(),
        Call::StatFs => reply.stat_fs(),
        Call::Nothing => reply.done(),
        Call::Unknown => reply.failed(ENOSYS),
        Call::Silent => return false,
        Call::Read { offset, size } => read(shared.size, image, offset, size, reply),
        Call::Write { offset, data } => match write(shared, image, offset, data) {
            Ok(()) => reply.written(data.len()),
            Err(error) => reply.failed(error.raw_os_error().unwrap_or(EIO)),
        },
        Call::Punch { offset, len } => match os::punch(image, offset, len) {
            Ok(()) => reply.done(),
            Err(error) => reply.failed(error.raw_os_error().unwrap_or(EIO)),
        },
    }
    true
}

fn read(whole: u64, image: &File, offset: u64, size: usize, reply: &mut Reply) {
    let left = usize::try_from(whole.saturating_sub(offset)).unwrap_or(usize::MAX);
    let Some(room) = reply.data(size.min(left)) else {
        return reply.failed(EIO);
    };
    if let Err(error) = os::read_at(image, room, offset) {
        reply.failed(error.raw_os_error().unwrap_or(EIO));
    }
}

fn write(shared: &Shared, image: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    shared.writes.fetch_add(1, Ordering::AcqRel);
    shared.bytes.fetch_add(data.len() as u64, Ordering::AcqRel);
    let seen = {
        let callback = shared
            .callback
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        catch_unwind(AssertUnwindSafe(|| callback(offset, data)))
    };
    if seen.is_err() {
        shared.panics.fetch_add(1, Ordering::AcqRel);
    }
    os::write_at(image, data, offset)
}

/// One may wait in a slow callback while the other serves reads.
const THREADS: usize = 2;
const THREAD: &str = "vmsafe-watched";
const THREAD_NAME: &str = "a thread for a watched disk";
const FUSE: &str = "/dev/fuse";
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EIO: i32 = 5;
const ENXIO: i32 = 6;
const EACCES: i32 = 13;
const ENODEV: i32 = 19;
const ENOSYS: i32 = 38;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_device_is_answered_with_the_module() {
        let advised = |number| unopened(io::Error::from_raw_os_error(number)).to_string();
        for missing in [ENOENT, ENXIO, ENODEV] {
            assert!(advised(missing).contains("modprobe fuse"));
        }
        for denied in [EPERM, EACCES] {
            let said = advised(denied);
            assert!(
                said.contains("user namespace") && !said.contains("modprobe"),
                "{said}"
            );
        }
    }
}
