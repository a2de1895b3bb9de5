//! What the tests need from the machine: to be alone, children, other users, room on a disk.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vmsafe::{Demand, Error, Fork, Locked, Source, Threat};
use vmsafe_lab::{fork_lingering, not_run};

/// SIGSEGV.
pub(crate) const FAULT: Option<i32> = Some(11);

/// Keeps other tests of this program still: they fork, count mappings and fill limits.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Each backing with each fork policy that it can have.
pub(crate) const KINDS: [(Source, Fork); 5] = [
    (Source::Secret, Fork::Absent),
    (Source::Secret, Fork::Moved),
    (Source::Anonymous, Fork::Absent),
    (Source::Anonymous, Fork::Moved),
    (Source::Anonymous, Fork::Wiped),
];

/// A buffer on this backing and no other.
pub(crate) fn locked(source: Source, fork: Fork, len: usize) -> Result<Locked, Error> {
    let (threat, demand) = match source {
        Source::Secret => (Threat::ProcessRead, Demand::Require),
        Source::Anonymous => (Threat::Hibernation, Demand::Accept),
    };
    let made = Locked::options().fork(fork).demand(threat, demand);
    let buffer = made.create(len)?;
    assert_eq!(buffer.source(), source);
    Ok(buffer)
}

/// As [`locked`], full of `byte`. Without secret memory in this kernel the test is not run.
pub(crate) fn full(source: Source, fork: Fork, len: usize, byte: u8) -> Option<Locked> {
    match locked(source, fork, len) {
        Ok(mut buffer) => {
            buffer.fill(byte);
            Some(buffer)
        }
        Err(error) if source == Source::Secret => {
            not_run(&format!("this kernel gives no secret memory: {error}"));
            None
        }
        Err(error) => panic!("{source:?} {fork:?}: {error}"),
    }
}

/// Runs `body` in a child to its end.
pub(crate) fn child(body: impl FnOnce()) -> ExitStatus {
    let child = fork_lingering(body).expect("a child");
    child.wait().expect("a child of ours")
}

/// The addresses of a buffer's pages.
pub(crate) fn pages(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len().next_multiple_of(page())
}

pub(crate) fn page() -> usize {
    vmsafe_os::native().page_size()
}

/// A line of /proc/self/status, in its own unit.
pub(crate) fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// How many mappings and open descriptors this process has.
pub(crate) fn holdings() -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").expect("procfs");
    let open = fs::read_dir("/proc/self/fd").expect("procfs").count();
    (maps.lines().count(), open)
}

/// An empty directory on the disk that the tests are built on, removed at the end.
#[derive(Debug)]
pub(crate) struct Room(PathBuf);

impl Room {
    pub(crate) fn new(name: &str) -> Self {
        Self::within(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    pub(crate) fn within(parent: &Path, name: &str) -> Self {
        let parent = parent.canonicalize().expect("a directory");
        let path = parent.join(format!("{name}-{}", std::process::id()));
        // What a killed run with this number left.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a directory of our own");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).expect("the room").next().is_none()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where every user may write, on a disk.
pub(crate) fn common_place() -> &'static Path {
    Path::new("/var/tmp")
}

/// Says in which play this program was started again.
const PLAY: &str = "VMSAFE_PLAY";

/// True in the program that [`again`] started for the play of this name.
pub(crate) fn is_playing(name: &str) -> bool {
    std::env::var_os(PLAY).is_some_and(|play| play == name)
}

/// Starts this program again to run the test `test` alone, which finds that it [`is_playing`]; by
/// `prefix`, for example as another user.
pub(crate) fn again(prefix: &[&str], program: &Path, test: &str, name: &str) -> Output {
    let mut words = prefix.iter().copied();
    let mut command = match words.next() {
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(program);
            command
        }
        None => Command::new(program),
    };
    let test = ["--exact", test, "--nocapture", "--test-threads=1"];
    let output = command.args(test).env(PLAY, name).output();
    output.unwrap_or_else(|error| panic!("cannot start {name} by {prefix:?}: {error}"))
}

/// Runs `test` again as a user without rights, who may lock `kib` KiB.
pub(crate) fn as_ordinary_user(kib: u64, test: &str) {
    // Another user may not reach the directory that this program was built in.
    let room = Room::within(common_place(), "vmsafe-ordinary");
    let program = room.file("program");
    let own = std::env::current_exe().expect("a path of our own");
    fs::copy(own, &program).expect("room for a copy of this program");
    let limit = format!("--memlock={}", kib * 1024);
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "prlimit",
        &limit,
    ];
    let prefix = if vmsafe_lab::is_root() {
        &nobody[..]
    } else {
        &nobody[5..]
    };
    let output = again(prefix, &program, test, test);
    let errors = String::from_utf8_lossy(&output.stderr);
    eprintln!("{errors}");
    assert!(output.status.success(), "{test}: {errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{test} was not found: {said}");
}
