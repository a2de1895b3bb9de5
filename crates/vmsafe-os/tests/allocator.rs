//! What the registry of forks takes from the program's allocator: nothing. That one may have locked
//! memory of its own to enter there, and what it lends may be kept from children.

#![cfg(not(vmsafe_absent))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use vmsafe_os::{Fork, Mapping, Source, native};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static ENTERS: Cell<bool> = const { Cell::new(false) };
}

/// Counts, and asks the registry as an allocator of locked memory does.
struct Entering;

/// Makes a mapping and enters it, without coming back here for the memory of that.
fn enter() {
    if ENTERS.replace(false) {
        let kernel = native();
        let mapping = Mapping::new(kernel, Source::Anonymous, kernel.page_size());
        if let Ok(mut mapping) = mapping {
            let _ = mapping.on_fork(Source::Anonymous, Fork::Absent);
        }
        ENTERS.set(true);
    }
}

// SAFETY: memory comes from the system's allocator and goes back to it; nothing here unwinds.
unsafe impl GlobalAlloc for Entering {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        enter();
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        enter();
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Entering = Entering;

fn counted(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn an_arrangement_for_forks_takes_nothing_from_the_programs_allocator() {
    let kernel = native();
    let map = || Mapping::new(kernel, Source::Anonymous, kernel.page_size()).unwrap();
    let mut mappings: Vec<_> = std::iter::repeat_with(map).take(300).collect();
    mappings[0].on_fork(Source::Anonymous, Fork::Wiped).unwrap();
    let taken = counted(|| {
        for mapping in &mut mappings {
            mapping.on_fork(Source::Anonymous, Fork::Wiped).unwrap();
        }
    });
    assert_eq!(taken, 0);
    let control = counted(|| drop(std::hint::black_box(Box::new(taken))));
    assert_eq!(control, 1, "the control");
}

#[test]
fn an_allocator_that_enters_its_own_memory_does_not_wait_for_itself() {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        ENTERS.set(true);
        let kernel = native();
        let mut kept = Vec::new();
        for number in 0..40 {
            let name = format!("vmsafe-allocator-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let store = kernel.create(&path).unwrap();
            store.unlink().unwrap();
            let mut mapping = Mapping::new(kernel, Source::Anonymous, kernel.page_size()).unwrap();
            mapping.on_fork(Source::Anonymous, Fork::Absent).unwrap();
            kept.push((store, mapping));
        }
        drop(kept);
        ENTERS.set(false);
        send.send(()).unwrap();
    });
    let done = receive.recv_timeout(Duration::from_secs(60));
    assert!(done.is_ok(), "the thread waits for a lock that it holds");
}
