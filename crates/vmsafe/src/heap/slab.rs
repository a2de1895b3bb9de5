//! Slab: the book of one row of equal slots, kept outside the secret pages.
//!
//! ```text
//!   free     a bit per slot; one party at a time changes it: the thread that owns the slab, or
//!            whoever holds the shelf's lock
//!   ready    the same, of those that are lent next: one word of `free` moves here at a time
//!   remote   a bit per slot that somebody else gave back; anyone sets, the owner collects
//!
//!   slot:   none             lent          ── free by the owner ──►  free
//!           free             waits         ── turn ──►               ready
//!           ready            is lent next  ── take ──►               none
//!           remote           given back    ── collect ──►            free
//!           remote and another: freed twice: found by the second free, by collect, or by take
//! ```
//!
//! So to lend is to clear one bit, and to free is to set one. Slots go round: what was freed a
//! moment ago is lent last, so that a program need not wait for its own free to lend again.
//!
//! **Why that finds every double free.** A free by the owner looks at all bits before it sets one;
//! a free by another sets `remote` in one atomic step, and looks at all. If two run at once and
//! both miss each other, two bits stand, and the slot cannot be lent again before `take` or
//! `collect` has seen that. What cannot be told apart from a right free, here or
//! anywhere, is a second free after the slot was lent again.
//!
//! Books are never given back to the system: an address found in the map by a wrong free leads to a
//! book, perhaps of another slab by now, and never to nothing.

use super::class::{self, SIZES, SLOTS};
use super::crime::{Crime, stop};
use super::sync::in_one_order;
use super::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Words of a bit per slot.
pub(super) const WORDS: usize = SLOTS / 64;

/// The owner of a slab that no thread owns.
pub(super) const NOBODY: u64 = u64::MAX;

/// What a book describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nothing; it waits to be used.
    Spare,
    /// A row of slots.
    Slots,
    /// One run of granules.
    Run,
    /// The granules of a chunk that nobody has.
    Vacant,
    /// Pages that this process lost in a fork.
    Lost,
}

/// Where a slab is, as far as its shelf knows. Changes under the shelf's lock only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    /// With a thread.
    Owned,
    /// On the shelf, with slots to lend.
    Shelved,
    /// Nowhere: all its slots are lent.
    Full,
}

/// The book. Two lines apart from the next one: processors fetch lines in pairs.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Slab {
    // First cache line: what lending and freeing look up. It seldom changes.
    base: AtomicPtr<u8>,
    owner: AtomicU64,
    /// The first slot of the word that is lent from.
    start: AtomicPtr<u8>,
    size: AtomicU32,
    reciprocal: AtomicU32,
    slots: AtomicU32,
    word: AtomicU32,
    bytes: AtomicUsize,
    home: AtomicU32,
    spot: AtomicU32,
    class: AtomicU8,
    kind: AtomicU8,
    place: AtomicU8,
    // Second: what the owner changes each time.
    mine: Mine,
    // Third: what others write.
    remote: Remote,
}

/// The owner's bits. All words of `ready` are zero but the one that is lent from.
#[derive(Debug)]
#[repr(align(64))]
struct Mine {
    ready: [AtomicU64; WORDS],
    free: [AtomicU64; WORDS],
}

/// A line of its own, so that the frees of others disturb the owner's no more than they must.
#[derive(Debug)]
#[repr(align(64))]
struct Remote([AtomicU64; WORDS]);

/// What is to be done after a slot was given back from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Nothing.
    Quiet,
    /// The shelf is to be put in order: the slab was full, or is empty now.
    Due,
}

impl Slab {
    pub(super) fn spare() -> Self {
        Self {
            base: AtomicPtr::new(std::ptr::null_mut()),
            owner: AtomicU64::new(NOBODY),
            start: AtomicPtr::new(std::ptr::null_mut()),
            size: AtomicU32::new(0),
            reciprocal: AtomicU32::new(0),
            slots: AtomicU32::new(0),
            word: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            home: AtomicU32::new(u32::MAX),
            spot: AtomicU32::new(0),
            class: AtomicU8::new(0),
            kind: AtomicU8::new(Kind::Spare as u8),
            place: AtomicU8::new(Place::Owned as u8),
            mine: Mine {
                ready: std::array::from_fn(|_| AtomicU64::new(0)),
                free: std::array::from_fn(|_| AtomicU64::new(0)),
            },
            remote: Remote(std::array::from_fn(|_| AtomicU64::new(0))),
        }
    }

