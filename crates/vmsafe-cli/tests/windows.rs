//! The utility on Windows, under Wine too: what it shows there, and what it names as not shown.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn vmsafe(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmsafe"));
    command.args(args).stdin(Stdio::null());
    command.output().expect("vmsafe runs")
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no report: {text}{complaints}"))
}

fn sight<'a>(report: &'a Value, subject: &str, door: &str) -> &'a Value {
    let subjects = report["subjects"].as_array().expect("a list of subjects");
    let found = subjects.iter().find(|entry| entry["name"] == subject);
    &found.unwrap_or_else(|| panic!("no {subject}: {report:#}"))["doors"][door]
}

fn copies(report: &Value, subject: &str, door: &str) -> Option<u64> {
    sight(report, subject, door)["copies"].as_u64()
}

const PROTECTED: [&str; 6] = [
    "locked-mlock",
    "confined",
    "evaporating",
    "heap",
    "sealed",
    "secret-vec-growth",
];

#[test]
fn the_demonstration_holds_at_the_doors_that_windows_shows() {
    let output = vmsafe(&["demo", "--json"]);
    let report = report(&output);
    assert_eq!(report["verdict"], "holds", "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    for door in ["core", "file"] {
        assert!(
            copies(&report, "ordinary", door) > Some(0),
            "{door}: {report:#}"
        );
        for subject in PROTECTED {
            let burned = subject == "confined" && door == "file";
            assert!(
                burned || copies(&report, subject, door) == Some(0),
                "{report:#}"
            );
        }
    }
    assert!(copies(&report, "confined", "file") > Some(0), "{report:#}");
    assert_eq!(sight(&report, "confined", "file")["after_burn"], 0);
    // What such a dump does not hold is told, not counted.
    assert!(report["notes"].to_string().contains("a dump of all memory"));
}

#[test]
fn what_windows_does_not_show_is_named_and_can_be_required() {
    let output = vmsafe(&["demo", "--json", "--require", "child"]);
    let report = report(&output);
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    for (door, because) in [("child", "starts no process"), ("disk", "watch a disk")] {
        let why = report["not_shown"][door].as_str().unwrap_or_default();
        assert!(why.contains(because), "{door}: {report:#}");
    }
    let race = vmsafe(&["demo", "--race", "1"]);
    assert_eq!(race.status.code(), Some(2));
}

#[test]
fn each_sabotage_is_told_with_its_door() {
    let doors = [
        ("locked-mlock", "core"),
        ("confined", "file"),
        ("evaporating", "core"),
    ];
    for (subject, door) in doors {
        let output = vmsafe(&["demo", "--json", "--sabotage", subject]);
        let report = report(&output);
        assert_eq!(output.status.code(), Some(1), "{subject}: {report:#}");
        let named = format!("{subject} leaked to {door}");
        assert!(report["reasons"].to_string().contains(&named), "{report:#}");
    }
}

#[test]
fn this_machine_gets_a_diagnosis_from_its_registry() {
    let output = vmsafe(&["doctor", "--json"]);
    let report = report(&output);
    let verdicts = [("sound", 0), ("at-risk", 1), ("unknown", 3)];
    let expected = verdicts
        .iter()
        .find(|(verdict, _)| report["verdict"] == *verdict);
    assert_eq!(
        output.status.code(),
        expected.map(|(_, code)| *code),
        "{report:#}"
    );
    let checks = report["checks"].to_string();
    for name in [
        "page file",
        "hibernation",
        "crash dump",
        "error reports",
        "working set",
    ] {
        assert!(
            checks.contains(&format!("\"{name}\"")),
            "{name}: {report:#}"
        );
    }
    let people = vmsafe(&["doctor"]);
    assert!(String::from_utf8_lossy(&people.stdout).contains("a locked buffer and"));
}

/// A directory of the test's own, with needles in it.
struct Place(std::path::PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("vmsafe-windows-{}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("a directory");
        fs::write(dir.join("needles"), "text:find this one thing\n").expect("a file");
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn scan(&self, target: &str, stdin: Stdio) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmsafe"));
        let needles = self.path("needles");
        command.args(["scan", "--json", "--needle-file", &needles, target]);
        command.stdin(stdin).output().expect("vmsafe runs")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_and_standard_input_are_searched() {
    let place = Place::new("files");
    let (hit, clean) = (place.path("hit"), place.path("clean"));
    fs::write(&hit, "you may find this one thing here").expect("a file");
    fs::write(&clean, vec![7; 100_000]).expect("a file");
    assert_eq!(place.scan(&hit, Stdio::null()).status.code(), Some(1));
    assert_eq!(place.scan(&clean, Stdio::null()).status.code(), Some(0));
    let open = |path: &str| Stdio::from(fs::File::open(path).expect("a file"));
    assert_eq!(place.scan("-", open(&hit)).status.code(), Some(1));
    assert_eq!(place.scan("-", open(&clean)).status.code(), Some(0));
    for (text, code) in [("to find this one thing in a pipe", 1), ("nothing", 0)] {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(text.as_bytes()).expect("room in it");
        drop(writer);
        let code = Some(code);
        assert_eq!(
            place.scan("-", Stdio::from(reader)).status.code(),
            code,
            "{text}"
        );
    }
}

#[test]
fn the_memory_of_a_process_is_searched() {
    let place = Place::new("process");
    // In this process, for as long as the other one looks.
    let secret = format!("find {} one thing", std::hint::black_box("this"));
    let target = format!("pid:{}", std::process::id());
    let found = place.scan(&target, Stdio::null());
    assert_eq!(found.status.code(), Some(1), "{:#}", report(&found));
    drop(secret);
    let nobody = place.scan("pid:4294967292", Stdio::null());
    assert_eq!(nobody.status.code(), Some(3));
}

#[test]
fn what_cannot_be_opened_is_not_called_clean() {
    let place = Place::new("kept");
    for target in [r"C:\pagefile.sys", r"\\.\NoSuchVolume", r"C:\no\such\file"] {
        let output = place.scan(target, Stdio::null());
        assert_eq!(output.status.code(), Some(3), "{target}");
        let told = report(&output).to_string();
        assert!(told.contains("cannot be opened"), "{target}: {told}");
    }
}
