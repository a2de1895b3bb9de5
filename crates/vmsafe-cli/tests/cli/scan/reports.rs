//! How results are told.

use std::fs;
use std::io::{BufRead, BufReader, Write, pipe};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use serde_json::Value;

use super::{BLOCK, NEEDLE, SIGNATURE, Stage};
use crate::run::{arg, run, said, vmsafe};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_stream_tells_a_finding_before_the_target_ends() {
    let stage = Stage::new();
    let mut child = vmsafe()
        .args(["scan", "--jsonl", "--needle-file", arg(&stage.needles), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the utility runs");
    let mut input = child.stdin.take().expect("piped");
    let mut block = vec![1; 2 * BLOCK];
    block[100..100 + NEEDLE.len()].copy_from_slice(NEEDLE.as_bytes());
    // Two blocks and the four bytes that tell whether it is compressed.
    input.write_all(&block).expect("the scan reads");
    input.write_all(&[2; 16]).expect("the scan reads");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    let first = next();
    assert_eq!(
        (&first["type"], &first["offset"]),
        (&"finding".into(), &100.into())
    );
    assert_eq!(
        (&first["kind"], &first["form"]),
        (&"needle".into(), &"exact".into())
    );
    // Only now does the target end.
    drop(input);
    let last = next();
    assert_eq!(
        (&last["type"], &last["verdict"]),
        (&"summary".into(), &"found".into())
    );
    assert_eq!(last["covered_bytes"], 2 * BLOCK + 16);
    assert_eq!(last["findings"], Value::Null);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// A scan of a file and of standard input, which does not end before the scan does.
fn scan_without_end(stage: &Stage, first: &Path, out: Stdio) -> (Child, ChildStdin) {
    let mut command = vmsafe();
    command.args(["scan", "--jsonl", "--needle-file", arg(&stage.needles)]);
    command.args([first, Path::new("-")]);
    command.stderr(Stdio::null());
    let child = command.stdin(Stdio::piped()).stdout(out).spawn();
    let mut child = child.expect("the utility runs");
    let input = child.stdin.take().expect("piped");
    (child, input)
}

#[test]
fn a_stream_whose_reader_went_away_stops_the_scan() {
    let stage = Stage::new();
    let path = stage.file("leaked", 5000, &[9]);
    let (mut child, mut input) = scan_without_end(&stage, &path, Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().is_ok());
    drop(lines);
    let mut block = vec![1; 2 * BLOCK];
    block[100..100 + NEEDLE.len()].copy_from_slice(NEEDLE.as_bytes());
    // The scan may end before it has read all.
    let _ = input.write_all(&block);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    // Of a file that is not there only a gap could be told.
    let absent = stage.dir.path().join("absent");
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let (mut child, _input) = scan_without_end(&stage, &absent, writer.into());
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

/// What a scan tells that shows what stands beside findings.
fn revealed(stage: &Stage, target: &Path) -> Value {
    let file = arg(&stage.needles);
    let options = ["--json", "--reveal", "--needle-file", file];
    said(vmsafe().arg("scan").args(options).arg(target)).json()
}

#[test]
fn what_stands_beside_a_finding_is_shown_only_when_asked_for() {
    let stage = Stage::new();
    let path = stage.file("leaked", 3 * BLOCK, &[5, 4090, BLOCK + 7]);
    let reveal = || revealed(&stage, &path);
    let check = |bytes: &[u8]| {
        assert!(!stage.scan(&path).out.contains("context"));
        let json = reveal();
        for (found, place) in json["findings"]
            .as_array()
            .unwrap()
            .iter()
            .zip([5, 4090, BLOCK + 7])
        {
            let end = place + NEEDLE.len();
            let context = &found["context"];
            assert_eq!(
                context["before"],
                hex(&bytes[place.saturating_sub(16)..place])
            );
            assert_eq!(context["after"], hex(&bytes[end..end + 16]));
        }
        assert!(!json.to_string().contains(&hex(NEEDLE.as_bytes())[..16]));
    };
    check(&fs::read(&path).unwrap());
    // A swap area: read directly.
    let mut bytes = fs::read(&path).unwrap();
    bytes[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    bytes[1032..1036].copy_from_slice(&0_u32.to_le_bytes());
    let place = 2 * BLOCK;
    bytes.copy_within(4090..4090 + NEEDLE.len(), place);
    bytes[SIGNATURE..SIGNATURE + 10].copy_from_slice(b"SWAPSPACE2");
    fs::write(&path, &bytes).unwrap();
    let json = reveal();
    let found = json["findings"].as_array().unwrap().last().unwrap();
    assert_eq!(found["offset"], place);
    assert_eq!(found["context"]["before"], hex(&bytes[place - 16..place]));
    let end = place + NEEDLE.len();
    assert_eq!(found["context"]["after"], hex(&bytes[end..end + 16]));
}

#[test]
fn a_key_beside_a_finding_is_not_shown_though_none_is_looked_for() {
    let stage = Stage::new();
    // An Ed25519 key as PKCS #8.
    let mut key = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    key.extend((0..32_u8).map(|nth| nth.wrapping_mul(57) ^ 0xa5));
    let shown = |key: &[u8]| {
        let path = stage.dir.path().join("beside");
        fs::write(&path, [key, NEEDLE.as_bytes(), b"and on"].concat()).unwrap();
        let context = revealed(&stage, &path)["findings"][0]["context"].clone();
        assert_eq!(context["after"], hex(b"and on"));
        context["before"].as_str().unwrap().to_owned()
    };
    assert_eq!(shown(&key), "**".repeat(16));
    // The control: what is no key is shown.
    key[0] = 0x31;
    assert_eq!(shown(&key), hex(&key[key.len() - 16..]));
}

#[test]
fn sarif_names_rule_place_and_gap() {
    let stage = Stage::new();
    let path = stage.file("with space", 5000, &[9]);
    let absent = stage.dir.path().join("absent");
    let args = ["scan", "--sarif", "--needle-file", arg(&stage.needles)];
    let said = said(vmsafe().args(args).args([&path, &absent]));
    assert_eq!(said.code, Some(1), "{said:?}");
    let json = said.json();
    assert_eq!(json["version"], "2.1.0");
    let run = &json["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "needle");
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "needle");
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(location["region"]["byteOffset"], 9);
    assert_eq!(location["region"]["byteLength"], NEEDLE.len());
    let uri = location["artifactLocation"]["uri"].as_str().unwrap();
    assert!(uri.ends_with("/with%20space"), "{uri}");
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = invocation["toolExecutionNotifications"][0]["message"]["text"].as_str();
    assert!(told.unwrap().contains("it cannot be opened"), "{told:?}");
}

#[test]
fn the_table_groups_places_of_one_secret() {
    let stage = Stage::new();
    let path = stage.file("leaked", 9000, &[0, 1000, 2000, 3000, 4000]);
    let said = run(["scan", "--needle-file", arg(&stage.needles), arg(&path)]);
    let rows: Vec<_> = said
        .out
        .lines()
        .filter(|line| line.contains("needle 1"))
        .collect();
    assert_eq!(rows.len(), 1, "{said:?}");
    for part in ["exact", " 5 ", "0x0, 0x3e8, 0x7d0, …"] {
        assert!(rows[0].contains(part), "{said:?}");
    }
    assert!(said.out.contains("found: 1 needle at 5 places"), "{said:?}");
}

#[test]
fn targets_that_are_left_out_for_one_reason_share_a_row() {
    let stage = Stage::new();
    let absent: Vec<_> = (0..9).map(|nth| format!("absent{nth}")).collect();
    let scan = |count: usize, format: Option<&str>| {
        let mut command = vmsafe();
        command.args(["scan", "--needle-file", arg(&stage.needles)]);
        command.args(format).args(&absent[..count]);
        // Besides, another reason.
        said(command.arg("pid:4294967295").current_dir(&stage.dir))
    };
    let table = scan(9, None).out;
    assert!(table.contains(" absent2 ") && !table.contains("absent3"));
    let rows = table.lines().filter(|line| line.contains("cannot be"));
    assert_eq!(rows.count(), 5, "{table}");
    assert!(table.contains(" and 6 more targets "), "{table}");
    // One more is named.
    let table = scan(4, None).out;
    assert!(table.contains(" absent3 ") && !table.contains("more targets"));
    let gaps = scan(9, Some("--json")).json()["gaps"].clone();
    assert_eq!(gaps.as_array().unwrap().len(), 10);
}

#[test]
fn a_table_says_how_much_it_leaves_out() {
    let stage = Stage::new();
    let paths = (0..202).map(|nth| stage.file(&format!("leaked{nth}"), 100, &[nth % 50]));
    let mut command = vmsafe();
    command.args(["scan", "--reveal", "--needle-file", arg(&stage.needles)]);
    let said = said(command.args(paths));
    let more = said.out.matches("and 2 more; --jsonl tells each of them");
    assert_eq!(more.count(), 2, "{said:?}");
}

#[test]
fn formats_exclude_each_other() {
    for (one, other) in [
        ("--json", "--jsonl"),
        ("--json", "--sarif"),
        ("--jsonl", "--sarif"),
    ] {
        let said = run(["scan", "--keys", one, other, "/dev/null"]);
        assert_eq!(said.code, Some(2), "{one} {other}: {said:?}");
    }
}
