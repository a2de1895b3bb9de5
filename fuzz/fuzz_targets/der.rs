//! Private keys in DER: behind the beginning of PKCS #1, SEC 1 or PKCS #8, any bytes are a key or
//! none, and a key lies within what was searched.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (one, rest) = input;
    let len = u16::try_from(rest.len() + 3)
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    let head = [0x30, 0x82, len[0], len[1], 2, 1, u8::from(one)];
    private_keys::search(&[&head, rest].concat());
});
