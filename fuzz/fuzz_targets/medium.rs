//! Swap headers and core dumps: any bytes are told apart or refused, and each offset has a place.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::Medium;

fuzz_target!(|file: &[u8]| {
    if let Ok(medium) = Medium::detect(Cursor::new(file)) {
        for offset in (0..file.len() as u64 + 100).step_by(61).chain([u64::MAX]) {
            let place = medium.place(offset);
            assert!(place.is_none_or(|place| !place.to_string().is_empty()));
        }
    }
});
