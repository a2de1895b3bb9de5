//! The answers of each function: names, sizes, threads, rounds, children.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vmsafe_lab::{fork_lingering, not_run};
use win32vmsafe::{
    win32vmSafeBurn, win32vmSafeError, win32vmSafeErrorText, win32vmSafeFree, win32vmSafeGrade,
    win32vmSafeInit, win32vmSafeInitAs2001, win32vmSafeLost, win32vmSafeMark,
};

use crate::drive::Room;

/// The codes of the header that are looked for here.
const SIZE: c_int = 1;
const NAME: c_int = 2;
const EXISTS: c_int = 3;
const PLACE: c_int = 4;
const FILE: c_int = 6;
const HELD: c_int = 7;
const NONE: c_int = 8;
const CHILD: c_int = 9;

/// The buffer belongs to the process, and so do these tests one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn name(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn init(name: &CStr, mapsize: c_int) -> Option<usize> {
    // SAFETY: a string that ends in zero.
    let start = unsafe { win32vmSafeInit(name.as_ptr(), mapsize) };
    (!start.is_null()).then(|| start.addr())
}

fn init_as_2001(name: &CStr, mapsize: c_int) -> Option<usize> {
    // SAFETY: a string that ends in zero.
    let start = unsafe { win32vmSafeInitAs2001(name.as_ptr(), mapsize) };
    (!start.is_null()).then(|| start.addr())
}

/// What a pointer of the interface says.
fn said(text: *const c_char) -> String {
    assert!(!text.is_null());
    // SAFETY: the interface's texts end in zero, and this thread makes no call meanwhile.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().unwrap().to_owned()
}

fn error() -> (c_int, String) {
    (win32vmSafeError(), said(win32vmSafeErrorText()))
}

/// Burned, whether or not the place lets all of it be confirmed.
fn freed() {
    let freed = win32vmSafeFree();
    assert!(freed == 0 || freed == 1, "{freed}: {:?}", error());
}

#[test]
fn bad_sizes_are_refused_with_a_sentence() {
    let _alone = alone();
    let room = Room::on_disk("calls-sizes");
    let file = room.file("key");
    for mapsize in [0, -1, -512, c_int::MIN, 1, 511, 513, 1024, 4097, c_int::MAX] {
        assert_eq!(init(&name(&file), mapsize), None, "{mapsize}");
        let (code, text) = error();
        assert_eq!(code, SIZE, "{text}");
        assert!(
            text.contains(&format!("a mapsize of {mapsize} is neither 512")),
            "{text}"
        );
        assert!(!file.exists());
    }
}

#[test]
fn bad_names_are_refused_with_a_sentence() {
    let _alone = alone();
    let room = Room::on_disk("calls-names");
    // SAFETY: NULL is allowed.
    let start = unsafe { win32vmSafeInit(ptr::null(), 512) };
    assert!(start.is_null());
    assert_eq!(error().0, NAME);
    assert_eq!((init(c"", 512), error().0), (None, NAME));
    let nowhere = name(&room.file("no-such-directory/key"));
    assert_eq!((init(&nowhere, 512), error().0), (None, FILE));
    assert_eq!(init(&name(room.path()), 512), None, "a directory");
    assert_eq!(error().0, EXISTS);

    let taken = room.file("taken");
    fs::write(&taken, "somebody else's").unwrap();
    let link = room.file("link");
    std::os::unix::fs::symlink(&taken, &link).unwrap();
    for path in [&taken, &link] {
        for mapsize in [512, 4096] {
            assert_eq!(init_as_2001(&name(path), mapsize), None);
            let (code, text) = error();
            assert_eq!(code, EXISTS, "{text}");
            assert!(text.contains("no file is ever taken over"), "{text}");
        }
    }
    assert_eq!(fs::read(&taken).unwrap(), b"somebody else's");
    let detour = room.file("detour");
    std::os::unix::fs::symlink(room.path(), &detour).unwrap();
    assert_eq!(
        (init(&name(&detour.join("key")), 512), error().0),
        (None, NAME)
    );
}

#[test]
fn a_name_is_any_bytes() {
    let _alone = alone();
    let room = Room::on_disk("calls-bytes");
    let file = room
        .file("")
        .join(std::ffi::OsStr::from_bytes(b"\xff\xfe key"));
    let start = init_as_2001(&name(&file), 512);
    assert!(start.is_some(), "{:?}", error());
    assert!(file.exists());
    freed();
    assert!(!file.exists());
}

#[test]
fn a_place_that_breaks_the_promise_is_refused_and_names_a_better_one() {
    let _alone = alone();
    let Some(memory) = Room::in_memory("calls-place") else {
        return not_run("no /dev/shm here");
    };
    let file = memory.file("pages");
    assert_eq!(
        init(&name(&file), 4096),
        None,
        "whole pages of shared memory go to swap"
    );
    let (code, text) = error();
    assert_eq!(code, PLACE, "{text}");
    assert!(text.contains("name a file on a disk"), "{text}");
    assert!(text.contains("win32vmSafeInitAs2001"), "{text}");
    assert!(!file.exists());
    assert!(init_as_2001(&name(&file), 4096).is_some(), "{:?}", error());
    assert!(said(win32vmSafeGrade()).contains("open: its pages go to swap"));
    freed();
}

