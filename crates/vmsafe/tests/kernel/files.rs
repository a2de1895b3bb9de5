//! Files that are ours alone, and their end.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use vmsafe::buffer::confined::{Burned, burn_file};
use vmsafe::{Confined, Error, Evaporating};
use vmsafe_lab::{SIGKILL, ended_by, fork_lingering, not_run};
use vmsafe_os::Call;

use crate::stage::{
    Room, alone, as_ordinary_user, child, common_place, holdings, is_playing, page,
};

const CANARY: &[u8] = b"a canary that must be nowhere at the end";

fn confined(path: &Path) -> Confined {
    let mut buffer = Confined::create(path, 3 * page()).unwrap();
    buffer[5..5 + CANARY.len()].copy_from_slice(CANARY);
    buffer
}

fn burn(path: &Path) -> Result<Burned, Error> {
    burn_file(path, &mut |_, _| {})
}

fn holds_canary(path: &Path) -> bool {
    let bytes = fs::read(path).expect("a readable file");
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}

/// The reason of a refusal, and the call that was refused.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (Call, ErrorKind, String) {
    match result {
        Err(Error::File { refused, .. }) => {
            (refused.call, refused.kind(), refused.source.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_file_is_whole_private_and_burned() {
    let _alone = alone();
    let room = Room::new("files-private");
    let path = room.file("secret");
    let buffer = confined(&path);
    buffer.write_back().unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!((metadata.len(), metadata.nlink()), (3 * page() as u64, 1));
    assert!(holds_canary(&path), "the control: it is in its file");
    let burned = buffer.burn().unwrap();
    assert_eq!(burned.bytes, 3 * page() as u64);
    assert!(room.is_empty());
}

#[test]
fn a_name_that_is_taken_is_refused_and_left_alone() {
    let _alone = alone();
    let room = Room::new("files-taken");
    let path = room.file("secret");
    let buffer = confined(&path);
    let (call, kind, _) = refusal(Confined::create(&path, 1));
    assert_eq!((call, kind), (Call::Create, ErrorKind::AlreadyExists));
    assert_eq!(&buffer[5..5 + CANARY.len()], CANARY);
    let other = room.file("other");
    fs::write(&other, b"somebody's").unwrap();
    assert!(Confined::create(&other, 1).is_err());
    assert_eq!(fs::read(&other).unwrap(), b"somebody's");
    symlink(room.file("nowhere"), room.file("link")).unwrap();
    assert!(Confined::create(room.file("link"), 1).is_err());
    assert!(!room.file("nowhere").exists());
}

#[test]
fn a_living_owner_is_not_burned() {
    let _alone = alone();
    let room = Room::new("files-living");
    let path = room.file("secret");
    let buffer = confined(&path);
    let (call, kind, reason) = refusal(burn(&path));
    assert_eq!((call, kind), (Call::Reopen, ErrorKind::ResourceBusy));
    assert_eq!(
        reason,
        "the file's owner is alive; let it finish, or end it first"
    );
    let from_child = child(|| {
        assert!(matches!(burn(&path), Err(Error::File { .. })));
    });
    assert!(from_child.success());
    assert_eq!(&buffer[5..5 + CANARY.len()], CANARY);
    let ended = child(|| assert!(matches!(buffer.write_back(), Err(Error::Elsewhere))));
    assert!(ended.success());
    let mut owned = Some(buffer);
    let ended = child(|| {
        assert!(matches!(
            owned.take().map(Confined::burn),
            Some(Err(Error::Elsewhere))
        ))
    });
    assert!(ended.success(), "{ended}");
    assert!(path.exists() && owned.is_some());
    let descriptors = holdings().1;
    drop(owned);
    assert_eq!(holdings().1 + 2, descriptors, "the file and its directory");
    assert!(room.is_empty());
}

#[test]
fn a_child_that_lives_on_does_not_keep_a_dead_owners_file() {
    let _alone = alone();
    let room = Room::new("files-orphan");
    let path = room.file("secret");
    let (mut end, keep) = std::io::pipe().unwrap();
    let mut keep = Some(keep);
    let (mut here, mut arrived) = std::io::pipe().unwrap();
    let ended = child(|| {
        drop(keep.take());
        let _buffer = confined(&path);
        let lingering = fork_lingering(|| {
            arrived.write_all(&[1]).unwrap();
            // Lives until the test lets go of the pipe.
            let _ = end.read(&mut [0]);
        });
        let living = burn(&path);
        assert!(
            matches!(living, Err(Error::File { .. })),
            "the control: {living:?}"
        );
        std::mem::forget(lingering);
        here.read_exact(&mut [0]).unwrap();
        vmsafe_lab::kill(std::process::id(), SIGKILL).unwrap();
    });
    assert_eq!(ended_by(ended), Some(SIGKILL), "{ended}");
    assert!(path.exists());
    assert_eq!(burn(&path).unwrap().bytes, 3 * page() as u64);
    drop(keep.take());
    assert!(room.is_empty());
}

#[test]
fn links_of_every_kind_are_refused() {
    let _alone = alone();
    let room = Room::new("files-links");
    let real = room.file("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, room.file("alias")).unwrap();
    let advice = "the path goes through a symbolic link; give the path that it stands for";
    let through = room.file("alias").join("secret");
    let (call, kind, reason) = refusal(Confined::create(&through, 1));
    assert_eq!((call, kind), (Call::Create, ErrorKind::InvalidInput));
    assert_eq!(reason, advice);
    let (_, _, reason) = refusal(Evaporating::create_in(room.file("alias"), 1));
    assert_eq!(reason, advice);
    let file = real.join("secret");
    fs::write(&file, CANARY).unwrap();
    assert_eq!(refusal(burn(&through)).2, advice, "a directory on the way");
    symlink(&file, room.file("name")).unwrap();
    assert_eq!(
        refusal(burn(&room.file("name"))).2,
        advice,
        "the file itself"
    );
    fs::hard_link(&file, room.file("second")).unwrap();
    let (call, _, reason) = refusal(burn(&file));
    assert_eq!(call, Call::Reopen);
    let expected = "the file has another name (a hard link): its content would stay reachable";
    assert_eq!(reason, expected);
    assert!(holds_canary(&file), "refused, and nothing written");
    fs::remove_file(room.file("second")).unwrap();
    let _ = burn(&file).unwrap();
    assert!(!file.exists());
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let _alone = alone();
    let room = Room::new("files-irregular");
    let fifo = room.file("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let (call, _, reason) = refusal(burn(&fifo));
    assert_eq!(
        (call, reason.as_str()),
        (Call::Reopen, "not a regular file")
    );
    let (call, kind, _) = refusal(burn(room.path()));
    assert_eq!((call, kind), (Call::Reopen, ErrorKind::IsADirectory));
    assert_eq!(
        refusal(burn(Path::new("/dev/null"))).2,
        "not a regular file"
    );
    assert_eq!(refusal(burn(Path::new("/"))).2, "the path names no file");
    let (_, kind, _) = refusal(burn(&room.file("absent")));
    assert_eq!(kind, ErrorKind::NotFound);
    let (_, kind, _) = refusal(Confined::create(room.file("no").join("secret"), 1));
    assert_eq!(kind, ErrorKind::NotFound);
}

#[test]
fn a_file_of_any_length_is_burned() {
    let _alone = alone();
    let room = Room::new("files-lengths");
    for len in [0, 1, page() - 1, page(), page() + 1, (1 << 20) + 3] {
        let path = room.file("left-behind");
        fs::write(&path, vec![0xA5; len]).unwrap();
        let burned = burn(&path).unwrap();
        assert_eq!(burned.bytes, len.next_multiple_of(page()) as u64, "{len}");
        assert!(room.is_empty(), "{len}");
    }
}

#[test]
fn a_name_that_was_given_to_another_file_is_left_alone() {
    let _alone = alone();
    let room = Room::new("files-renamed");
    let path = room.file("secret");
    let buffer = confined(&path);
    fs::rename(&path, room.file("moved")).unwrap();
    fs::write(&path, b"somebody's").unwrap();
    let (call, _, reason) = refusal(buffer.burn());
    assert_eq!(
        (call, reason.as_str()),
        (Call::Unlink, "its name belongs to another file now")
    );
    assert_eq!(fs::read(&path).unwrap(), b"somebody's");
    assert_eq!(
        fs::metadata(room.file("moved")).unwrap().len(),
        0,
        "burned all the same"
    );
}

#[test]
fn shared_memory_is_refused_by_name() {
    let _alone = alone();
    let place = Path::new("/dev/shm");
    if !place.is_dir() {
        return not_run("no /dev/shm here");
    }
    let room = Room::within(place, "vmsafe-files");
    let path = room.file("secret");
    let expected = format!(
        "{}: tmpfs cannot keep the promise: its pages go to swap; name a file on a disk (ext4, \
         xfs, btrfs)",
        path.display()
    );
    let error = Confined::create(&path, 1).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(room.is_empty());
}

#[test]
fn a_hundred_mebibytes_are_burned_and_verified() {
    let _alone = alone();
    let room = Room::new("files-large");
    let len = 100 << 20;
    let mut buffer = Confined::create(room.file("secret"), len).unwrap();
    buffer
        .chunks_mut(page())
        .for_each(|page| page[..CANARY.len()].copy_from_slice(CANARY));
    buffer.write_back().unwrap();
    assert!(holds_canary(buffer.path()), "the control");
    let burned = buffer.burn().unwrap();
    assert_eq!(burned.bytes, len as u64);
    let on_disk = burned.verified.is_yes();
    assert!(
        on_disk,
        "{burned:?}: build the tests on ext4, xfs or btrfs to run this one"
    );
    assert!(room.is_empty());
}

#[test]
fn a_directory_without_leave_to_write() {
    let _alone = alone();
    let test = "files::a_directory_without_leave_to_write";
    if !is_playing(test) {
        return as_ordinary_user(1024, test);
    }
    let room = Room::within(common_place(), "vmsafe-readonly");
    let set = |mode| fs::set_permissions(room.path(), fs::Permissions::from_mode(mode)).unwrap();
    let path = room.file("secret");
    let buffer = confined(&path);
    set(0o500);
    let (call, kind, _) = refusal(Confined::create(room.file("other"), 1));
    assert_eq!((call, kind), (Call::Create, ErrorKind::PermissionDenied));
    let (call, kind, _) = refusal(Evaporating::create_in(room.path(), 1));
    assert_eq!((call, kind), (Call::Create, ErrorKind::PermissionDenied));
    let (call, kind, _) = refusal(buffer.burn());
    assert_eq!((call, kind), (Call::Unlink, ErrorKind::PermissionDenied));
    assert_eq!(
        fs::metadata(&path).unwrap().len(),
        0,
        "burned, but for its name"
    );
    set(0o700);
    assert_eq!(burn(&path).unwrap().bytes, 0);
    assert!(room.is_empty());
    fs::write(&path, b"x").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let (call, kind, _) = refusal(burn(&path));
    assert_eq!((call, kind), (Call::Reopen, ErrorKind::PermissionDenied));
    drop(File::open(&path).unwrap());
}

#[test]
fn a_file_that_somebody_cut_short_faults_no_end_and_is_not_called_burned() {
    let _alone = alone();
    let room = Room::new("files-cut");
    let path = room.file("secret");
    let mut buffer = Confined::create(&path, 2 * page()).unwrap();
    buffer.fill(0xA5);
    buffer.write_back().unwrap();
    let opened = fs::OpenOptions::new().write(true).open(&path).unwrap();
    opened.set_len(page() as u64).unwrap();
    let error = buffer.wipe().unwrap_err();
    assert!(error.to_string().contains("cut the file short"), "{error}");
    assert!(
        buffer[..page()].iter().all(|byte| *byte == 0),
        "what is left"
    );
    let burned = buffer.burn().unwrap();
    assert!(!burned.verified.is_yes() && !burned.in_place.is_yes());
    assert!(room.is_empty());
}
