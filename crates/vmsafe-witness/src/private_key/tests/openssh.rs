//! Keys in the format of OpenSSH whose numbers are none of a key.

use super::super::openssh::MAGIC;
use super::*;

/// A field behind its length.
fn string(content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    [&len.to_be_bytes(), content].concat()
}

fn strings(contents: &[&[u8]]) -> Vec<u8> {
    contents
        .iter()
        .flat_map(|content| string(content))
        .collect()
}

/// What is found of a key of which both parts hold the `shared` fields.
fn found(shared: &[&[u8]], secret: &[u8]) -> Vec<KeyHit> {
    found_between(shared, shared, secret)
}

fn found_between(public: &[&[u8]], private: &[&[u8]], secret: &[u8]) -> Vec<KeyHit> {
    let private = [
        &[7; 8],
        &strings(private)[..],
        &strings(&[secret, b"a comment"]),
    ]
    .concat();
    let head = [MAGIC, &strings(&[b"none", b"none", b""])].concat();
    let key = [
        &head[..],
        &1_u32.to_be_bytes(),
        &strings(&[&strings(public), &private]),
    ]
    .concat();
    let found = find_private_keys(0, &key);
    assert!(found.iter().all(|hit| hit.len == key.len() as u64));
    found
}

/// Fits wherever a number is asked for: positive, and without zeros at its beginning.
fn number(len: usize, seed: u64) -> Vec<u8> {
    let mut number = noise(len, seed);
    if let Some(first) = number.first_mut() {
        *first = 0x55;
    }
    number
}

#[test]
fn a_scalar_is_as_long_as_its_curve_wants() {
    for (curve, len) in [("nistp256", 32), ("nistp384", 48), ("nistp521", 66)] {
        let name = format!("ecdsa-sha2-{curve}");
        let point = [&[4][..], &noise(2 * len, 5)].concat();
        let key = |secret: &[u8]| {
            let shared: [&[u8]; 3] = [name.as_bytes(), curve.as_bytes(), &point];
            found(&shared, secret).len()
        };
        for (secret, count) in [
            (0, 0),
            (1, 0),
            (16, 0),
            (len - 4, 0),
            (len + 2, 0),
            (200, 0),
        ]
        .into_iter()
        .chain([(len - 3, 1), (len - 1, 1), (len, 1)])
        {
            assert_eq!(key(&number(secret, 6)), count, "{curve} {secret}");
        }
        // As a number whose first bit is set is written.
        assert_eq!(key(&[&[0, 0x80], &noise(len - 1, 6)[..]].concat()), 1);
        assert_eq!(key(&vec![0; len]), 0);
        assert_eq!(key(&vec![b'x'; len]), 0);

        let secret = number(len, 6);
        let other = |curve: &str, point: &[u8]| {
            found(&[name.as_bytes(), curve.as_bytes(), point], &secret).len()
        };
        assert_eq!(other(curve, &point), 1);
        assert_eq!(other("nistp224", &point), 0);
        assert_eq!(other(curve, &point[1..]), 0);
        assert_eq!(other(curve, &[&[5], &point[1..]].concat()), 0);
        assert_eq!(other(curve, b""), 0);
    }
    let point = [&[4][..], &noise(56, 5)].concat();
    let shared: [&[u8]; 3] = [b"ecdsa-sha2-nistp224", b"nistp224", &point];
    assert_eq!(found(&shared, &number(28, 6)), []);
}

#[test]
fn numbers_of_dsa_are_as_long_as_dsa_wants() {
    let key = |lens: [usize; 5]| {
        let [p, q, g, y, x] = lens.map(|len| number(len, 7));
        let found = found(&[b"ssh-dss", &p, &q, &g, &y], &x);
        assert!(found.iter().all(|hit| hit.kind == KeyKind::Dsa));
        found.len()
    };
    assert_eq!(key([128, 20, 128, 128, 20]), 1);
    assert_eq!(key([128, 20, 128, 127, 19]), 1);
    assert_eq!(key([256, 32, 256, 256, 32]), 1);
    assert_eq!(key([128, 20, 128, 128, 21]), 0);
    assert_eq!(key([128, 20, 128, 128, 4]), 0);
    assert_eq!(key([128, 19, 128, 128, 19]), 0);
    assert_eq!(key([100, 20, 100, 100, 20]), 0);
    assert_eq!(key([1, 1, 1, 1, 1]), 0);
}

#[test]
fn a_seed_has_32_bytes_that_vary() {
    let public = noise(32, 8);
    let key = |seed: &[u8]| {
        let secret = [seed, &public].concat();
        found(&[b"ssh-ed25519", &public], &secret).len()
    };
    assert_eq!(key(&noise(32, 9)), 1);
    assert_eq!(key(&noise(31, 9)), 0);
    assert_eq!(key(&noise(33, 9)), 0);
    assert_eq!(key(&[0; 32]), 0);
    assert_eq!(key(&[b'x'; 32]), 0);
}

#[test]
fn both_parts_are_of_one_key() {
    for (name, pem) in open_keys() {
        // Of RSA the product tells.
        if !name.starts_with("openssh") || name.contains("rsa") {
            continue;
        }
        let bytes = binary(&pem);
        assert_eq!(find_private_keys(0, &bytes).len(), 1, "{name}");
        // In the public part, which ends before the two equal numbers and a length.
        let equal = bytes.windows(8).position(|part| part[..4] == part[4..]);
        let mut changed = bytes.clone();
        changed[equal.unwrap() - 4 - 2] ^= 0x10;
        assert_eq!(find_private_keys(0, &changed), [], "{name}");
    }
    let (one, other) = (noise(32, 8), noise(32, 9));
    let secret = [noise(32, 10), one.clone()].concat();
    let private: [&[u8]; 2] = [b"ssh-ed25519", &one];
    let count = |public: &[&[u8]]| found_between(public, &private, &secret).len();
    assert_eq!(count(&private), 1);
    assert_eq!(count(&[b"ssh-ed25519", &other]), 0);
}
