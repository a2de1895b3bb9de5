use std::fs;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use proptest::prelude::*;

use super::*;
use crate::masked::MaskStream;

/// The keys that lie beside the tests, by the name of their file.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pem = entries.filter(|path| path.extension().is_some_and(|ending| ending == "pem"));
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut all: Vec<_> = pem
        .map(|path| (name(&path), fs::read(path).unwrap()))
        .collect();
    all.sort();
    assert_eq!(all.len(), 30);
    all
}

/// The fixtures that are keys in the open.
fn open_keys() -> impl Iterator<Item = (String, Vec<u8>)> {
    fixtures()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("encrypted"))
}

fn kind(name: &str) -> KeyKind {
    let is = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match name {
        _ if is(&["ed25519"]) => KeyKind::Ed25519,
        _ if is(&["x25519"]) => KeyKind::X25519,
        _ if is(&["ed448"]) => KeyKind::Ed448,
        _ if is(&["x448"]) => KeyKind::X448,
        _ if is(&["rsa"]) => KeyKind::Rsa,
        _ if is(&["dsa-2048"]) => KeyKind::Dsa,
        _ => KeyKind::Ec,
    }
}

/// What the text between the dashes stands for.
fn binary(pem: &[u8]) -> Vec<u8> {
    let lines = core::str::from_utf8(pem).unwrap().lines();
    let digits: String = lines
        .filter(|line| !line.starts_with(['-', '=']) && !line.is_empty())
        .collect();
    Base64::decode_vec(&digits).unwrap()
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut masks = MaskStream::new(seed);
    (0..len.div_ceil(8))
        .flat_map(|_| masks.next_word().to_le_bytes())
        .take(len)
        .collect()
}

#[test]
fn finds_every_key_as_text() {
    for (name, pem) in open_keys() {
        let found = find_private_keys(10, &[&pem[..], b"and on"].concat());
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        let end = pem.iter().rposition(|byte| *byte == b'-').unwrap() + 1;
        assert_eq!((found[0].offset, found[0].len), (10, end as u64), "{name}");
        assert_eq!(
            (found[0].kind, found[0].form),
            (kind(&name), KeyForm::Pem),
            "{name}"
        );
    }
}

#[test]
fn finds_every_key_as_bytes_at_any_place() {
    for (name, pem) in open_keys() {
        let bytes = binary(&pem);
        let as_text = find_private_keys(0, &pem)[0];
        for offset in [0, 1, 2, 3, 31, 63, 64, 65, 127, 4096] {
            let hay = [noise(offset, 1), bytes.clone(), noise(100, 2)].concat();
            let found = find_private_keys(0, &hay);
            let key = found
                .first()
                .unwrap_or_else(|| panic!("{name} at {offset}"));
            assert_eq!(
                (key.offset, key.kind),
                (offset as u64, kind(&name)),
                "{name}"
            );
            assert_eq!(key.fingerprint, as_text.fingerprint, "{name}");
            let (form, whole) = match name.split('-').next() {
                Some("openpgp") => (KeyForm::OpenPgp, false),
                Some("openssh") => (KeyForm::OpenSsh, true),
                _ => (KeyForm::Der, true),
            };
            assert_eq!(key.form, form, "{name}");
            assert_eq!(key.len == bytes.len() as u64, whole, "{name}");
            // A key ring may hold a second key.
            assert!(found.len() == 1 || !whole, "{name}: {found:?}");
        }
    }
}

#[test]
fn finds_the_second_key_of_a_ring() {
    let (_, pem) = open_keys()
        .find(|(name, _)| name == "openpgp-ed25519")
        .unwrap();
    let found = find_private_keys(0, &binary(&pem));
    let kinds: Vec<KeyKind> = found.iter().map(|key| key.kind).collect();
    assert_eq!(kinds, [KeyKind::Ed25519, KeyKind::X25519]);
}

#[test]
fn the_same_key_has_the_same_fingerprint_in_each_form() {
    let fingerprint = |name: &str| {
        let (_, pem) = open_keys().find(|(other, _)| other == name).unwrap();
        find_private_keys(0, &pem)[0].fingerprint
    };
    for name in ["rsa-1024", "rsa-2048", "rsa-4096"] {
        let (one, other) = (format!("{name}-pkcs1"), format!("{name}-pkcs8"));
        assert_eq!(fingerprint(&one), fingerprint(&other));
    }
    for curve in ["prime256v1", "secp384r1", "secp521r1", "secp256k1"] {
        let (one, other) = (format!("ec-{curve}-sec1"), format!("ec-{curve}-pkcs8"));
        assert_eq!(fingerprint(&one), fingerprint(&other));
    }
    assert_eq!(
        fingerprint("dsa-2048-pkcs8"),
        fingerprint("dsa-2048-traditional")
    );
    assert_ne!(fingerprint("rsa-1024-pkcs1"), fingerprint("rsa-2048-pkcs1"));
}

