//! The utility and what is of Unix alone: sockets, and names of files that are no text.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const NEEDLE: &str = "correct horse battery staple 4711";

/// A folder with a file of needles, and one in which the needle stands at byte 5.
fn stage() -> TempDir {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    fs::write(dir.path().join("needles"), format!("text:{NEEDLE}\n")).expect("a file");
    fs::write(dir.path().join("leaked"), format!("key: {NEEDLE}\n")).expect("a file");
    dir
}

/// What a scan that finds the needle reports.
fn found(args: &[&Path], input: Stdio) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmsafe"));
    command.args(["scan", "--json"]).args(args).stdin(input);
    let output = command.output().expect("vmsafe runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("a report")
}

fn offsets(report: &Value) -> Vec<u64> {
    let findings = report["findings"].as_array().expect("a list of findings");
    let offset = |found: &Value| found["offset"].as_u64().expect("a number");
    findings.iter().map(offset).collect()
}

#[test]
fn needles_and_targets_come_by_sockets() {
    let stage = stage();
    let [needles, leaked] = ["needles", "leaked"].map(|name| stage.path().join(name));
    let sent = |path: &Path| {
        let (mut near, far) = UnixStream::pair().expect("sockets");
        near.write_all(&fs::read(path).expect("a file"))
            .expect("a socket holds it");
        Stdio::from(OwnedFd::from(far))
    };
    assert_eq!(offsets(&found(&[&leaked], sent(&needles))), [5]);
    let by_file = [Path::new("--needle-file"), &needles, Path::new("-")];
    assert_eq!(offsets(&found(&by_file, sent(&leaked))), [5]);
}

#[test]
fn a_directory_is_searched_whole_however_few_files_may_be_open() {
    let stage = stage();
    let top = stage.path().join("top");
    let mut folder = top.clone();
    for _ in 0..20 {
        folder.push("folder");
        fs::create_dir_all(&folder).expect("a folder");
        for nth in 0..10 {
            fs::write(folder.join(nth.to_string()), NEEDLE).expect("a file");
        }
    }
    for limit in ["36", "48", "64", "96"] {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -n \"$1\" && shift && exec \"$@\"",
            "sh",
            limit,
        ]);
        command.args([
            env!("CARGO_BIN_EXE_vmsafe"),
            "scan",
            "--json",
            "--needle-file",
        ]);
        let output = command.arg(stage.path().join("needles")).arg(&top).output();
        let output = output.expect("a shell");
        assert_eq!(output.status.code(), Some(1), "{limit}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["finding_count"], 200, "{limit}");
        assert_eq!(report["gaps"].as_array().map(Vec::len), Some(0), "{limit}");
    }
}

#[test]
fn names_that_are_no_text_are_scanned_and_told_apart() {
    let stage = stage();
    let name = |last: u8| stage.path().join(OsStr::from_bytes(&[b'n', last]));
    let (clean, leaked) = (name(0xfe), name(0xff));
    fs::write(&clean, "nothing").expect("a file");
    fs::write(&leaked, NEEDLE).expect("a file");
    let needles = stage.path().join("needles");
    let args = [Path::new("--needle-file"), &needles, &clean, &leaked];
    let report = found(&args, Stdio::null());
    assert_eq!(offsets(&report), [0]);
    let target = report["findings"][0]["target"].as_str().expect("a name");
    assert!(target.ends_with("/n\\xff"), "{target}");
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_with_words() {
    let dir = stage();
    let report = fs::File::create(dir.path().join("report")).expect("a file");
    let mut command = Command::new("prlimit");
    command.args([
        "--fsize=16",
        env!("CARGO_BIN_EXE_vmsafe"),
        "doctor",
        "--json",
    ]);
    let output = command.stdout(report).output().expect("prlimit runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("File too large"), "{said}");
}

#[test]
fn names_that_are_shown_alike_stay_two_targets() {
    let stage = stage();
    let needles = stage.path().join("needles");
    let name = |name: &[u8]| stage.path().join(OsStr::from_bytes(name));
    let (odd, spelled) = (name(b"o \xff"), name(br"o \xff"));
    for path in [&odd, &spelled] {
        fs::copy(stage.path().join("leaked"), path).expect("a file");
    }
    let scan = |format: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmsafe"));
        command.arg("scan").args(format).arg("--needle-file");
        let output = command.args([&needles, &odd, &spelled]).output();
        output.expect("vmsafe runs").stdout
    };
    let table = String::from_utf8(scan(None)).expect("text");
    let rows = table.lines().filter(|line| line.contains("needle 0"));
    assert_eq!(rows.count(), 2, "{table}");
    let log: Value = serde_json::from_slice(&scan(Some("--sarif"))).expect("a log");
    for (nth, end) in ["/o%20%FF", "/o%20%5Cxff"].iter().enumerate() {
        let location = &log["runs"][0]["results"][nth]["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().expect("a URI");
        assert!(uri.ends_with(end), "{uri}");
    }
}
