//! `vmsafe scan`.

mod directory;
mod hostile;
mod keys;
mod live;
mod media;
mod reports;
mod resume;
mod sarif;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::run::{Said, arg, begun, run, said, scratch, vmsafe};

/// Reads happen in pieces of this size.
const BLOCK: usize = 512 * 1024;
const NEEDLE: &str = "correct horse battery staple 4711";
/// The place of a swap area's signature.
const SIGNATURE: usize = 4086;

/// A scratch directory with a file of needles.
struct Stage {
    dir: TempDir,
    needles: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let dir = scratch();
        let needles = dir.path().join("needles");
        let other = "hex:00112233445566778899aabbccddeeff";
        let text = format!("# two\n{other}\n\ntext:{NEEDLE}\n");
        fs::write(&needles, text).expect("scratch takes files");
        Self { dir, needles }
    }

    /// A file of `len` bytes of little variety with the needle at each of `places`.
    fn file(&self, name: &str, len: usize, places: &[usize]) -> PathBuf {
        let mut bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
        for place in places {
            bytes[*place..place + NEEDLE.len()].copy_from_slice(NEEDLE.as_bytes());
        }
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("scratch takes files");
        path
    }

    fn scan(&self, target: &Path) -> Said {
        run([
            "scan",
            "--json",
            "--needle-file",
            arg(&self.needles),
            arg(target),
        ])
    }
}

