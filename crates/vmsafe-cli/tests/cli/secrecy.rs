//! No run prints a byte of a needle, whatever it finds and whatever goes wrong.

use std::fs;
use std::process::Stdio;

use crate::run::{Said, arg, said, scratch, vmsafe};

/// Letters and digits, so that each form of it is one line of text.
const NEEDLE: &str = "Zq7vXw3kLm9TbRc2YhNd5GfJ";

/// Every run of this many characters counts as given away.
const PART: usize = 8;

fn forms() -> Vec<String> {
    let hex: String = NEEDLE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let reversed: String = NEEDLE.chars().rev().collect();
    vec![NEEDLE.to_owned(), reversed, hex.to_uppercase(), hex]
}

fn gives_away(said: &Said) -> bool {
    let text = format!("{}{}", said.out, said.err);
    forms().iter().any(|form| {
        let parts = form.as_bytes().windows(PART);
        parts
            .map(String::from_utf8_lossy)
            .any(|part| text.contains(&*part))
    })
}

#[test]
fn the_check_would_notice() {
    let leaky = |out: String| Said {
        code: None,
        out,
        err: String::new(),
    };
    for form in forms() {
        assert!(gives_away(&leaky(form[3..3 + PART].to_owned())));
    }
    assert!(!gives_away(&leaky(NEEDLE[..PART - 1].to_owned())));
}

#[test]
fn no_output_holds_a_needle() {
    let dir = scratch();
    let needles = dir.path().join("needles");
    let leaked = dir.path().join("leaked");
    let hex = forms().pop().unwrap();
    fs::write(&leaked, format!("{NEEDLE} {} {hex}", &NEEDLE[..17])).unwrap();
    for (content, code) in [
        (format!("text:{NEEDLE}"), 1),
        (format!("hex:{hex}"), 1),
        // Without a prefix, with a wrong one, with bad digits, too short, too long, all alike.
        (NEEDLE.to_owned(), 2),
        (format!("test:{NEEDLE}"), 2),
        (format!("hex:{NEEDLE}"), 2),
        (format!("base64:{NEEDLE}!"), 2),
        (format!("text:{}", &NEEDLE[..7]), 2),
        (format!("text:{}", NEEDLE.repeat(2000)), 2),
    ] {
        fs::write(&needles, content).unwrap();
        for options in [&[][..], &["--json"], &["--encoded"]] {
            let mut command = vmsafe();
            command.arg("scan").args(options);
            let said = said(command.args(["--needle-file", arg(&needles), arg(&leaked)]));
            assert_eq!(said.code, Some(code), "{said:?}");
            assert!(!gives_away(&said), "{said:?}");
        }
    }
}

#[test]
fn a_scan_of_its_own_needle_file_finds_it_and_does_not_show_it() {
    let dir = scratch();
    let needles = dir.path().join("needles");
    fs::write(&needles, format!("text:{NEEDLE}")).unwrap();
    let said = said(
        vmsafe()
            .args(["scan", "--needle-file", "-", arg(&needles)])
            .stdin(Stdio::from(fs::File::open(&needles).unwrap())),
    );
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains(arg(&needles)), "{said:?}");
    assert!(!gives_away(&said), "{said:?}");
}
