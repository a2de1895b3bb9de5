//! Sequences of lending, resizing and freeing, here and in another thread: what is lent is zero,
//! apart from everything else, aligned, and keeps its content; in the end nothing is left.
#![no_main]

use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::thread;

use libfuzzer_sys::fuzz_target;
use vmsafe::Heap;
use vmsafe_os::model::Model;

/// What ought to be lent: by address the layout and the byte that fills it.
type Lent = BTreeMap<NonNull<u8>, (Layout, u8)>;

fn heap() -> Heap {
    static HEAP: OnceLock<Heap> = OnceLock::new();
    let make = || {
        Heap::options()
            .kernel(Model::leak())
            .canaries(true)
            .create()
    };
    *HEAP.get_or_init(|| make().expect("the model grants everything"))
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

fn step(lent: &mut Lent, [kind, which, low, high]: [u8; 4]) {
    let heap = heap();
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

fuzz_target!(|input: &[u8]| {
    let mut lent = Lent::new();
    for bytes in input.as_chunks::<4>().0 {
        step(&mut lent, *bytes);
    }
    assert_eq!(heap().stats().count, lent.len());
    while let Some((at, _)) = remove(&mut lent, 0) {
        // SAFETY: lent, and used no more.
        unsafe { heap().free(at) };
    }
    heap().trim();
    assert_eq!(heap().stats().locked, 0);
});