fn offsets(json: &Value) -> Vec<u64> {
    let findings = json["findings"].as_array().expect("a list of findings");
    findings
        .iter()
        .map(|found| found["offset"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn a_file_without_the_needles_is_clean() {
    let stage = Stage::new();
    let said = stage.scan(&stage.file("clean", BLOCK + 5, &[]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let expected = json!({
        "verdict": "clean", "covered_bytes": BLOCK + 5, "finding_count": 0,
        "findings": [], "gaps": [],
    });
    assert_eq!(said.json(), expected);
}

#[test]
fn a_finding_names_target_offset_form_and_needle() {
    let stage = Stage::new();
    let path = stage.file("leaked", 100_000, &[777]);
    let said = stage.scan(&path);
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = json!({
        "verdict": "found", "covered_bytes": 100_000, "finding_count": 1, "gaps": [],
        "findings": [{
            "target": arg(&path), "offset": 777, "length": NEEDLE.len(),
            "kind": "needle", "form": "exact", "whole": true, "needle": 1,
        }],
    });
    assert_eq!(said.json(), expected);
}

#[test]
fn needles_are_found_at_the_borders_of_blocks_and_of_the_file() {
    let stage = Stage::new();
    let len = 3 * BLOCK + 1000;
    let half = NEEDLE.len() / 2;
    let places = [
        0,
        BLOCK - half,
        2 * BLOCK - NEEDLE.len(),
        3 * BLOCK - 1,
        len - NEEDLE.len(),
    ];
    let expected: Vec<u64> = places.iter().map(|place| *place as u64).collect();
    let path = stage.file("borders", len, &places);
    let said = stage.scan(&path);
    assert_eq!(offsets(&said.json()), expected);

    // The signature of a swap area: from now on it is read directly, in aligned blocks.
    let mut bytes = fs::read(&path).unwrap();
    bytes[SIGNATURE..SIGNATURE + 10].copy_from_slice(b"SWAPSPACE2");
    fs::write(&path, bytes).unwrap();
    let said = stage.scan(&path);
    assert_eq!(offsets(&said.json()), expected);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn needles_come_by_descriptor_and_by_standard_input() {
    let stage = Stage::new();
    let path = stage.file("leaked", 5000, &[1234]);
    let by_fd = "exec \"$0\" scan --json --needle-fd 7 \"$2\" 7<\"$1\"";
    let by_stdin = "cat \"$1\" | \"$0\" scan --json --needle-file - \"$2\"";
    let unnamed = "\"$0\" scan --json \"$2\" <\"$1\"";
    for script in [by_fd, by_stdin, unnamed] {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_vmsafe")]);
        let said = said(shell.args([&stage.needles, &path]));
        assert_eq!(said.code, Some(1), "{script}: {said:?}");
        assert_eq!(offsets(&said.json()), [1234], "{script}");
    }
}

#[test]
fn needles_come_from_where_a_descriptor_stands() {
    let stage = Stage::new();
    let path = stage.file("leaked", 5000, &[1234]);
    fs::write(&stage.needles, format!("no needle\ntext:{NEEDLE}\n")).unwrap();
    for how in ["--needle-fd 7", "--needle-file - <&7", "--needle-fd 0 <&7"] {
        let script = format!("read -r line <&7; exec \"$0\" scan --json \"$1\" {how}");
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            &format!("exec 7<\"$2\"; {script}"),
            env!("CARGO_BIN_EXE_vmsafe"),
        ]);
        let said = said(shell.args([&path, &stage.needles]));
        assert_eq!(said.code, Some(1), "{how}: {said:?}");
    }
    let said = run(["scan", "--needle-fd", "99", arg(&path)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("or --needle-file"), "{said:?}");
}

#[test]
fn a_stream_is_needles_or_target_under_any_name() {
    for how in [
        "/dev/stdin",
        "--needle-file /dev/fd/0 -",
        "--needle-file /proc/self/fd/0 /dev/fd/0",
        "--needle-fd 0 /proc/self/fd/0",
    ] {
        let script = format!("echo text:{NEEDLE} | \"$0\" scan {how}");
        let mut shell = Command::new("sh");
        let said = said(shell.args(["-c", &script, env!("CARGO_BIN_EXE_vmsafe")]));
        assert_eq!(said.code, Some(2), "{how}: {said:?}");
        assert!(
            said.err.contains("both needles and target"),
            "{how}: {said:?}"
        );
    }
}

#[test]
fn a_target_that_cannot_be_read_leaves_the_answer_open() {
    let stage = Stage::new();
    let clean = stage.file("clean", 5000, &[]);
    let absent = stage.dir.path().join("absent");
    // Reading at address 0 of a process fails for every user.
    let unreadable = Path::new("/proc/self/mem");
    for (target, because) in [
        (absent.as_path(), "it cannot be opened: "),
        (unreadable, "reading failed: "),
    ] {
        let said = said(vmsafe().args(["scan", "--json", "--needle-file"]).args([
            stage.needles.as_path(),
            &clean,
            target,
        ]));
        assert_eq!(said.code, Some(3), "{said:?}");
        let json = said.json();
        assert_eq!(json["verdict"], "incomplete");
        assert_eq!(json["covered_bytes"], 5000);
        assert_eq!(json["gaps"][0]["target"], arg(target));
        let reason = json["gaps"][0]["because"].as_str().unwrap();
        assert!(reason.starts_with(because), "{reason}");
    }
}

#[test]
fn a_find_outweighs_what_was_not_read() {
    let stage = Stage::new();
    let leaked = stage.file("leaked", 5000, &[9]);
    let absent = stage.dir.path().join("absent");
    let mut command = vmsafe();
    command.args(["scan", "--json", "--needle-file"]);
    let said = said(command.args([&stage.needles, &absent, &leaked]));
    assert_eq!(said.code, Some(1));
    let json = said.json();
    assert_eq!(json["verdict"], "found");
    assert_eq!(json["gaps"].as_array().unwrap().len(), 1);
}

#[test]
fn files_without_a_length_are_read_to_their_end() {
    let stage = Stage::new();
    let mut command = vmsafe();
    command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
    let said = said(command.arg("/proc/self/environ").env("LEAKED", NEEDLE));
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn encoded_forms_are_found_when_asked_for() {
    let stage = Stage::new();
    let hex: String = NEEDLE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let path = stage.dir.path().join("hex");
    fs::write(&path, format!("key = {hex}\n")).unwrap();
    assert_eq!(stage.scan(&path).code, Some(0));
    let args = ["scan", "--json", "--encoded", "--needle-file"];
    let said = said(vmsafe().args(args).args([&stage.needles, &path]));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.json()["findings"][0]["form"], "hex");
    assert_eq!(offsets(&said.json()), [6]);
}

#[test]
fn a_process_is_searched() {
    let stage = Stage::new();
    let sleep = |name: &str, value: &str| {
        let mut command = Command::new("sleep");
        command.arg("600").env(name, value);
        command.spawn().expect("sleep runs")
    };
    let mut holder = sleep("LEAKED", NEEDLE);
    let mut innocent = sleep("HARMLESS", "nothing");
    let scan = |pid: u32| {
        let target = format!("pid:{pid}");
        run([
            "scan",
            "--json",
            "--needle-file",
            arg(&stage.needles),
            &target,
        ])
    };
    let (found, clean) = (scan(holder.id()), scan(innocent.id()));
    for child in [&mut holder, &mut innocent] {
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
    }
    if !vmsafe_lab::is_root() && yama_forbids() {
        assert_eq!((found.code, clean.code), (Some(3), Some(3)));
        return;
    }
    assert_eq!(found.code, Some(1), "{found:?}");
    let mapping = &found.json()["findings"][0]["mapping"];
    assert_eq!(mapping, "[stack] rw-p");
    assert_eq!(clean.code, Some(0), "{clean:?}");
}

fn yama_forbids() -> bool {
    fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").is_ok_and(|scope| scope.trim() != "0")
}

#[test]
fn a_process_that_does_not_exist_leaves_the_answer_open() {
    let stage = Stage::new();
    // One more than the largest number that the kernel gives.
    let target = format!("pid:{}", (1 << 22) + 1);
    let file = arg(&stage.needles);
    let said = run(["scan", "--json", "--needle-file", file, &target]);
    assert_eq!(said.code, Some(3), "{said:?}");
}

#[test]
fn needles_that_are_no_needles_are_wrong_usage() {
    let stage = Stage::new();
    let target = stage.file("clean", 10, &[]);
    for (content, because) in [
        ("", "no needle was given"),
        ("# nothing\n", "no needle was given"),
        ("plain words\n", "line 1 of the needles: no known prefix"),
        (
            "text:short\nhex:0\n",
            "line 2 of the needles: not hexadecimal",
        ),
        ("text:short", "line 1 of the needles"),
    ] {
        let content = content.replace("text:short\n", "text:long enough\n");
        fs::write(&stage.needles, &content).unwrap();
        let said = stage.scan(&target);
        assert_eq!(said.code, Some(2), "{content:?}: {said:?}");
        assert!(said.err.contains(because), "{content:?}: {said:?}");
        assert_eq!(said.out, "");
    }
    fs::remove_file(&stage.needles).unwrap();
    assert_eq!(stage.scan(&target).code, Some(2));
}

#[test]
fn a_needle_file_that_all_may_read_draws_a_warning() {
    let stage = Stage::new();
    let target = stage.file("clean", 10, &[]);
    let warning = "every user of this machine may read";
    for (mode, warned) in [("600", false), ("640", false), ("644", true)] {
        let chmod = Command::new("chmod").arg(mode).arg(&stage.needles).status();
        assert!(chmod.unwrap().success());
        let said = stage.scan(&target);
        assert_eq!(said.err.contains(warning), warned, "{mode}: {said:?}");
        assert_eq!(said.code, Some(0));
    }
    // Whatever the mode of these says, no secret lies in them.
    let folder = arg(stage.dir.path());
    for (source, told) in [(folder, "is a directory"), ("/dev/null", "no needle")] {
        let said = run(["scan", "--needle-file", source, arg(&target)]);
        assert_eq!(said.code, Some(2), "{source}");
        assert!(said.err.contains(told), "{said:?}");
        assert!(!said.err.contains(warning), "{said:?}");
    }
}

#[test]
fn an_interrupt_keeps_what_was_found() {
    let stage = Stage::new();
    let args = ["scan", "--json", "--needle-file", arg(&stage.needles)];
    let (child, mut input) = begun(vmsafe().args(args).arg("/dev/stdin"));
    let mut block = vec![1; BLOCK];
    block[100..100 + NEEDLE.len()].copy_from_slice(NEEDLE.as_bytes());
    // More than a pipe holds: once it is written, the scan has begun, and listens.
    for _ in 0..8 {
        input.write_all(&block).expect("the scan reads");
    }
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    // An endless input: only the interrupt ends this.
    while input.write_all(&block).is_ok() {}
    let said = Said::from(child.wait_with_output().expect("it ends"));
    assert_eq!(said.code, Some(1), "{}", said.err);
    let json = said.json();
    assert_eq!(offsets(&json)[..2], [100, BLOCK as u64 + 100]);
    assert_eq!(json["gaps"][0]["because"], "the scan was stopped");
}
