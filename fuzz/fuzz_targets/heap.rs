//! Sequences of lending, resizing and freeing, here, in another thread and in a child: what is lent
//! is zero, apart from everything else, aligned, and keeps its content; a child finds what its fork
//! policy says, and goes on with the sequence; in the end nothing is left.
#![no_main]

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::thread;

use libfuzzer_sys::fuzz_target;
use vmsafe::heap::Options;
use vmsafe::{Fork, Heap};
use vmsafe_os::lab::{fork_child, wait};
use vmsafe_os::model::Model;

/// What ought to be lent: by address the layout and the byte that fills it.
type Lent = BTreeMap<NonNull<u8>, (Layout, u8)>;

/// A heap for each fork policy on this machine's kernel, and one on the model, which forks not.
fn heap(which: u8) -> (Heap, Option<Fork>) {
    static HEAPS: [OnceLock<Heap>; 4] = [const { OnceLock::new() }; 4];
    let forks = [
        None,
        Some(Fork::Absent),
        Some(Fork::Wiped),
        Some(Fork::Moved),
    ];
    let which = usize::from(which) % HEAPS.len();
    let make = || {
        let plain = || Options::default().kernel(Model::leak());
        let options = forks[which].map_or_else(plain, |fork| Heap::options().fork(fork));
        let heap = options.canaries(true).hardened(which != 1).create();
        heap.expect("memory to lock: run this as root, or with a higher `ulimit -l`")
    };
    (*HEAPS[which].get_or_init(make), forks[which])
}

fn bytes(at: NonNull<u8>, len: usize) -> &'static [u8] {
    // SAFETY: lent for at least that many bytes; no call below keeps the slice.
    unsafe { std::slice::from_raw_parts(at.as_ptr(), len) }
}

fn enter(lent: &mut Lent, at: NonNull<u8>, layout: Layout, kept: usize, byte: u8) {
    let (start, end) = (at.addr().get(), at.addr().get() + layout.size());
    let before = lent.range(..at).next_back();
    assert!(before.is_none_or(|(at, (layout, _))| at.addr().get() + layout.size() <= start));
    assert!(
        lent.range(at..)
            .next()
            .is_none_or(|(at, _)| at.addr().get() >= end.max(start + 1))
    );
    assert!(start.is_multiple_of(layout.align()));
    assert!(
        bytes(at, layout.size())[kept..]
            .iter()
            .all(|byte| *byte == 0)
    );
    // SAFETY: just lent for this layout.
    unsafe { at.write_bytes(byte, layout.size()) };
    lent.insert(at, (layout, byte));
}

fn remove(lent: &mut Lent, which: u8) -> Option<(NonNull<u8>, Layout)> {
    let at = *lent.keys().nth(usize::from(which) % lent.len().max(1))?;
    let (layout, byte) = lent.remove(&at)?;
    assert!(bytes(at, layout.size()).iter().all(|found| *found == byte));
    Some((at, layout))
}

fn step(heap: Heap, lent: &mut Lent, [kind, which, low, high]: [u8; 4]) {
    let size = usize::from(u16::from_le_bytes([low, high])) << (which & 1);
    match kind % 8 {
        0..4 => {
            let align = 1 << (which >> 4);
            let layout = Layout::from_size_align(size, align).expect("a small layout");
            let at = heap.lend(layout).expect("the model has no limit");
            enter(lent, at, layout, 0, kind | 1);
        }
        4 | 5 => {
            if let Some((at, _)) = remove(lent, which) {
                // SAFETY: lent, and used no more.
                unsafe { heap.free(at) };
            }
        }
        6 => {
            if let Some((at, old)) = remove(lent, which) {
                let new = Layout::from_size_align(size, old.align()).expect("a small layout");
                // SAFETY: lent for `old`; only the new place is used.
                let at = unsafe { heap.resize(at, old, new) }.expect("the model has no limit");
                enter(lent, at, new, old.size().min(size), kind | 1);
            }
        }
        _ => {
            if let Some((at, _)) = remove(lent, which) {
                let at = at.as_ptr().expose_provenance();
                let elsewhere = move || {
                    let at = NonNull::new(std::ptr::with_exposed_provenance_mut(at));
                    // SAFETY: lent, and used no more.
                    unsafe { heap.free(at.expect("not null a moment ago")) };
                };
                thread::spawn(elsewhere)
                    .join()
                    .expect("a free does not panic");
            }
        }
    }
}

/// Makes of what a parent has lent what its child must find.
fn inherit(heap: Heap, lent: &mut Lent, fork: Fork) {
    match fork {
        Fork::Moved => {}
        Fork::Wiped => lent.values_mut().for_each(|(_, byte)| *byte = 0),
        Fork::Absent => {
            for at in std::mem::take(lent).into_keys() {
                assert!(!heap.owns(at));
                // SAFETY: a parent's destructor that runs in the child: it is let be.
                unsafe { heap.free(at) };
            }
        }
    }
}

fn run(heap: Heap, fork: Option<Fork>, lent: &mut Lent, steps: &[[u8; 4]]) {
    for (number, bytes) in steps.iter().enumerate() {
        match fork {
            // One fork in a process's sequence: it is what takes long.
            Some(fork) if bytes[0] % 64 == 63 => {
                let child = || {
                    inherit(heap, lent, fork);
                    run(heap, None, lent, &steps[number + 1..]);
                };
                let child = fork_child(child).expect("a child");
                assert!(wait(child).expect("an end").success(), "the child failed");
                return run(heap, None, lent, &steps[number + 1..]);
            }
            _ => step(heap, lent, *bytes),
        }
    }
    assert_eq!(heap.stats().count, lent.len());
    while let Some((at, _)) = remove(lent, 0) {
        // SAFETY: lent, and used no more.
        unsafe { heap.free(at) };
    }
    heap.trim();
    assert_eq!(heap.stats().locked, 0);
}

fuzz_target!(|input: &[u8]| {
    if let Some((which, steps)) = input.split_first() {
        let (heap, fork) = heap(*which);
        run(heap, fork, &mut Lent::new(), steps.as_chunks::<4>().0);
    }
});
