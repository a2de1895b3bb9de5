//! Private keys in the format of OpenSSH: any fields behind the magic.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &[u8])| {
    let (plain, rest) = input;
    // No cipher, no derivation of a key, no options for it, one key.
    let none = b"\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01";
    let head: &[u8] = if plain { none } else { b"" };
    private_keys::search(&[b"openssh-key-v1\0", head, rest].concat());
});
