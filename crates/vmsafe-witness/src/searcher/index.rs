//! From a window to the places in the store where it stands.

use crate::masked::MaskStream;

/// A hash table with the windows of each bucket in a chain. It holds hashes and positions, no byte
/// of a pattern.
pub(super) struct Index {
    /// The number of the last link of each bucket, counted from 1; 0 for none.
    last: Box<[u32]>,
    links: Vec<Link>,
    hash: Hash,
}

/// A window of a pattern in the chain of its bucket.
#[derive(Clone, Copy)]
struct Link {
    /// In the store.
    at: u32,
    /// The link before it, as in [`Index::last`].
    before: u32,
}

/// A window of a pattern, and its hash.
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
        let mut last = vec![0; self.all.len().max(2).next_power_of_two()];
        let buckets = last.len();
        let chain = |(Entry { hash, at }, number)| {
            let last = &mut last[bucket(hash, buckets)];
            let before = core::mem::replace(last, number);
            Link { at, before }
        };
        let links = self.all.into_iter().zip(1..).map(chain).collect();
        Index {
            last: last.into(),
            links,
            hash: self.hash,
        }
    }
}

impl Index {
    /// The positions in the store where `window` may stand, and a few others.
    pub(super) fn candidates(&self, window: u64) -> impl Iterator<Item = usize> + '_ {
        let hash = self.hash.of(window);
        let link = |number: u32| self.links.get((number as usize).wrapping_sub(1));
        let last = self.last[bucket(hash, self.last.len())];
        let chain = core::iter::successors(link(last), move |later| link(later.before));
        chain.map(|link| link.at as usize)
    }
}

/// The bucket of a hash, of `buckets`: a power of two, at least two.
fn bucket(hash: u32, buckets: usize) -> usize {
    (hash >> (32 - buckets.ilog2())) as usize
}
