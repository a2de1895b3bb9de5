//! Files that were made to do harm: a clear word, what was found all the same, and little memory.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use vmsafe_witness::Report;

use super::media::{compressed, core_dump, swap_header};
use super::{NEEDLE, Stage, sarif};
use crate::run::{Said, arg, begun, vmsafe};

const MOST_MEMORY: u64 = 64 << 20;
/// More than a pipe holds.
const BLOCK: usize = 2 << 20;

/// Scans `path`, and then standard input, which waits: by then all of `path` was searched. Gives
/// what was told, and the most memory that it took, in bytes.
fn scan(stage: &Stage, path: &Path) -> (Vec<Value>, u64) {
    let mut command = vmsafe();
    command.args(["scan", "--jsonl", "--keys", "--encoded", "--needle-file"]);
    let (child, mut input) = begun(command.args([arg(&stage.needles), arg(path), "-"]));
    input.write_all(&vec![1; BLOCK]).expect("the scan reads");
    let peak = peak_of(&child).expect("a peak");
    drop(input);
    let said = Said::from(child.wait_with_output().expect("it ends"));
    let lines = said.out.lines().map(serde_json::from_str);
    let lines: Result<Vec<Value>, _> = lines.collect();
    (
        lines.unwrap_or_else(|error| panic!("{error}: {said:?}")),
        peak,
    )
}

/// The most memory that a child took so far, in bytes; `None` once it has ended.
fn peak_of(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib = peak.trim().strip_suffix(" kB").expect("in kB");
    Some(1024 * kib.parse::<u64>().expect("a number"))
}

/// What a scan of `path` tells in a format, and the most memory that it took until its last words.
fn told_by(stage: &Stage, format: &str, path: &Path) -> (Vec<u8>, u64) {
    let mut command = vmsafe();
    command.args(["scan", "--needle-file", arg(&stage.needles), arg(path)]);
    command.args(Some(format).filter(|format| !format.is_empty()));
    told(&mut command)
}

