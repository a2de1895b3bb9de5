//! Needles made of the input itself: a scan in one piece and a scan of the same bytes as a stream
//! find the same, and a needle that was cut out of the memory is found there.
//!
//! Run it with `-detect_leaks=0`: the scan's threads leave allocations of the C library behind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::{Needles, Searcher, Wanted, scan_stream};

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (from, len, memory) = input;
    let from = usize::from(from).min(memory.len());
    let part = &memory[from..memory.len().min(from + usize::from(len))];
    let mut needles = Needles::new();
    if needles.push(part).is_err() {
        return;
    }
    let mut wanted = Wanted::default();
    wanted.encoded = true;
    let searcher = Searcher::with(&needles, &wanted);
    let mut whole = Vec::new();
    searcher.search(0, memory, &mut |hit| whole.push(hit));
    assert!(whole.iter().any(|hit| hit.whole && hit.offset == from as u64));
    whole.sort_unstable();
    let mut stream = memory;
    assert_eq!(scan_stream(&searcher, &mut stream, &mut |_| {}).hits, whole);
});
