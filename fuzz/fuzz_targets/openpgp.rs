//! Secret-key packets of OpenPGP: any body, also one whose counts and checksum are right.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

fn count(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len())
        .expect("a short input")
        .to_be_bytes()
}

fuzz_target!(|input: (u8, u8, &[u8], &[u8])| {
    let (tag, algorithm, public, secret) = input;
    let sum = secret
        .iter()
        .fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let sum = sum.to_be_bytes();
    let (public_len, secret_len) = (count(public), count(secret));
    let start = |version| [version, 0, 0, 0, 0, algorithm];
    let bodies = [
        [&start(4)[..], public, &[0], secret, &sum].concat(),
        [
            &start(5)[..],
            &public_len,
            public,
            &[0, 0],
            &secret_len,
            secret,
            &sum,
        ]
        .concat(),
        [&start(6)[..], &public_len, public, &[0], secret].concat(),
    ];
    for body in bodies {
        let [a, b, c, d] = count(&body);
        let old = [0x96 | (tag & 8), a, b, c, d];
        let new = [0xc5 | (tag & 2), 255, a, b, c, d];
        private_keys::search(&[&old[..], &body].concat());
        private_keys::search(&[&new[..], &body].concat());
        let short = [0xc5 | (tag & 2), d];
        private_keys::search(&[&short[..], &body].concat());
    }
});
