//! The limit on locked memory, as a user whom it binds.

use std::io::ErrorKind;
use std::process::Command;

use vmsafe::buffer::confined::{Burned, burn_file};
use vmsafe::{Confined, Error, Evaporating, Fork, Locked, Source};
use vmsafe_lab::{ended_by, not_run};
use vmsafe_os::{Call, native};

use crate::stage::{
    FAULT, Room, again, alone, as_ordinary_user, child, full, is_playing, locked, page, status,
};

const KIB: u64 = 1024;

fn kib(count: u64) -> usize {
    usize::try_from(count * KIB).expect("a small number")
}

/// Sources that this kernel has.
fn sources() -> Vec<Source> {
    let has = |source: &Source| locked(*source, Fork::Absent, 1).is_ok();
    [Source::Secret, Source::Anonymous]
        .into_iter()
        .filter(has)
        .collect()
}

#[test]
fn the_limit_is_an_error_with_numbers() {
    let _alone = alone();
    let test = "limits::the_limit_is_an_error_with_numbers";
    if !is_playing(test) {
        return as_ordinary_user(64, test);
    }
    for source in sources() {
        let before = status("VmLck") * KIB;
        let first = full(source, Fork::Absent, kib(48), 1).unwrap();
        let limit = native().lock_limit().unwrap();
        assert_eq!(
            (limit.soft, limit.used),
            (Some(64 * KIB), before + 48 * KIB)
        );
        let error = locked(source, Fork::Absent, kib(32)).unwrap_err();
        let expected = format!(
            "32768 more bytes cannot be locked: {} of 65536 are in use; raise RLIMIT_MEMLOCK: \
             `ulimit -l` in a shell, LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a \
             container",
            before + 48 * KIB
        );
        assert_eq!(error.to_string(), expected, "{source:?}");
        assert!(matches!(Locked::new(kib(32)), Err(Error::LockLimit { .. })));
        drop(first);
        assert!(locked(source, Fork::Absent, kib(32)).is_ok(), "given back");
        assert_eq!(status("VmLck") * KIB, before, "{source:?}");
    }
}

#[test]
fn a_moved_child_without_quota_finds_nothing_rather_than_something_weaker() {
    let _alone = alone();
    let test = "limits::a_moved_child_without_quota_finds_nothing_rather_than_something_weaker";
    if !is_playing(test) {
        return as_ordinary_user(64, test);
    }
    for source in sources() {
        let mut large = full(source, Fork::Moved, kib(48), 0xA5);
        let read = child(|| assert!(large.as_ref().is_some_and(|buffer| buffer[0] == 0xA5)));
        assert_eq!(ended_by(read), FAULT, "{source:?}: {read}");
        let dropped = child(|| {
            assert!(large.as_ref().is_some_and(|buffer| !buffer.is_present()));
            drop(large.take());
            assert!(child(|| ()).success(), "a fork after it");
        });
        assert!(dropped.success(), "{source:?}: {dropped}");
        assert!(
            large
                .as_ref()
                .is_some_and(|buffer| buffer.iter().all(|byte| *byte == 0xA5))
        );
        drop(large);
        let small = full(source, Fork::Moved, page(), 0xA5).unwrap();
        let read = child(|| assert!(small.iter().all(|byte| *byte == 0xA5)));
        assert!(read.success(), "the control: a copy that fits: {read}");
    }
}

#[test]
fn a_containers_root_is_bound_by_the_limit() {
    let _alone = alone();
    let test = "limits::a_containers_root_is_bound_by_the_limit";
    if is_playing(test) {
        assert_eq!(native().lock_limit().unwrap().soft, Some(64 * KIB));
        let error = Locked::new(kib(128)).unwrap_err();
        assert!(matches!(error, Error::LockLimit { .. }), "{error}");
        return;
    }
    let prefix = ["prlimit", "--memlock=65536", "unshare", "--map-root-user"];
    let program = std::env::current_exe().unwrap();
    let works = Command::new(prefix[2]).args([prefix[3], "true"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return not_run("no user namespaces here");
    }
    let output = again(&prefix, &program, test, test);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Starts the test again, as one whose files may grow to `bytes`.
fn with_short_files(bytes: &str, test: &str) {
    let limit = format!("--fsize={bytes}");
    let program = std::env::current_exe().unwrap();
    let output = again(&["prlimit", &limit], &program, test, test);
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {said}{errors}", output.status);
    assert!(said.contains("1 passed"), "{said}{errors}");
}

#[test]
fn a_limit_on_files_is_an_error_and_no_signal() {
    let _alone = alone();
    let test = "limits::a_limit_on_files_is_an_error_and_no_signal";
    let room = Room::new("limits-files");
    let confined = || Confined::create(room.file("secret"), 1 << 20);
    if is_playing(test) {
        // Secret memory is a file too: the next kind is taken.
        assert_eq!(Locked::new(32).unwrap().source(), Source::Anonymous);
        let evaporating = Evaporating::create_in(room.path(), 1).map(drop);
        for made in [confined().map(drop), evaporating] {
            match made {
                Err(Error::File { refused, .. }) => assert_eq!(
                    (refused.call, refused.kind()),
                    (Call::Allocate, ErrorKind::FileTooLarge)
                ),
                other => panic!("{other:?}"),
            }
            assert!(room.is_empty(), "nothing is left");
        }
        return;
    }
    confined().unwrap();
    with_short_files("0", test);
}

#[test]
fn a_limit_that_is_lowered_keeps_no_file_from_its_burn() {
    let _alone = alone();
    let test = "limits::a_limit_that_is_lowered_keeps_no_file_from_its_burn";
    if !is_playing(test) {
        return with_short_files("unlimited", test);
    }
    let room = Room::new("limits-burn");
    let mut buffer = Confined::create(room.file("secret"), 1 << 20).unwrap();
    buffer.fill(0xA5);
    buffer.write_back().unwrap();
    let left = room.file("left");
    std::fs::write(&left, vec![0xA5; 100_001]).unwrap();
    let own = format!("--pid={}", std::process::id());
    let lowered = Command::new("prlimit")
        .args([&own, "--fsize=65536"])
        .status();
    assert!(lowered.unwrap().success());
    let confirmed = |burned: Burned| (burned.verified.is_yes(), burned.in_place.is_yes());
    let expected = confirmed(buffer.burn().unwrap());
    assert_eq!(expected.0, expected.1, "as far as this disk can confirm");
    let burned = confirmed(burn_file(&left, &mut |_, _| {}).unwrap());
    assert_eq!(burned, expected);
    assert!(room.is_empty());
}