    /// Opens the book for a row of free slots of `class` at `base`.
    pub(super) fn open_slots(&self, home: u32, base: *mut u8, class: usize) {
        let slots = class::slots(class);
        let bytes = class::granules(class) * class::GRANULE;
        self.open(Kind::Slots, home, base, bytes);
        self.size.store(narrow(SIZES[class]), Relaxed);
        // Rounded up: exact for offsets below 2^16, for the error stays below 2^-16 of a slot.
        let reciprocal = (1_u64 << 32).div_ceil(SIZES[class] as u64);
        self.reciprocal.store(narrow(reciprocal), Relaxed);
        self.slots.store(narrow(slots), Relaxed);
        self.class.store(narrow(class), Relaxed);
        for word in 0..WORDS {
            self.mine.free[word].store(self.whole(word), Relaxed);
        }
    }

    /// Opens the book for something that is no row of slots: no index is ever right in it.
    pub(super) fn open(&self, kind: Kind, home: u32, base: *mut u8, bytes: usize) {
        self.base.store(base, Relaxed);
        self.owner.store(NOBODY, Relaxed);
        self.home.store(home, Relaxed);
        self.kind.store(kind as u8, Relaxed);
        self.size.store(0, Relaxed);
        self.reciprocal.store(0, Relaxed);
        self.slots.store(u32::from(kind == Kind::Run), Relaxed);
        self.bytes.store(bytes, Relaxed);
        self.start.store(base, Relaxed);
        self.word.store(0, Relaxed);
        for word in 0..WORDS {
            self.mine.ready[word].store(0, Relaxed);
            self.mine.free[word].store(0, Relaxed);
            self.remote.0[word].store(0, Relaxed);
        }
    }

    /// All bits of a word that belong to slots.
    fn whole(&self, word: usize) -> u64 {
        let slots = self.count_slots().saturating_sub(word * 64);
        if slots >= 64 {
            u64::MAX
        } else {
            (1 << slots) - 1
        }
    }

    #[inline]
    pub(super) fn base(&self) -> *mut u8 {
        self.base.load(Relaxed)
    }

    #[inline]
    pub(super) fn size(&self) -> usize {
        self.size.load(Relaxed) as usize
    }

    #[inline]
    pub(super) fn home(&self) -> u32 {
        self.home.load(Relaxed)
    }

    #[inline]
    pub(super) fn class(&self) -> usize {
        usize::from(self.class.load(Relaxed))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Bytes of each thing that it lends: a slot, or the whole run.
    pub(super) fn slot_bytes(&self) -> usize {
        match self.size() {
            0 => self.bytes(),
            size => size,
        }
    }

    #[inline]
    pub(super) fn owner(&self) -> u64 {
        self.owner.load(Relaxed)
    }

    pub(super) fn set_owner(&self, owner: u64) {
        self.owner.store(owner, Relaxed);
    }

    pub(super) fn kind(&self) -> Kind {
        const KINDS: [Kind; 5] = [
            Kind::Spare,
            Kind::Slots,
            Kind::Run,
            Kind::Vacant,
            Kind::Lost,
        ];
        KINDS[usize::from(self.kind.load(Relaxed))]
    }

    pub(super) fn set_kind(&self, kind: Kind) {
        self.kind.store(kind as u8, Relaxed);
    }

    pub(super) fn place(&self) -> Place {
        const PLACES: [Place; 3] = [Place::Owned, Place::Shelved, Place::Full];
        PLACES[usize::from(self.place.load(SeqCst))]
    }

    /// Under the shelf's lock only.
    pub(super) fn set_place(&self, place: Place) {
        self.place.store(place as u8, SeqCst);
    }

    /// Where on its shelf it stands; under the shelf's lock only.
    pub(super) fn spot(&self) -> usize {
        self.spot.load(Relaxed) as usize
    }

    pub(super) fn set_spot(&self, spot: usize) {
        self.spot.store(narrow(spot), Relaxed);
    }

    /// Which slot starts at `address`; `None` when none does, and for a run.
    ///
    /// One multiplication divides and tells that nothing remains: the reciprocal is rounded up, so
    /// the fraction of a whole quotient is less than the reciprocal, and that of another is not
    /// (exact for offsets and sizes below 2^16).
    #[inline]
    pub(super) fn index_of(&self, address: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base().addr()) as u64;
        let reciprocal = self.reciprocal.load(Relaxed);
        let product = offset.wrapping_mul(u64::from(reciprocal));
        let (index, fraction) = ((product >> 32) as usize, product & u64::from(u32::MAX));
        let right = fraction < u64::from(reciprocal) && index < self.count_slots();
        right.then_some(index)
    }

