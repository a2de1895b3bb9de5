//! Every interleaving of the few steps that two or three threads make at one slab:
//! `RUSTFLAGS="--cfg loom" cargo test -p vmsafe --lib shelf`.

use super::super::class;
use super::*;

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

/// A slab of four slots, all lent, that `owner` has.
const CLASS: usize = class::CACHED - 1;
const OWNER: u64 = 2;

fn lent() -> (&'static Slab, Arc<Shelf>) {
    let slab: &'static Slab = Box::leak(Box::new(Slab::spare()));
    slab.open_slots(0, std::ptr::null_mut(), CLASS);
    slab.set_owner(OWNER);
    while slab.take().is_some() {}
    (slab, Arc::new(Shelf::new()))
}

fn give(shelf: &Shelf, slab: &'static Slab, index: usize) -> bool {
    shelf.give(slab, index, 0, CLASS).is_some()
}

#[test]
fn a_slot_that_comes_back_while_its_slab_is_let_go_is_found() {
    loom::model(|| {
        let (slab, shelf) = lent();
        let other = Arc::clone(&shelf);
        let giver = thread::spawn(move || assert!(!give(&other, slab, 1)));
        assert!(shelf.release(slab).is_none());
        giver.join().unwrap();
        assert!(shelf.claim(OWNER).is_some(), "the slot is lost");
        assert_eq!(slab.take(), Some(1));
        assert_eq!(slab.take(), None);
    });
}

#[test]
fn the_last_slots_of_a_slab_send_it_to_the_pool_once() {
    loom::model(|| {
        let (slab, shelf) = lent();
        assert!(shelf.release(slab).is_none());
        assert!(!give(&shelf, slab, 0) && !give(&shelf, slab, 1));
        let other = Arc::clone(&shelf);
        let giver = thread::spawn(move || give(&other, slab, 2));
        let here = give(&shelf, slab, 3);
        let there = giver.join().unwrap();
        assert!(here ^ there, "to the pool twice, or never");
        assert!(shelf.claim(OWNER).is_none(), "in the pool and on the shelf");
    });
}

#[test]
fn a_slab_that_is_claimed_does_not_go_to_the_pool() {
    loom::model(|| {
        let (slab, shelf) = lent();
        assert!(shelf.release(slab).is_none());
        for index in 0..3 {
            assert!(!give(&shelf, slab, index));
        }
        let other = Arc::clone(&shelf);
        let giver = thread::spawn(move || give(&other, slab, 3));
        let claimed = shelf.claim(OWNER).is_some();
        assert!(giver.join().unwrap() ^ claimed);
    });
}

#[test]
fn an_owner_and_another_lose_no_slot_and_lend_none_twice() {
    loom::model(|| {
        let (slab, shelf) = lent();
        let other = Arc::clone(&shelf);
        let giver = thread::spawn(move || assert!(!give(&other, slab, 0)));
        slab.check_lent(1);
        slab.put(1);
        assert_eq!(slab.take(), Some(1));
        let early = slab.collect().then(|| slab.take()).flatten();
        assert!(early.is_none_or(|index| index == 0));
        giver.join().unwrap();
        let late = slab.collect().then(|| slab.take()).flatten();
        assert!(early.is_some() ^ (late == Some(0)));
    });
}

#[test]
fn slots_off_a_shared_shelf_are_lent_once() {
    loom::model(|| {
        let (slab, shelf) = lent();
        assert!(shelf.release(slab).is_none());
        assert!(!give(&shelf, slab, 0));
        let other = Arc::clone(&shelf);
        let taker = thread::spawn(move || other.take().map(|(_, index)| index));
        assert!(!give(&shelf, slab, 1));
        let here = shelf.take().map(|(_, index)| index);
        let there = taker.join().unwrap();
        assert!(here.is_some() && there.is_some() && here != there);
    });
}

/// As a thread ends it lets go of its slab, while a second thread lends and a third frees.
#[test]
fn a_slab_outlives_the_thread_that_had_it() {
    // Three threads: all interleavings in which a thread is interrupted twice at most.
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(|| {
        let (slab, shelf) = lent();
        slab.check_lent(0);
        slab.put(0);
        let other = Arc::clone(&shelf);
        let giver = thread::spawn(move || assert!(!give(&other, slab, 1)));
        let other = Arc::clone(&shelf);
        let lender = thread::spawn(move || {
            let claimed = other.claim(OWNER + 1)?;
            claimed.take()
        });
        assert!(shelf.release(slab).is_none());
        giver.join().unwrap();
        let early = lender.join().unwrap();
        // Whoever comes last finds what is left: of two free slots each is lent once.
        if slab.owner() == OWNER + 1 {
            slab.collect();
        } else {
            assert!(shelf.claim(OWNER).is_some(), "the slots are lost");
        }
        let mut found: Vec<_> = std::iter::from_fn(|| slab.take()).chain(early).collect();
        found.sort_unstable();
        assert_eq!(found, [0, 1]);
    });
}

/// True when `f` is found to be a crime.
fn is_crime<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// What is found at the latest when the slot would be lent again.
fn is_found_later(slab: &Slab) -> bool {
    is_crime(|| while slab.take().is_some() || slab.collect() {})
}

#[test]
fn of_two_frees_by_others_one_is_a_crime() {
    loom::model(|| {
        let (slab, shelf) = lent();
        let other = Arc::clone(&shelf);
        let first = thread::spawn(move || is_crime(|| give(&other, slab, 0)));
        let second = is_crime(|| give(&shelf, slab, 0));
        assert!(first.join().unwrap() ^ second);
    });
}

#[test]
fn a_free_by_the_owner_and_one_by_another_are_a_crime() {
    loom::model(|| {
        let (slab, shelf) = lent();
        let other = Arc::clone(&shelf);
        let theirs = thread::spawn(move || is_crime(|| give(&other, slab, 0)));
        let ours = is_crime(|| {
            slab.check_lent(0);
            slab.put(0);
        });
        let found = theirs.join().unwrap() || ours;
        assert!(found || is_found_later(slab));
    });
}
