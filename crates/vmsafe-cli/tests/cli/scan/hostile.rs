//! Files that were made to do harm: a clear word, what was found all the same, and little memory.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::media::{compressed, core_dump, swap_header};
use super::{NEEDLE, Stage};
use crate::run::{Said, arg, vmsafe};

const MOST_MEMORY: u64 = 64 << 20;
/// More than a pipe holds.
const BLOCK: usize = 2 << 20;

/// Scans `path`, and then standard input, which waits: by then all of `path` was searched. Gives
/// what was told, and the most memory that it took, in bytes.
fn scan(stage: &Stage, path: &Path) -> (Vec<Value>, u64) {
    let mut child = vmsafe()
        .args(["scan", "--jsonl", "--keys", "--encoded", "--needle-file"])
        .args([arg(&stage.needles), arg(path), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the utility runs");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(&vec![1; BLOCK]).expect("the scan reads");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let kib: u64 = kib.expect("a peak").parse().expect("a number");
    drop(input);
    let said = Said::from(child.wait_with_output().expect("it ends"));
    let lines = said.out.lines().map(serde_json::from_str);
    let lines: Result<Vec<Value>, _> = lines.collect();
    (
        lines.unwrap_or_else(|error| panic!("{error}: {said:?}")),
        1024 * kib,
    )
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

#[test]
fn streams_that_grow_without_end_or_want_too_much() {
    let stage = Stage::new();
    let mut content = vec![0; 96 << 20];
    put(&mut content, 5000, NEEDLE.as_bytes());
    for name in ["gzip", "zstd", "lz4"] {
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