    /// The address of a slot, for reports.
    fn address(&self, index: usize) -> usize {
        self.base().addr() + index * self.size()
    }

    /// Lends a slot. By the owner, or under the shelf's lock.
    pub(super) fn take(&self) -> Option<usize> {
        if self.mine.ready[self.word()].load(Relaxed) == 0 {
            self.turn()?;
        }
        let word = self.word();
        let bit = self.take_bit().unwrap_or_else(|| self.accuse(word));
        Some(word * 64 + bit)
    }

    /// Lends a slot of the word that is lent from, if it has one: its first byte.
    #[inline]
    pub(super) fn take_ready(&self) -> Option<*mut u8> {
        let bit = self.take_bit()?;
        let start = self.start.load(Relaxed);
        Some(start.wrapping_add(bit * self.size()))
    }

    /// `None` when no slot is ready, and when one that is was given back as well.
    #[inline]
    fn take_bit(&self) -> Option<usize> {
        let word = self.word();
        let ready = self.mine.ready[word].load(Relaxed);
        if ready == 0 || self.remote.0[word].load(Relaxed) & ready != 0 {
            return None;
        }
        self.mine.ready[word].store(ready & (ready - 1), Relaxed);
        Some(ready.trailing_zeros() as usize)
    }

    /// The word that is lent from.
    #[inline]
    fn word(&self) -> usize {
        self.word.load(Relaxed) as usize % WORDS
    }

    /// Stops the program for a slot that is free and was given back.
    #[cold]
    fn accuse(&self, word: usize) -> ! {
        let twice = self.mine.ready[word].load(Relaxed) & self.remote.0[word].load(Relaxed);
        let bit = twice.trailing_zeros() as usize;
        stop(Crime::DoubleFree, self.address(word * 64 + bit));
    }

    /// Goes on to the next word with a free slot.
    fn turn(&self) -> Option<()> {
        let last = self.word();
        let next = (1..=WORDS).map(|step| (last + step) % WORDS);
        for word in next {
            let bits = self.mine.free[word].load(Relaxed);
            if bits != 0 {
                self.word.store(narrow(word), Relaxed);
                let start = self.base().wrapping_add(word * 64 * self.size());
                self.start.store(start, Relaxed);
                // In this order: whoever sees the second sees the first, so that a free slot is
                // never taken for a lent one.
                self.mine.ready[word].store(bits, Relaxed);
                self.mine.free[word].store(0, Release);
                return Some(());
            }
        }
        None
    }

    /// In a child, of a thread that is not there: undoes what it may have half done.
    pub(super) fn gather(&self) {
        for (ready, free) in self.mine.ready.iter().zip(&self.mine.free) {
            free.store(free.load(Relaxed) | ready.load(Relaxed), Relaxed);
            ready.store(0, Relaxed);
        }
    }

    /// True when a slot is not free.
    pub(super) fn is_lent(&self, index: usize) -> bool {
        self.free_bits(index / 64) >> (index % 64) & 1 == 0
    }

    /// True when this is a run, lent, that starts at `address`.
    pub(super) fn is_run_at(&self, address: usize) -> bool {
        self.kind() == Kind::Run && self.base().addr() == address
    }

