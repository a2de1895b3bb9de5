//! What a heap does with memory that the model lends it, and with the machine's own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod forks;
mod growth;
mod naive;
mod quota;

use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::{MutexGuard, mpsc};
use std::thread;

use vmsafe_os::model::Model;
use vmsafe_os::{Call, Kernel};

use super::*;

fn bytes_of(at: NonNull<u8>, len: usize) -> Vec<u8> {
    // SAFETY: the tests pass lent slots of at least `len` bytes.
    unsafe { std::slice::from_raw_parts(at.as_ptr(), len) }.to_vec()
}

fn fill(at: NonNull<u8>, len: usize) {
    // SAFETY: as above.
    unsafe { at.write_bytes(0xA5, len) };
}

fn free(heap: Heap, at: NonNull<u8>) {
    // SAFETY: each test frees what it lent, and uses it no more.
    unsafe { heap.free(at) };
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 1).unwrap()
}

/// Tests that lock megabytes take turns: an ordinary user may lock 8 MiB for all of a process.
fn in_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn model() -> (&'static Model, Heap) {
    let model = Model::leak();
    let heap = Heap::options().kernel(model).create().unwrap();
    (model, heap)
}

#[test]
fn what_is_lent_is_zero_and_apart() {
    let _turn = in_turn();
    let heap = Heap::new().unwrap();
    let sizes = [
        0,
        1,
        16,
        17,
        31,
        32,
        100,
        1000,
        4096,
        5000,
        32 << 10,
        (32 << 10) + 1,
        1 << 20,
    ];
    let mut lent: Vec<_> = sizes
        .map(|size| (heap.lend(layout(size)).unwrap(), size))
        .to_vec();
    lent.sort_by_key(|(at, _)| at.addr());
    for pair in lent.windows(2) {
        assert!(pair[0].0.addr().get() + pair[0].1 <= pair[1].0.addr().get());
    }
    for (at, size) in &lent {
        assert!(bytes_of(*at, *size).iter().all(|byte| *byte == 0));
        assert!(heap.usable(*at).unwrap() >= *size);
        fill(*at, *size);
    }
    assert_eq!(heap.stats().count, sizes.len());
    for (at, _) in lent {
        free(heap, at);
    }
    assert_eq!(heap.stats().count, 0);
    heap.trim();
}

#[test]
fn what_was_freed_is_zero() {
    let (_, heap) = model();
    let at = heap.lend(layout(48)).unwrap();
    fill(at, 48);
    assert!(
        bytes_of(at, 48).iter().all(|byte| *byte == 0xA5),
        "the control"
    );
    free(heap, at);
    // The slab stays this thread's, so the page is still there to look at.
    assert!(bytes_of(at, 48).iter().all(|byte| *byte == 0));
}

#[test]
fn resizing_keeps_the_content_and_leaves_none_behind() {
    let (_, heap) = model();
    let at = heap.lend(layout(40)).unwrap();
    fill(at, 40);
    // SAFETY: lent for that layout; only the new place is used.
    let same = unsafe { heap.resize(at, layout(40), layout(33)) }.unwrap();
    assert_eq!(same, at, "48 bytes hold 33 too");
    assert_eq!(bytes_of(at, 48)[33..], [0; 15], "what was cut off is zero");
    // SAFETY: as above.
    let moved = unsafe { heap.resize(at, layout(33), layout(100 << 10)) }.unwrap();
    assert_ne!(moved, at);
    assert_eq!(bytes_of(at, 48), [0; 48], "the old place is zero");
    assert_eq!(bytes_of(moved, 33), [0xA5; 33]);
    assert!(
        bytes_of(moved, 100 << 10)[33..]
            .iter()
            .all(|byte| *byte == 0)
    );
    // SAFETY: as above.
    let back = unsafe { heap.resize(moved, layout(100 << 10), layout(8)) }.unwrap();
    assert_eq!(bytes_of(back, 8), [0xA5; 8]);
    free(heap, back);
    assert_eq!(heap.stats().count, 0);
}

#[test]
fn alignment_is_kept() {
    let (_, heap) = model();
    for align in [1, 16, 64, 256, 4096, 8192, 65536] {
        for size in [1, 100, 5000, 40_000] {
            let layout = Layout::from_size_align(size, align).unwrap();
            let at = heap.lend(layout).unwrap();
            assert!(at.addr().get().is_multiple_of(align), "{size} at {align}");
            fill(at, size);
            free(heap, at);
        }
    }
}

