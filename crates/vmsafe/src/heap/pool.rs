//! Pool: chunks of locked memory, and which of their granules are whose.
//!
//! ```text
//!   guard │ slab │ slab │ run ..... │ vacant │ guard     a chunk: one Locked, 32 KiB to 1 MiB
//! ```
//!
//! Chunks grow with the heap, by a quarter of what it has: few mappings for many secrets, little
//! quota for few. When the quota is near its end they shrink again, down to what is asked for.
//! Chunks whose granules are all vacant go back to the system, but for 2 MiB of them: a program
//! that makes and drops its secrets does not make and drop mappings each time. When the quota is
//! full these go back too.

use std::collections::BTreeMap;

use super::class::GRANULE;
use super::map;
use super::slab::{Kind, Slab};
use crate::buffer::locked::{Locked, Options};
use crate::error::Error;
use crate::grade::Grade;

/// Bytes of the first chunks.
const LEAST: usize = 32 << 10;
/// Bytes of the largest chunk that is made ahead of need: on secret memory a first touch of 15 ms.
const MOST: usize = 1 << 20;
/// Bytes of vacant chunks that are kept.
const KEPT: usize = 2 << 20;
/// Books that are made at a time.
const BOOKS: usize = 16;

/// The chunks of one heap.
#[derive(Debug)]
pub(super) struct Pool {
    home: u32,
    options: Options,
    /// By the address of their first byte.
    chunks: BTreeMap<usize, Chunk>,
    spare: Vec<&'static Slab>,
    locked: usize,
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

impl Pool {
    pub(super) fn new(home: u32, options: Options) -> Self {
        Self {
            home,
            options,
            chunks: BTreeMap::new(),
            spare: Vec::new(),
            locked: 0,
        }
    }

    /// A slab of free slots.
    pub(super) fn slab(&mut self, class: usize) -> Result<&'static Slab, Error> {
        let home = self.home;
        let granules = super::class::granules(class);
        self.cover(granules, GRANULE, |slab, base| {
            slab.open_slots(home, base, class)
        })
    }

    /// A run of whole granules.
    pub(super) fn run(&mut self, bytes: usize, align: usize) -> Result<&'static Slab, Error> {
        let home = self.home;
        let granules = bytes.div_ceil(GRANULE).max(1);
        self.cover(granules, align.max(GRANULE), |slab, base| {
            slab.open(Kind::Run, home, base, granules * GRANULE);
        })
    }

    fn cover(
        &mut self,
        granules: usize,
        align: usize,
        open: impl FnOnce(&Slab, *mut u8),
    ) -> Result<&'static Slab, Error> {
        let (chunk, first) = match self.find(granules, align) {
            Some(place) => place,
            None => {
                self.grow(granules, align)?;
                self.find(granules, align)
                    .expect("a chunk that was made long enough for this")
            }
        };
        let slab = self.book();
        let chunk = self.chunks.get_mut(&chunk).expect("a chunk that was found");
        let start = chunk.vacant.base().wrapping_add(first * GRANULE);
        open(slab, start);
        chunk.cover[first..first + granules].fill(Some(slab));
        chunk.free -= granules;
        let entered = map::set(start.addr(), granules * GRANULE, Some(slab));
        debug_assert!(entered, "entered before, when the chunk was made");
        Ok(slab)
    }

    /// The first place for a run: its chunk's address, and which granule.
    fn find(&self, granules: usize, align: usize) -> Option<(usize, usize)> {
        let fits = self
            .chunks
            .iter()
            .filter(|(_, chunk)| chunk.free >= granules);
        fits.into_iter()
            .find_map(|(start, chunk)| Some((*start, chunk.find(*start, granules, align)?)))
    }

    /// One more chunk, at least as long as asked for.
    fn grow(&mut self, granules: usize, align: usize) -> Result<(), Error> {
        // The start of a chunk is aligned to a granule; a greater alignment may need a run-up.
        let least = (granules * GRANULE).saturating_add(align - GRANULE);
        let quarter = (self.locked / 4).max(1).next_power_of_two();
        let mut len = least.max(quarter.clamp(LEAST, MOST));
        loop {
            match self.options.create(len) {
                Ok(locked) => return self.enter(locked),
                Err(Error::LockLimit { .. }) if len > least => len = least.max(len / 2),
                // What is vacant in pieces may be enough in one.
                Err(Error::LockLimit { .. }) if self.vacant() > 0 => self.trim(),
                Err(error) => return Err(error),
            }
        }
    }

    fn enter(&mut self, mut locked: Locked) -> Result<(), Error> {
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

    /// Gives all vacant chunks back to the system.
    pub(super) fn trim(&mut self) {
        self.give_back_beyond(0, usize::MAX);
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

    fn find(&self, start: usize, granules: usize, align: usize) -> Option<usize> {
        let mut run = 0;
        for (granule, cover) in self.cover.iter().enumerate() {
            let aligned = || (start + granule * GRANULE).is_multiple_of(align);
            run = match cover {
                Some(_) => 0,
                None if run == 0 && !aligned() => 0,
                None => run + 1,
            };
            if run == granules {
                return Some(granule + 1 - granules);
            }
        }
        None
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
