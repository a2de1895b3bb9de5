//! File systems as they are mounted: known by name, taken or refused, graded, filled up.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use vmsafe::{Confined, Demand, Error, Evaporating, Lifetime, Locked, Threat, Verdict};
use vmsafe_lab::{FsKind as Scratched, Scratch, ScratchOptions, not_run, require_root};
use vmsafe_os::{Call, FileSystem, FsKind, Upper, native};

use crate::stage::{Room, again, alone, is_playing, page};

/// A mount, undone at the end.
struct Mounted {
    at: PathBuf,
    _room: Room,
}

impl Mounted {
    /// Mounts with these words of mount(8); `None` when this kernel cannot.
    fn new(name: &str, words: &[&str]) -> Option<Self> {
        let room = Room::within(&std::env::temp_dir(), &format!("vmsafe-{name}"));
        let at = room.file("at");
        std::fs::create_dir(&at).expect("an empty room");
        Self::over(room, at, words)
    }

    fn over(room: Room, at: PathBuf, words: &[&str]) -> Option<Self> {
        let output = Command::new("mount")
            .args(words)
            .arg(&at)
            .output()
            .expect("mount(8)");
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            not_run(&format!("mount {words:?}: {}", errors.trim()));
            return None;
        }
        Some(Self { at, _room: room })
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.at).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "cannot unmount"
        );
    }
}

fn identify(dir: &Path) -> FileSystem {
    let path = dir.canonicalize().unwrap().join("identified");
    let store = native().create(&path).expect("a file there");
    let filesystem = store.filesystem().expect("a mounted file system");
    store.unlink().unwrap();
    filesystem
}

/// Creates a buffer there, burns it, and tells its verdicts on swap and on the file.
fn confine(dir: &Path) -> Result<(Verdict, Verdict, bool), Error> {
    let path = dir.canonicalize().unwrap().join("secret");
    let mut buffer = Confined::create(path, 3 * page())?;
    buffer.fill(0xA5);
    buffer.write_back()?;
    let verdict = |threat| buffer.grade().of(threat).clone();
    let (swap, file) = (verdict(Threat::Swap), verdict(Threat::BackingFile));
    Ok((swap, file, buffer.burn()?.verified.is_yes()))
}

/// A box there holds and comes back.
fn evaporate(dir: &Path) -> Lifetime {
    let mut buffer = Evaporating::create_in(dir.canonicalize().unwrap(), 5000).unwrap();
    buffer.write(&[0xA5; 5000]).unwrap();
    let held = buffer.or_restore(
        |slot| {
            slot[..5000].fill(0xA5);
            Ok::<_, Error>(5000)
        },
        |bytes| bytes == [0xA5; 5000],
    );
    assert!(held.unwrap());
    buffer.lifetime()
}

fn closed(verdict: &Verdict) -> bool {
    verdict.is_closed()
}

#[test]
fn the_root_and_shared_memory_are_known() {
    let _alone = alone();
    if Path::new("/dev/shm").is_dir() {
        let room = Room::within(Path::new("/dev/shm"), "vmsafe-places");
        assert_eq!(identify(room.path()).kind, FsKind::Tmpfs);
        assert_eq!(evaporate(room.path()), Lifetime::UntilDropped);
    }
    let room = Room::new("places");
    let here = identify(room.path());
    assert_ne!(
        here.kind,
        FsKind::Other,
        "{here}: teach vmsafe this file system"
    );
}

#[test]
fn memory_that_never_swaps_is_taken() {
    let _alone = alone();
    if !require_root("memory_that_never_swaps_is_taken") {
        return;
    }
    let noswap = ["-t", "tmpfs", "-o", "noswap,size=1m", "none"];
    let ramfs = ["-t", "ramfs", "none"];
    for (kind, words) in [
        (FsKind::TmpfsNoSwap, &noswap[..]),
        (FsKind::Ramfs, &ramfs[..]),
    ] {
        let Some(mounted) = Mounted::new("memory", words) else {
            continue;
        };
        assert_eq!(identify(&mounted.at).kind, kind);
        let (swap, file, verified) = confine(&mounted.at).unwrap();
        assert!(closed(&swap) && closed(&file), "{kind:?}: {swap}, {file}");
        assert!(!verified, "there is no medium to read");
        assert_eq!(evaporate(&mounted.at), Lifetime::UntilDropped);
    }
}

