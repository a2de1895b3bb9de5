//! Key schedules, DER, PEM, OpenSSH, OpenPGP and age: what is reported lies within what was
//! searched, and the offsets follow the base.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::{Needles, Searcher, Wanted};

static SEARCHER: LazyLock<Searcher> =
    LazyLock::new(|| Searcher::with(&Needles::new(), &Wanted::everything()));

fuzz_target!(|memory: &[u8]| {
    const BASE: u64 = 1 << 40;
    SEARCHER.search_keys(BASE, memory, &mut |key| {
        assert!(key.offset >= BASE && key.offset < BASE + memory.len() as u64);
        assert!(key.matching <= key.len && key.matching <= memory.len() as u64);
    });
});
