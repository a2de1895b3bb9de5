//! One program per misuse: the signal that ends it, or its exact message.

use std::fs::File;
use std::hint::black_box;

use vmsafe::buffer::evaporating::Plain2001;
use vmsafe::{Confined, Fork, Source};
use vmsafe_lab::ended_by;

use crate::stage::{FAULT, Room, again, full, is_playing, page, pages};

/// SIGBUS: a page that has no place in its file any more.
const BUS: Option<i32> = Some(7);

/// What ends a program.
enum End {
    Signal(Option<i32>),
    Panic(&'static str),
}

/// Commits the crime `name` in a program of its own, and checks what ends it.
fn crime(name: &str, end: &End, commit: impl FnOnce()) {
    let test = format!("crimes::{name}");
    if is_playing(&test) {
        return commit();
    }
    let program = std::env::current_exe().expect("a path of our own");
    // No core file: there is nothing to learn from one.
    let output = again(&["prlimit", "--core=0"], &program, &test, &test);
    let errors = String::from_utf8_lossy(&output.stderr);
    match end {
        End::Signal(signal) => {
            assert_eq!(ended_by(output.status), *signal, "{name}: {errors}");
            assert!(!errors.contains("panicked"), "{name}: {errors}");
        }
        End::Panic(message) => {
            assert_eq!(output.status.code(), Some(101), "{name}: {errors}");
            assert!(
                errors.lines().any(|line| line == *message),
                "{name}: {errors}"
            );
        }
    }
}

/// Reads one byte where nothing of ours need be.
fn read(address: usize) {
    // SAFETY: none is claimed: this is the crime. Each caller's address lies in a guard page, where
    // the load faults before any value comes of it.
    let byte = unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
    black_box(byte);
}

fn write(address: usize) {
    // SAFETY: as for `read`: the store faults in a guard page.
    unsafe { std::ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) };
}

const FAULTS: End = End::Signal(FAULT);

#[test]
fn read_beyond_the_end() {
    crime("read_beyond_the_end", &FAULTS, || {
        let buffer = full(Source::Anonymous, Fork::Absent, page(), 1).unwrap();
        read(pages(&buffer).end);
    });
}

#[test]
fn read_before_the_start() {
    crime("read_before_the_start", &FAULTS, || {
        let buffer = full(Source::Anonymous, Fork::Absent, page(), 1).unwrap();
        read(pages(&buffer).start - 1);
    });
}

#[test]
fn write_beyond_the_end_of_secret_memory() {
    crime("write_beyond_the_end_of_secret_memory", &FAULTS, || {
        if let Some(buffer) = full(Source::Secret, Fork::Absent, page(), 1) {
            write(pages(&buffer).end);
        }
    });
}

#[test]
fn write_beyond_the_end_of_a_confined() {
    crime("write_beyond_the_end_of_a_confined", &FAULTS, || {
        let room = Room::new("crime-guard");
        let buffer = Confined::create(room.file("secret"), page()).unwrap();
        // The room is left behind by the crash; its file is empty.
        write(pages(&buffer).end);
    });
}

#[test]
fn use_after_drop() {
    crime("use_after_drop", &FAULTS, || {
        let buffer = full(Source::Anonymous, Fork::Absent, page(), 1).unwrap();
        let start = pages(&buffer).start;
        drop(buffer);
        read(start);
    });
}

#[test]
fn index_beyond_the_length() {
    let message = "index out of bounds: the len is 32 but the index is 32";
    crime("index_beyond_the_length", &End::Panic(message), || {
        let buffer = full(Source::Anonymous, Fork::Absent, 32, 1).unwrap();
        black_box(buffer[black_box(32)]);
    });
}

#[test]
fn store_beyond_a_plain_tail() {
    let message = "a copy beyond the end of a mapping";
    crime("store_beyond_a_plain_tail", &End::Panic(message), || {
        let room = Room::new("crime-tail");
        let mut plain = Plain2001::create_in(room.path()).unwrap();
        plain.store(&[0; Plain2001::CAPACITY + 1]);
    });
}

#[test]
fn a_file_that_another_program_cuts_short() {
    let name = "a_file_that_another_program_cuts_short";
    crime(name, &End::Signal(BUS), || {
        let room = Room::new("crime-cut");
        let buffer = Confined::create(room.file("secret"), page()).unwrap();
        File::options()
            .write(true)
            .open(buffer.path())
            .and_then(|file| file.set_len(0))
            .unwrap();
        black_box(buffer[0]);
    });
}