#[test]
fn a_round_after_a_round_and_none_within_another() {
    let _alone = alone();
    let room = Room::on_disk("calls-rounds");
    let (file, other) = (room.file("key"), room.file("other"));
    for call in [
        win32vmSafeFree,
        win32vmSafeMark,
        win32vmSafeLost,
        win32vmSafeBurn,
    ] {
        assert_eq!((call(), error().0), (-1, NONE));
    }
    assert!(win32vmSafeGrade().is_null());
    for _ in 0..2 {
        assert!(init_as_2001(&name(&file), 512).is_some(), "{:?}", error());
        assert_eq!(error(), (0, String::new()));
        for path in [&file, &other] {
            assert_eq!((init_as_2001(&name(path), 512), error().0), (None, HELD));
        }
        assert!(file.exists() && !other.exists());
        assert_eq!(win32vmSafeMark(), 0);
        freed();
        assert_eq!((win32vmSafeFree(), error().0), (-1, NONE));
    }
}

#[test]
fn the_page_is_zero_at_first_up_to_its_guard() {
    let _alone = alone();
    let room = Room::on_disk("calls-zero");
    let start = init_as_2001(&name(&room.file("key")), 512).unwrap();
    let page: *const u8 = ptr::with_exposed_provenance(start);
    // SAFETY: Init gave 4096 bytes, and no other thread has the pointer.
    let page = unsafe { std::slice::from_raw_parts(page, 4096) };
    assert!(page[..4080].iter().all(|byte| *byte == 0));
    assert!(page[4080..].iter().any(|byte| *byte != 0), "the guard");
    freed();
}

#[test]
fn of_many_threads_one_gets_the_buffer() {
    let _alone = alone();
    let room = Room::on_disk("calls-threads");
    let got = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let file = name(&room.file(&format!("key-{number}")));
                scope.spawn(move || {
                    let start = init_as_2001(&file, 512);
                    let told = win32vmSafeError();
                    assert!(win32vmSafeLost() <= 1 && win32vmSafeMark() <= 1);
                    (start.is_some(), told)
                })
            })
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect::<Vec<_>>()
    });
    assert_eq!(
        got.iter().filter(|(got, told)| *got && *told == 0).count(),
        1
    );
    assert_eq!(
        got.iter()
            .filter(|(got, told)| !got && *told == HELD)
            .count(),
        7
    );
    freed();
    assert!(
        fs::read_dir(room.path()).unwrap().next().is_none(),
        "no file is left"
    );
}

#[test]
fn a_file_that_somebody_cut_short_is_a_loss_and_no_fault() {
    let _alone = alone();
    let room = Room::on_disk("calls-cut");
    let file = room.file("key");
    let cut = || {
        let opened = fs::OpenOptions::new().write(true).open(&file).unwrap();
        opened.set_len(0).unwrap();
    };
    init_as_2001(&name(&file), 512).unwrap();
    assert_eq!(win32vmSafeMark(), 0);
    assert_eq!(win32vmSafeLost(), 0, "the control");
    cut();
    assert_eq!(win32vmSafeLost(), 1, "{:?}", error());
    assert_eq!(fs::metadata(&file).unwrap().len(), 512);
    cut();
    assert_eq!(win32vmSafeMark(), 1, "a loss came before");
    cut();
    assert!(win32vmSafeBurn() >= 0, "{:?}", error());
    cut();
    assert!(win32vmSafeFree() >= 0 && !file.exists(), "{:?}", error());
    init_as_2001(&name(&file), 8192).unwrap();
    cut();
    assert_eq!((win32vmSafeBurn(), win32vmSafeError()), (-1, FILE));
    assert_eq!(win32vmSafeFree(), 1, "the blocks went as they were");
    assert!(error().1.contains("cut the file short") && !file.exists());
}

#[test]
fn a_child_has_no_buffer_until_it_makes_its_own() {
    let _alone = alone();
    let room = Room::on_disk("calls-fork");
    let (file, own) = (room.file("key"), room.file("own"));
    let start = init_as_2001(&name(&file), 512).unwrap();
    let in_child = || {
        let calls = [
            win32vmSafeFree,
            win32vmSafeMark,
            win32vmSafeLost,
            win32vmSafeBurn,
        ];
        for call in calls {
            assert_eq!((call(), win32vmSafeError()), (-1, CHILD));
        }
        assert!(init_as_2001(&name(&own), 512).is_some());
        freed();
    };
    let child = fork_lingering(in_child).expect("a child");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let touch = || {
        let page: *const u8 = ptr::with_exposed_provenance(start);
        // SAFETY: not sound, and meant so: the child must end by a fault.
        let byte = unsafe { ptr::read_volatile(page) };
        assert_eq!(byte, 0);
    };
    let child = fork_lingering(touch).expect("a child");
    assert_eq!(
        vmsafe_lab::ended_by(child.wait().unwrap()),
        Some(11),
        "it faults"
    );
    assert!(
        file.exists() && !own.exists(),
        "the parent's file is left alone"
    );
    assert!(
        win32vmSafeMark() >= 0 && win32vmSafeLost() >= 0,
        "and it goes on"
    );
    freed();
    assert!(!file.exists());
}
