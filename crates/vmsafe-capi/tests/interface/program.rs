//! A C program against the shared object, as one wrote it in 2001: what its file, its disk and a
//! second opener see. `ci/windows/capi.sh` does the same with the same source under Wine.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vmsafe_lab::{FsKind, Scratch, not_run, require_root};

use crate::drive::{self, Program, Room, holds};

/// What a refusal says, by the header.
const NAME_TAKEN: &str = "refused 3 ";
const PLACE: &str = "refused 4 ";

/// Forces a write-back, as anybody can who may open the file.
fn flush(file: &Path) {
    File::open(file).unwrap().sync_all().unwrap();
}

/// One program in memory: nothing is lost there, and nothing of the tail is in the file.
#[test]
fn in_memory_the_key_stays_and_the_file_never_holds_it() {
    let Some(room) = Room::in_memory("capi-memory") else {
        return not_run("no /dev/shm here");
    };
    let Some(mut program) = Program::start(&room.file("key"), "512", None) else {
        return;
    };
    for round in ["stored 1", "stored 2"] {
        assert_eq!(program.says(), round);
        program.sees_the_head_and_not_the_key();
        let grade = program.graded();
        let locked = |line: &String| line.ends_with("closed: it is memory, and the page is locked");
        assert!(grade.iter().any(locked), "{grade:?}");
        assert_eq!(program.asked("ask"), "lost 0 key whole");
        flush(program.file());
        assert_eq!(program.asked("ask"), "lost 0 key whole");
        program.sees_the_head_and_not_the_key();
        program.frees();
        program.tell("on");
    }
    assert_eq!(program.end(), Some(0));
}

/// On a disk, by the name of 2001: a forced write-back takes the tail, and the program is told.
#[test]
fn a_forced_write_back_is_told_as_a_loss() {
    let room = Room::on_disk("capi-loss");
    let Some(mut program) = Program::start(&room.file("key"), "512", Some("as2001")) else {
        return;
    };
    assert_eq!(program.says(), "stored 1");
    let grade = program.graded();
    if !grade
        .iter()
        .any(|line| line.starts_with("swap") && line.contains("on a disk"))
    {
        program.end();
        return not_run(&format!("the tests are not built on a disk: {grade:?}"));
    }
    // The kernel may have written back by itself meanwhile; stored again it stands.
    assert_eq!(program.asked("again"), "stored again");
    assert_eq!(program.asked("ask"), "lost 0 key whole");
    program.sees_the_head_and_not_the_key();
    flush(program.file());
    assert_eq!(program.asked("ask"), "lost 1 key gone");
    program.sees_the_head_and_not_the_key();
    // What was stored anew is watched anew.
    assert_eq!(program.asked("again"), "stored again");
    assert_eq!(program.asked("ask"), "lost 0 key whole");
    let burned = program.asked("burn");
    assert!(
        burned == "burned 0 zero" || burned == "burned 1 zero",
        "{burned}"
    );
    assert_eq!(program.asked("ask"), "lost 1 key gone");
    assert!(!holds(&fs::read(program.file()).unwrap(), program.head()));
    program.frees();
}

#[test]
fn a_second_opener_is_refused() {
    let Some(room) = Room::in_memory("capi-second") else {
        return not_run("no /dev/shm here");
    };
    let file = room.file("key");
    let Some(mut first) = Program::start(&file, "512", None) else {
        return;
    };
    assert_eq!(first.says(), "stored 1");
    for how in [None, Some("as2001")] {
        let mut second = Program::start(&file, "512", how).unwrap();
        let refused = second.says();
        assert!(refused.starts_with(NAME_TAKEN), "{refused}");
        assert!(refused.contains("no file is ever taken over"), "{refused}");
        assert_eq!(second.end(), Some(1));
    }
    // Who cooperates is refused by the lock, other users by the mode.
    let locked = Command::new("flock")
        .arg("--nonblock")
        .arg(&file)
        .arg("true")
        .status();
    assert_eq!(locked.unwrap().code(), Some(1), "the lock is taken");
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(first.asked("ask"), "lost 0 key whole", "the first goes on");
    first.frees();
    let free = Command::new("flock")
        .arg("--nonblock")
        .arg(room.path())
        .arg("true")
        .status();
    assert_eq!(
        free.unwrap().code(),
        Some(0),
        "the control: a lock that nobody holds"
    );
}

