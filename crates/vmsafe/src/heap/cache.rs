//! Cache: the slab of each class that a thread lends from without asking anyone.
//!
//! One slab for each class up to 4 KiB, so a thread that uses every class hoards 176 KiB at most;
//! all of it goes back when the thread ends, and what is wholly free when the quota is full.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::class::CACHED;
use super::home::Home;
use super::slab::Slab;

/// How many heaps have caches. Later ones work under the lock of a shelf.
pub(super) const HEAPS: usize = 4;

/// Those heaps, for the end of a thread.
static HOMES: [OnceLock<&'static Home>; HEAPS] = [const { OnceLock::new() }; HEAPS];

/// Places of a row: all classes have one, so that none need be looked for beyond its end.
const WIDE: usize = CACHED.next_power_of_two();

type Row = [Cell<Option<&'static Slab>>; WIDE];

thread_local! {
    /// This thread's name as an owner; 0 before its first slab, and after its last.
    static TOKEN: Cell<u64> = const { Cell::new(0) };
    static CURRENT: [Row; HEAPS] = const { [const { [const { Cell::new(None) }; WIDE] }; HEAPS] };
    static LEAVER: Leaver = const { Leaver::new() };
}

/// Gives everything back when its thread ends. It knows all that `TOKEN` and `CURRENT` do: where a
/// target keeps thread-locals in keys of the system, those two may be gone before it.
struct Leaver {
    token: Cell<u64>,
    rows: [Row; HEAPS],
}

impl Leaver {
    const fn new() -> Self {
        Self {
            token: Cell::new(0),
            rows: [const { [const { Cell::new(None) }; WIDE] }; HEAPS],
        }
    }

    /// This thread's name, given it at its first slab; known again if it was lost.
    fn name_thread(&self) {
        static LAST: AtomicU64 = AtomicU64::new(0);
        if self.token.get() == 0 {
            // Room between two tokens for the rows of all heaps.
            let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            self.token.set(number * (HEAPS as u64 + 1));
        }
        TOKEN.set(self.token.get());
        CURRENT.with(|rows| {
            for (lost, known) in rows.iter().flatten().zip(self.rows.iter().flatten()) {
                lost.set(known.get());
            }
        });
    }
}

impl Drop for Leaver {
    fn drop(&mut self) {
        for (row, home) in self.rows.iter().zip(&HOMES) {
            for (class, held) in row.iter().enumerate() {
                if let (Some(home), Some(slab)) = (home.get(), held.take()) {
                    replace(home, class, None);
                    home.retire(slab);
                }
            }
        }
        // Destructors that run later still lend and free, without a cache.
        TOKEN.set(0);
    }
}

/// Gives `home` a place in the caches, if one is left.
pub(super) fn enter(home: &'static Home) {
    if let Some(place) = HOMES.get(home.row()) {
        // Ids are given once, so the place is empty.
        let _ = place.set(home);
    }
}

/// This thread's name as an owner of slabs of `home`. Without a token it is a number that no slab
/// has.
#[inline]
pub(super) fn name(home: &Home) -> u64 {
    TOKEN.get() + home.row() as u64
}

/// A slot of the slab that this thread has of the class, if one is ready: its first byte.
#[inline]
pub(super) fn take(home: &Home, class: usize) -> Option<*mut u8> {
    CURRENT.with(|rows| rows.get(home.row())?[class % WIDE].get()?.take_ready())
}

/// The slab that this thread has of the class.
#[inline]
pub(super) fn current(home: &Home, class: usize) -> Option<&'static Slab> {
    CURRENT.with(|rows| place(rows, home, class)?.get())
}

/// Where the slab of the class stands among those of a thread.
#[inline]
fn place<'a>(
    rows: &'a [Row; HEAPS],
    home: &Home,
    class: usize,
) -> Option<&'a Cell<Option<&'static Slab>>> {
    rows.get(home.row())?.get(class)
}

/// Puts another slab there, and returns what was there.
pub(super) fn replace(
    home: &Home,
    class: usize,
    slab: Option<&'static Slab>,
) -> Option<&'static Slab> {
    // Past the end of the thread's leaver there is nothing to give back.
    let _ = LEAVER.try_with(|own| place(&own.rows, home, class).map(|known| known.replace(slab)));
    CURRENT.with(|rows| place(rows, home, class)?.replace(slab))
}

/// The name under which this thread may own a slab of the class; `None` when it may not: the class
/// is too large, the heap came too late, or the thread is ending.
pub(super) fn enlist(home: &Home, class: usize) -> Option<u64> {
    if class >= CACHED || home.row() >= HEAPS {
        return None;
    }
    let named = LEAVER.try_with(|own| {
        if TOKEN.get() == 0 {
            own.name_thread();
        }
    });
    named.ok().map(|()| name(home))
}

/// Gives back the slabs that this thread has and uses no slot of.
pub(super) fn flush(home: &'static Home) {
    for class in 0..CACHED {
        let idle = current(home, class).filter(|slab| slab.collect() && slab.is_all_free());
        if let Some(slab) = idle {
            replace(home, class, None);
            home.retire(slab);
        }
    }
}
