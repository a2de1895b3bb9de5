//! Public keys in PEM, DER and lines of OpenSSH: any bytes are read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::Modulus;

const HEADS: [&[u8]; 4] = [
    b"",
    b"ssh-rsa ",
    b"-----BEGIN PUBLIC KEY-----\n",
    b"\x30\x82",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, rest) = input;
    let head = HEADS[usize::from(which) % HEADS.len()];
    if let Err(error) = Modulus::from_public_key(&[head, rest].concat()) {
        assert!(error.to_string().len() < 200);
    }
});
