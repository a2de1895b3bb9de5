//! Keys that lie across the border of two blocks.

use super::*;
use crate::{Needles, Searcher, Wanted, scan_stream};

/// Where the first two blocks of a stream meet.
const BORDER: usize = 64 * 1024;

/// What a scan finds of `bytes` of which so many stand before the border, as if they stood alone.
fn found_across(bytes: &[u8], before: usize) -> Vec<KeyHit> {
    let wanted = Wanted {
        private_keys: true,
        ..Wanted::default()
    };
    let searcher = Searcher::with(&Needles::new(), &wanted);
    let start = BORDER - before;
    let mut hay = vec![0; start];
    hay.extend_from_slice(bytes);
    // More than one block follows.
    hay.resize(2 * BORDER, 0);
    let report = scan_stream(&searcher, &mut &hay[..], &mut |_| {});
    let moved = |key: &KeyHit| KeyHit {
        offset: key.offset - start as u64,
        ..*key
    };
    report.keys.iter().map(moved).collect()
}

/// A key in PKCS #8 with attributes behind what is inside it.
fn with_attributes(pkcs8: &[u8]) -> Vec<u8> {
    let sequence = |content: &[u8]| {
        let len = u16::try_from(content.len()).unwrap();
        [&[der::SEQUENCE, 0x82][..], &len.to_be_bytes(), content].concat()
    };
    let content = der::Reader { bytes: pkcs8 }.take(der::SEQUENCE).unwrap();
    // Long enough for a length in two bytes.
    let attributes = [&[0xa0, 0x82, 1, 0][..], &noise(256, 4)].concat();
    sequence(&[content, &attributes].concat())
}

#[test]
fn a_key_inside_itself_is_told_once_wherever_a_border_lies() {
    for (name, pem) in open_keys().filter(|(name, _)| name.ends_with("pkcs8")) {
        let key = with_attributes(&binary(&pem));
        let expected = find_private_keys(0, &key);
        let prints: Vec<_> = expected.iter().map(|key| key.fingerprint).collect();
        assert_eq!(
            prints,
            [find_private_keys(0, &pem)[0].fingerprint],
            "{name}"
        );
        // Of RSA the inner one is a key by itself, and ends first.
        let is_inner = expected[0].len < key.len() as u64;
        assert!(is_inner || !name.starts_with("rsa"), "{name}");
        for before in 0..=key.len() {
            assert_eq!(found_across(&key, before), expected, "{name} {before}");
        }
    }
}

#[test]
fn a_key_in_another_form_inside_itself_is_told_too_wherever_a_border_lies() {
    let (_, pem) = open_keys()
        .find(|(name, _)| name == "ed25519-pkcs8")
        .unwrap();
    let secret = find_private_keys(0, &pem)[0].fingerprint;
    let seed = &binary(&pem)[16..];
    let text = String::from_utf8(pem).unwrap().replace('\n', "\\n");
    let d = base64ct::Base64UrlUnpadded::encode_string(seed);
    let x = base64ct::Base64UrlUnpadded::encode_string(&noise(32, 5));
    let key = format!(r#"{{"kty":"OKP","crv":"Ed25519","pem":"{text}","d":"{d}","x":"{x}"}}"#);
    let expected = find_private_keys(0, key.as_bytes());
    let told: Vec<_> = expected
        .iter()
        .map(|key| (key.form, key.fingerprint))
        .collect();
    assert_eq!(told, [(KeyForm::Jwk, secret), (KeyForm::Pem, secret)]);
    for before in 0..=key.len() {
        assert_eq!(found_across(key.as_bytes(), before), expected, "{before}");
    }
}

#[test]
fn each_key_is_told_as_without_a_border() {
    for (name, pem) in open_keys() {
        for bytes in [binary(&pem), pem] {
            let expected = find_private_keys(0, &bytes);
            for before in (0..=bytes.len()).step_by(61) {
                assert_eq!(found_across(&bytes, before), expected, "{name} {before}");
            }
        }
    }
}
