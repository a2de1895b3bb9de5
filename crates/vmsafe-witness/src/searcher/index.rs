//! From a window to the places in the store where it stands.

use crate::masked::MaskStream;

/// A hash table with all entries of a bucket side by side. It holds hashes and positions, no byte
/// of a pattern.
pub(super) struct Index {
    /// Bucket `b` has the entries `starts[b]..starts[b + 1]`.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
    bucket_bits: u32,
    hash: Hash,
}

/// A window of a pattern.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// Of the window: most foreign ones end here, and not in the store.
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
    #[inline]
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
        self.all.append(&mut twin.all);
        self
    }

    pub(super) fn push(&mut self, window: u64, at: usize) {
        let at = u32::try_from(at).expect("patterns are below 4 GiB");
        let hash = self.hash.of(window);
        self.all.push(Entry { hash, at });
    }

    pub(super) fn index(self) -> Index {
        let bucket_bits = self.all.len().max(2).ilog2().min(31);
        let mut index = Index {
            starts: vec![0; (1 << bucket_bits) + 1].into(),
            entries: vec![Entry::default(); self.all.len()].into(),
            bucket_bits,
            hash: self.hash,
        };
        for entry in &self.all {
            index.starts[index.bucket(entry.hash)] += 1;
        }
        let mut total = 0;
        for start in &mut index.starts {
            total += *start;
            *start = total;
        }
        // Each start now points behind its bucket; filling moves it back to the front.
        for &entry in &self.all {
            let bucket = index.bucket(entry.hash);
            index.starts[bucket] -= 1;
            index.entries[index.starts[bucket] as usize] = entry;
        }
        index
    }
}

impl Index {
    /// The positions in the store where `window` may stand.
    pub(super) fn candidates(&self, window: u64) -> impl Iterator<Item = usize> + '_ {
        let hash = self.hash.of(window);
        let bucket = self.bucket(hash);
        let entries = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
        let same = self.entries[entries]
            .iter()
            .filter(move |entry| entry.hash == hash);
        same.map(|entry| entry.at as usize)
    }

    fn bucket(&self, hash: u32) -> usize {
        (hash >> (32 - self.bucket_bits)) as usize
    }
}
