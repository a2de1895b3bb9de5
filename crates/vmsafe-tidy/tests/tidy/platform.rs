//! docs/platform.md lists every contact with the system.

use std::collections::BTreeSet;

use vmsafe_tidy::{Source, Tree};

use crate::{none, sources, without_tests};

/// Where the system's own files lie.
const SYSTEM_FILES: [&str; 3] = ["/proc/", "/sys/", "/dev/"];

#[test]
fn every_system_file_is_listed() {
    let tree = Tree::of_workspace();
    let listed = tree.read("docs/platform.md");
    let mut missing = BTreeSet::new();
    for file in tree.ending(".rs").filter(|file| is_shipped(file)) {
        for (text, line) in parse(&tree.read(file)).strings() {
            let named = SYSTEM_FILES.iter().any(|place| text.starts_with(place));
            let whole = named && !text.contains(char::is_whitespace) && !text.ends_with('/');
            if whole && !listed.contains(&format!("`{}`", plain(&text))) {
                missing.insert(format!("{file}:{line}: {}", plain(&text)));
            }
        }
    }
    none("docs/platform.md lists each file of the system", missing);
}

/// Sources of the programs and libraries; a test may read what it likes.
fn is_shipped(file: &str) -> bool {
    let source = file.starts_with("crates/") && file.contains("/src/");
    source && !file.contains("tests") && !file.starts_with("crates/vmsafe-tidy/")
}

fn parse(text: &str) -> Source {
    Source::parse(without_tests(text)).expect("a source is Rust up to its tests")
}

/// A format string as the document writes it: `/proc/{pid}/mem` is `/proc/PID/mem`.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for (place, piece) in text.split('{').enumerate() {
        let Some((inside, after)) = piece.split_once('}').filter(|_| place > 0) else {
            out.push_str(piece);
            continue;
        };
        out.push_str(
            if inside.is_empty() {
                "PID".to_owned()
            } else {
                inside.to_uppercase()
            }
            .as_str(),
        );
        out.push_str(after);
    }
    out
}

#[test]
fn a_format_string_is_read_as_a_name() {
    assert_eq!(plain("/proc/{pid}/mem"), "/proc/PID/mem");
    assert_eq!(plain("/proc/{}/maps"), "/proc/PID/maps");
    assert_eq!(plain("/dev/fuse"), "/dev/fuse");
}

#[test]
fn every_system_call_is_listed() {
    let tree = Tree::of_workspace();
    let listed = tree.read("docs/platform.md");
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    let rooms = ["linux", "unix", "bsd"];
    let system = |file: &str| {
        let inside = file.strip_prefix("crates/vmsafe-os/src/");
        inside.is_some_and(|inside| rooms.iter().any(|room| inside.contains(room)))
    };
    for (file, source) in sources(&tree).filter(|(file, _)| system(file)) {
        let text = tree.read(file);
        for call in source
            .paths()
            .iter()
            .filter_map(|path| system_call(path, &text))
        {
            seen += 1;
            if !listed.contains(&format!("`{call}`")) {
                missing.insert(format!("{file}: {call}"));
            }
        }
    }
    assert!(seen > 30, "vmsafe-os has moved: mend this test");
    none("docs/platform.md lists each call of the system", missing);
}

/// The function that a path calls, if it is one of libc's or rustix's: `mm::mlock` for both
/// `mm::mlock` and `rustix::mm::mlock`, where `mm` is rustix's in that file.
fn system_call(path: &str, text: &str) -> Option<String> {
    let parts: Vec<&str> = path.split("::").collect();
    let lower = |name: &str| {
        name.chars()
            .all(|c| c.is_lowercase() || c.is_numeric() || c == '_')
    };
    match parts.as_slice() {
        ["libc", name] if lower(name) || name.starts_with("SYS_") => {
            Some(name.trim_start_matches("SYS_").to_owned())
        }
        ["rustix", room, name] if lower(name) => Some(format!("{room}::{name}")),
        [room @ ("mm" | "fs"), name] if lower(name) && is_rustix(room, text) => {
            Some(format!("{room}::{name}"))
        }
        _ => None,
    }
}

fn is_rustix(room: &str, text: &str) -> bool {
    text.contains(&format!("use rustix::{room}"))
}
