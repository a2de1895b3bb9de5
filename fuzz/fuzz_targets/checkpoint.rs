//! Records of interrupted scans: any text is refused or reads back as what it says, and a scan
//! goes on from it.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::{Checkpoint, Needles, Searcher, scan_ranges};

fuzz_target!(|text: &str| {
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint.clone()));
        let searcher = Searcher::new(&Needles::new());
        let memory = Cursor::new([0; 9000]);
        scan_ranges(&searcher, memory, &[0..4000, 5000..9000], checkpoint, &mut |_| {});
    }
});
