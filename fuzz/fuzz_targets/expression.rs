//! S-expressions of libgcrypt, in memory, in files and as text: any numbers, of any length.
#![no_main]

mod private_keys;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, Vec<(u8, u16, &[u8])>, &[u8])| {
    let (in_memory, numbers, text) = input;
    let point = b"(q #4011223344556677889900AABBCCDDEEFF11223344556677889900AABBCCDDEEFF#)";
    private_keys::search(&[b"(private-key", text].concat());
    private_keys::search(&[b"(private-key (ecc ", &point[..], text].concat());
    let mut bytes = Vec::new();
    for (name, len, content) in numbers {
        // Mostly the names that a key has, and lengths that are right.
        let name = b"neddpqu"[usize::from(name) % 7];
        let len = if len % 8 == 0 {
            usize::from(len)
        } else {
            content.len()
        };
        if in_memory {
            let len = u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes();
            bytes.extend([3, 1, 1, 0, name, 1, len[0], len[1]]);
        } else {
            bytes.extend(format!("(1:{}{len}:", char::from(name)).bytes());
        }
        bytes.extend(content);
        bytes.push(if in_memory { 4 } else { b')' });
    }
    private_keys::search(&bytes);
});
