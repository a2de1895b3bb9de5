//! Several threads of which one makes a chunk, and where their slabs stand.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use vmsafe_os::model::Steps;

use super::pool::Want;
use super::*;

/// Where a thread stands still between two steps of the kernel, until it may go on.
struct Stop {
    reached: AtomicU32,
    open: AtomicU32,
}

thread_local! {
    /// Where this thread is to stand still, and before which of its steps.
    static STOP: Cell<Option<(&'static Stop, u32)>> = const { Cell::new(None) };
}

impl Stop {
    const fn new() -> Self {
        Self {
            reached: AtomicU32::new(0),
            open: AtomicU32::new(0),
        }
    }

    /// What the kernel calls before each step.
    fn before(_: u64) {
        match STOP.get() {
            Some((stop, 0)) => {
                STOP.set(None);
                stop.reached.store(1, Ordering::SeqCst);
                wait(&stop.open);
            }
            Some((stop, steps)) => STOP.set(Some((stop, steps - 1))),
            None => {}
        }
    }
}

/// Fails rather than hang when what is waited for does not come.
fn wait(word: &AtomicU32) {
    let start = Instant::now();
    while word.load(Ordering::SeqCst) == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody came");
        thread::yield_now();
    }
}

fn stepwise() -> (&'static Model, Heap) {
    let model = Model::leak();
    let kernel = Steps::leak(model, Stop::before);
    (model, Heap::options().kernel(kernel).create().unwrap())
}

#[test]
fn while_one_thread_makes_a_chunk_others_go_on() {
    static STOP_HERE: Stop = Stop::new();
    let (_, heap) = stepwise();
    let maker = thread::spawn(move || {
        STOP.set(Some((&STOP_HERE, 0)));
        let large = heap.lend(layout(1 << 20)).unwrap();
        free(heap, large);
    });
    wait(&STOP_HERE.reached);
    let before = heap.stats();
    let small = heap.lend(layout(48)).unwrap();
    assert_eq!(heap.stats().locked, before.locked, "there was room");
    let large = heap.lend(layout(1 << 20)).unwrap();
    assert!(heap.stats().locked > before.locked, "there was none");
    free(heap, small);
    free(heap, large);
    STOP_HERE.open.store(1, Ordering::SeqCst);
    maker.join().unwrap();
    heap.trim();
    assert_eq!(heap.stats().locked, 0);
}

#[test]
fn who_is_refused_gets_of_what_another_was_making() {
    static STOP_HERE: Stop = Stop::new();
    let (model, heap) = stepwise();
    // All of the first chunk.
    let first = heap.lend(layout(32 << 10)).unwrap();
    let chunk = heap.stats().locked;
    model.limit_locks(2 * chunk as u64);
    let maker = thread::spawn(move || {
        // The first step maps and is counted; then it stands still.
        STOP.set(Some((&STOP_HERE, 1)));
        heap.lend(layout(4096))
            .unwrap()
            .as_ptr()
            .expose_provenance()
    });
    wait(&STOP_HERE.reached);
    assert_eq!(model.lock_limit().unwrap().used, 2 * chunk as u64);
    let other = thread::spawn(move || {
        let at = heap.lend(layout(1024)).map(|at| free(heap, at));
        at.map_err(|error| error.to_string())
    });
    STOP_HERE.open.store(1, Ordering::SeqCst);
    assert_eq!(other.join().unwrap(), Ok(()));
    let at = std::ptr::with_exposed_provenance_mut(maker.join().unwrap());
    free(heap, NonNull::new(at).unwrap());
    free(heap, first);
    assert!(heap.stats().locked <= 2 * chunk);
}

#[test]
fn slabs_of_two_threads_stand_side_by_side_only_when_there_is_no_other_room() {
    let (_, heap) = model();
    let mut pool = heap.home.pool();
    let granules = pool.locked() / GRANULE;
    let mut slab = |owner| {
        let slab = pool.cover(Want::Slots { class: 1, owner })?;
        Some(slab.base().addr() / GRANULE)
    };
    let (one, two, three) = (slab(1).unwrap(), slab(2).unwrap(), slab(1).unwrap());
    assert!(one.abs_diff(two) > 1 && two.abs_diff(three) > 1);
    let more = std::iter::from_fn(|| slab(3)).count();
    assert_eq!(more, granules - 3);
}
