//! No run prints a byte of a needle, whatever it finds and whatever goes wrong.

use std::fs;
use std::process::Stdio;

use crate::run::{Said, arg, said, scratch, vmsafe};

/// Letters and digits, so that each form of it is one line of text.
const NEEDLE: &str = "Zq7vXw3kLm9TbRc2YhNd5GfJ";

/// Every run of this many characters counts as given away.
const PART: usize = 8;

fn forms() -> Vec<String> {
    let reversed: String = NEEDLE.chars().rev().collect();
    let hex = hex(NEEDLE);
    // Each digit of base64 depends on where in a group of three the needle begins.
    let shifted = [1, 2].map(|before| base64(&[&" ".repeat(before), NEEDLE].concat()));
    let mut forms = vec![NEEDLE.to_owned(), reversed, hex.to_uppercase(), hex];
    forms.extend([
        base64(NEEDLE),
        shifted[0][2..].into(),
        shifted[1][3..].into(),
    ]);
    // UTF-16, as it is and as JSON spells it.
    forms.extend(["\0", "\\u0000"].map(|zero| NEEDLE.replace("", zero)));
    forms
}

/// Without padding.
fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = text
        .bytes()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<_> = bits.collect();
    let digit = |six: &[u8]| {
        let number = (0..6).fold(0, |number, nth| 2 * number + six.get(nth).unwrap_or(&0));
        char::from(DIGITS[usize::from(number)])
    };
    bits.chunks(6).map(digit).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
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
    let hex = hex(NEEDLE);
    let all = forms().join(" ");
    fs::write(&leaked, format!("{all} {}", &NEEDLE[..17])).unwrap();
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
        for options in [
            &[][..],
            &["--json"],
            &["--jsonl"],
            &["--sarif"],
            &["--keys"],
            &["--encoded"],
            &["--encoded", "--keys", "--json"],
            &["--encoded", "--keys", "--jsonl"],
            &["--encoded", "--keys", "--sarif"],
        ] {
            let mut command = vmsafe();
            command.arg("scan").args(options);
            let said = said(command.args(["--needle-file", arg(&needles), arg(&leaked)]));
            assert_eq!(said.code, Some(code), "{said:?}");
            assert!(!gives_away(&said), "{said:?}");
            if code == 1 && options.contains(&"--encoded") {
                for form in ["base64", "utf16"] {
                    assert!(said.out.contains(form), "it was there: {said:?}");
                }
            }
        }
    }
}

/// As [`gives_away`], also of what is shown in hexadecimal.
fn reveals(said: &Said) -> bool {
    let told = format!("{}{}", said.out, said.err);
    let shown = |form: &String| {
        let parts = form.as_bytes().windows(PART).map(String::from_utf8_lossy);
        parts.into_iter().any(|part| told.contains(&hex(&part)))
    };
    gives_away(said) || forms().iter().any(shown)
}

#[test]
fn what_stands_beside_a_finding_is_shown_without_needles() {
    let dir = scratch();
    let (needles, leaked) = (dir.path().join("needles"), dir.path().join("leaked"));
    // One needle begins the other; a form that is not looked for, and a part, stand beside.
    fs::write(&needles, format!("text:{NEEDLE}\ntext:{}\n", &NEEDLE[..10])).unwrap();
    let [_, reversed, _, digits, ..] = &forms()[..] else {
        panic!("they begin with four of text")
    };
    let part = &NEEDLE[..17];
    let text = format!("user:{NEEDLE}{NEEDLE}{reversed}{NEEDLE}{digits}{NEEDLE}{part}:end");
    fs::write(&leaked, &text).unwrap();
    for format in ["--json", "--jsonl", "--sarif", "--encoded"] {
        let args = ["scan", "--reveal", format, "--needle-file"];
        let said = said(vmsafe().args(args).args([&needles, &leaked]));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(!reveals(&said), "{said:?}");
        let beside = if format == "--encoded" {
            "user"
        } else {
            "user:"
        };
        assert!(
            said.out.contains(&hex(beside)) && said.out.contains("**"),
            "{said:?}"
        );
    }
    let out = hex(&text);
    assert!(
        reveals(&Said {
            code: None,
            out,
            err: String::new()
        }),
        "the control"
    );
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
