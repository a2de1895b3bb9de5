//! Private keys as text: any label, any body.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

const LABELS: [&str; 6] = [
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
    "ENCRYPTED PRIVATE KEY",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, body) = input;
    let label = LABELS[usize::from(which) % LABELS.len()].as_bytes();
    let end = [b"\n-----END ", label, b"-----\n"].concat();
    private_keys::search(&[b"-----BEGIN ", label, b"-----\n", body, &end].concat());
    private_keys::search(&[b"-----BEGIN ", body].concat());
});
