//! What a real child finds, while another thread of the parent is busy in the heap.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use vmsafe_os::lab::{fork_child, wait};

use super::*;

/// Forks ten times while another thread lends and frees; each child runs `body` and must succeed.
fn in_children(heap: Heap, body: impl Fn()) {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let other = thread::spawn(move || {
        let mut lent = Vec::new();
        while !seen.load(Ordering::Relaxed) {
            for size in [16, 100, 3000, 9000, 40_000] {
                lent.push(heap.lend(layout(size)).unwrap());
            }
            if lent.len() > 100 {
                lent.drain(..).for_each(|at| free(heap, at));
            }
        }
        lent.into_iter().for_each(|at| free(heap, at));
    });
    for _ in 0..10 {
        let child = fork_child(&body).unwrap();
        let status = wait(child).unwrap();
        assert!(status.success(), "{status}");
    }
    stop.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

/// Uses the heap as a program does.
fn exercise(heap: Heap) {
    let mut lent = Vec::new();
    for size in [16, 32, 32, 100, 3000, 9000, 40_000] {
        for _ in 0..20 {
            let at = heap.lend(layout(size)).unwrap();
            assert!(bytes_of(at, size).iter().all(|byte| *byte == 0));
            fill(at, size);
            lent.push(at);
        }
    }
    lent.into_iter().for_each(|at| free(heap, at));
}

fn heap(fork: Fork) -> (Heap, NonNull<u8>) {
    let heap = Heap::options().fork(fork).canaries(true).create().unwrap();
    let at = heap.lend(layout(64)).unwrap();
    fill(at, 64);
    (heap, at)
}

#[test]
fn an_absent_heap_begins_anew_and_leaves_its_parents_alone() {
    let (heap, at) = heap(Fork::Absent);
    in_children(heap, || {
        assert_eq!(heap.stats().count, 0);
        assert!(!heap.owns(at));
        // A destructor of the parent's, run in the child: nothing happens.
        free(heap, at);
        exercise(heap);
        assert!(heap.grade().unwrap().of(Threat::Swap).is_closed());
    });
    assert_eq!(bytes_of(at, 64), [0xA5; 64]);
    free(heap, at);
    exercise(heap);
}

#[test]
fn a_wiped_heap_goes_on_with_zeros() {
    let (heap, at) = heap(Fork::Wiped);
    in_children(heap, || {
        assert_eq!(bytes_of(at, 64), [0; 64]);
        free(heap, at);
        exercise(heap);
    });
    assert_eq!(bytes_of(at, 64), [0xA5; 64]);
    free(heap, at);
}

#[test]
fn a_moved_heap_goes_on_as_it_was() {
    let (heap, at) = heap(Fork::Moved);
    in_children(heap, || {
        assert_eq!(bytes_of(at, 64), [0xA5; 64]);
        fill(at, 32);
        free(heap, at);
        exercise(heap);
    });
    assert_eq!(bytes_of(at, 64), [0xA5; 64]);
    free(heap, at);
}