fn told(command: &mut Command) -> (Vec<u8>, u64) {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the utility runs");
    let mut out = child.stdout.take().expect("piped");
    let (mut told, mut most) = (Vec::new(), 0);
    let mut part = vec![0; 1 << 16];
    loop {
        most = most.max(peak_of(&child).unwrap_or(0));
        match out.read(&mut part).expect("a pipe") {
            0 => break,
            count => told.extend(&part[..count]),
        }
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    (told, most)
}

/// It says one of these words in a note or a gap, finds the needle, and takes little memory.
fn is_withstood(stage: &Stage, name: &str, bytes: &[u8], word: &str) {
    let path = stage.dir.path().join(name);
    fs::write(&path, bytes).expect("scratch takes files");
    let (told, peak) = scan(stage, &path);
    let says = |line: &Value| {
        let text = line["note"].as_str().or(line["because"].as_str());
        text.is_some_and(|text| text.contains(word))
    };
    assert!(word.is_empty() || told.iter().any(says), "{name}: {told:?}");
    let finding = |line: &&Value| line["type"] == "finding" && line["needle"] == 1;
    assert_eq!(told.iter().filter(finding).count(), 1, "{name}: {told:?}");
    assert!(peak <= MOST_MEMORY, "{name}: {peak} bytes");
    fs::remove_file(&path).expect("as this test made it");
}

/// A core dump of a page of memory that holds the needle.
fn core() -> Vec<u8> {
    let mut memory = vec![0; 4096];
    memory[300..300 + NEEDLE.len()].copy_from_slice(NEEDLE.as_bytes());
    core_dump(&memory)
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

#[test]
fn core_dumps_that_claim_too_much() {
    let stage = Stage::new();
    // The count of program headers, where it does not fit, stands in the first section header.
    let mut segments = core();
    put(&mut segments, 56, &[0xff, 0xff]);
    put(&mut segments, 40, &8192_u64.to_le_bytes());
    put(&mut segments, 58, &64_u16.to_le_bytes());
    put(&mut segments, 60, &1_u16.to_le_bytes());
    segments.resize(8192 + 64, 0);
    put(&mut segments, 8192 + 44, &(1_u32 << 31).to_le_bytes());
    is_withstood(&stage, "segments", &segments, "too many segments");

    let mut notes = core();
    put(&mut notes, 64 + 32, &(1_u64 << 40).to_le_bytes());
    is_withstood(
        &stage,
        "notes",
        &notes,
        "the notes of the core dump are too long",
    );

    let mut beyond = core();
    put(&mut beyond, 64 + 8, &(1_u64 << 62).to_le_bytes());
    is_withstood(&stage, "beyond", &beyond, "it is searched byte by byte");

    is_withstood(&stage, "many", &many_notes(), "too many notes");
}

/// As many empty notes, and then names of mapped files, as 15 MiB hold.
fn many_notes() -> Vec<u8> {
    const LEN: usize = 15 << 20;
    let mut core = core();
    let at = core.len();
    core.resize(at + LEN, 0);
    // A name of four bytes, nothing else.
    let note = [4_u32, 0, 0x4649_4c45].map(u32::to_le_bytes).concat();
    for place in (at..at + LEN - 16).step_by(16) {
        put(&mut core, place, &note);
    }
    put(&mut core, 64 + 8, &(at as u64).to_le_bytes());
    put(&mut core, 64 + 32, &(LEN as u64).to_le_bytes());
    core
}

/// A needle and as many zeros behind it, so often.
fn crowd(count: usize) -> Vec<u8> {
    let mut one = NEEDLE.as_bytes().to_vec();
    one.resize(2 * one.len(), 0);
    one.repeat(count)
}

#[test]
fn more_findings_than_are_kept_take_little_memory_in_every_format() {
    const COUNT: usize = 60_000;
    let stage = Stage::new();
    let path = stage.dir.path().join("crowd");
    fs::write(&path, crowd(COUNT)).expect("scratch takes files");
    for format in ["", "--json", "--jsonl", "--sarif"] {
        let (told, peak) = told_by(&stage, format, &path);
        assert!(peak <= MOST_MEMORY, "{format}: {peak} bytes");
        if format == "--sarif" {
            let log: Value = serde_json::from_slice(&told).expect("JSON");
            let run = &log["runs"][0];
            let listed = run["results"].as_array().expect("results").len();
            let told = &run["invocations"][0]["toolExecutionNotifications"][0];
            let text = told["message"]["text"].as_str().expect("a notification");
            let left_out = format!("leaves out {} more results", COUNT - listed);
            assert!(listed < COUNT && text.contains(&left_out), "{text}");
            assert_eq!(sarif::faults_of_log(&log), Vec::<String>::new());
        }
    }
}

#[test]
fn the_record_of_many_crowded_targets_takes_little_memory() {
    let stage = Stage::new();
    let crowd = crowd(Report::MOST_HITS);
    let mut command = vmsafe();
    command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
    command.args(["--resume", arg(&stage.dir.path().join("record"))]);
    for nth in 0..12 {
        let path = stage.dir.path().join(nth.to_string());
        fs::write(&path, &crowd).expect("scratch takes files");
        command.arg(path);
    }
    let (told, peak) = told(&mut command);
    assert!(peak <= MOST_MEMORY, "{peak} bytes");
    let json: Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(json["finding_count"], 12 * Report::MOST_HITS);
}

/// Each of eight bytes is a place, which takes more memory than they do.
#[test]
fn a_file_that_is_nothing_but_findings_takes_little_memory() {
    const LEN: usize = 96 << 20;
    let stage = Stage::new();
    fs::write(&stage.needles, "text:of eight").expect("scratch takes files");
    let path = stage.dir.path().join("crowd");
    fs::write(&path, b"of eight".repeat(LEN / 8)).expect("scratch takes files");
    let (told, peak) = told_by(&stage, "--json", &path);
    assert!(peak <= MOST_MEMORY, "{peak} bytes");
    let json: Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(json["finding_count"], LEN / 8);
}

#[test]
fn a_directory_of_crowded_files_takes_little_memory() {
    const COUNT: usize = 100_000;
    let stage = Stage::new();
    let below = stage.dir.path().join("below");
    fs::create_dir(&below).expect("scratch takes folders");
    let crowd = crowd(COUNT);
    assert!((4 << 20..8 << 20).contains(&crowd.len()), "{}", crowd.len());
    for nth in 0..4 {
        let write = |kind: &str, content: &[u8]| {
            let path = below.join(format!("{nth}.{kind}"));
            fs::write(path, content).expect("scratch takes files");
        };
        write("plain", &crowd);
        write("core", &crowded_core(COUNT, "name", 130_000));
        for kind in ["gzip", "zstd", "lz4", "xz"] {
            write(kind, &compressed(kind, &crowd));
        }
    }
    let (told, peak) = told_by(&stage, "--json", &below);
    assert!(peak <= MOST_MEMORY, "{peak} bytes");
    let json: Value = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(json["finding_count"], 4 * 6 * COUNT);
}

#[test]
fn a_needle_behind_more_findings_than_are_kept_is_told() {
    let stage = Stage::new();
    let path = stage.dir.path().join("crowd");
    let other = (0..16).map(|nth| nth * 0x11);
    fs::write(&path, [crowd(60_000), other.collect()].concat()).expect("scratch takes files");
    let (told, _) = told_by(&stage, "", &path);
    let told = String::from_utf8(told).expect("text");
    assert!(told.contains("found: 2 needles at 60001 places"), "{told}");
    assert!(
        told.lines().any(|line| line.contains(" needle 0 ")),
        "{told}"
    );
    let (told, _) = told_by(&stage, "--json", &path);
    let json: Value = serde_json::from_slice(&told).expect("JSON");
    let findings = json["findings"].as_array().expect("a list");
    assert!(findings.iter().any(|found| found["needle"] == 0));
}

/// A core dump of a crowd of needles in one file of a long name, or with so many empty notes.
fn crowded_core(count: usize, name: &str, empty_notes: usize) -> Vec<u8> {
    let mut core = core_dump(&crowd(count));
    let memory = u64::from_le_bytes(core[64 + 56 + 16..][..8].try_into().expect("eight bytes"));
    let words = [1, 4096, memory, memory + core.len() as u64, 0];
    let mut desc = words.map(u64::to_le_bytes).concat();
    desc.extend(name.as_bytes());
    desc.push(0);
    let len = u32::try_from(desc.len()).expect("it is short");
    let mut notes = [5, len, 0x4649_4c45].map(u32::to_le_bytes).concat();
    notes.extend(b"CORE\0\0\0\0");
    notes.extend(desc);
    notes.resize(notes.len().next_multiple_of(4), 0);
    let empty = [&[4_u32, 0, 7].map(u32::to_le_bytes).concat()[..], b"ABC\0"].concat();
    notes.extend(empty.repeat(empty_notes));
    let at = core.len();
    core.extend(&notes);
    put(&mut core, 64 + 8, &(at as u64).to_le_bytes());
    put(&mut core, 64 + 32, &(notes.len() as u64).to_le_bytes());
    core
}

#[test]
fn a_core_dump_of_long_names_and_many_notes_costs_no_more_than_another() {
    let stage = Stage::new();
    let path = stage.dir.path().join("core");
    for (name, empty_notes) in [("a".repeat(100_000), 0), ("b".to_owned(), 130_000)] {
        fs::write(&path, crowded_core(20_000, &name, empty_notes)).expect("scratch takes files");
        for format in ["", "--json", "--jsonl", "--sarif"] {
            let (told, peak) = told_by(&stage, format, &path);
            assert!(peak <= MOST_MEMORY, "{format}: {peak} bytes");
            // A table breaks it into lines.
            let end = &name[name.len().saturating_sub(200)..];
            let told = String::from_utf8(told).expect("text");
            assert!(format.is_empty() || told.contains(end), "{format}");
        }
    }
}

#[test]
fn streams_that_grow_without_end_or_want_too_much() {
    let stage = Stage::new();
    let mut content = vec![0; 96 << 20];
    put(&mut content, 5000, NEEDLE.as_bytes());
    for name in ["gzip", "zstd", "lz4", "xz"] {
        let bomb = compressed(name, &content);
        assert!(bomb.len() < content.len() / 100, "{name}: {}", bomb.len());
        is_withstood(&stage, name, &bomb, &format!("it is compressed by {name}"));
        let cut = &bomb[..bomb.len() - 1];
        is_withstood(&stage, name, cut, "reading failed");
    }
    // A second frame that wants 2 GiB of history.
    let mut window = compressed("zstd", &content[..10_000]);
    window.extend([0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0]);
    is_withstood(&stage, "window", &window, "zstd -dc --long=31");
}

#[test]
fn a_swap_header_with_impossible_numbers() {
    let stage = Stage::new();
    let mut swap = vec![0; 20 * 4096];
    put(&mut swap, 0, &swap_header(3));
    put(&mut swap, 1032, &u32::MAX.to_le_bytes());
    put(&mut swap, 5 * 4096 + 9, NEEDLE.as_bytes());
    is_withstood(&stage, "bad-pages", &swap, "");
    put(&mut swap, 1032, &0_u32.to_le_bytes());
    put(&mut swap, 1028, &u32::MAX.to_le_bytes());
    is_withstood(&stage, "last-page", &swap, "");
}

/// A stack larger than the address space is one that no thread can have.
#[test]
fn where_there_can_be_no_thread_all_is_searched_all_the_same() {
    let stage = Stage::new();
    let len = 20 << 20;
    let target = stage.file("target", len, &[0, len / 2, len - NEEDLE.len()]);
    let below = stage.dir.path().join("below");
    fs::create_dir(&below).expect("scratch takes folders");
    for nth in 0..20 {
        fs::write(below.join(nth.to_string()), NEEDLE).expect("scratch takes files");
    }
    for stack in [Some("200000000000000"), None] {
        let mut command = vmsafe();
        command.envs(stack.map(|stack| ("RUST_MIN_STACK", stack)));
        command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
        let said = Said::from(command.args([&target, &below]).output().expect("it runs"));
        assert_eq!(said.code, Some(1), "{stack:?}: {said:?}");
        assert_eq!(said.json()["finding_count"], 3 + 20, "{stack:?}");
        let covered = len + 20 * NEEDLE.len();
        assert_eq!(said.json()["covered_bytes"], covered, "{stack:?}");
    }
}
