mod borders;
mod jwk;
mod openssh;
mod packets;
mod putty;
mod twice;

use core::ops::Range;
use std::fs;
use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use proptest::prelude::*;

use super::*;
use crate::keys::KeyForm;
use crate::masked::MaskStream;

/// The files of a folder beside the tests, by their names without an ending.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file() && !path.ends_with("README.md"));
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut all: Vec<_> = files
        .map(|path| (name(&path), fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

/// The keys that lie beside the tests: the usual ones first.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let all = [files("tests/keys"), files("tests/keys/more")].concat();
    assert_eq!(all.len(), 52);
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
        _ if is(&["dsa-2048", "dsa-1024"]) => KeyKind::Dsa,
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

/// Where a key stands.
fn place(key: &KeyHit) -> Range<usize> {
    let at = |place| usize::try_from(place).unwrap();
    at(key.offset)..at(key.end())
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
        let end = pem.iter().rposition(|byte| *byte == b'-').unwrap() + 1;
        if !name.starts_with("openpgp") {
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert_eq!((found[0].offset, found[0].len), (10, end as u64), "{name}");
        }
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
fn each_open_key_of_a_ring_is_found_as_text_at_its_own_place() {
    use KeyKind::{Dsa, Ec, Ed448, Ed25519, ElGamal, Rsa, X448, X25519};
    let expected: [(&str, &[KeyKind]); 12] = [
        ("brainpool", &[Ec]),
        ("dsa-elgamal", &[Dsa, ElGamal]),
        // The first key of this ring is elsewhere.
        ("subkey-alone", &[X25519]),
        ("two-keys", &[Ed25519, X25519]),
        ("v4-curve25519", &[Ed25519, X25519]),
        ("v4-curve448", &[Ed448, X448]),
        ("v5-curve25519", &[Ed25519, X25519]),
        ("v5-rsa2048", &[Rsa, Rsa]),
        ("v6-curve25519", &[Ed25519, X25519]),
        ("v6-curve448", &[Ed448, X448]),
        ("v6-nistp256", &[Ec, Ec]),
        ("v6-rsa2048", &[Rsa, Rsa]),
    ];
    let rings = [files("tests/keys/rings"), files("tests/keys/versions")].concat();
    assert_eq!(rings.len(), expected.len());
    for ((name, ring), (file, kinds)) in rings.iter().zip(expected) {
        assert_eq!(name, file);
        let found = find_private_keys(0, ring);
        let in_bytes = find_private_keys(0, &binary(ring));
        assert_eq!(found.len(), kinds.len(), "{name}: {found:?}");
        for (key, kind) in found.iter().zip(kinds) {
            assert_eq!((key.kind, key.form), (*kind, KeyForm::Pem), "{name}");
            let same = |other: &&KeyHit| other.fingerprint == key.fingerprint;
            let other = in_bytes.iter().find(same);
            assert!(other.is_some(), "{name}: {kind}");
            let text = core::str::from_utf8(&ring[place(key)]).unwrap();
            // Behind the blank line, if the key is the first.
            let text = text.replace('\r', "");
            let lines = text.rsplit("\n\n").next().unwrap_or(&text).lines();
            let digits: usize = lines.map(str::len).sum();
            let bytes = other.map_or(digits * 3 / 4, |other| place(other).len());
            assert!(digits.abs_diff(bytes * 4 / 3) <= 2, "{name}");
        }
    }
}

#[test]
fn a_ring_that_is_longer_than_what_is_read_gives_the_keys_of_its_beginning() {
    let (_, ring) = &files("tests/keys/rings")[3];
    let text = String::from_utf8(ring.clone()).unwrap();
    let expected = find_private_keys(0, ring);
    // Until something else stands there, digits are read.
    let (before, _) = text.split_once("\n=").unwrap();
    let longer = [before, &"\nAAAA".repeat(OVERLAP)].concat();
    assert_eq!(find_private_keys(0, longer.as_bytes()), expected);
    assert_eq!(expected.len(), 2);
}

#[test]
fn another_key_inside_one_is_told() {
    let (_, pem) = open_keys()
        .find(|(name, _)| name == "rsa-2048-pkcs8")
        .unwrap();
    let rsa = find_private_keys(0, &pem);
    // A key of 46 bytes, in whose sequence there is room for 60,000 more.
    let small = binary(
        &open_keys()
            .find(|(name, _)| name == "x25519-pkcs8")
            .unwrap()
            .1,
    );
    let around = |room: &[u8]| {
        let len = u16::try_from(small.len() - 2 + room.len()).unwrap();
        [&[0x30, 0x82][..], &len.to_be_bytes(), &small[2..], room].concat()
    };
    let padded = [&pem[..], &noise(60_000, 3)].concat();
    let found = find_private_keys(0, &around(&padded));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].fingerprint, rsa[0].fingerprint);
    // As attributes of that key, it is inside it by right.
    let attributes = |content: &[u8]| {
        let len = u16::try_from(content.len()).unwrap();
        [&[0xa0, 0x82][..], &len.to_be_bytes(), content].concat()
    };
    let found = find_private_keys(0, &around(&attributes(&pem)));
    let kinds: Vec<KeyKind> = found.iter().map(|key| key.kind).collect();
    assert_eq!(kinds, [KeyKind::X25519, KeyKind::Rsa]);
}

#[test]
fn keys_of_gnupg_are_found_in_the_files_where_it_keeps_them() {
    let expected = [
        ("brainpoolp256r1", KeyKind::Ec),
        ("brainpoolp512r1", KeyKind::Ec),
        ("curve25519", KeyKind::X25519),
        ("dsa", KeyKind::Dsa),
        ("ed25519", KeyKind::Ed25519),
        ("ed448", KeyKind::Ed448),
        ("elgamal", KeyKind::ElGamal),
        ("nistp256", KeyKind::Ec),
        ("rsa", KeyKind::Rsa),
        ("x448", KeyKind::X448),
    ];
    let all = files("tests/keys/expressions");
    assert_eq!(all.len(), expected.len());
    for ((name, file), (expected, kind)) in all.iter().zip(expected) {
        assert_eq!(name, expected);
        let found = find_private_keys(0, file);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!((found[0].kind, found[0].form), (kind, KeyForm::Expression));
        let place = place(&found[0]);
        assert!(file[place.clone()].starts_with(b"(private-key"), "{name}");
        assert!(file[place.clone()].ends_with(b")"), "{name}");
        assert_eq!(find_private_keys(0, &file[..place.end - 1]), [], "{name}");
        let protected =
            String::from_utf8_lossy(file).replace("(private-key", "(protected-private-key");
        assert_eq!(find_private_keys(0, protected.as_bytes()), [], "{name}");
    }
}

#[test]
fn a_number_has_the_same_fingerprint_whichever_byte_comes_first_and_with_zeros_or_without() {
    let pkcs8 = |object: u8, key: &[u8]| {
        let head = base16ct::lower::decode_vec("302e020100300506032b656e04220420").unwrap();
        let mut bytes = [&head[..], key].concat();
        bytes[11] = object;
        find_private_keys(0, &bytes)
    };
    let text = |flag: &str, key: &[u8]| {
        let point = base16ct::upper::encode_string(&noise(32, 5));
        let key = base16ct::upper::encode_string(key);
        let text = format!("(private-key (ecc (flags {flag})(q #40{point}#)(d #{key}#)))");
        find_private_keys(0, text.as_bytes())
    };
    let mut key = noise(32, 6);
    for first in [key[0], 0] {
        key[0] = first;
        let reversed: Vec<u8> = key.iter().rev().copied().collect();
        for (kind, one, other) in [
            (KeyKind::Ed25519, pkcs8(0x70, &key), text("eddsa", &key)),
            (
                KeyKind::X25519,
                pkcs8(0x6e, &reversed),
                text("djb-tweak", &key),
            ),
        ] {
            let ([one], [other]) = (&one[..], &other[..]) else {
                panic!("{first}")
            };
            assert_eq!((one.kind, other.kind), (kind, kind));
            assert_eq!(one.fingerprint, other.fingerprint);
        }
    }
}

#[test]
fn an_openssh_key_may_be_padded_as_far_as_a_byte_counts() {
    let (_, pem) = open_keys()
        .find(|(name, _)| name == "openssh-ed25519")
        .unwrap();
    let bytes = binary(&pem);
    let count = bytes.iter().rev().zip(bytes.iter().rev().skip(1));
    let old = count
        .take_while(|(byte, before)| **before + 1 == **byte)
        .count()
        + 1;
    let unpadded = &bytes[..bytes.len() - old];
    // The length of the private part stands before its two equal numbers.
    let len_at = unpadded
        .windows(8)
        .rposition(|part| part[..4] == part[4..])
        .unwrap()
        - 4;
    for (padding, is_found) in [(0, true), (1, true), (254, true), (255, true), (256, false)] {
        let padded: Vec<u8> = (1..=padding).map(|nth: u32| nth.to_le_bytes()[0]).collect();
        let mut key = [unpadded, &padded].concat();
        let len = u32::try_from(key.len() - len_at - 4).unwrap();
        key[len_at..len_at + 4].copy_from_slice(&len.to_be_bytes());
        assert_eq!(
            find_private_keys(0, &key).len(),
            usize::from(is_found),
            "{padding}"
        );
    }
}

#[test]
fn a_scalar_may_lack_the_zeros_that_it_begins_with() {
    let key = |len: u8| {
        let head = [0x30, 87 + len, 2, 1, 1, 4, len];
        let curve = [0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let public = [0xa1, 0x44, 3, 0x42, 0, 4];
        let scalar = noise(len.into(), 7);
        let bytes = [&head[..], &scalar, &curve, &public, &noise(64, 8)].concat();
        assert_eq!(bytes.len(), usize::from(bytes[1]) + 2);
        find_private_keys(0, &bytes).len()
    };
    assert_eq!([28, 29, 31, 32, 34].map(key), [0, 1, 1, 1, 0]);
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
        let prints = |text: &str| -> Vec<Fingerprint> {
            let found = find_private_keys(0, text.as_bytes());
            found.iter().map(|key| key.fingerprint).collect()
        };
        let expected = prints(&text);
        // Only in OpenPGP a header does not say that the key is encrypted.
        let header = "\nVersion: a program - 1.0\nComment: https://example.org/\n\n";
        let with_header = text.replacen("\n\n", header, 1);
        assert_eq!(with_header != text, name.starts_with("openpgp"));
        for text in [text, with_header] {
            for ends in ["\n", "\r\n", "\r", "\\n", "\\r\\n", "\n  ", " \n", "\n\t"] {
                let changed = text.replace('\n', ends);
                assert_eq!(prints(&changed), expected, "{name} {ends:?}");
                let changed = changed.replace('/', "\\/");
                assert_eq!(prints(&changed), expected, "{name} {ends:?}");
            }
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
        let bytes = binary(&pem);
        if name.starts_with("openpgp") {
            let first = find_private_keys(0, &pem)[0];
            let end = place(&first).end;
            assert_eq!(find_private_keys(0, &pem[..end]), [first], "{name}");
            assert_eq!(find_private_keys(0, &pem[..end - 1]), [], "{name}");
        } else {
            assert_eq!(find_private_keys(0, &pem[..end]), [], "{name}");
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
        super::openssh::MAGIC,
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
        which in 0..49_usize,
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
