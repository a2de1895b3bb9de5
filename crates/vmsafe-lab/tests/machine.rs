//! What the laboratory changes on the machine, and that it puts everything back.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vmsafe_lab::{
    Cgroup, CorePattern, Door, Lab, Lands, Opening, PrivateSwap, SIGABRT, SIGKILL, abort_with_core,
    allow, doors, ended_by, is_root, kill, require_root, swap_areas,
};

const ROLE: &str = "VMSAFE_LAB_ROLE";
const PATTERN: &str = "/proc/sys/kernel/core_pattern";
const SWAPPINESS: &str = "/proc/sys/vm/swappiness";
const ZSWAP: &str = "/sys/module/zswap/parameters/enabled";

/// One private swap at a time in this process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of this test, on a file system of the caller's choice.
struct Room(PathBuf);

impl Room {
    fn new(parent: &Path, name: &str) -> Self {
        let dir = parent.join(format!("vmsafe-test-{}-{name}", std::process::id()));
        fs::create_dir(&dir).expect("test directory");
        Self(dir)
    }

    fn entries(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0)
            .expect("listed")
            .map(|entry| entry.expect("entry").path())
            .collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn active(path: &Path) -> bool {
    swap_areas()
        .expect("swaps")
        .iter()
        .any(|area| area.path == path)
}

#[test]
fn a_private_swap_is_first_private_without_holes_and_gone_after() {
    if !require_root("a_private_swap_is_first_private_without_holes_and_gone_after") {
        return;
    }
    let _alone = alone();
    let room = Room::new(&env::temp_dir(), "plain");
    let swap = PrivateSwap::create_in(&room.0, 4 << 20).expect("created");
    let path = swap.path().to_owned();
    assert_eq!(
        path.parent(),
        Some(room.0.as_path()),
        "no loop device needed here"
    );
    let areas = swap_areas().expect("swaps");
    let own = areas.iter().find(|area| area.path == path).expect("active");
    assert_eq!((own.priority, own.bytes), (32767, (4 << 20) - 4096));
    let extents = vmsafe_lab::extents(&File::open(&path).expect("open")).expect("extents");
    assert!(
        extents
            .iter()
            .all(|extent| extent.located && !extent.unwritten),
        "{extents:?}"
    );
    assert_eq!(
        extents.iter().map(|extent| extent.len).sum::<u64>(),
        4 << 20
    );
    let second = PrivateSwap::create_in(&room.0, 4 << 20).expect_err("one at a time");
    assert!(
        second.to_string().contains("this process has one already"),
        "{second}"
    );
    swap.close().expect("closed");
    assert!(!active(&path));
    assert_eq!(room.entries(), Vec::<PathBuf>::new());
}

#[test]
fn where_files_cannot_be_swap_a_loop_device_stands_between() {
    if !require_root("where_files_cannot_be_swap_a_loop_device_stands_between") {
        return;
    }
    let _alone = alone();
    let room = Room::new(Path::new("/dev/shm"), "tmpfs");
    let swap = PrivateSwap::create_in(&room.0, 4 << 20).expect("created");
    let path = swap.path().to_owned();
    assert!(path.starts_with("/dev"), "{}", path.display());
    assert!(active(&path));
    drop(swap);
    assert!(!active(&path));
    assert_eq!(room.entries(), Vec::<PathBuf>::new());
}

#[test]
fn a_panic_switches_it_off() {
    if !require_root("a_panic_switches_it_off") {
        return;
    }
    let _alone = alone();
    let room = Room::new(&env::temp_dir(), "panic");
    let before = fs::read_to_string(ZSWAP).ok();
    let unwound = panic::catch_unwind(|| {
        let swap = PrivateSwap::create_in(&room.0, 4 << 20).expect("created");
        assert_ne!(fs::read_to_string(ZSWAP).ok().as_deref(), Some("Y\n"));
        panic::resume_unwind(Box::new(swap.path().to_owned()));
    });
    let path = unwound.expect_err("unwound");
    assert!(!active(path.downcast_ref::<PathBuf>().expect("the path")));
    assert_eq!(room.entries(), Vec::<PathBuf>::new());
    assert_eq!(fs::read_to_string(ZSWAP).ok(), before);
}

#[test]
fn a_swappiness_of_zero_is_lifted_meanwhile() {
    if !require_root("a_swappiness_of_zero_is_lifted_meanwhile") {
        return;
    }
    let _alone = alone();
    let _lab = Lab::lock().expect("lab");
    let read = || fs::read_to_string(SWAPPINESS).expect("swappiness");
    let found = read();
    fs::write(SWAPPINESS, "0").expect("set");
    let swap = PrivateSwap::create_in(env::temp_dir(), 4 << 20);
    let meanwhile = read();
    drop(swap);
    let after = read();
    fs::write(SWAPPINESS, found).expect("put back");
    assert_eq!((meanwhile.trim(), after.trim()), ("60", "0"));
}

#[test]
fn what_a_killed_run_left_goes_at_the_next_creation() {
    if !require_root("what_a_killed_run_left_goes_at_the_next_creation") {
        return;
    }
    let _alone = alone();
    let zswap = ZswapOn::new();
    for (parent, name) in [
        (env::temp_dir(), "killed"),
        ("/dev/shm".into(), "killed-loop"),
    ] {
        let room = Room::new(&parent, name);
        // Not under the lock: the role takes it itself, as another process.
        let mut child = start("hold-swap", &room.0);
        let orphan = PathBuf::from(said(&mut child, "swap "));
        assert!(zswap.is(false), "off while a private swap lives");
        kill(child.id(), SIGKILL).expect("killed");
        child.wait().expect("collected");
        assert!(
            active(&orphan) && zswap.is(false),
            "a kill leaves everything as it is"
        );
        let swap = PrivateSwap::create_in(&room.0, 4 << 20).expect("created");
        assert_eq!(swap_areas().expect("swaps").len() - swap.others().len(), 1);
        assert_eq!(room.entries().len(), 1, "only the new one");
        drop(swap);
        assert_eq!(room.entries(), Vec::<PathBuf>::new());
        assert!(
            zswap.is(true),
            "put back, although its first owner was killed"
        );
    }
}

/// Switches zswap on for a test, where the kernel has it, so that "off" can be seen.
struct ZswapOn(Option<String>);

impl ZswapOn {
    fn new() -> Self {
        let _lab = Lab::lock().expect("lab");
        let found = fs::read_to_string(ZSWAP).ok();
        if found.is_some() {
            fs::write(ZSWAP, "Y").expect("zswap on");
        }
        Self(found)
    }

