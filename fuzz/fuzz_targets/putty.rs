//! Private keys in the format of PuTTY: any lines, and any fields behind them.
#![no_main]

mod private_keys;

use base64ct::{Base64, Encoding};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &[u8], &[u8], &[u8])| {
    let (name, lines, public, private, text) = input;
    private_keys::search(&[b"PuTTY-User-Key-File-3: ", text].concat());
    let names = [
        "ssh-rsa",
        "ssh-dss",
        "ssh-ed25519",
        "ssh-ed448",
        "ecdsa-sha2-nistp256",
    ];
    let name = names[usize::from(name) % names.len()];
    // The public part begins with the name, as it has to.
    let len = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
    let public = [&len, name.as_bytes(), public].concat();
    let [public, private] = [&public, private].map(|part: &[u8]| Base64::encode_string(part));
    let mut file = format!("PuTTY-User-Key-File-2: {name}\nEncryption: none\nComment: \n");
    file += &format!("Public-Lines: 1\n{public}\nPrivate-Lines: {lines}\n{private}\n");
    private_keys::search(&[file.as_bytes(), text].concat());
});
