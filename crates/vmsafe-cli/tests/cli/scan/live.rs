//! Live processes, devices and terminals.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vmsafe_lab::require_root;

use super::media::swap_header;
use super::{NEEDLE, Stage, offsets};
use crate::run::{Said, arg, begun, vmsafe};

/// A shell that holds the needle so often that no pipe holds the findings.
fn holder() -> Child {
    let script = "read -r needle; printf -v held \"$needle %.0s\" {1..20000}; echo; read -r _";
    let mut child = Command::new("bash")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash runs");
    writeln!(child.stdin.as_mut().expect("piped"), "{NEEDLE}").expect("it reads");
    let mut ready = [0];
    let stdout = child.stdout.as_mut().expect("piped");
    stdout.read_exact(&mut ready).expect("it is ready");
    child
}

#[test]
fn a_process_is_told_while_it_is_searched_and_an_interrupt_keeps_that() {
    if !require_root("a_process_is_told_while_it_is_searched_and_an_interrupt_keeps_that") {
        return;
    }
    let stage = Stage::new();
    let mut holder = holder();
    let mut scan = vmsafe()
        .args(["scan", "--jsonl", "--needle-file", arg(&stage.needles)])
        .arg(format!("pid:{}", holder.id()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the utility runs");
    let mut out = BufReader::new(scan.stdout.take().expect("piped"));
    let mut told = String::new();
    out.read_line(&mut told).expect("a line");
    let pid = scan.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.expect("kill runs").success());
    out.read_to_string(&mut told).expect("text");
    holder.kill().expect("it can be killed");
    holder.wait().expect("it can be waited for");
    assert_eq!(scan.wait().expect("it ends").code(), Some(1));
    let lines: Result<Vec<Value>, _> = told.lines().map(serde_json::from_str).collect();
    let lines = lines.expect("JSON");
    assert_eq!(lines[0]["type"], "finding");
    assert!(
        lines[0]["mapping"]
            .as_str()
            .is_some_and(|name| name.ends_with(" rw-p"))
    );
    let stopped = |line: &Value| line["because"] == "the scan was stopped";
    assert!(lines.iter().any(stopped), "{:?}", lines.last());
    assert_eq!(lines.last().expect("a summary")["type"], "summary");
}

#[test]
fn an_interrupt_ends_the_wait_for_a_first_byte() {
    let stage = Stage::new();
    // Nobody opens the other end.
    let pipe = stage.dir.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    for target in ["-", arg(&pipe)] {
        let args = ["scan", "--json", "--needle-file", arg(&stage.needles)];
        let (mut scan, input) = begun(vmsafe().args(args).arg(target));
        let tasks = format!("/proc/{}/task", scan.id());
        let waits = || fs::read_dir(&tasks).is_ok_and(|tasks| tasks.count() > 1);
        assert!(soon(waits), "{target}: nothing waits");
        vmsafe_lab::kill(scan.id(), 2).expect("an interrupt");
        let ended = soon(|| scan.try_wait().is_ok_and(|status| status.is_some()));
        scan.kill().expect("it has ended, or does now");
        let said = Said::from(scan.wait_with_output().expect("it ends"));
        drop(input);
        assert!(ended, "{target}: {said:?}");
        assert_eq!(said.code, Some(3), "{target}: {said:?}");
        let gap = &said.json()["gaps"][0];
        assert_eq!(gap["because"], "the scan was stopped", "{target}");
    }
}

/// Whether this becomes so within what no machine takes for it.
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A loop device over a file, given back when dropped.
pub(super) struct Loop(pub(super) PathBuf);

impl Loop {
    pub(super) fn over(file: &std::path::Path) -> Self {
        let mut losetup = Command::new("losetup");
        let out = losetup
            .args(["--find", "--show"])
            .arg(file)
            .output()
            .expect("losetup runs");
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        Self(String::from_utf8_lossy(&out.stdout).trim().into())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn a_block_device_is_searched_and_a_swap_partition_by_its_slots() {
    if !require_root("a_block_device_is_searched_and_a_swap_partition_by_its_slots") {
        return;
    }
    let stage = Stage::new();
    let path = stage.file("disk", 1 << 20, &[4096 * 2 + 17, 500_000]);
    let plain = {
        let device = Loop::over(&path);
        stage.scan(&device.0).json()
    };
    assert_eq!(offsets(&plain), [4096 * 2 + 17, 500_000]);
    assert_eq!(plain["covered_bytes"], 1 << 20);
    assert_eq!(plain["findings"][0]["place"], Value::Null);

    let mut bytes = fs::read(&path).expect("as this test made it");
    bytes[..4096].copy_from_slice(&swap_header(3));
    fs::write(&path, bytes).expect("scratch takes files");
    let device = Loop::over(&path);
    let json = stage.scan(&device.0).json();
    assert_eq!(json["findings"][0]["place"], "swap slot 2+0x11");
    assert_eq!(json["findings"][1]["place"], "behind the last swap slot");
}

#[test]
fn progress_is_shown_on_a_terminal_alone() {
    let stage = Stage::new();
    let path = stage.file("file", 64 << 20, &[]);
    let (needles, path) = (arg(&stage.needles), arg(&path));
    let scan = format!(
        "{} scan --needle-file {needles} {path}",
        env!("CARGO_BIN_EXE_vmsafe")
    );
    // `script` gives it a terminal.
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &scan, "/dev/null"]);
    let out = script
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .expect("script runs");
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(told.contains("/s") && told.contains(" left"), "{told}");
    let said = stage.scan(path.as_ref());
    assert!(!said.err.contains(" left"), "{said:?}");
}