#[test]
fn a_full_quota_is_an_error_with_numbers_and_ends_with_a_free() {
    let (kernel, heap) = model();
    kernel.limit_locks(256 << 10);
    let mut lent = Vec::new();
    let error = loop {
        match heap.lend(layout(1024)) {
            Ok(at) => lent.push(at),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, Error::LockLimit { limit: 262_144, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("LimitMEMLOCK"), "{error}");
    assert!(lent.len() >= 255, "only {} of 256 fit", lent.len());
    assert!(kernel.lock_limit().unwrap().used <= 256 << 10);
    free(heap, lent.pop().unwrap());
    lent.push(heap.lend(layout(1024)).unwrap());
    for at in lent {
        free(heap, at);
    }
    // Another class gets what the first gave back.
    let large = heap.lend(layout(200 << 10)).unwrap();
    free(heap, large);
}

#[test]
fn a_plan_comes_true() {
    let (kernel, heap) = model();
    kernel.limit_locks(1 << 20);
    let plan = heap.plan(32).unwrap();
    let mut lent = Vec::new();
    while let Ok(at) = heap.lend(layout(32)) {
        lent.push(at);
    }
    let short = plan.limit.unwrap() - lent.len() as u64;
    assert!(short <= 128, "promised {plan:?}, got {}", lent.len());
    assert!(plan.ready > 0 && plan.ready < lent.len());
    assert_eq!(heap.plan(32).unwrap().ready, 0);
    lent.into_iter().for_each(|at| free(heap, at));
}

#[test]
fn chunks_go_back_zeroed_when_their_last_slot_does() {
    let (kernel, heap) = model();
    let lent: Vec<_> = (0..20_000)
        .map(|_| heap.lend(layout(32)).unwrap())
        .collect();
    let full = heap.stats();
    assert!(full.locked >= 640_000 && full.chunks > 2);
    lent.iter().for_each(|at| fill(*at, 32));
    lent.into_iter().for_each(|at| free(heap, at));
    heap.trim();
    assert_eq!(
        heap.stats(),
        Stats {
            locked: 0,
            lent: 0,
            count: 0,
            chunks: 0
        }
    );
    assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
}

#[test]
fn a_thread_gives_back_what_it_held_ready() {
    let (_, heap) = model();
    thread::spawn(move || {
        for size in [16, 32, 64, 4096] {
            free(heap, heap.lend(layout(size)).unwrap());
        }
        assert!(heap.stats().locked > 0);
    })
    .join()
    .unwrap();
    heap.trim();
    assert_eq!(heap.stats().locked, 0);
}

#[test]
fn what_one_thread_makes_another_frees() {
    let (_, heap) = model();
    let (send, receive) = mpsc::sync_channel::<(usize, usize)>(64);
    let consumer = thread::spawn(move || {
        for (at, seed) in receive {
            let at = NonNull::new(std::ptr::with_exposed_provenance_mut(at)).unwrap();
            assert_eq!(bytes_of(at, 8), (seed as u64).to_ne_bytes());
            free(heap, at);
        }
    });
    for seed in 0..50_000_usize {
        let at = heap.lend(layout(8 + seed % 600)).unwrap();
        // SAFETY: lent, and at least 8 bytes.
        unsafe { at.cast::<u64>().write_unaligned(seed as u64) };
        send.send((at.as_ptr().expose_provenance(), seed)).unwrap();
    }
    drop(send);
    consumer.join().unwrap();
    heap.trim();
    assert_eq!(
        heap.stats().locked,
        0,
        "what was freed from outside came back"
    );
}

#[test]
fn refusals_are_told_and_leave_nothing() {
    let kernel = Model::leak();
    kernel.refuse(Call::MapSecret, std::io::ErrorKind::Unsupported);
    kernel.refuse(Call::Lock, std::io::ErrorKind::PermissionDenied);
    let error = Heap::options().kernel(kernel).create().unwrap_err();
    assert!(matches!(error, Error::System(_)), "{error}");
    assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
}

#[test]
fn the_grade_is_the_worst_chunks() {
    let (kernel, heap) = model();
    assert!(heap.grade().unwrap().of(Threat::ProcessRead).is_closed());
    assert!(!heap.leaves_stale_frames());
    kernel.refuse(Call::MapSecret, std::io::ErrorKind::Unsupported);
    let large = heap.lend(layout(1 << 20)).unwrap();
    let grade = heap.grade().unwrap();
    assert!(grade.of(Threat::Swap).is_closed());
    assert!(!grade.of(Threat::ProcessRead).is_closed());
    assert!(heap.leaves_stale_frames());
    assert!(
        grade
            .of(Threat::Hibernation)
            .reason()
            .contains("frames that were moved")
    );
    free(heap, large);
}

#[test]
fn after_a_clone_without_handlers_nothing_is_lent_or_touched() {
    let (kernel, heap) = model();
    let at = heap.lend(layout(32)).unwrap();
    fill(at, 32);
    assert!(heap.owns(at), "the control");
    kernel.fork();
    assert!(!heap.owns(at), "what it holds is not there to be dropped");
    assert_eq!(heap.usable(at), None);
    assert!(
        heap.lend(layout(32))
            .unwrap_err()
            .to_string()
            .contains("bare clone")
    );
    free(heap, at);
    assert_eq!(
        bytes_of(at, 32),
        [0xA5; 32],
        "the pages are not this process's to wipe"
    );
}

#[test]
fn canaries_are_not_part_of_what_is_lent() {
    let kernel = Model::leak();
    let heap = Heap::options()
        .kernel(kernel)
        .canaries(true)
        .create()
        .unwrap();
    for size in [1, 8, 32, 33, 4096, 32 << 10, 100 << 10] {
        let at = heap.lend(layout(size)).unwrap();
        let usable = heap.usable(at).unwrap();
        assert!(usable >= size);
        fill(at, usable);
        free(heap, at);
    }
}
