//! Keys in texts that are written in base64 once more.

use super::*;

/// A text in base64, in lines of so many digits.
fn encoded(text: &[u8], line: usize) -> Vec<u8> {
    let digits = Base64::encode_string(text).into_bytes();
    digits.chunks(line).collect::<Vec<_>>().join(&b'\n')
}

/// What is found in a text that stands somewhere in a file.
fn found(text: &[u8], line: usize) -> Vec<KeyHit> {
    let before = b"client-key-data: ";
    find_private_keys(
        5,
        &[before, &encoded(text, line)[..], b"\nkind: x\n"].concat(),
    )
}

#[test]
fn finds_every_key_whose_text_is_written_in_base64_once_more() {
    for (name, pem) in open_keys() {
        let as_text = find_private_keys(0, &pem);
        for line in [usize::MAX, 76] {
            let found = found(&pem, line);
            assert_eq!(found.len(), as_text.len(), "{name}: {found:?}");
            for (key, text) in found.iter().zip(&as_text) {
                assert_eq!(key.form, KeyForm::PemTwice);
                assert_eq!((key.kind, key.fingerprint), (text.kind, text.fingerprint));
            }
            assert_eq!(found[0].offset, 5 + 17, "{name}");
        }
        // In one line, the place is that of the digits that spell the key.
        let one_line = found(&pem, usize::MAX)[0];
        assert_eq!(one_line.len, (4 * as_text[0].len).div_ceil(3), "{name}");
    }
    for (name, pem) in fixtures() {
        let is_open = !name.starts_with("encrypted");
        assert_eq!(!found(&pem, 64).is_empty(), is_open, "{name}");
    }
}

#[test]
fn a_key_behind_certificates_is_found() {
    let (name, key) = open_keys().nth(20).unwrap();
    let digits = Base64::encode_string(&noise(1200, 9));
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{digits}\n-----END CERTIFICATE-----\n");
    for count in 1..4 {
        let chain = [certificate.repeat(count).as_bytes(), &key].concat();
        let found = found(&chain, usize::MAX);
        assert_eq!(found.len(), 1, "{name} behind {count}");
        assert_eq!(
            found[0].fingerprint,
            find_private_keys(0, &key)[0].fingerprint
        );
    }
    assert_eq!(found(certificate.as_bytes(), usize::MAX), []);
}

#[test]
fn one_of_many_texts_is_found_wherever_it_stands() {
    let (_, key) = open_keys()
        .find(|(name, _)| name == "ed25519-pkcs8")
        .unwrap();
    let key = encoded(&key, usize::MAX);
    for before in [0, 1, 700, 10_000] {
        let beginnings = "LS0tLS1CRUdJTiBB".repeat(before);
        for between in ["", "=", "\0"] {
            let hay = [beginnings.as_bytes(), between.as_bytes(), &key].concat();
            assert_eq!(find_private_keys(0, &hay).len(), 1, "{before} {between:?}");
        }
    }
}

#[test]
fn a_text_that_ends_without_padding_hides_none_behind_it() {
    let (_, key) = open_keys()
        .find(|(name, _)| name == "ed25519-pkcs8")
        .unwrap();
    let key = encoded(&key, 64);
    for len in 1100..1106 {
        let digits = Base64::encode_string(&noise(len, 9));
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{digits}\n---");
        let before = encoded(certificate.as_bytes(), 64);
        let before = before.strip_suffix(b"=").unwrap_or(&before);
        let before = before.strip_suffix(b"=").unwrap_or(before);
        for between in [&b"\n"[..], b"\r\n", b""] {
            let hay = [before, between, &key, b"\n"].concat();
            let found = find_private_keys(0, &hay);
            let offsets: Vec<u64> = found.iter().map(|key| key.offset).collect();
            assert_eq!(offsets, [(before.len() + between.len()) as u64], "{len}");
        }
    }
}
