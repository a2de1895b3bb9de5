//! Scratch file systems, and the watched disk: each block seen at the offset where it lies.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use vmsafe_lab::{
    Cgroup, FsKind, Opened, PrivateSwap, SIGKILL, Scratch, ScratchOptions, extents, fork_lingering,
    kill, open_direct, require_root,
};

const ROLE: &str = "VMSAFE_LAB_ROLE";
const PAGE: usize = 4096;
/// Where in its file the canary stands: not at the start of anything.
const PLACE: usize = PAGE + 100;

/// A directory of this test's own.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let dir = env::temp_dir().join(format!("vmsafe-test-{}-{name}", std::process::id()));
        fs::create_dir(&dir).expect("test directory");
        Self(dir)
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).expect("listed").next().is_none()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn canary() -> [u8; 32] {
    let mut canary = [0; 32];
    getrandom::fill(&mut canary).expect("random bytes");
    canary
}

/// Three pages with the canary across the second.
fn contents(canary: &[u8]) -> Vec<u8> {
    let mut bytes = vec![b'.'; 3 * PAGE];
    bytes[PLACE..PLACE + canary.len()].copy_from_slice(canary);
    bytes
}

/// Where the canary lies on the device, as FIEMAP says.
fn place_on_device(file: &File) -> Option<u64> {
    let found = extents(file).expect("extents");
    let place = PLACE as u64;
    let extent = found
        .iter()
        .find(|e| e.logical <= place && place < e.logical + e.len)?;
    extent
        .located
        .then(|| extent.physical + place - extent.logical)
}

/// Where a needle stands on a device, read past the page cache.
fn places_of(needle: &[u8], device: &Path) -> Vec<u64> {
    let Opened::Direct(mut raw) = open_direct(device).expect("raw") else {
        panic!("no direct I/O on {}", device.display());
    };
    // Direct I/O wants an aligned buffer: read into the aligned part of a larger one.
    let mut space = vec![0_u8; (1 << 20) + PAGE];
    let start = space.as_ptr().align_offset(PAGE);
    let piece = &mut space[start..start + (1 << 20)];
    let (mut found, mut offset) = (Vec::new(), 0);
    loop {
        // No canary here crosses a megabyte: it stands 100 bytes into a block.
        let read = raw.read(piece).expect("raw read");
        if read == 0 {
            return found;
        }
        found
            .extend(memchr::memmem::find_iter(&piece[..read], needle).map(|at| offset + at as u64));
        offset += read as u64;
    }
}

fn mounted_below(dir: &Path) -> bool {
    let dir = dir.display().to_string();
    fs::read_to_string("/proc/self/mountinfo")
        .expect("mounts")
        .contains(&dir)
}

#[test]
fn each_kind_holds_a_file_where_it_says_and_is_gone_after() {
    if !require_root("each_kind_holds_a_file_where_it_says_and_is_gone_after") {
        return;
    }
    for kind in FsKind::ALL {
        let room = Room::new("plain");
        let scratch = Scratch::create(kind, &room.0).expect("created");
        let canary = canary();
        let mut file = File::create(scratch.path().join("file")).expect("created");
        file.write_all(&contents(&canary)).expect("written");
        scratch.flush().expect("flushed");
        let place = place_on_device(&file).expect("located");
        let found = places_of(&canary, scratch.raw_path());
        if kind == FsKind::Ext4Journal {
            // Kernel 6.1 leaves it in the journal for a while, 6.18 does not.
            assert!(!found.is_empty());
        } else {
            assert!(
                found.contains(&place),
                "{}: {place} in {found:?}",
                kind.name()
            );
        }
        drop(file);
        scratch.close().expect("closed");
        assert!(
            room.is_empty() && !mounted_below(&room.0),
            "{}",
            kind.name()
        );
    }
}

