//! A kill between any two steps, then the burn by name, then the raw disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};

use vmsafe::buffer::confined::{burn_file, burn_file_on};
use vmsafe::{Confined, Evaporating};
use vmsafe_lab::{
    FsKind, Opened, SIGKILL, Scratch, ScratchOptions, ended_by, not_run, open_direct,
};
use vmsafe_os::Kernel;
use vmsafe_os::model::Steps;
use vmsafe_witness::{Needles, Searcher, scan_file};

use crate::stage::{Room, alone, child, page};

/// The step before which this process kills itself.
static LAST: AtomicU64 = AtomicU64::new(u64::MAX);

fn die_in_time(step: u64) {
    if step == LAST.load(Ordering::SeqCst) {
        vmsafe_lab::kill(std::process::id(), SIGKILL).expect("a signal to ourselves");
    }
}

/// Runs `play` in a child that dies before its step `last`.
fn killed_before(last: u64, play: impl FnOnce(&'static dyn Kernel)) -> ExitStatus {
    LAST.store(last, Ordering::SeqCst);
    let status = child(|| play(Steps::leak(vmsafe_os::native(), die_in_time)));
    LAST.store(u64::MAX, Ordering::SeqCst);
    assert!(
        status.success() || ended_by(status) == Some(SIGKILL),
        "{last}: {status}"
    );
    status
}

/// A disk of this test alone, and what to look for on it.
struct Bench {
    disk: Scratch,
    dir: PathBuf,
    _room: Room,
}

/// A canary of this round alone: nothing of another round is found.
struct Canary {
    bytes: Vec<u8>,
    searcher: Searcher,
}

impl Canary {
    fn new() -> Self {
        let mut bytes = vec![0; 64];
        getrandom::fill(&mut bytes).expect("random bytes");
        let mut needles = Needles::new();
        needles
            .push(&bytes)
            .expect("a needle that differs from chance");
        let searcher = Searcher::new(&needles);
        Self { bytes, searcher }
    }

    fn fill(&self, place: &mut [u8]) {
        for chunk in place.chunks_mut(self.bytes.len()) {
            chunk.copy_from_slice(&self.bytes[..chunk.len()]);
        }
    }
}

impl Bench {
    fn new(kind: FsKind) -> Option<Self> {
        if !vmsafe_lab::require_root("steps") {
            return None;
        }
        let room = Room::new("steps");
        let options = ScratchOptions::new(kind);
        let options = match kind {
            FsKind::Xfs => options,
            _ => options.bytes(32 << 20),
        };
        match options.create(room.path()) {
            Ok(disk) => {
                let dir = disk.path().canonicalize().expect("a mounted disk");
                Some(Self {
                    disk,
                    dir,
                    _room: room,
                })
            }
            Err(error) => {
                not_run(&error.to_string());
                None
            }
        }
    }

    /// Copies of the canary on the raw disk, when everything that waits to be written was.
    fn copies(&self, canary: &Canary) -> u64 {
        self.disk.flush().expect("a disk that takes writes");
        self.copies_now(canary)
    }

    /// Copies of the canary on the raw disk at this moment, as after a power cut.
    fn copies_now(&self, canary: &Canary) -> u64 {
        let file = match open_direct(self.disk.raw_path()).expect("the raw disk") {
            Opened::Direct(file) => file,
            other => panic!("the raw disk is read through a cache: {other:?}"),
        };
        let report = scan_file(&canary.searcher, &file, None, &mut |_| {});
        assert!(report.is_complete(), "{:?}", report.gaps);
        report.hit_count
    }

    fn names(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).expect("the disk's root");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| !path.ends_with("lost+found")).collect()
    }
}

fn play(kernel: &'static dyn Kernel, path: &Path, canary: &Canary) {
    let options = Confined::options().kernel(kernel);
    let mut buffer = options.create(path, 5 * page()).unwrap();
    canary.fill(&mut buffer);
    buffer.write_back().unwrap();
    canary.fill(&mut buffer[page()..2 * page()]);
    buffer.write_back().unwrap();
    let _ = buffer.burn().unwrap();
}

/// Kills a life of a `Confined` before each of its steps; how often its canary was on the disk
/// then.
fn kill_at_every_step(bench: &Bench) -> u64 {
    let path = bench.dir.join("secret");
    let mut found = 0;
    for last in 0.. {
        let canary = Canary::new();
        let status = killed_before(last, |kernel| play(kernel, &path, &canary));
        found += u64::from(bench.copies_now(&canary) > 0);
        if !status.success() && path.exists() {
            let _ = burn_file(&path, &mut |_, _| {}).unwrap();
        }
        assert_eq!(bench.copies(&canary), 0, "killed before step {last}");
        assert!(bench.names().is_empty(), "killed before step {last}");
        if status.success() {
            assert!(last >= 10, "a life of {last} steps is none");
            break;
        }
    }
    found
}

#[test]
fn a_kill_between_any_two_steps_leaves_nothing_after_the_burn() {
    let _alone = alone();
    for kind in [FsKind::Ext4, FsKind::Xfs] {
        let Some(bench) = Bench::new(kind) else {
            continue;
        };
        let found = kill_at_every_step(&bench);
        assert!(
            found >= 3,
            "{kind:?}: the control: found before {found} burns"
        );
        bench.disk.close().unwrap();
    }
}

#[test]
fn a_kill_between_any_two_steps_of_the_burn_by_name_is_mended_by_the_next() {
    let _alone = alone();
    let Some(bench) = Bench::new(FsKind::Ext4) else {
        return;
    };
    let path = bench.dir.join("secret");
    for last in 0.. {
        let canary = Canary::new();
        let left = child(|| {
            let mut buffer = Confined::create(&path, 5 * page()).unwrap();
            canary.fill(&mut buffer);
            std::mem::forget(buffer);
        });
        assert!(left.success());
        assert!(
            bench.copies(&canary) > 0,
            "the control: left behind, and found"
        );
        let status = killed_before(last, |kernel| {
            let _ = burn_file_on(kernel, &path, &mut |_, _| {}).unwrap();
        });
        assert_eq!(status.success(), !path.exists(), "{last}");
        if path.exists() {
            let _ = burn_file(&path, &mut |_, _| {}).unwrap();
        }
        assert_eq!(bench.copies(&canary), 0, "killed before step {last}");
        if status.success() {
            assert!(last >= 5, "a burn of {last} steps is none");
            break;
        }
    }
    bench.disk.close().unwrap();
}

#[test]
fn a_killed_evaporating_leaves_no_plaintext_and_no_full_file() {
    let _alone = alone();
    let Some(bench) = Bench::new(FsKind::Ext4) else {
        return;
    };
    for last in 0.. {
        let canary = Canary::new();
        let status = killed_before(last, |kernel| {
            let options = Evaporating::options().kernel(kernel);
            let mut buffer = options.create_in(&bench.dir, 5000).unwrap();
            for _ in 0..3 {
                buffer.write(&canary.bytes.repeat(78)).unwrap();
            }
        });
        assert_eq!(bench.copies(&canary), 0, "killed before step {last}");
        for path in bench.names() {
            // Killed in the instant between the file's birth and the removal of its name.
            assert_eq!(fs::metadata(&path).unwrap().len(), 0, "{last}");
            fs::remove_file(path).unwrap();
        }
        if status.success() {
            assert!(last >= 10, "a life of {last} steps is none");
            break;
        }
    }
    bench.disk.close().unwrap();
}
