//! Secret-key packets of OpenPGP: any body, also one whose checksum is right.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &[u8], &[u8])| {
    let (tag, algorithm, public, secret) = input;
    let sum = secret
        .iter()
        .fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
    let head = [4, 0, 0, 0, 0, algorithm];
    let body = [&head, public, &[0], secret, &sum.to_be_bytes()].concat();
    let len = u32::try_from(body.len())
        .expect("a short input")
        .to_be_bytes();
    let old = [0x96 | (tag & 8), len[0], len[1], len[2], len[3]];
    let new = [0xc5 | (tag & 2), 255, len[0], len[1], len[2], len[3]];
    private_keys::search(&[&old[..], &body].concat());
    private_keys::search(&[&new[..], &body].concat());
});