#[test]
fn a_watched_disk_sees_each_write_at_its_place_and_none_before() {
    if !require_root("a_watched_disk_sees_each_write_at_its_place_and_none_before") {
        return;
    }
    for kind in FsKind::ALL {
        let room = Room::new("watched");
        let scratch = Scratch::create_watched(kind, &room.0, |_, _| ()).expect("created");
        let watch = scratch.watch().expect("watched").clone();
        for round in 0..3 {
            let canary = canary();
            let seen = Arc::new(Mutex::new(Vec::new()));
            let notes = Arc::clone(&seen);
            watch.set_callback(move |offset, bytes| {
                let places = memchr::memmem::find_iter(bytes, &canary).map(|at| offset + at as u64);
                notes.lock().expect("notes").extend(places);
            });
            let mut file = File::create(scratch.path().join(format!("{round}"))).expect("created");
            file.write_all(&contents(&canary)).expect("written");
            assert_eq!(
                *seen.lock().expect("notes"),
                [0; 0],
                "{} before fsync",
                kind.name()
            );
            file.sync_all().expect("synced");
            let place = place_on_device(&file).expect("located");
            let seen = seen.lock().expect("notes");
            if kind == FsKind::Ext4Journal {
                assert!(!seen.is_empty(), "the journal at least");
            } else {
                assert!(
                    seen.contains(&place),
                    "{}: {place} in {seen:?}",
                    kind.name()
                );
            }
        }
        assert_eq!(watch.panics(), 0);
        assert!(watch.bytes() > 0 && watch.writes() > 0);
        scratch.close().expect("closed");
        assert!(
            room.is_empty() && !mounted_below(&room.0),
            "{}",
            kind.name()
        );
    }
}

#[test]
fn a_callback_that_panics_is_counted_and_the_write_goes_on() {
    if !require_root("a_callback_that_panics_is_counted_and_the_write_goes_on") {
        return;
    }
    let room = Room::new("panics");
    let scratch = Scratch::create_watched(FsKind::Ext4, &room.0, |_, _| {
        std::panic::resume_unwind(Box::new("a callback's own mistake"));
    });
    let scratch = scratch.expect("created");
    let path = scratch.path().join("file");
    fs::write(&path, contents(&canary())).expect("written");
    scratch.flush().expect("flushed");
    assert!(scratch.watch().expect("watched").panics() > 0);
}

#[test]
fn a_block_that_the_disk_is_told_to_forget_leaves_the_image() {
    if !require_root("a_block_that_the_disk_is_told_to_forget_leaves_the_image") {
        return;
    }
    let room = Room::new("forgets");
    let scratch = Scratch::create_watched(FsKind::Ext4, &room.0, |_, _| ()).expect("created");
    let canary = canary();
    let mut file = File::create(scratch.path().join("file")).expect("created");
    file.write_all(&contents(&canary)).expect("written");
    file.sync_all().expect("synced");
    let place = place_on_device(&file).expect("located");
    let holds = || {
        let image = fs::read(scratch.image_path()).expect("image");
        memchr::memmem::find(&image, &canary).map(|at| at as u64)
    };
    assert_eq!(holds(), Some(place));
    let device = File::options()
        .write(true)
        .open(scratch.raw_path())
        .expect("device");
    let block = place - place % PAGE as u64;
    vmsafe_os::lab::punch(&device, block, PAGE as u64).expect("forgotten");
    assert_eq!(holds(), None);
    drop((file, device));
    scratch.close().expect("closed");
}

#[test]
fn options_reach_mkfs_and_mount() {
    if !require_root("options_reach_mkfs_and_mount") {
        return;
    }
    let room = Room::new("options");
    let scratch = ScratchOptions::new(FsKind::Ext4)
        .bytes(64 << 20)
        .mkfs_arg("-b1024")
        .mount_option("nodelalloc")
        .create(&room.0)
        .expect("created");
    assert_eq!(
        fs::metadata(scratch.image_path()).expect("image").len(),
        64 << 20
    );
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let path = scratch.path().display().to_string();
    let line = table
        .lines()
        .find(|line| line.contains(&path))
        .expect("mounted");
    assert!(
        line.contains("nodelalloc") && line.contains("nosuid,nodev"),
        "{line}"
    );
    let refusal = ScratchOptions::new(FsKind::Ext4)
        .mkfs_arg("--nonsense")
        .create(&room.0);
    assert!(
        refusal
            .expect_err("refused")
            .to_string()
            .contains("mkfs.ext4")
    );
    drop(scratch);
    assert!(room.is_empty(), "the refused one left nothing");
}

