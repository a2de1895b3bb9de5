//! Header, version map, module definition and shared object name the same functions.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use vmsafe_lab::not_run;

use crate::drive::{own, shared_object};

/// Words of a text that are names of the interface's functions.
fn functions(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let named = words.filter(|word| word.starts_with("win32vmSafe"));
    named.map(str::to_owned).collect()
}

/// Those that the header declares.
fn declared(header: &str) -> BTreeSet<String> {
    let lines = header
        .lines()
        .filter(|line| line.starts_with("WIN32VMSAFE_API"));
    let names: BTreeSet<_> = lines.clone().flat_map(functions).collect();
    assert_eq!(names.len(), lines.count(), "one function a line");
    names
}

#[test]
fn header_map_definition_and_shared_object_are_equal_sets() {
    let read = |path: &str| fs::read_to_string(own(path)).unwrap();
    let header = declared(&read("include/win32vmsafe.h"));
    assert!(header.contains("win32vmSafeInit") && header.contains("win32vmSafeFree"));
    assert_eq!(functions(&read("win32vmsafe.map")), header);
    assert_eq!(functions(&read("win32vmsafe.def")), header);
    let mut nm = Command::new("nm");
    nm.args(["--dynamic", "--defined-only", "--with-symbol-versions"])
        .arg(shared_object());
    let Ok(output) = nm.output() else {
        return not_run("no nm: install binutils");
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let symbols = String::from_utf8_lossy(&output.stdout).into_owned();
    let defined = symbols
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2));
    // A symbol's version stands behind it; the version itself is a symbol too.
    let exported: BTreeSet<String> = defined
        .filter_map(|symbol| symbol.split('@').next())
        .filter(|symbol| *symbol != "WIN32VMSAFE_1")
        .map(str::to_owned)
        .collect();
    assert_eq!(exported, header, "no other symbol leaves the shared object");
    // LLD gives every symbol its version; GNU ld, which takes no second script, gives none.
    let version = symbols.matches("@@WIN32VMSAFE_1\n").count();
    assert!(
        version == header.len() || !symbols.contains('@'),
        "{symbols}"
    );
}

#[test]
fn each_code_of_the_header_has_its_number() {
    let header = fs::read_to_string(own("include/win32vmsafe.h")).unwrap();
    let codes: Vec<(&str, usize)> = header
        .lines()
        .filter_map(|line| line.trim().split_once(" = "))
        .filter(|(name, _)| name.starts_with("WIN32VMSAFE_"))
        .map(|(name, rest)| {
            let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
            (name, digits.unwrap().parse().unwrap())
        })
        .collect();
    // The order of `Code` in fault.rs.
    let order = [
        "OK",
        "SIZE",
        "NAME",
        "EXISTS",
        "PLACE",
        "LIMIT",
        "FILE",
        "HELD",
        "NONE",
        "CHILD",
        "UNMET",
        "SYSTEM",
        "UNCONFIRMED",
        "DEFECT",
    ];
    let expected: Vec<String> = order.map(|name| format!("WIN32VMSAFE_{name}")).into();
    let expected: Vec<(&str, usize)> = expected.iter().map(String::as_str).zip(0..).collect();
    assert_eq!(codes, expected);
}
