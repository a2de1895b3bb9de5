//! Pool: chunks of locked memory, and which of their granules are whose.
//!
//! ```text
//!   guard │ slab │ slab │ run ..... │ vacant │ guard     a chunk: one Locked, 32 KiB to 1 MiB
//! ```
//!
//! Chunks grow with the heap, by a quarter of what it has: few mappings for many secrets, little
//! quota for few. Chunks whose granules are all vacant go back to the system, but for 2 MiB of
//! them: a program that makes and drops its secrets does not make and drop mappings each time. When
//! the quota is full these go back too.
//!
//! Slabs of two threads do not stand side by side while there is other room: a thread goes through
//! its slab in order, and at the end of it the processor fetches ahead, out of the next one, lines
//! that another thread is writing to.

use std::collections::BTreeMap;

use super::class::GRANULE;
use super::map;
use super::slab::{Kind, NOBODY, Slab};
use crate::buffer::locked::Locked;
use crate::error::Error;
use crate::grade::Grade;

/// Bytes of the first chunks.
pub(super) const LEAST: usize = 32 << 10;
/// Bytes of the largest chunk that is made ahead of need: on secret memory a first touch of 15 ms.
const MOST: usize = 1 << 20;
/// Bytes of vacant chunks that are kept.
const KEPT: usize = 2 << 20;
/// Books that are made at a time.
const BOOKS: usize = 16;

/// What is asked of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    /// A slab of free slots of a class, for a thread or for nobody.
    Slots { class: usize, owner: u64 },
    /// A run of whole granules.
    Run { bytes: usize, align: usize },
}

/// The chunks of one heap.
#[derive(Debug)]
pub(super) struct Pool {
    home: u32,
    /// By the address of their first byte.
    chunks: BTreeMap<usize, Chunk>,
    spare: Vec<&'static Slab>,
    locked: usize,
    /// Chunks that are being made.
    begun: u32,
}

#[derive(Debug)]
struct Chunk {
    locked: Locked,
    /// The book of its vacant granules.
    vacant: &'static Slab,
    /// The book of each granule that is somebody's.
    cover: Vec<Option<&'static Slab>>,
    free: usize,
}

impl Want {
    fn granules(self) -> usize {
        match self {
            Self::Slots { class, .. } => super::class::granules(class),
            Self::Run { bytes, .. } => bytes.div_ceil(GRANULE).max(1),
        }
    }

    fn align(self) -> usize {
        match self {
            Self::Slots { .. } => GRANULE,
            Self::Run { align, .. } => align.max(GRANULE),
        }
    }

    /// Bytes of a chunk that holds it in any case. The start of a chunk is aligned to a granule; a
    /// greater alignment may need a run-up.
    pub(super) fn least(self) -> usize {
        (self.granules() * GRANULE).saturating_add(self.align() - GRANULE)
    }

    /// True when another thread's slab disturbs nobody here.
    fn goes_beside(self, slab: &Slab) -> bool {
        match self {
            Self::Slots { owner, .. } => [owner, NOBODY].contains(&slab.owner()),
            Self::Run { .. } => true,
        }
    }

    fn open(self, slab: &Slab, home: u32, base: *mut u8) {
        match self {
            Self::Slots { class, owner } => {
                slab.open_slots(home, base, class);
                slab.set_owner(owner);
            }
            Self::Run { .. } => slab.open(Kind::Run, home, base, self.granules() * GRANULE),
        }
    }
}

impl Pool {
    pub(super) fn new(home: u32) -> Self {
        Self {
            home,
            chunks: BTreeMap::new(),
            spare: Vec::new(),
            locked: 0,
            begun: 0,
        }
    }

