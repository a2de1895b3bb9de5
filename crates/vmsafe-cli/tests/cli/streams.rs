//! Colour, and readers that go away.

use std::fs;
use std::io::pipe;
use std::process::{Command, Stdio};

use crate::run::{Said, arg, run, said, scratch, vmsafe};

const ESCAPE: char = '\x1b';

#[test]
fn pipes_and_no_color_get_no_escape_codes() {
    let piped = run(["doctor"]);
    assert!(!piped.out.contains(ESCAPE), "{piped:?}");
    let forced = said(vmsafe().arg("doctor").env("CLICOLOR_FORCE", "1"));
    assert!(forced.out.contains(ESCAPE), "the control: {forced:?}");
    let mut command = vmsafe();
    command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    let plain = said(command.arg("doctor"));
    assert!(!plain.out.contains(ESCAPE), "{plain:?}");
    assert!(!plain.err.contains(ESCAPE), "{plain:?}");
}

#[test]
fn colour_does_not_move_a_table() {
    let plain = run(["doctor"]).out;
    let coloured = said(vmsafe().arg("doctor").env("CLICOLOR_FORCE", "1")).out;
    let mut stripped = String::new();
    let mut in_code = false;
    for char in coloured.chars() {
        match char {
            ESCAPE => in_code = true,
            'm' if in_code => in_code = false,
            _ if in_code => {}
            _ => stripped.push(char),
        }
    }
    assert_eq!(stripped, plain);
}

#[test]
fn names_of_files_cannot_drive_the_terminal() {
    let dir = scratch();
    let hostile = dir.path().join("a\x1b[31mb\u{2061}c");
    fs::write(&hostile, "x").unwrap();
    let mut command = vmsafe();
    command.env("CLICOLOR_FORCE", "1").arg("burn");
    let said = said(
        command
            .arg(dir.path().join("\x1b]0;gone\x07"))
            .arg(&hostile),
    );
    assert!(!said.out.contains("\x1b[31mb"), "{said:?}");
    assert!(said.out.contains("a\u{fffd}[31mb\u{fffd}c"), "{said:?}");
    assert!(!said.err.contains("\x1b]0"), "{said:?}");
}

#[test]
fn a_reader_that_went_away_is_no_panic() {
    let dir = scratch();
    let (needles, leaked) = (dir.path().join("needles"), dir.path().join("leaked"));
    fs::write(&needles, "text:a needle in a haystack").unwrap();
    fs::write(&leaked, "a needle in a haystack").unwrap();
    let scan = ["scan", "--needle-file", arg(&needles), arg(&leaked)];
    let codes: [(&[&str], i32); 4] = [
        (&["man"], 0),
        (&["completions", "zsh"], 0),
        (&["--help"], 0),
        (&scan, 1),
    ];
    for (args, code) in codes {
        let said = without_reader(vmsafe().args(args));
        assert_eq!(said.code, Some(code), "{args:?}: {said:?}");
        assert!(!said.err.contains("panicked"), "{args:?}: {said:?}");
    }
}

/// Runs with a pipe as standard output that nobody reads.
fn without_reader(command: &mut Command) -> Said {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let child = command.stdout(writer).stderr(Stdio::piped()).spawn();
    let ended = child.expect("it runs").wait_with_output();
    Said::from(ended.expect("it ends"))
}

#[test]
fn output_that_cannot_be_written_is_code_2() {
    for args in [
        ["--help"].as_slice(),
        &["--version"],
        &["man"],
        &["scan", "--help"],
    ] {
        let full = fs::File::create("/dev/full").expect("a full device");
        let mut command = vmsafe();
        let child = command
            .args(args)
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn();
        let said = Said::from(child.expect("it runs").wait_with_output().expect("it ends"));
        assert_eq!(said.code, Some(2), "{args:?}: {said:?}");
        assert!(said.err.contains("No space left"), "{args:?}: {said:?}");
        assert_eq!(run_all(args).code, Some(0), "the control");
    }
}

fn run_all(args: &[&str]) -> Said {
    said(vmsafe().args(args))
}

#[test]
fn a_cause_is_told_once() {
    let dir = scratch();
    let said = run(["scan", "--public-key", arg(dir.path()), "x"]);
    assert_eq!(said.err.matches("Is a directory").count(), 1, "{said:?}");
}
