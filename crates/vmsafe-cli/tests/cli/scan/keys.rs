//! Keys that nobody named.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Stage;
use crate::run::{Said, arg, run};

/// The AES-128 key of FIPS 197, appendix A.1, and the words that follow from it.
const SCHEDULE: &str = "\
    2b7e151628aed2a6abf7158809cf4f3ca0fafe1788542cb123a339392a6c7605\
    f2c295f27a96b9435935807a7359f67f3d80477d4716fe3e1e237e446d7a883b\
    ef44a541a8525b7fb671253bdb0bad00d4d1c6f87c839d87caf2b8bc11f915bc\
    6d88a37a110b3efddbf98641ca0093fd4e54f70e5f5fc9f384a64fb24ea6dc4f\
    ead27321b58dbad2312bf5607f8d292fac7766f319fadc2128d12941575c006e\
    d014f9a8c9ee2589e13f0cc8b6630ca6";

pub(super) fn schedule() -> Vec<u8> {
    let digits = SCHEDULE.as_bytes().chunks(2);
    digits
        .map(|pair| {
            u8::from_str_radix(
                core::str::from_utf8(pair).expect("as this test made it"),
                16,
            )
            .expect("as this test made it")
        })
        .collect()
}

/// Round keys from the last to the first.
fn reversed(schedule: &[u8]) -> Vec<u8> {
    schedule.chunks(16).rev().flatten().copied().collect()
}

/// Words in the other byte order.
fn swapped(schedule: &[u8]) -> Vec<u8> {
    schedule
        .chunks(4)
        .flat_map(|word| word.iter().rev())
        .copied()
        .collect()
}

fn scan(target: &Path) -> Said {
    run(["scan", "--json", "--keys", arg(target)])
}

/// Bytes of some variety, without any structure of a key.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 4711_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a_schedule_is_found_in_every_layout_with_one_fingerprint() {
    let stage = Stage::new();
    let forward = schedule();
    let layouts = [
        ("schedule", forward.clone()),
        ("schedule-swapped", swapped(&forward)),
        ("reversed-schedule", reversed(&forward)),
        ("reversed-schedule-swapped", swapped(&reversed(&forward))),
    ];
    let mut bytes = noise(20_000);
    for (nth, (_, layout)) in layouts.iter().enumerate() {
        let place = 1001 + 4001 * nth;
        bytes[place..place + layout.len()].copy_from_slice(layout);
    }
    let path = stage.dir.path().join("schedules");
    fs::write(&path, bytes).unwrap();
    let said = scan(&path);
    assert_eq!(said.code, Some(1), "{said:?}");
    let json = said.json();
    let findings = json["findings"].as_array().unwrap();
    assert_eq!(findings.len(), layouts.len(), "{said:?}");
    for (nth, (found, (form, _))) in findings.iter().zip(&layouts).enumerate() {
        let expected = json!({
            "target": arg(&path), "offset": 1001 + 4001 * nth, "length": 176,
            "kind": "aes-128", "form": form, "whole": true,
            "fingerprint": findings[0]["fingerprint"],
        });
        assert_eq!(*found, expected);
    }
}