#[test]
fn a_disk_in_use_is_detached_and_what_a_killed_run_left_goes_at_the_next_creation() {
    if !require_root("a_disk_in_use_is_detached") {
        return;
    }
    for watched in ["plain", "watched"] {
        let room = Room::new(&format!("killed-{watched}"));
        let mut child = start(watched, &room.0);
        said(&mut child, "ready");
        kill(child.id(), SIGKILL).expect("killed");
        child.wait().expect("collected");
        assert!(mounted_below(&room.0), "a kill leaves it mounted");
        let scratch = Scratch::create(FsKind::Ext4, &room.0).expect("created");
        assert_eq!(
            fs::read_dir(&room.0).expect("listed").count(),
            1,
            "only the new one"
        );
        let held = File::create(scratch.path().join("held")).expect("created");
        scratch.close().expect_err("still used");
        assert!(!mounted_below(&room.0), "detached all the same");
        drop(held);
        // The image of a lazily detached disk may go only when the last user is gone.
        assert!(room.is_empty());
    }
}

#[test]
fn a_squeezed_writer_and_the_server_below_it_never_wait_for_each_other() {
    if !require_root("a_squeezed_writer_and_the_server_below_it_never_wait_for_each_other") {
        return;
    }
    let room = Room::new("squeezed");
    let swap = PrivateSwap::create_in(&room.0, 32 << 20).expect("private swap");
    let group = Cgroup::create().expect("cgroup");
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        let scratch = Scratch::create_watched(kind, &room.0, |_, _| ()).expect("created");
        let watch = scratch.watch().expect("watched");
        let mut child = start("write", &scratch.path());
        group.add(child.id()).expect("added");
        let before = watch.bytes();
        let mut squeezes = 0;
        while watch.bytes() - before < 16 << 20 || squeezes < 25 {
            group.squeeze().expect("squeezed");
            squeezes += 1;
            assert_eq!(
                child.try_wait().expect("asked"),
                None,
                "{}: alive",
                kind.name()
            );
        }
        child.kill().expect("killed");
        child.wait().expect("collected");
        scratch.close().expect("closed");
    }
    drop((swap, group));
    assert!(room.is_empty());
}

#[test]
fn a_child_that_outlives_a_killed_laboratory_does_not_hold_its_disk() {
    if !require_root("a_child_that_outlives_a_killed_laboratory_does_not_hold_its_disk") {
        return;
    }
    let room = Room::new("outlived");
    let mut child = start("watched-forked", &room.0);
    let heir: u32 = said(&mut child, "ready ").parse().expect("a process id");
    kill(child.id(), SIGKILL).expect("killed");
    child.wait().expect("collected");
    // The heir inherited every file that was open, and no end of the connection.
    let scratch = Scratch::create(FsKind::Ext4, &room.0).expect("created");
    assert_eq!(
        fs::read_dir(&room.0).expect("listed").count(),
        1,
        "only the new one"
    );
    kill(heir, SIGKILL).expect("the heir was still there");
    drop(scratch);
    assert!(room.is_empty());
}

fn start(role: &str, dir: &Path) -> Child {
    Command::new(env::current_exe().expect("own path"))
        .args(["role", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .current_dir(dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("started")
}

fn said(child: &mut Child, prefix: &str) -> String {
    let lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    let mut answers = lines.filter_map(|line| {
        line.expect("text")
            .split_once(prefix)
            .map(|(_, rest)| rest.to_owned())
    });
    answers.next().expect("an answer")
}

fn write_for_ever() -> ! {
    let mut memory = vec![0_u8; 1 << 20];
    loop {
        getrandom::fill(&mut memory).expect("random bytes");
        let mut file = File::create("file").expect("created");
        file.write_all(&memory).expect("written");
        file.sync_all().expect("synced");
    }
}

/// Not a test of its own: what the other processes of these tests run.
#[test]
fn role() {
    let Ok(role) = env::var(ROLE) else { return };
    if role == "write" {
        write_for_ever();
    }
    let scratch = match role.as_str() {
        "watched" | "watched-forked" => Scratch::create_watched(FsKind::Ext4, ".", |_, _| ()),
        _ => Scratch::create(FsKind::Ext4, "."),
    };
    let scratch = scratch.expect("created");
    // Dirty pages that have no disk to go to once we are dead.
    fs::write(scratch.path().join("dirty"), contents(&canary())).expect("written");
    let linger = || loop {
        std::thread::park();
    };
    let heir = (role == "watched-forked").then(|| fork_lingering(linger).expect("forked"));
    println!(
        "ready {}",
        heir.map_or(0, |heir| std::mem::ManuallyDrop::new(heir).id())
    );
    linger();
}