#[test]
fn an_overlay_is_judged_by_its_upper_layer() {
    let _alone = alone();
    if !require_root("an_overlay_is_judged_by_its_upper_layer") {
        return;
    }
    let disk = Room::new("overlay-disk");
    let shared = Room::within(Path::new("/dev/shm"), "vmsafe-overlay");
    for (kind, room) in [(Upper::Disk, disk), (Upper::Swappable, shared)] {
        let dirs = ["lower", "upper", "work", "at"].map(|name| room.file(name));
        dirs.iter()
            .for_each(|dir| std::fs::create_dir(dir).unwrap());
        let [lower, upper, work, at] = &dirs;
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.display(),
            upper.display(),
            work.display()
        );
        let at = at.clone();
        let Some(mounted) = Mounted::over(room, at, &["-t", "overlay", "-o", &options, "none"])
        else {
            continue;
        };
        assert_eq!(identify(&mounted.at).kind, FsKind::Overlay(kind));
        let confined = confine(&mounted.at);
        match (kind, confined) {
            (Upper::Disk, Ok((swap, file, verified))) => {
                assert!(closed(&swap) && !closed(&file) && !verified);
            }
            (Upper::Swappable, Err(Error::Place { .. })) => {}
            (_, other) => panic!("{kind:?}: {other:?}"),
        }
    }
}

#[test]
fn an_upper_layer_whose_mount_has_gone_is_unknown() {
    let _alone = alone();
    if !require_root("an_upper_layer_whose_mount_has_gone_is_unknown") {
        return;
    }
    let room = Room::new("overlay-gone");
    let [lower, memory, at] = ["lower", "memory", "at"].map(|name| room.file(name));
    for dir in [&lower, &memory, &at] {
        std::fs::create_dir(dir).unwrap();
    }
    let memory = memory.to_str().unwrap();
    run("mount", &["-t", "tmpfs", "-o", "size=4m", "none", memory]);
    let layers = ["upper", "work"].map(|name| format!("{memory}/{name}"));
    let make = || {
        layers
            .iter()
            .for_each(|dir| std::fs::create_dir(dir).unwrap())
    };
    make();
    let [upper, work] = &layers;
    let lower = lower.display();
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let mounted = Mounted::over(room, at, &["-t", "overlay", "-o", &options, "none"]);
    let kind = |mounted: &Mounted| identify(&mounted.at).kind;
    let before = mounted.as_ref().map(kind);
    // The overlay keeps the tmpfs; the disk below has directories of those names.
    run("umount", &["-l", memory]);
    make();
    let Some(mounted) = mounted else {
        return;
    };
    assert_eq!(
        before,
        Some(FsKind::Overlay(Upper::Swappable)),
        "the control"
    );
    assert_eq!(kind(&mounted), FsKind::Overlay(Upper::Unknown));
    assert!(matches!(confine(&mounted.at), Err(Error::Place { .. })));
}

#[test]
fn each_scratch_file_system_is_known_and_graded() {
    let _alone = alone();
    if !require_root("each_scratch_file_system_is_known_and_graded") {
        return;
    }
    for scratched in Scratched::ALL {
        let room = Room::new("places-scratch");
        let disk = match Scratch::create(scratched, room.path()) {
            Ok(disk) => disk,
            Err(error) => {
                not_run(&error.to_string());
                continue;
            }
        };
        let found = identify(&disk.path());
        // Kind, journal of data, closed for good in its file, verified on the medium.
        let expected = match scratched {
            Scratched::Ext2 | Scratched::Ext4 => (FsKind::Ext, false, true, true),
            Scratched::Ext4Journal => (FsKind::Ext, true, false, false),
            Scratched::Xfs => (FsKind::Xfs, false, true, true),
            _ => (FsKind::Btrfs, false, false, true),
        };
        let (swap, file, verified) = confine(&disk.path()).unwrap();
        let journals = found.journals_data.unwrap();
        let seen = (found.kind, journals, closed(&file), verified);
        assert_eq!(seen, expected, "{scratched:?}");
        assert!(closed(&swap));
        assert!(matches!(
            evaporate(&disk.path()),
            Lifetime::UntilWriteBack { .. }
        ));
        disk.close().unwrap();
    }
}

