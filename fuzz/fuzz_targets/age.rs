//! Identities of age: any text behind the prefix.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    private_keys::search(&[b"AGE-SECRET-KEY-1", text].concat());
});
