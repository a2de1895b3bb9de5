//! Compressed streams: any bytes end in content or in an error, in bounded memory.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::Compression;

fuzz_target!(|stream: &[u8]| {
    if let Some(compression) = Compression::detect(stream) {
        // A few bytes can stand for gigabytes; the first ones tell enough.
        let mut content = compression.reader(stream).take(8 << 20);
        let _ = io::copy(&mut content, &mut io::sink());
    }
});
