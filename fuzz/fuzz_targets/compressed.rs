//! Compressed streams: any bytes, also behind the beginning of a right frame, end in content or in
//! an error, in bounded memory.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::Compression;

const HEADS: [&[u8]; 11] = [
    b"",
    b"\x1f\x8b\x08",
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    b"\x28\xb5\x2f\xfd",
    b"\x28\xb5\x2f\xfd\0\x58",
    b"\x04\x22\x4d\x18",
    b"\x04\x22\x4d\x18\x60\x40\x82",
    b"\x02\x21\x4c\x18",
    b"\xfd7zXZ\0",
    // Of one block with a history of 8 MiB and no check, up to its first chunk.
    b"\xfd7zXZ\0\0\0\xff\x12\xd9\x41\x02\0\x21\x01\x16\0\0\0\x74\x2f\xe5\xa3",
    b"\x50\x2a\x4d\x18\x04\0\0\0skip\x28\xb5\x2f\xfd",
];

fuzz_target!(|input: (u8, &[u8])| {
    let (which, rest) = input;
    let stream = [HEADS[usize::from(which) % HEADS.len()], rest].concat();
    if let Some(compression) = Compression::detect(&stream) {
        // A few bytes can stand for gigabytes; the first ones tell enough.
        let mut content = compression.reader(&stream[..]).take(8 << 20);
        let _ = io::copy(&mut content, &mut io::sink());
    }
});
