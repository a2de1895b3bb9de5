//! A scan that goes on where another stopped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use vmsafe_lab::require_root;

use super::live::Loop;
use super::{NEEDLE, Stage, offsets};
use crate::run::{Said, arg, begun, said, vmsafe};

/// So many findings that neither a pipe nor the workers hold them: the scan waits for its reader.
const PLACES: usize = 40_000;
const APART: usize = 5000;

struct Case {
    stage: Stage,
    target: PathBuf,
    record: PathBuf,
}

impl Case {
    fn new() -> Self {
        let stage = Stage::new();
        let places: Vec<usize> = (0..PLACES).map(|nth| nth * APART + 7).collect();
        let target = stage.file("large", PLACES * APART, &places);
        let record = stage.dir.path().join("record");
        Self {
            stage,
            target,
            record,
        }
    }

    /// The same with a directory as the target, that holds the file.
    fn in_directory() -> Self {
        let case = Self::new();
        let target = case.stage.dir.path().join("directory");
        fs::create_dir(&target).expect("scratch takes directories");
        fs::rename(&case.target, target.join("large")).expect("both are there");
        Self { target, ..case }
    }

    fn command(&self, format: &str) -> Command {
        let mut command = vmsafe();
        command.args(["scan", format, "--needle-file", arg(&self.stage.needles)]);
        command.args(["--resume", arg(&self.record), arg(&self.target)]);
        command
    }

    /// Interrupts a scan after its first finding, and gives what it told.
    fn interrupted(&self) -> Vec<Value> {
        let mut child = self
            .command("--jsonl")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the utility runs");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut told = String::new();
        out.read_line(&mut told).expect("a line");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("as this test made it").success());
        out.read_to_string(&mut told).expect("text");
        assert_eq!(child.wait().expect("as this test made it").code(), Some(1));
        let lines = told.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("JSON")
    }

    fn go_on(&self) -> Said {
        said(&mut self.command("--json"))
    }
}

fn all_places() -> Vec<u64> {
    (0..PLACES).map(|nth| (nth * APART + 7) as u64).collect()
}

#[test]
fn an_interrupted_scan_of_a_directory_goes_on_within_its_large_files() {
    let case = Case::in_directory();
    let told = case.interrupted();
    let gaps = told.iter().filter(|line| line["type"] == "gap");
    assert!(
        gaps.clone()
            .all(|gap| gap["because"] == "the scan was stopped")
    );
    assert!(gaps.count() > 0, "it was stopped before its end");
    let json = case.go_on().json();
    assert_eq!(offsets(&json), all_places());
    let note = json["notes"][0]["note"].as_str().expect("text");
    assert!(note.starts_with("the scan went on at byte"), "{note}");
    assert!(!case.record.exists(), "it is done");
}

#[test]
fn a_directory_that_was_searched_to_its_end_leaves_no_record_of_files_that_are_gone() {
    let case = Case::in_directory();
    case.interrupted();
    assert!(case.record.exists(), "the control");
    fs::remove_file(case.target.join("large")).unwrap();
    let said = case.go_on();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!case.record.exists(), "it is done");
}

#[test]
fn an_interrupted_scan_goes_on_and_tells_everything_once() {
    let case = Case::new();
    let told = case.interrupted();
    let stopped = told
        .iter()
        .find(|line| line["type"] == "gap")
        .expect("a gap");
    assert_eq!(stopped["because"], "the scan was stopped");
    let summary = told.last().unwrap();
    let covered = summary["covered_bytes"].as_u64().unwrap();
    assert!(covered < (PLACES * APART) as u64, "{summary}");

    let record = fs::read_to_string(&case.record).expect("a record is left");
    assert!(!record.contains(&NEEDLE[..8]));
    assert_eq!(mode(&case.record), "600");

    let said = case.go_on();
    assert_eq!(said.code, Some(1), "{}", said.err);
    let json = said.json();
    assert!(offsets(&json) == all_places());
    assert_eq!(json["covered_bytes"], PLACES * APART);
    assert_eq!(json["gaps"].as_array().unwrap().len(), 0);
    let note = json["notes"][0]["note"].as_str().unwrap();
    assert!(note.starts_with("the scan went on at byte "), "{note}");
    assert_ne!(note, "the scan went on at byte 0");
    assert!(
        !case.record.exists(),
        "a scan that is done leaves no record"
    );
}

fn mode(path: &Path) -> String {
    let out = Command::new("stat").args(["-c", "%a"]).arg(path).output();
    String::from_utf8(out.expect("as this test made it").stdout)
        .expect("as this test made it")
        .trim()
        .to_owned()
}

#[test]
fn a_record_serves_the_same_question_and_the_same_target_only() {
    let case = Case::new();
    case.interrupted();
    let needles = fs::read_to_string(&case.stage.needles).unwrap();
    fs::write(&case.stage.needles, needles.replace("4711", "4712")).unwrap();
    let said = case.go_on();
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("with other needles or options"),
        "{said:?}"
    );

    // The target is another now: it is searched from its beginning.
    fs::write(&case.stage.needles, needles).unwrap();
    let mut bytes = fs::read(&case.target).unwrap();
    bytes.push(1);
    fs::write(&case.target, bytes).unwrap();
    let json = case.go_on().json();
    assert!(offsets(&json) == all_places());
    assert_eq!(json["notes"], Value::Null);

    // And so it is where another file of the same name, length and time is there.
    case.interrupted();
    let modified = fs::metadata(&case.target).unwrap().modified().unwrap();
    let bytes = fs::read(&case.target).unwrap();
    fs::remove_file(&case.target).unwrap();
    fs::write(&case.target, bytes).unwrap();
    let file = File::options().write(true).open(&case.target).unwrap();
    file.set_modified(modified).unwrap();
    let json = case.go_on().json();
    assert!(offsets(&json) == all_places());
    assert_eq!(json["notes"], Value::Null);
}