#[test]
fn a_journal_that_the_superblock_asks_for_is_seen() {
    let _alone = alone();
    if !require_root("a_journal_that_the_superblock_asks_for_is_seen") {
        return;
    }
    mount_with_journals(|dir, journal| {
        assert_eq!(identify(dir).journals_data, Some(journal));
        let (_, file, verified) = confine(dir).unwrap();
        assert_eq!((closed(&file), verified), (!journal, !journal), "{file}");
    });
}

#[test]
fn a_journal_out_of_sight_is_not_taken_for_none() {
    let _alone = alone();
    let test = "places::a_journal_out_of_sight_is_not_taken_for_none";
    if is_playing(test) {
        let at = PathBuf::from(std::env::var_os(AT).unwrap());
        assert_eq!(identify(&at).journals_data, None);
        let (_, file, verified) = confine(&at).unwrap();
        assert!(file.to_string().starts_with("unknown: "), "{file}");
        assert!(!verified);
        return;
    }
    if !require_root("a_journal_out_of_sight_is_not_taken_for_none") {
        return;
    }
    // As systemd mounts it for ProcSubset=pid: without /proc/fs.
    let hide = "mount -t proc -o subset=pid proc /proc && exec \"$0\" \"$@\"";
    mount_with_journals(|dir, journal| {
        assert_eq!(identify(dir).journals_data, Some(journal), "the control");
        let at = format!("{AT}={}", dir.display());
        let prefix = ["env", &at, "unshare", "--mount", "sh", "-c", hide];
        let output = again(&prefix, &std::env::current_exe().unwrap(), test, test);
        let errors = String::from_utf8_lossy(&output.stderr);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{errors}");
        assert!(said.contains("1 passed"), "{said}{errors}");
    });
}

/// Tells a program that was started again where to look.
const AT: &str = "VMSAFE_AT";

/// Mounts an ext4 without and one with a journal of data, which the superblock asks for.
fn mount_with_journals(look: impl Fn(&Path, bool)) {
    for journal in [false, true] {
        let room = Room::new("places-journal");
        let (image, at) = (room.file("image"), room.file("at"));
        let whole = std::fs::File::create(&image).unwrap();
        whole.set_len(64 << 20).unwrap();
        std::fs::create_dir(&at).unwrap();
        let image = image.to_str().unwrap();
        run("mkfs.ext4", &["-q", image]);
        if journal {
            // No option of the mount: mountinfo does not tell it.
            run("tune2fs", &["-o", "journal_data", image]);
        }
        let Some(mounted) = Mounted::over(room, at, &["-o", "loop", image]) else {
            return;
        };
        look(&mounted.at, journal);
    }
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().expect(program);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {errors}");
}

#[test]
fn compression_is_seen() {
    let _alone = alone();
    if !require_root("compression_is_seen") {
        return;
    }
    let room = Room::new("places-compressed");
    let options = ScratchOptions::new(Scratched::Btrfs).mount_option("compress=zstd");
    match options.create(room.path()) {
        Ok(disk) => {
            assert_eq!(identify(&disk.path()).compresses, Some(true));
            let (_, file, verified) = confine(&disk.path()).unwrap();
            assert!(!closed(&file) && !verified);
            disk.close().unwrap();
        }
        Err(error) => not_run(&error.to_string()),
    }
}

