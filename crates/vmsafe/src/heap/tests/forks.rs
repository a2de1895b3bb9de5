//! What a real child finds, while another thread of the parent is busy in the heap.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use vmsafe_os::lab::{fork_child, wait};

use super::naive::{Naive, steps};
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
    let _turn = in_turn();
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
    heap.trim();
}

#[test]
fn a_wiped_heap_goes_on_with_zeros() {
    let _turn = in_turn();
    let (heap, at) = heap(Fork::Wiped);
    let run = heap.lend(layout(40_000)).unwrap();
    fill(run, 40_000);
    in_children(heap, || {
        assert_eq!(bytes_of(at, 64), [0; 64]);
        assert!(bytes_of(run, 40_000).iter().all(|byte| *byte == 0));
        // What it inherited it may use: the canaries are whole again.
        fill(at, 64);
        fill(run, 40_000);
        free(heap, at);
        free(heap, run);
        exercise(heap);
    });
    free(heap, run);
    assert_eq!(bytes_of(at, 64), [0xA5; 64]);
    free(heap, at);
    heap.trim();
}

#[test]
fn a_moved_heap_goes_on_as_it_was() {
    let _turn = in_turn();
    let (heap, at) = heap(Fork::Moved);
    in_children(heap, || {
        assert_eq!(bytes_of(at, 64), [0xA5; 64]);
        fill(at, 32);
        free(heap, at);
        exercise(heap);
    });
    assert_eq!(bytes_of(at, 64), [0xA5; 64]);
    free(heap, at);
    heap.trim();
}

/// What a child of this policy finds in place of what its parent has.
fn inherit(naive: &mut Naive, heap: Heap, fork: Fork) {
    match fork {
        Fork::Moved => {}
        Fork::Wiped => naive.lent.values_mut().for_each(|(_, byte)| *byte = 0),
        Fork::Absent => {
            for at in std::mem::take(&mut naive.lent).into_keys() {
                assert!(!heap.owns(at));
                free(heap, at);
            }
        }
    }
}

/// Set in a process that has one test to run.
const ALONE: &str = "VMSAFE_TEST_ALONE";

/// True in a process in which no other test runs; elsewhere `test` is run in one, and must pass.
///
/// The standard library keeps a lock around what it knows of its threads' stacks. A fork while
/// another test starts a thread leaves that lock shut in the child, and a child that starts a
/// thread of its own waits for it for ever.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.args(["--exact", test, "--test-threads=1"])
        .env(ALONE, "1");
    let done = own.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    // A name that is no test's would end well too.
    let passed = done.status.success() && said.contains("1 passed");
    assert!(passed, "{said}{}", String::from_utf8_lossy(&done.stderr));
    false
}

#[test]
fn a_heap_that_could_not_be_made_leaves_no_trace() {
    if is_alone("heap::tests::forks::a_heap_that_could_not_be_made_leaves_no_trace") {
        let kernel = Model::leak();
        let options = Heap::options().kernel(kernel);
        kernel.limit_locks(0);
        for _ in 0..10 {
            let error = options.create().unwrap_err();
            assert!(matches!(error, Error::LockLimit { .. }), "{error}");
        }
        assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
        // Of the first page of a quota a heap can be made, and it has a cache: its id is the first.
        kernel.limit_locks(4096);
        let heap = options.create().unwrap();
        assert_eq!((heap.home.id(), heap.stats().locked), (0, 4096));
        free(heap, heap.lend(layout(32)).unwrap());
        assert!(options.create().is_err(), "the quota is used up");
    }
}

#[test]
fn a_child_goes_on_as_its_policy_says() {
    if is_alone("heap::tests::forks::a_child_goes_on_as_its_policy_says") {
        children_go_on_as_their_policy_says();
    }
}

proptest! {
    // Each case forks.
    #![proptest_config(ProptestConfig::with_cases(24))]

    fn children_go_on_as_their_policy_says(
        before in steps(),
        after in steps(),
        fork in prop_oneof![Just(Fork::Absent), Just(Fork::Wiped), Just(Fork::Moved)],
        canaries: bool,
    ) {
        let heap = Heap::options().fork(fork).canaries(canaries).hardened(true).create().unwrap();
        let mut naive = Naive::default();
        before.iter().for_each(|step| naive.step(heap, step));
        let child = fork_child(|| {
            inherit(&mut naive, heap, fork);
            for step in &after {
                naive.step(heap, step);
                assert_eq!(heap.stats().count, naive.lent.len());
            }
            naive.end(heap);
        });
        prop_assert!(wait(child.unwrap()).unwrap().success(), "the child failed");
        after.iter().for_each(|step| naive.step(heap, step));
        naive.end(heap);
        heap.trim();
        prop_assert_eq!(heap.stats().locked, 0);
    }
}