    /// Whether zswap is as `on` says; on a kernel without it, it always is.
    fn is(&self, on: bool) -> bool {
        self.0.is_none() || fs::read_to_string(ZSWAP).is_ok_and(|now| (now == "Y\n") == on)
    }
}

impl Drop for ZswapOn {
    fn drop(&mut self) {
        if let Some(found) = &self.0 {
            let _ = fs::write(ZSWAP, found);
        }
    }
}

#[test]
fn a_pipe_pattern_is_taken_over_and_put_back() {
    if !require_root("a_pipe_pattern_is_taken_over_and_put_back") {
        return;
    }
    let _alone = alone();
    let _lab = Lab::lock().expect("lab");
    let found = fs::read_to_string(PATTERN).expect("pattern");
    fs::write(PATTERN, "|/bin/false %p").expect("set");
    let unwound = panic::catch_unwind(|| {
        let pattern = CorePattern::take().expect("taken");
        assert_eq!(pattern.lands(), Lands::RunDirectory);
        assert_eq!(fs::read_to_string(PATTERN).expect("pattern"), "core\n");
        panic::resume_unwind(Box::new(()));
    });
    let after = fs::read_to_string(PATTERN).expect("pattern");
    fs::write(PATTERN, found).expect("put back");
    assert!(unwound.is_err());
    assert_eq!(after, "|/bin/false %p\n");
}

#[test]
fn a_core_is_written_where_it_is_looked_for() {
    let _alone = alone();
    let _lab = Lab::lock().expect("lab");
    let pattern = match CorePattern::take() {
        Ok(pattern) => pattern,
        Err(error) => {
            assert!(
                !require_root("a_core_is_written_where_it_is_looked_for"),
                "{error}"
            );
            return;
        }
    };
    let room = Room::new(&env::temp_dir(), "core");
    let mut child = start("abort", &room.0);
    let pid = child.id();
    let masked = said(&mut child, "canary ");
    let status = child.wait().expect("collected");
    assert_eq!(ended_by(status), Some(SIGABRT));
    let core = pattern.find(&room.0, pid).expect("looked").expect("a core");
    let bytes = fs::read(core).expect("readable");
    let canary: Vec<u8> = (0..16)
        .map(|i| !u8::from_str_radix(&masked[2 * i..][..2], 16).expect("hex"))
        .collect();
    assert!(
        memchr::memmem::find(&bytes, &canary).is_some(),
        "the canary is in the core"
    );
}

#[test]
fn a_group_can_be_made_squeezed_and_removed() {
    if !require_root("a_group_can_be_made_squeezed_and_removed") {
        return;
    }
    let group = Cgroup::create().expect("created");
    assert_eq!(
        group.squeeze().expect("squeezed").after,
        0,
        "an empty group"
    );
    let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
    group.add(child.id()).expect("added");
    child.kill().expect("killed");
    child.wait().expect("collected");
}

#[test]
fn each_door_is_open_or_says_why_not_and_what_would_open_it() {
    let found = doors("vmsafe demo").expect("doors");
    assert_eq!(found.len(), 7);
    for (door, opening) in found {
        match opening {
            Opening::Open => {
                let root_only = [Door::Swap, Door::Disk, Door::WrittenBlocks].contains(&door);
                assert!(is_root() || !root_only, "{door:?}");
            }
            Opening::Closed { because, remedy } => {
                assert!(
                    !because.is_empty() && remedy.contains(' '),
                    "{door:?}: {because}"
                );
                assert!(is_root() || !remedy.contains("sudo") || remedy.ends_with("vmsafe demo"));
            }
        }
    }
}

fn start(role: &str, dir: &Path) -> std::process::Child {
    Command::new(env::current_exe().expect("own path"))
        .args(["role", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .expect("started")
}

fn said(child: &mut std::process::Child, prefix: &str) -> String {
    let lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    let mut answers = lines.filter_map(|line| {
        line.expect("text")
            .split_once(prefix)
            .map(|(_, rest)| rest.to_owned())
    });
    answers.next().expect("an answer")
}

/// Not a test of its own: what the other processes of these tests run.
#[test]
fn role() {
    match env::var(ROLE).as_deref() {
        Ok("hold-swap") => {
            let swap = PrivateSwap::create_in(".", 4 << 20).expect("created");
            println!(
                "swap {}",
                fs::canonicalize(swap.path()).expect("path").display()
            );
            loop {
                std::thread::park();
            }
        }
        Ok("abort") => {
            allow().expect("core allowed");
            let mut canary = vec![0; 16];
            getrandom::fill(&mut canary).expect("random bytes");
            let masked: String = canary.iter().map(|byte| format!("{:02x}", !byte)).collect();
            let filter = fs::read_to_string("/proc/self/coredump_filter").expect("filter");
            assert_eq!(filter.trim(), "000001ff", "every kind of memory");
            println!("canary {masked}");
            abort_with_core();
        }
        _ => {}
    }
}
