//! What is searched, and what an offset in it is.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{BLOCK, NEEDLE, SIGNATURE, Stage, offsets};
use crate::run::{Said, arg, begun, run, said, vmsafe};

const PAGE: usize = 4096;

pub(super) fn compressed(name: &str, bytes: &[u8]) -> Vec<u8> {
    match name {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(bytes).expect("as this test made it");
            encoder.finish().expect("as this test made it")
        }
        "zstd" => {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        }
        "xz" => {
            let options = lzma_rust2::XzOptions::with_preset(1);
            let encoder = lzma_rust2::XzWriter::new(Vec::new(), options);
            let mut encoder = encoder.expect("as this test made it");
            encoder.write_all(bytes).expect("as this test made it");
            encoder.finish().expect("as this test made it")
        }
        _ => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).expect("as this test made it");
            encoder.finish().expect("as this test made it")
        }
    }
}

/// Scans with the bytes of `path` on standard input, through a pipe.
fn scan_input(stage: &Stage, path: &Path) -> Said {
    let mut cat = Command::new("cat")
        .arg(path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat runs");
    let mut command = vmsafe();
    command.args(["scan", "--json", "--needle-file", arg(&stage.needles), "-"]);
    let said = said(command.stdin(cat.stdout.take().expect("piped")));
    cat.wait().expect("cat ends");
    said
}

#[test]
fn compressed_streams_are_searched_by_content() {
    let stage = Stage::new();
    let plain = stage.file("plain", 2 * BLOCK, &[BLOCK - 5]);
    let bytes = fs::read(plain).unwrap();
    let file = arg(&stage.needles);
    for name in ["gzip", "zstd", "lz4", "xz"] {
        let path = stage.dir.path().join(name);
        fs::write(&path, compressed(name, &bytes)).unwrap();
        for said in [stage.scan(&path), scan_input(&stage, &path)] {
            assert_eq!(said.code, Some(1), "{name}: {said:?}");
            let json = said.json();
            assert_eq!(offsets(&json), [BLOCK as u64 - 5], "{name}");
            assert_eq!(json["covered_bytes"], 2 * BLOCK, "{name}");
            let note = json["notes"][0]["note"].as_str().unwrap();
            assert!(
                note.starts_with(&format!("it is compressed by {name}")),
                "{note}"
            );
            assert!(note.ends_with("searched with --decompress never"), "{note}");
        }
        let never = ["scan", "--json", "--decompress", "never", "--needle-file"];
        let said = said(vmsafe().args(never).args([file, arg(&path)]));
        let stored = fs::metadata(&path).unwrap().len();
        assert_eq!(said.json()["covered_bytes"], stored, "{name}");
    }
}

#[test]
fn a_damaged_stream_gives_what_came_before_and_an_open_end() {
    let stage = Stage::new();
    let plain = stage.file("plain", 8 * BLOCK, &[77]);
    let mut noisy = fs::read(plain).unwrap();
    // Incompressible behind the needle, so that a cut leaves the needle whole.
    let mut state = 1_u32;
    for byte in &mut noisy[PAGE..] {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    let mut cut = compressed("gzip", &noisy);
    cut.truncate(cut.len() / 2);
    let path = stage.dir.path().join("cut.gz");
    fs::write(&path, cut).unwrap();
    let json = stage.scan(&path).json();
    assert_eq!(offsets(&json), [77]);
    let because = json["gaps"][0]["because"].as_str().unwrap();
    assert!(because.starts_with("reading failed"), "{because}");
}

#[test]
fn standard_input_is_a_target() {
    let stage = Stage::new();
    let path = stage.file("leaked", 3 * BLOCK, &[BLOCK + 9]);
    assert_eq!(
        offsets(&scan_input(&stage, &path).json()),
        [BLOCK as u64 + 9]
    );
    let mut command = vmsafe();
    command.args(["scan", "--json", "--needle-file", arg(&stage.needles), "-"]);
    let from_file = said(command.stdin(File::open(&path).unwrap()));
    assert_eq!(offsets(&from_file.json()), [BLOCK as u64 + 9]);
    assert_eq!(from_file.json()["findings"][0]["target"], "-");
    for needles in [&[][..], &["--needle-file", "-"], &["--needle-fd", "0"]] {
        let said = said(vmsafe().arg("scan").args(needles).arg("-"));
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("both needles and target"), "{said:?}");
    }
}

/// The first page of a swap area of 100 pages.
pub(super) fn swap_header(bad: u32) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let numbers = [(1024, 1_u32), (1028, 99), (1032, 1), (1536, bad)];
    for (at, number) in numbers {
        page[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    page[SIGNATURE..].copy_from_slice(b"SWAPSPACE2");
    page
}

#[test]
fn a_finding_in_swap_is_told_with_its_slot() {
    let stage = Stage::new();
    let places = [2 * PAGE + 17, 3 * PAGE + 5];
    let path = stage.file("swap", 100 * PAGE, &places);
    let mut bytes = fs::read(&path).unwrap();
    bytes[..PAGE].copy_from_slice(&swap_header(3));
    fs::write(&path, bytes).unwrap();
    let json = stage.scan(&path).json();
    assert_eq!(offsets(&json), places.map(|place| place as u64));
    let findings = &json["findings"];
    assert_eq!(findings[0]["place"], "swap slot 2+0x11");
    assert_eq!(
        (&findings[0]["slot"], &findings[1]["slot"]),
        (&2.into(), &3.into())
    );
    assert_eq!(findings[1]["place"], "bad swap slot 3");
}

/// A core dump of one thread, 4711, whose stack pointer lies in the only segment.
pub(super) fn core_dump(memory: &[u8]) -> Vec<u8> {
    const NOTES: u64 = 64 + 2 * 56;
    const SEGMENT: u64 = 4096;
    const ADDRESS: u64 = 0x7fff_0000_0000;
    let mut status = vec![0; 336];
    status[32..36].copy_from_slice(&4711_u32.to_le_bytes());
    status[264..272].copy_from_slice(&(ADDRESS + 64).to_le_bytes());
    let mut note = [5_u32, 336, 1].map(u32::to_le_bytes).concat();
    note.extend(b"CORE\0\0\0\0");
    note.extend(status);
    let mut core = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    core.extend([4_u16, 62].map(u16::to_le_bytes).concat());
    core.extend(1_u32.to_le_bytes());
    core.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat());
    core.extend(0_u32.to_le_bytes());
    core.extend([64_u16, 56, 2, 64, 0, 0].map(u16::to_le_bytes).concat());
    for (kind, flags, at, address, len) in [
        (4_u32, 0_u32, NOTES, 0, note.len() as u64),
        (1, 6, SEGMENT, ADDRESS, memory.len() as u64),
    ] {
        core.extend([kind, flags].map(u32::to_le_bytes).concat());
        let fields = [at, address, 0, len, len, 4096];
        core.extend(fields.map(u64::to_le_bytes).concat());
    }
    core.extend(note);
    core.resize(4096, 0);
    core.extend(memory);
    core
}

#[test]
fn a_finding_in_a_core_is_told_with_its_address_and_thread() {
    let stage = Stage::new();
    let memory = stage.file("memory", 3 * PAGE, &[300]);
    let path = stage.dir.path().join("core");
    fs::write(&path, core_dump(&fs::read(memory).unwrap())).unwrap();
    let json = stage.scan(&path).json();
    assert_eq!(offsets(&json), [4096 + 300]);
    let found = &json["findings"][0];
    assert_eq!(found["address"], 0x7fff_0000_0000_u64 + 300);
    assert_eq!(found["thread"], 4711);
    let place = "address 0x7fff0000012c (rw-, stack of thread 4711)";
    assert_eq!(found["place"], place);
}

#[test]
fn holes_are_passed_over_and_needles_at_their_borders_are_not() {
    let stage = Stage::new();
    let path = stage.dir.path().join("sparse");
    let mut file = File::create(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    // It ends in zeros, and those lie in the hole.
    let hex: String = NEEDLE.bytes().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&stage.needles, format!("hex:{hex}{}", "00".repeat(40))).unwrap();
    let place = (1 << 29) - NEEDLE.len() as u64;
    file.seek(SeekFrom::Start(place)).unwrap();
    file.write_all(NEEDLE.as_bytes()).unwrap();
    let said = stage.scan(&path);
    assert_eq!(said.code, Some(1), "{said:?}");
    let json = said.json();
    assert_eq!(offsets(&json), [place]);
    assert_eq!(json["findings"][0]["whole"], true);
    assert!(json["covered_bytes"].as_u64().unwrap() < 1 << 20, "{json}");
    let note = json["notes"][0]["note"].as_str().unwrap();
    assert!(note.starts_with("its holes"), "{note}");
}

#[test]
fn zswap_is_explained_and_leaves_the_answer_open() {
    let stage = Stage::new();
    let file = arg(&stage.needles);
    let target = "/sys/kernel/debug/zswap";
    let said = run(["scan", "--json", "--needle-file", file, target]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let because = said.json()["gaps"][0]["because"].clone();
    assert!(because.as_str().unwrap().starts_with("zswap is no medium"));
}

#[test]
fn what_is_not_opened_leaves_the_answer_open_unless_bytes_are_asked_for() {
    let stage = Stage::new();
    let path = stage.dir.path().join("packed");
    let scan = |target: &str, when, bytes: &[u8]| {
        let mut command = vmsafe();
        command.args(["scan", "--json", "--decompress", when, "--needle-file"]);
        let (child, mut input) = begun(command.args([arg(&stage.needles), target]));
        // A scan of the file does not read it.
        let _ = input.write_all(bytes);
        drop(input);
        Said::from(child.wait_with_output().unwrap())
    };
    for start in [&b"PK\x03\x04"[..], b"BZh9", b"7z\xbc\xaf\x27\x1c", b"text"] {
        let bytes = [start, b" and more"].concat();
        fs::write(&path, &bytes).unwrap();
        for target in [arg(&path), "-"] {
            let never = scan(target, "never", &bytes);
            assert_eq!(never.code, Some(0), "{never:?}");
            assert_eq!(never.json()["notes"], Value::Null);
            let auto = scan(target, "auto", &bytes);
            let is_text = start == b"text";
            assert_eq!(auto.code, Some(if is_text { 0 } else { 3 }), "{auto:?}");
            assert_eq!(!auto.out.contains("which is not opened"), is_text);
            assert_eq!(auto.json()["covered_bytes"], bytes.len());
        }
    }
}