    /// What is wanted, if there is room for it.
    pub(super) fn cover(&mut self, want: Want) -> Option<&'static Slab> {
        let (chunk, first) = self.find(want)?;
        let granules = want.granules();
        let slab = self.book();
        let chunk = self.chunks.get_mut(&chunk).expect("a chunk that was found");
        let start = chunk.vacant.base().wrapping_add(first * GRANULE);
        want.open(slab, self.home, start);
        chunk.cover[first..first + granules].fill(Some(slab));
        chunk.free -= granules;
        let entered = map::set(start.addr(), granules * GRANULE, Some(slab));
        debug_assert!(entered, "entered before, when the chunk was made");
        Some(slab)
    }

    /// The first place that is apart from other threads', or just the first: its chunk's address,
    /// and which granule.
    fn find(&self, want: Want) -> Option<(usize, usize)> {
        let first = |apart| {
            let mut chunks = self.chunks.iter();
            chunks.find_map(|(start, chunk)| Some((*start, chunk.find(*start, want, apart)?)))
        };
        first(true).or_else(|| first(false))
    }

    /// Bytes that the next chunk shall have. It is to be made while the pool is open, and ended.
    pub(super) fn begin_chunk(&mut self, want: Want) -> usize {
        let quarter = (self.locked / 4).max(1).next_power_of_two();
        let len = quarter.min(MOST) >> self.begun.min(usize::BITS - 1);
        self.begun += 1;
        want.least().max(len.max(LEAST))
    }

    /// Enters the chunk that was begun, if it could be made.
    pub(super) fn end_chunk(&mut self, made: Result<Locked, Error>) -> Result<(), Error> {
        self.begun -= 1;
        self.enter(made?)
    }

    /// Enters a chunk.
    pub(super) fn enter(&mut self, mut locked: Locked) -> Result<(), Error> {
        let granules = locked.len() / GRANULE;
        let base = locked.pages().as_mut_slice().as_mut_ptr();
        let (vacant, bytes) = (self.book(), granules * GRANULE);
        vacant.open(Kind::Vacant, self.home, base, bytes);
        if !map::set(base.addr(), bytes, Some(vacant)) {
            return Err(Error::Size {
                len: bytes,
                because: "the system gave an address beyond 48 bits",
            });
        }
        self.locked += bytes;
        let cover = vec![None; granules];
        let chunk = Chunk {
            locked,
            vacant,
            cover,
            free: granules,
        };
        self.chunks.insert(base.addr(), chunk);
        Ok(())
    }

    /// Takes back what a book describes; all of its bytes are zero.
    pub(super) fn release(&mut self, slab: &'static Slab) {
        let (address, granules) = (slab.base().addr(), slab.bytes() / GRANULE);
        let (start, chunk) = self
            .chunks
            .range_mut(..=address)
            .next_back()
            .expect("every slab lies in a chunk");
        let (start, first) = (*start, (address - start) / GRANULE);
        let entered = map::set(address, slab.bytes(), Some(chunk.vacant));
        debug_assert!(entered, "entered before, when the chunk was made");
        chunk.cover[first..first + granules].fill(None);
        chunk.free += granules;
        let (empty, bytes) = (chunk.is_empty(), chunk.bytes());
        self.retire(slab);
        if empty && bytes > KEPT {
            self.give_back(start);
        } else if empty {
            self.give_back_beyond(KEPT, start);
        }
    }

    /// Gives all vacant chunks back to the system. Returns how many bytes these were.
    pub(super) fn trim(&mut self) -> usize {
        let before = self.locked;
        self.give_back_beyond(0, usize::MAX);
        before - self.locked
    }

    /// Gives vacant chunks back until no more than `kept` bytes are left of them; the one at
    /// `latest` last.
    fn give_back_beyond(&mut self, kept: usize, latest: usize) {
        let mut vacant = self.vacant();
        while vacant > kept {
            let next = {
                let mut starts = self.vacant_chunks().map(|(start, _)| start);
                starts.find(|start| *start != latest)
            };
            vacant -= self.give_back(next.unwrap_or(latest));
        }
    }

    fn vacant_chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> {
        let all = self.chunks.iter().map(|(start, chunk)| (*start, chunk));
        all.filter(|(_, chunk)| chunk.is_empty())
    }

    /// Bytes of vacant chunks.
    fn vacant(&self) -> usize {
        self.vacant_chunks().map(|(_, chunk)| chunk.bytes()).sum()
    }

    /// Returns how many bytes it was.
    fn give_back(&mut self, start: usize) -> usize {
        let chunk = self.chunks.remove(&start);
        let chunk = chunk.expect("a chunk that was found");
        let bytes = chunk.bytes();
        let entered = map::set(start, bytes, None);
        debug_assert!(entered, "entered before, when the chunk was made");
        self.locked -= bytes;
        self.retire(chunk.vacant);
        bytes
    }

    /// A fork kept the chunks from this process: what lies in them is to be left alone from now on.
    pub(super) fn lose(&mut self) {
        for (_, chunk) in std::mem::take(&mut self.chunks) {
            for slab in chunk.cover.iter().flatten().chain([&chunk.vacant]) {
                slab.open(Kind::Lost, self.home, slab.base(), slab.bytes());
            }
        }
        self.locked = 0;
    }

    fn book(&mut self) -> &'static Slab {
        if self.spare.is_empty() {
            let books: [Slab; BOOKS] = std::array::from_fn(|_| Slab::spare());
            self.spare.extend(Box::leak(Box::new(books)).iter());
        }
        self.spare.pop().expect("filled a line above")
    }

    fn retire(&mut self, slab: &'static Slab) {
        slab.set_kind(Kind::Spare);
        self.spare.push(slab);
    }

    /// Bytes that are locked.
    pub(super) fn locked(&self) -> usize {
        self.locked
    }

    /// How many chunks there are.
    pub(super) fn count_chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Every book of slots and runs.
    pub(super) fn slabs(&self) -> impl Iterator<Item = &'static Slab> {
        self.chunks.values().flat_map(Chunk::slabs)
    }

    /// How many places for `granules` granules are vacant now.
    pub(super) fn places(&self, granules: usize) -> usize {
        let places = |chunk: &Chunk| {
            let gaps = chunk.cover.split(Option::is_some);
            gaps.map(|gap| gap.len() / granules).sum::<usize>()
        };
        self.chunks.values().map(places).sum()
    }

    /// For each threat the worst verdict of any chunk.
    pub(super) fn grade(&self) -> Option<Grade> {
        let grades = self.chunks.values().map(|chunk| chunk.locked.grade());
        grades.fold(None, |worst, grade| {
            Some(worst.map_or_else(|| grade.clone(), |worst: Grade| worst.worst(grade)))
        })
    }

    /// True when the frames of a chunk can move.
    pub(super) fn leaves_stale_frames(&self) -> bool {
        self.chunks
            .values()
            .any(|chunk| chunk.locked.leaves_stale_frames())
    }
}