#[test]
fn line_ends_of_every_kind() {
    for (name, pem) in open_keys() {
        let text = String::from_utf8(pem).unwrap();
        for ends in ["\r\n", "\\n", "\n  "] {
            let changed = text.replace('\n', ends);
            assert_eq!(
                find_private_keys(0, changed.as_bytes()).len(),
                1,
                "{name} {ends:?}"
            );
        }
    }
}

#[test]
fn an_encrypted_key_is_no_finding() {
    let encrypted: Vec<_> = fixtures()
        .into_iter()
        .filter(|(name, _)| name.starts_with("encrypted"))
        .collect();
    assert_eq!(encrypted.len(), 3);
    for (name, pem) in encrypted {
        assert_eq!(find_private_keys(0, &pem), [], "{name}");
    }
}

#[test]
fn a_key_cut_short_is_no_finding() {
    for (name, pem) in open_keys() {
        let end = pem.iter().rposition(|byte| *byte == b'-').unwrap();
        assert_eq!(find_private_keys(0, &pem[..end]), [], "{name}");
        let bytes = binary(&pem);
        if !name.starts_with("openpgp") {
            assert_eq!(
                find_private_keys(0, &bytes[..bytes.len() - 1]),
                [],
                "{name}"
            );
            assert_eq!(
                find_private_keys(0, &bytes[1..]).len(),
                inner(&name),
                "{name}"
            );
        }
    }
}

/// Keys inside a key whose first byte is gone: PKCS #8 holds another.
fn inner(name: &str) -> usize {
    usize::from(name.contains("pkcs8") && (name.starts_with("rsa") || name.starts_with("ec-")))
}

#[test]
fn a_changed_number_is_noticed() {
    // Places within n, p and q.
    let places = [
        ("rsa-1024-pkcs1", [50, 300, 370]),
        ("openssh-rsa-2048", [450, 1050, 1200]),
        ("openpgp-rsa2048", [100, 600, 720]),
    ];
    for (name, places) in places {
        let (_, pem) = open_keys().find(|(other, _)| other == name).unwrap();
        let bytes = binary(&pem);
        for at in places {
            let mut changed = bytes.clone();
            changed[at] ^= 0x40;
            let found = find_private_keys(0, &changed);
            assert!(
                found.iter().all(|key| key.offset > 0),
                "{name} {at}: {found:?}"
            );
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(find_private_keys(0, &noise(1 << 22, 1)), []);
    assert_eq!(find_private_keys(0, &vec![0; 1 << 20]), []);
    let markers = [
        &[2, 1, 0][..],
        pem::BEGIN,
        openssh::MAGIC,
        &openpgp::EXPONENT,
        age::PREFIX,
    ];
    for marker in markers {
        let hay: Vec<u8> = marker.iter().copied().cycle().take(5000).collect();
        assert_eq!(find_private_keys(0, &hay), []);
    }
}

#[test]
fn the_beginning_of_a_key_before_something_else_is_no_key() {
    let (_, pem) = open_keys()
        .find(|(name, _)| name == "ed25519-pkcs8")
        .unwrap();
    let bytes = binary(&pem);
    let (start, secret) = bytes.split_at(bytes.len() - 32);
    let behind: [&[u8]; 4] = [
        &[0; 32],
        b"and a sentence of ordinary text!",
        &[7; 32],
        &[secret[0]; 32],
    ];
    for other in behind {
        assert_eq!(find_private_keys(0, &[start, other].concat()), []);
    }
    assert_eq!(find_private_keys(0, &[start, secret].concat()).len(), 1);
}

proptest! {
    #[test]
    fn damage_never_panics(
        which in 0..27_usize,
        changes in proptest::collection::vec(any::<(u16, u8)>(), 1..8),
    ) {
        let (_, pem) = open_keys().nth(which).unwrap();
        for mut bytes in [binary(&pem), pem] {
            for (at, value) in &changes {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *value;
            }
            find_private_keys(0, &bytes);
        }
    }
}