#[test]
fn one_kind_of_key_can_be_sought_alone() {
    let stage = Stage::new();
    let path = stage.dir.path().join("both");
    let pem = fs::read(&key_files()[0]).unwrap();
    fs::write(&path, [&noise(1000)[..], &schedule(), &pem].concat()).unwrap();
    let kinds = |option: &str| {
        let said = run(["scan", "--json", option, arg(&path)]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let json = said.json();
        let findings = json["findings"].as_array().unwrap().iter();
        findings
            .map(|finding| finding["form"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("--keys"), ["schedule", "pem"]);
    assert_eq!(kinds("--keys=private,aes"), ["schedule", "pem"]);
    assert_eq!(kinds("--keys=aes"), ["schedule"]);
    assert_eq!(kinds("--keys=private"), ["pem"]);
    let said = run(["scan", "--keys=rsa", arg(&path)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("aes, private"), "{said:?}");
}

#[test]
fn noise_holds_no_key_and_needs_no_needle() {
    let stage = Stage::new();
    let path = stage.dir.path().join("noise");
    fs::write(&path, noise(3 << 20)).unwrap();
    let said = scan(&path);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.json()["covered_bytes"], 3 << 20);
}

/// Keys of every format, made by the programs that use them.
fn key_files() -> Vec<PathBuf> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../vmsafe-witness/tests/keys");
    let mut paths: Vec<_> = fs::read_dir(dir)
        .expect("keys beside the witness")
        .map(|entry| entry.expect("as this test made it").path())
        .filter(|path| path.extension().is_some_and(|name| name == "pem"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn private_keys_are_found_unless_they_are_encrypted() {
    let stage = Stage::new();
    let target = stage.dir.path().join("disk");
    let mut kinds = Vec::new();
    for path in key_files() {
        let mut bytes = noise(5000);
        bytes.extend(fs::read(&path).unwrap());
        fs::write(&target, bytes).unwrap();
        let json = scan(&target).json();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("encrypted") {
            assert_eq!(json["verdict"], "clean", "{name}");
            continue;
        }
        // One of them is a ring with a second key.
        let count = if name.starts_with("openpgp-ed25519") {
            2
        } else {
            1
        };
        assert_eq!(json["finding_count"], count, "{name}: {json}");
        let found = &json["findings"][0];
        assert_eq!(
            (&found["offset"], &found["form"]),
            (&json!(5000), &json!("pem")),
            "{name}"
        );
        kinds.push(found["kind"].as_str().unwrap().to_owned());
    }
    kinds.sort();
    kinds.dedup();
    let expected = ["dsa", "ec", "ed25519", "ed448", "rsa", "x25519", "x448"];
    assert_eq!(kinds, expected);
}

#[test]
fn keys_and_needles_are_told_apart() {
    let stage = Stage::new();
    let path = stage.file("both", 9000, &[100]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[3000..3176].copy_from_slice(&schedule());
    fs::write(&path, bytes).unwrap();
    let file = arg(&stage.needles);
    let json = run([
        "scan",
        "--json",
        "--keys",
        "--needle-file",
        file,
        arg(&path),
    ])
    .json();
    let kinds: Vec<&Value> = (0..2).map(|nth| &json["findings"][nth]["kind"]).collect();
    assert_eq!(kinds, ["needle", "aes-128"]);
    assert_eq!(json["findings"][0]["needle"], 1);
    assert_eq!(json["findings"][1]["needle"], Value::Null);
    // Without the option the key is none of ours.
    assert_eq!(stage.scan(&path).json()["finding_count"], 1);
}

#[test]
fn the_primes_of_a_public_key_are_found_as_numbers() {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../vmsafe-witness/tests/keys");
    let public = Path::new(keys).join("public/rsa-2048.pem");
    let stage = Stage::new();
    let path = stage.dir.path().join("memory");
    let mut bytes = noise(9000);
    fs::write(&path, &bytes).unwrap();
    let scan = || run(["scan", "--json", "--public-key", arg(&public), arg(&path)]);
    assert_eq!(scan().code, Some(0));
    // As OpenSSL keeps it: 64-bit words, the lowest first.
    let private = Path::new(keys).join("rsa-2048-pkcs1.pem");
    bytes[4096..4096 + 128].copy_from_slice(&prime_of(&private));
    fs::write(&path, &bytes).unwrap();
    let said = scan();
    assert_eq!(said.code, Some(1), "{said:?}");
    let found = &said.json()["findings"][0];
    assert_eq!(
        (&found["offset"], &found["kind"]),
        (&json!(4096), &json!("rsa"))
    );
    assert_eq!(found["form"], "prime");
    let no_key = run(["scan", "--public-key", arg(&private), arg(&path)]);
    assert_eq!(no_key.code, Some(2), "{no_key:?}");
    assert!(no_key.err.contains("no RSA public key"), "{no_key:?}");
}

/// The first prime of an RSA key of 2048 bits in PKCS #1, its lowest byte first.
fn prime_of(pem: &Path) -> Vec<u8> {
    use std::process::Command;
    let text = Command::new("sed")
        .args(["-e", "/-----/d"])
        .arg(pem)
        .output();
    let body = String::from_utf8(text.expect("as this test made it").stdout)
        .expect("as this test made it");
    let der = base64(body.trim());
    // Behind the modulus of 257 bytes, the public exponent and the private one, which is shorter
    // or longer by a byte: the next number of 128 bytes with a zero before it.
    let header = [2, 0x81, 0x81, 0];
    let places = || der.windows(header.len());
    let at = places().position(|part| part == header).expect("a prime");
    let at = at + header.len();
    der[at..at + 128].iter().rev().copied().collect()
}

fn base64(text: &str) -> Vec<u8> {
    let value = |char: u8| match char {
        b'A'..=b'Z' => char - b'A',
        b'a'..=b'z' => char - b'a' + 26,
        b'0'..=b'9' => char - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bits = 0_u32;
    let mut held = 0;
    let mut bytes = Vec::new();
    for char in text
        .bytes()
        .filter(|char| !char.is_ascii_whitespace() && *char != b'=')
    {
        bits = bits << 6 | u32::from(value(char));
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held).to_le_bytes()[0]);
        }
    }
    bytes
}