    /// Stops the program when a slot is free already.
    pub(super) fn check_lent(&self, index: usize) {
        if !self.is_lent_here(index) {
            stop(Crime::DoubleFree, self.address(index));
        }
    }

    /// As [`Slab::is_lent`], for the owner.
    #[inline]
    pub(super) fn is_lent_here(&self, index: usize) -> bool {
        let (word, bit) = (index / 64 % WORDS, index % 64);
        let own = self.mine.free[word].load(Relaxed) | self.mine.ready[word].load(Relaxed);
        (own | self.remote.0[word].load(Relaxed)) >> bit & 1 == 0
    }

    /// Takes a slot back from the owner's own hand; it was checked to be lent.
    #[inline]
    pub(super) fn put(&self, index: usize) {
        let free = &self.mine.free[index / 64 % WORDS];
        free.store(free.load(Relaxed) | 1 << (index % 64), Relaxed);
    }

    /// Takes a slot back from anyone.
    pub(super) fn give(&self, index: usize) -> Given {
        let (word, bit) = (index / 64, 1 << (index % 64));
        // Read first: once the bit is remote, the owner may collect it into `free` at any time.
        let free = self.own_bits(word);
        // Released, for the wipe comes before it; in one order with `place`, for `release`.
        let before = self.remote.0[word].fetch_or(bit, SeqCst);
        if (before | free) & bit != 0 {
            stop(Crime::DoubleFree, self.address(index));
        }
        in_one_order();
        match self.place() {
            Place::Owned => Given::Quiet,
            Place::Full => Given::Due,
            Place::Shelved if self.is_all_free() => Given::Due,
            Place::Shelved => Given::Quiet,
        }
    }

    /// Marks a run as given back.
    pub(super) fn give_run(&self) {
        if self.remote.0[0].fetch_or(1, AcqRel) != 0 {
            stop(Crime::DoubleFree, self.base().addr());
        }
    }

    /// Makes what others gave back free. By the owner, or under the shelf's lock. True when there
    /// is a slot to lend.
    pub(super) fn collect(&self) -> bool {
        let mut any = 0;
        for word in 0..WORDS {
            let mut bits = self.own_bits(word);
            if self.remote.0[word].load(Relaxed) != 0 {
                let given = self.remote.0[word].swap(0, Acquire);
                if given & bits != 0 {
                    let bit = (given & bits).trailing_zeros() as usize;
                    stop(Crime::DoubleFree, self.address(word * 64 + bit));
                }
                bits |= given;
                let free = &self.mine.free[word];
                free.store(free.load(Relaxed) | given, Relaxed);
            }
            any |= bits;
        }
        any != 0
    }

    /// True when somebody gave a slot back that was not collected.
    pub(super) fn has_remote(&self) -> bool {
        self.remote.0.iter().any(|word| word.load(SeqCst) != 0)
    }

    /// True when no slot is lent. Certain under the shelf's lock and for the owner.
    pub(super) fn is_all_free(&self) -> bool {
        (0..WORDS).all(|word| self.free_bits(word) == self.whole(word))
    }

    /// How many slots are free.
    pub(super) fn count_free(&self) -> usize {
        let ones = |word| self.free_bits(word).count_ones() as usize;
        (0..WORDS).map(ones).sum()
    }

    /// How many slots there are.
    #[inline]
    pub(super) fn count_slots(&self) -> usize {
        self.slots.load(Relaxed) as usize
    }

    fn free_bits(&self, word: usize) -> u64 {
        self.remote.0[word].load(SeqCst) | self.own_bits(word)
    }

    /// The slots that are the owner's to lend. In the order in which `turn` moves them.
    fn own_bits(&self, word: usize) -> u64 {
        self.mine.free[word].load(Acquire) | self.mine.ready[word].load(Relaxed)
    }
}

/// A number that is known to fit.
fn narrow<T, U: TryFrom<T>>(number: T) -> U {
    U::try_from(number).unwrap_or_else(|_| unreachable!("the tables of `class` keep it small"))
}