impl Chunk {
    fn is_empty(&self) -> bool {
        self.free == self.cover.len()
    }

    fn bytes(&self) -> usize {
        self.cover.len() * GRANULE
    }

    /// The first granule of a place.
    fn find(&self, start: usize, want: Want, apart: bool) -> Option<usize> {
        let (granules, align) = (want.granules(), want.align());
        if self.free < granules {
            return None;
        }
        let fits = |first: &usize| {
            let is_aligned = (start + first * GRANULE).is_multiple_of(align);
            is_aligned && (!apart || self.is_apart(*first, want))
        };
        let mut run = 0;
        let ends = self.cover.iter().enumerate().filter(|(_, cover)| {
            run = if cover.is_none() { run + 1 } else { 0 };
            run >= granules
        });
        ends.map(|(end, _)| end + 1 - granules).find(fits)
    }

    /// True when what stands on either side of a place does not disturb it.
    fn is_apart(&self, first: usize, want: Want) -> bool {
        let sides = [first.checked_sub(1), Some(first + want.granules())];
        let mut beside = sides
            .iter()
            .flatten()
            .filter_map(|side| *self.cover.get(*side)?);
        beside.all(|slab| want.goes_beside(slab))
    }

    fn slabs(&self) -> impl Iterator<Item = &'static Slab> {
        let mut last = None;
        let starts = self.cover.iter().flatten().filter(move |slab| {
            let new = last != Some(slab.base().addr());
            last = Some(slab.base().addr());
            new
        });
        starts.copied()
    }
}
