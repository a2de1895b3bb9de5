//! What holds of every private key that is found.

use std::sync::LazyLock;

use vmsafe_witness::{Needles, Searcher, Wanted};

static SEARCHER: LazyLock<Searcher> = LazyLock::new(|| {
    let mut wanted = Wanted::default();
    wanted.private_keys = true;
    Searcher::with(&Needles::new(), &wanted)
});

/// Each lies within what was searched, and the offsets follow the base.
pub(crate) fn search(memory: &[u8]) {
    const BASE: u64 = 1 << 40;
    SEARCHER.search_keys(BASE, memory, &mut |key| {
        assert!(key.offset >= BASE && key.end() <= BASE + memory.len() as u64);
        assert_eq!(key.matching, key.len);
    });
}