/// A disk to fill, and where it is mounted; says so where it cannot be had.
fn disk_of(kind: Scratched, bytes: u64, room: &Room) -> Option<(Scratch, PathBuf)> {
    match ScratchOptions::new(kind).bytes(bytes).create(room.path()) {
        Ok(disk) => {
            let dir = disk.path().canonicalize().unwrap();
            Some((disk, dir))
        }
        Err(error) => {
            not_run(&error.to_string());
            None
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_not_a_crash() {
    let _alone = alone();
    if !require_root("a_full_disk_is_an_error_and_not_a_crash") {
        return;
    }
    let room = Room::new("places-full");
    let Some((disk, dir)) = disk_of(Scratched::Ext4, 16 << 20, &room) else {
        return;
    };
    let path = dir.join("secret");
    let no_space = |made: Result<(), Error>| match made {
        Err(Error::File { refused, .. }) => {
            assert_eq!(
                (refused.call, refused.kind()),
                (Call::Allocate, ErrorKind::StorageFull)
            );
        }
        other => panic!("{other:?}"),
    };
    no_space(Confined::create(&path, 1 << 30).map(drop));
    assert!(!path.exists(), "nothing is left");
    let filler = dir.join("filler");
    let filled = fill(&filler);
    no_space(Evaporating::create_in(&dir, 100).map(drop));
    no_space(Confined::create(&path, 1).map(drop));
    assert!(filled > 1 << 20 && !path.exists());
    std::fs::remove_file(filler).unwrap();
    let mut buffer = Confined::create(&path, 4 << 20).unwrap();
    let filled = fill(&dir.join("filler"));
    assert!(filled > 0, "the control: the rest is full again");
    // Reserved before: no store faults for want of space.
    buffer.fill(0xA5);
    buffer.write_back().unwrap();
    assert!(buffer.burn().unwrap().verified.is_yes());
    disk.close().unwrap();
}

#[test]
fn a_full_btrfs_faults_no_store() {
    let _alone = alone();
    if !require_root("a_full_btrfs_faults_no_store") {
        return;
    }
    let room = Room::new("places-full-btrfs");
    let Some((disk, dir)) = disk_of(Scratched::Btrfs, 128 << 20, &room) else {
        return;
    };
    let confined = |name| Confined::create(dir.join(name), 4 << 20).unwrap();
    let (mut stored, mut burned) = (confined("stored"), confined("burned"));
    let mut evaporating = Evaporating::create_in(&dir, 100).unwrap();
    evaporating.write(b"before").unwrap();
    for buffer in [&mut stored, &mut burned] {
        buffer.fill(0xA5);
        buffer.write_back().unwrap();
    }
    fill(&dir.join("filler"));
    let no_room = std::fs::write(dir.join("more"), vec![1; 1 << 20]).unwrap_err();
    assert_eq!(no_room.kind(), ErrorKind::StorageFull, "the control");
    stored.fill(0xA6);
    stored.write_back().unwrap();
    evaporating.write(b"after").unwrap();
    disk.flush().unwrap();
    evaporating.write(b"again").unwrap();
    for buffer in [stored, burned] {
        let path = buffer.path().to_owned();
        let report = buffer.burn().unwrap();
        assert!(!path.exists() && !report.in_place.is_yes(), "{report:?}");
    }
    drop(evaporating);
    disk.close().unwrap();
}

#[test]
fn names_that_are_no_text_disturb_nothing() {
    let _alone = alone();
    let room = Room::new("places-names");
    let name = std::ffi::OsStr::from_bytes(b"n\xE9\xFF");
    // Its mapping stands in /proc/self/smaps from here on.
    let mapped = Confined::create(room.path().join(name), 1).unwrap();
    let own = "/proc/self/comm";
    let called = std::fs::read(own).unwrap();
    std::fs::write(own, b"t\xE9\xFF").unwrap();
    let limit = native().lock_limit();
    let locked = Locked::new(1);
    std::fs::write(own, called.trim_ascii_end()).unwrap();
    limit.unwrap();
    assert!(closed(locked.unwrap().grade().of(Threat::Swap)));
    assert!(mapped.burn().unwrap().bytes > 0);
    if !require_root("names_that_are_no_text_disturb_nothing") {
        return;
    }
    let at = room.path().join(name);
    std::fs::create_dir(&at).unwrap();
    let Some(mounted) = Mounted::over(room, at, &["-t", "ramfs", "none"]) else {
        return;
    };
    assert_eq!(identify(&mounted.at).kind, FsKind::Ramfs);
    // A mount elsewhere is in the way no more than its own.
    let elsewhere = Room::new("places-elsewhere");
    assert!(confine(elsewhere.path()).is_ok());
    assert_eq!(evaporate(&mounted.at), Lifetime::UntilDropped);
}

/// Fills the disk with a file to its last block; returns its length.
fn fill(path: &Path) -> u64 {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, page(), 1] {
        while file.write(&vec![1; size]).is_ok_and(|written| written > 0) {}
        let _ = file.sync_all();
    }
    file.metadata().unwrap().len()
}

#[test]
fn what_is_preferred_and_cannot_be_had_lowers_the_grade() {
    let _alone = alone();
    let place = Path::new("/dev/shm");
    if !place.is_dir() {
        return not_run("no /dev/shm here");
    }
    let room = Room::within(place, "vmsafe-preferred");
    let options = Confined::options().demand(Threat::Swap, Demand::Prefer);
    let buffer = options.create(room.file("secret"), 1).unwrap();
    let expected = "open: its pages go to swap";
    assert_eq!(buffer.grade().of(Threat::Swap).to_string(), expected);
}
