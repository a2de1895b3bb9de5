//! Files of needles: any bytes are read or refused, and no error tells a part of them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::Needles;

fuzz_target!(|file: &[u8]| {
    if let Err(error) = Needles::read_from(file) {
        assert!(error.to_string().len() < 200);
    }
});
