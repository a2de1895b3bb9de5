//! From a window to the places in the store where it stands.

use crate::masked::MaskStream;

/// A hash table with the windows of each bucket side by side. It holds hashes and positions, no
/// byte of a pattern.
pub(super) struct Index {
    /// Where each bucket begins, and where the last one ends.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
    hash: Hash,
}

/// A window of a pattern, by its hash.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    /// In the store.
    at: u32,
}

/// What an index is made of: hashes of windows, and where each stands in the store.
pub(super) struct Entries {
    all: Vec<Entry>,
    hash: Hash,
}

#[derive(Clone, Copy)]
struct Hash {
    key: u64,
    factor: u64,
}

impl Hash {
    #[inline(always)]
    fn of(self, window: u64) -> u32 {
        let hash = (window ^ self.key).wrapping_mul(self.factor);
        // The upper half depends on every byte.
        (hash >> 32) as u32
    }
}

impl Entries {
    pub(super) fn new(masks: &mut MaskStream) -> Self {
        Self {
            all: Vec::new(),
            hash: Hash {
                key: masks.next_word(),
                factor: masks.next_word() | 1,
            },
        }
    }

    /// None, with room for `count` that [`Self::append`] takes.
    pub(super) fn empty_twin(&self, count: usize) -> Self {
        Self {
            all: Vec::with_capacity(count),
            hash: self.hash,
        }
    }

    /// These and those of a twin.
    pub(super) fn append(mut self, mut twin: Self) -> Self {
        // The fewer go to the others: much is not copied.
        if self.all.len() < twin.all.len() {
            core::mem::swap(&mut self, &mut twin);
        }
        self.all.append(&mut twin.all);
        self
    }

    #[inline(always)]
    pub(super) fn push(&mut self, window: u64, at: usize) {
        let at = u32::try_from(at).expect("patterns are below 4 GiB");
        let hash = self.hash.of(window);
        self.all.push(Entry { hash, at });
    }

    pub(super) fn index(self) -> Index {
        let Self { all, hash } = self;
        let buckets = all.len().max(2).next_power_of_two();
        let mut ends = vec![0_u32; buckets + 1];
        for entry in &all {
            ends[bucket(entry.hash, buckets)] += 1;
        }
        let mut end = 0;
        for bucket in &mut ends {
            end += *bucket;
            *bucket = end;
        }
        // Each bucket is filled from its end: then its end is its start.
        let mut entries = all.clone();
        for entry in all {
            let start = &mut ends[bucket(entry.hash, buckets)];
            *start -= 1;
            entries[*start as usize] = entry;
        }
        Index {
            starts: ends.into(),
            entries: entries.into(),
            hash,
        }
    }
}

impl Index {
    /// The positions in the store where `window` may stand, and very few others.
    pub(super) fn candidates(&self, window: u64) -> impl Iterator<Item = usize> + '_ {
        let hash = self.hash.of(window);
        let bucket = bucket(hash, self.starts.len() - 1);
        let [start, end] = [bucket, bucket + 1].map(|nth| self.starts[nth] as usize);
        let same = self.entries[start..end]
            .iter()
            .filter(move |entry| entry.hash == hash);
        same.map(|entry| entry.at as usize)
    }
}

/// The bucket of a hash, of `buckets`: a power of two, at least two.
fn bucket(hash: u32, buckets: usize) -> usize {
    (hash >> (32 - buckets.ilog2())) as usize
}
