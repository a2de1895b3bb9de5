//! Packets of OpenPGP, of each version and behind each header.

use super::*;

/// The names of curves.
const ED25519: [u8; 9] = [0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1];
const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const BRAINPOOL: [u8; 9] = [0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7];

/// A number behind its length in bits, of which a first byte of zeros counts eight.
fn number(bytes: &[u8]) -> Vec<u8> {
    let leading = match bytes[0] {
        0 => 0,
        first => first.leading_zeros(),
    };
    let bits = u16::try_from(8 * bytes.len()).unwrap() - u16::try_from(leading).unwrap();
    [&bits.to_be_bytes(), bytes].concat()
}

fn count(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap().to_be_bytes()
}

/// The body of a secret key; `usage` tells how it is encrypted.
fn body(version: u8, algorithm: u8, public: &[u8], usage: u8, secret: &[u8]) -> Vec<u8> {
    let start = [version, 0x65, 1, 2, 3, algorithm];
    let sum: u16 = secret.iter().map(|byte| u16::from(*byte)).sum();
    let sum = sum.to_be_bytes();
    match version {
        4 => [&start[..], public, &[usage], secret, &sum].concat(),
        5 => {
            let (public_len, len) = (count(public), count(secret));
            let parts: [&[u8]; 7] = [&start, &public_len, public, &[usage, 0], &len, secret, &sum];
            parts.concat()
        }
        _ => [&start, &count(public)[..], public, &[usage], secret].concat(),
    }
}

/// The packet behind each header that its length may have.
fn packets(body: &[u8]) -> [Vec<u8>; 5] {
    let len = u8::try_from(body.len()).unwrap();
    let headers: [&[u8]; 5] = [
        &[0x94, len],
        &[0x95, 0, len],
        &[0x9e, 0, 0, 0, len],
        &[0xc5, len],
        &[0xc7, 255, 0, 0, 0, len],
    ];
    headers.map(|header| [header, body].concat())
}

/// What is found of a key at a place among noise.
fn found(key: &[u8]) -> Vec<(KeyKind, u64, u64)> {
    let hay = [noise(77, 1), key.to_vec(), noise(50, 2)].concat();
    let keys = find_private_keys(0, &hay).into_iter();
    keys.map(|key| (key.kind, key.offset, key.len)).collect()
}

#[test]
fn a_key_of_a_curve_is_found_in_each_version_behind_each_header() {
    let curves: [(KeyKind, u8, &[u8], &[u8]); 3] = [
        (KeyKind::Ed25519, 22, &ED25519, &[0x40]),
        (KeyKind::Ec, 19, &P256, &[4]),
        (KeyKind::Ec, 19, &BRAINPOOL, &[4]),
    ];
    for (kind, algorithm, curve, compression) in curves {
        let len = u8::try_from(curve.len()).unwrap();
        let point = number(&[compression, &noise(32, 3)].concat());
        let public = [&[len], curve, &point].concat();
        for version in [4, 5, 6] {
            let body = body(version, algorithm, &public, 0, &number(&noise(32, 4)));
            for packet in packets(&body) {
                let expected = [(kind, 77, packet.len() as u64)];
                assert_eq!(found(&packet), expected, "{version} {:x?}", packet[0]);
            }
        }
    }
}

#[test]
fn a_key_that_is_written_as_it_is_is_found_by_its_length() {
    let kinds = [
        (25, KeyKind::X25519, 32),
        (26, KeyKind::X448, 56),
        (27, KeyKind::Ed25519, 32),
        (28, KeyKind::Ed448, 57),
    ];
    for (algorithm, kind, len) in kinds {
        for version in [4, 6] {
            let body = body(version, algorithm, &noise(len, 5), 0, &noise(len, 6));
            for tag in [0xc5, 0xc7] {
                let packet = [&[tag, u8::try_from(body.len()).unwrap()], &body[..]].concat();
                let expected = [(kind, 77, packet.len() as u64)];
                assert_eq!(found(&packet), expected, "{version} {algorithm}");
            }
        }
    }
}

#[test]
fn a_number_of_an_x25519_key_has_one_fingerprint_whichever_byte_comes_first() {
    let key = noise(32, 7);
    let reversed: Vec<u8> = key.iter().rev().copied().collect();
    let point = [&[0x40][..], &noise(32, 8)].concat();
    let curve = [0x2b, 6, 1, 4, 1, 0x97, 0x55, 1, 5, 1];
    let public = [&[10], &curve[..], &number(&point), &[3, 1, 8, 7]].concat();
    let as_number = body(4, 18, &public, 0, &number(&key));
    let as_it_is = body(6, 25, &noise(32, 8), 0, &reversed);
    let [one, other] = [as_number, as_it_is].map(|body| {
        let found = find_private_keys(0, &packets(&body)[3]);
        assert_eq!((found.len(), found[0].kind), (1, KeyKind::X25519));
        found[0].fingerprint
    });
    assert_eq!(one, other);
}

#[test]
fn a_scalar_may_begin_with_a_byte_of_zeros_whose_bits_are_counted() {
    let point = number(&[&[0x40][..], &noise(32, 3)].concat());
    let public = [&[9], &ED25519[..], &point].concat();
    for first in [0, 1, 0x80] {
        let scalar = [&[first], &noise(31, 4)[..]].concat();
        let packet = &packets(&body(4, 22, &public, 0, &number(&scalar)))[0];
        assert_eq!(found(packet).len(), 1, "{first}");
        let mut bits = number(&scalar);
        bits[1] ^= 1;
        let packet = &packets(&body(4, 22, &public, 0, &bits))[0];
        assert_eq!(found(packet), [], "{first}");
    }
}

#[test]
fn a_packet_that_is_encrypted_or_does_not_add_up_is_no_key() {
    let point = number(&[&[0x40][..], &noise(32, 3)].concat());
    let public = [&[9], &ED25519[..], &point].concat();
    let secret = number(&noise(32, 4));
    for version in [4, 5, 6] {
        let good = body(version, 22, &public, 0, &secret);
        assert_eq!(found(&packets(&good)[0]).len(), 1);
        let of_version = |other| [&[other], &good[1..]].concat();
        let longer = [&secret[..], &[0]].concat();
        let mut bad = vec![
            body(version, 22, &public, 254, &secret),
            body(version, 22, &public, 0, &longer),
            body(version, 22, &public, 0, &secret[..20]),
            body(version, 22, &[&public[..], &[0]].concat(), 0, &secret),
            of_version(3),
            of_version(7),
        ];
        if version != 6 {
            // The last byte of the sum.
            let mut wrong = good.clone();
            *wrong.last_mut().unwrap() ^= 1;
            bad.push(wrong);
        }
        if version != 4 {
            let mut miscounted = good.clone();
            miscounted[9] += 1;
            bad.push(miscounted);
        }
        for (nth, bad) in bad.iter().enumerate() {
            assert_eq!(found(&packets(bad)[0]), [], "{version}: {nth}");
        }
    }
}
