//! How many bytes are read at once.

use std::fs;
use std::sync::LazyLock;

use super::PART;
use crate::searcher::Searcher;

/// The kernel copies faster to where no second-level cache holds what was there before.
pub(super) const BLOCK: usize = 1024 * 1024;

/// From this size on it matters whether a table stays in that cache: asking how large the cache is
/// takes as long as to search some megabytes.
const LARGE_TABLE: usize = 512 * 1024;

/// The block that suits the tables of `searcher`.
pub(crate) fn block_for(searcher: &Searcher) -> usize {
    /// None where the system does not tell.
    static CACHE: LazyLock<Option<usize>> = LazyLock::new(|| {
        let size = fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size");
        kibibytes(&size.ok()?)
    });
    let table = searcher.table_size();
    if table < LARGE_TABLE {
        return BLOCK;
    }
    CACHE.map_or(BLOCK, |cache| block_beside(table, cache))
}

/// A smaller block where that one, and what it is copied from, would drive the table out of a cache
/// that could hold it.
fn block_beside(table: usize, cache: usize) -> usize {
    let fits = |block: usize| table.saturating_add(2 * block) <= cache;
    if fits(PART) && !fits(BLOCK) {
        PART
    } else {
        BLOCK
    }
}

/// As the kernel tells the size of a cache: `2048K`.
fn kibibytes(told: &str) -> Option<usize> {
    let count: usize = told.trim().strip_suffix('K')?.parse().ok()?;
    count.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_stays_in_a_cache_that_can_hold_it() {
        let cache = |told| kibibytes(told).unwrap();
        let table = 1 << 20;
        assert_eq!(block_beside(table, cache("2048K\n")), PART);
        assert_eq!(block_beside(table, cache("1024K\n")), BLOCK);
        assert_eq!(block_beside(table, cache("4096K\n")), BLOCK);
        assert_eq!(block_beside(usize::MAX, cache("4096K\n")), BLOCK);
        assert_eq!(kibibytes("2M"), None);
    }
}