#[test]
fn whole_pages_go_to_their_file_and_are_burned() {
    let room = Room::on_disk("capi-pages");
    let Some(mut program) = Program::start(&room.file("pages"), "8192", None) else {
        return;
    };
    for round in ["stored 1", "stored 2"] {
        let said = program.says();
        if said.starts_with(PLACE) {
            return not_run(&said);
        }
        assert_eq!(said, round);
        let content = fs::read(program.file()).unwrap();
        assert!(holds(&content, program.head()) && holds(&content, program.key()));
        assert_eq!(content.len(), 8192);
        flush(program.file());
        assert_eq!(
            program.asked("ask"),
            "lost 0 key whole",
            "whole pages never vanish"
        );
        if round == "stored 2" {
            let burned = program.asked("burn");
            assert!(burned.ends_with(" zero"), "{burned}");
            let content = fs::read(program.file()).unwrap();
            assert!(content.iter().all(|byte| *byte == 0) && content.len() == 8192);
        }
        program.frees();
        program.tell("on");
    }
    assert_eq!(program.end(), Some(0));
}

/// A scratch disk of which every written block is searched.
struct Watched {
    disk: Scratch,
    seen: Arc<[AtomicUsize; 2]>,
    _room: Room,
}

impl Watched {
    fn new(kind: FsKind, needles: [&str; 2]) -> Self {
        let room = Room::on_disk("capi-watched");
        let seen = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let needles = needles.map(|needle| needle.as_bytes().to_vec());
        let count = Arc::clone(&seen);
        let look = move |_: u64, block: &[u8]| {
            for (needle, seen) in needles.iter().zip(count.iter()) {
                seen.fetch_add(usize::from(holds(block, needle)), Ordering::Relaxed);
            }
        };
        let disk = Scratch::create_watched(kind, room.path(), look).unwrap();
        Self {
            disk,
            seen,
            _room: room,
        }
    }

    /// Blocks with the head, blocks with the key.
    fn seen(&self) -> (usize, usize) {
        self.disk.flush().unwrap();
        let [head, key] = &*self.seen;
        (head.load(Ordering::Relaxed), key.load(Ordering::Relaxed))
    }
}

#[test]
fn where_a_plain_tail_reaches_the_disk_init_refuses_and_2001_does_not() {
    if !require_root("where_a_plain_tail_reaches_the_disk_init_refuses_and_2001_does_not") {
        return;
    }
    for kind in [FsKind::Ext4Journal, FsKind::Ext4, FsKind::Xfs] {
        let (head, key) = drive::words();
        let watched = Watched::new(kind, [&head, &key]);
        let file = watched.disk.path().join("key");
        let Some(mut program) = Program::with(&file, "512", None, &head, &key) else {
            return;
        };
        let refused = program.says();
        assert!(refused.starts_with(PLACE), "{kind:?}: {refused}");
        assert!(
            refused.contains("/dev/shm"),
            "it names a better place: {refused}"
        );
        assert!(!file.exists() && program.end() == Some(1));
        let mut program = Program::with(&file, "512", Some("as2001"), &head, &key).unwrap();
        assert_eq!(program.says(), "stored 1");
        let grade = program.graded();
        let open = |line: &String| line.starts_with("backing file") && line.contains("open:");
        assert!(grade.iter().any(open), "{kind:?}: {grade:?}");
        flush(&file);
        assert_eq!(program.asked("ask"), "lost 1 key gone", "{kind:?}");
        let (heads, keys) = watched.seen();
        assert!(
            heads > 0,
            "{kind:?}: the control, the head was written and seen"
        );
        if kind == FsKind::Ext4Journal {
            assert!(
                keys > 0,
                "the journal takes the tail, and the watch sees it"
            );
        }
        program.frees();
        assert_eq!(program.end(), Some(0));
        watched.disk.close().unwrap();
    }
}

#[test]
fn on_btrfs_no_racing_write_back_takes_the_tail() {
    if !require_root("on_btrfs_no_racing_write_back_takes_the_tail") {
        return;
    }
    let (head, key) = drive::words();
    let watched = Watched::new(FsKind::Btrfs, [&head, &key]);
    let file = watched.disk.path().join("key");
    let Some(mut program) = Program::with(&file, "512", None, &head, &key) else {
        return;
    };
    assert_eq!(program.says(), "stored 1");
    program.tell("race");
    for _ in 0..50 {
        flush(&file);
    }
    assert_eq!(program.says(), "raced");
    flush(&file);
    assert_eq!(program.asked("ask"), "lost 1 key gone");
    let (heads, keys) = watched.seen();
    assert!(heads > 0, "the control: the head was written and seen");
    assert_eq!(
        keys, 0,
        "the key was written {keys} times, the head {heads} times"
    );
    program.frees();
    assert_eq!(program.end(), Some(0));
    watched.disk.close().unwrap();
}