#[test]
fn names_that_look_alike_have_records_of_their_own() {
    let stage = Stage::new();
    let record = stage.dir.path().join("record");
    let clean = stage.file("b\u{1}", 5000, &[]);
    let leaked = stage.file("b\u{2}", 5000, &[9]);
    let time = fs::metadata(&clean).unwrap().modified().unwrap();
    let file = File::options().write(true).open(&leaked).unwrap();
    file.set_modified(time).unwrap();
    let mut command = vmsafe();
    command.args(["scan", "--needle-file", arg(&stage.needles)]);
    command.args(["--resume", arg(&record), arg(&clean), arg(&leaked)]);
    let said = said(&mut command);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("b\\x02"), "{said:?}");
}

#[test]
fn another_medium_in_the_same_device_is_searched_from_its_beginning() {
    if !require_root("another_medium_in_the_same_device_is_searched_from_its_beginning") {
        return;
    }
    let mut case = Case::new();
    let file = case.target.clone();
    let device = Loop::over(&file);
    case.target.clone_from(&device.0);
    case.interrupted();
    let note = case.go_on().json()["notes"][0]["note"].clone();
    let went_on = note.as_str().is_some_and(|note| note.contains("went on"));
    assert!(went_on, "the control: {note}");

    case.interrupted();
    // Nothing else may have been let in meanwhile: then this fails, and the test with it.
    for args in [["--detach", arg(&device.0)], [arg(&device.0), arg(&file)]] {
        let done = Command::new("losetup").args(args).status();
        assert!(done.expect("losetup runs").success());
    }
    let json = case.go_on().json();
    assert!(offsets(&json) == all_places());
    assert_eq!(json["notes"], Value::Null);
}

#[test]
fn a_record_that_cannot_be_begun_is_an_error_at_once() {
    let mut case = Case::new();
    case.record = case.stage.dir.path().join("absent/record");
    let said = case.go_on();
    assert_eq!((said.code, &*said.out), (Some(2), ""), "{}", said.err);
    assert!(said.err.contains("give --resume a place"), "{}", said.err);
}

#[test]
fn a_record_that_cannot_be_kept_loses_no_finding() {
    for (content, code, verdict) in [(NEEDLE, 1, "found"), ("nothing", 2, "incomplete")] {
        let stage = Stage::new();
        let dir = stage.dir.path().join("records");
        fs::create_dir(&dir).unwrap();
        let target = stage.dir.path().join("target");
        fs::write(&target, content).unwrap();
        let mut command = vmsafe();
        command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
        command.args(["--resume", arg(&dir.join("record")), arg(&target), "-"]);
        let (child, mut input) = begun(&mut command);
        // More than a pipe holds: the target was searched, and its record is not written yet.
        input.write_all(&vec![1; 1 << 20]).expect("the scan reads");
        fs::remove_dir_all(&dir).unwrap();
        vmsafe_lab::kill(child.id(), 2).expect("an interrupt");
        let said = Said::from(child.wait_with_output().expect("it ends"));
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains("cannot write the record"), "{said:?}");
        assert_eq!(said.json()["verdict"], verdict);
    }
}

#[test]
fn a_scan_of_other_targets_leaves_the_record_of_these() {
    let case = Case::new();
    case.interrupted();
    let other = case.stage.file("other", 5000, &[]);
    let mut command = vmsafe();
    command.args(["scan", "--needle-file", arg(&case.stage.needles)]);
    command.args(["--resume", arg(&case.record), arg(&other)]);
    assert_eq!(said(&mut command).code, Some(0));
    let json = case.go_on().json();
    let note = json["notes"][0]["note"].as_str().unwrap();
    assert!(note.starts_with("the scan went on at byte "), "{note}");
    assert!(offsets(&json) == all_places());
    assert!(!case.record.exists());
}

#[test]
fn a_record_that_is_damaged_or_of_another_version_is_an_error_that_says_what_to_do() {
    let case = Case::new();
    case.interrupted();
    let kept = fs::read_to_string(&case.record).unwrap();
    let broken = kept.replace("position ", "position x");
    assert_ne!(broken, kept);
    let cases = [
        (r#"{"version":4}"#, "it is damaged"),
        (r#"{"version":3,"salt":7}"#, "by another version of vmsafe"),
        (&broken, "it is damaged"),
    ];
    for (record, because) in cases {
        fs::write(&case.record, record).unwrap();
        let said = case.go_on();
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(because), "{said:?}");
        assert!(said.err.contains("remove it to begin anew"), "{said:?}");
    }
}

#[test]
fn what_is_no_record_is_left_as_it_is() {
    let case = Case::new();
    for other in ["{}", "-----BEGIN PRIVATE KEY-----\n", "{\"version\" : 4}"] {
        fs::write(&case.record, other).unwrap();
        let said = case.go_on();
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("it is no record of a scan"), "{said:?}");
        assert_eq!(fs::read_to_string(&case.record).unwrap(), other);
    }
    // An empty one is as good as none.
    fs::write(&case.record, "").unwrap();
    assert_eq!(case.go_on().code, Some(1));
    assert!(!case.record.exists());
}

#[test]
fn a_scan_that_is_not_interrupted_leaves_no_record() {
    let case = Case::new();
    assert_eq!(case.go_on().code, Some(1));
    assert!(!case.record.exists());
}
