//! Around fork: all of a heap's locks are held while the process is copied, so that the child finds
//! every book whole.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vmsafe_os::AroundFork;

use super::busy;
use super::home::Home;
use super::pool::Pool;
use super::shelf::Slabs;
use super::sync::{MutexGuard as HeldPool, RwLockWriteGuard};

/// Every heap of the process.
static HEAPS: Mutex<Vec<&'static Home>> = Mutex::new(Vec::new());

thread_local! {
    /// From before to after: what the forking thread holds.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

/// Locks, in the order in which they were taken.
struct Held {
    _growths: Vec<RwLockWriteGuard<'static, ()>>,
    _shelves: Vec<Slabs>,
    _pools: Vec<HeldPool<'static, Pool>>,
    heaps: MutexGuard<'static, Vec<&'static Home>>,
}

/// Not without a size: it is known by its address.
#[derive(Debug)]
struct Hook(#[expect(dead_code, reason = "gives the hook a size")] u8);

static HOOK: Hook = Hook(0);

/// What a kernel is to run around its forks.
pub(super) fn hook() -> &'static dyn AroundFork {
    &HOOK
}

/// Sees to it that `home` is whole in every child of a kernel that has the hook.
pub(super) fn watch(home: &'static Home) {
    let mut heaps = HEAPS.lock().unwrap_or_else(PoisonError::into_inner);
    heaps.push(home);
}

impl AroundFork for Hook {
    fn before(&self) {
        let _busy = busy::enter();
        let heaps = HEAPS.lock().unwrap_or_else(PoisonError::into_inner);
        // A chunk that is half made would be in no book of the child's.
        let growths = heaps.iter().map(|home| home.growth().hold()).collect();
        let shelves = heaps.iter().flat_map(|home| home.shelves());
        let shelves = shelves.map(super::shelf::Shelf::hold).collect();
        let pools = heaps.iter().map(|home| home.pool()).collect();
        let held = Held {
            _growths: growths,
            _shelves: shelves,
            _pools: pools,
            heaps,
        };
        // A thread whose locals are gone forks with the locks as they are: open, for it holds none.
        let _ = HELD.try_with(|all| all.borrow_mut().push(held));
    }

    fn after(&self, child: bool) {
        let _busy = busy::enter();
        let held = HELD.try_with(|all| all.borrow_mut().pop());
        let Some(Held { heaps, .. }) = held.ok().flatten() else {
            return;
        };
        let homes: Vec<_> = heaps.clone();
        drop(heaps);
        if child {
            homes.into_iter().for_each(Home::adopt);
        }
    }
}
