//! What a heap keeps of what nobody uses, and what it gives up when the quota is full.

use super::*;

#[test]
fn vacant_chunks_are_kept_up_to_a_bound() {
    let (kernel, heap) = model();
    let lent: Vec<_> = (0..200_000)
        .map(|_| heap.lend(layout(32)).unwrap())
        .collect();
    let full = heap.stats().locked;
    assert!(full > 6 << 20, "the control");
    lent.into_iter().for_each(|at| free(heap, at));
    // Two MiB of vacant chunks, and the one that holds this thread's slab.
    let kept = heap.stats();
    assert!(kept.locked > 0 && kept.locked <= 3 << 20, "{kept:?}");
    assert_eq!((kept.count, kernel.dirty_unmaps()), (0, 0));
    let maps = heap.stats().chunks;
    for _ in 0..10 {
        let lent: Vec<_> = (0..20_000)
            .map(|_| heap.lend(layout(32)).unwrap())
            .collect();
        assert_eq!(heap.stats().chunks, maps, "a mapping was made anew");
        lent.into_iter().for_each(|at| free(heap, at));
    }
}

#[test]
fn vacant_chunks_are_given_up_for_what_fits_none_of_them() {
    let (kernel, heap) = model();
    kernel.limit_locks(1 << 20);
    let lent: Vec<_> = (0..30_000)
        .map(|_| heap.lend(layout(32)).unwrap())
        .collect();
    lent.into_iter().for_each(|at| free(heap, at));
    assert!(heap.stats().locked > 512 << 10, "the control");
    let large = heap.lend(layout(768 << 10)).unwrap();
    free(heap, large);
}

/// Frees some of them, whichever they are.
fn free_at_random(heap: Heap, lent: &mut Vec<NonNull<u8>>, count: usize) {
    let mut random = 7_usize;
    for _ in 0..count {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        free(heap, lent.swap_remove((random >> 33) % lent.len()));
    }
}

#[test]
fn half_of_a_full_heap_can_be_lent_again() {
    let (kernel, heap) = model();
    kernel.limit_locks(1 << 20);
    let mut lent = Vec::new();
    while let Ok(at) = heap.lend(layout(32)) {
        lent.push(at);
    }
    let full = lent.len();
    free_at_random(heap, &mut lent, full / 2);
    while let Ok(at) = heap.lend(layout(32)) {
        lent.push(at);
    }
    assert_eq!(lent.len(), full);
    lent.into_iter().for_each(|at| free(heap, at));
    heap.trim();
    assert_eq!(heap.stats().locked, 0);
}

/// A heap as an ordinary user has it, full.
fn full_of_small() -> (&'static Model, Heap, Vec<NonNull<u8>>) {
    let (kernel, heap) = model();
    kernel.limit_locks(8 << 20);
    let lent: Vec<_> = std::iter::from_fn(|| heap.lend(layout(32)).ok()).collect();
    assert_eq!(lent.len(), 262_144);
    (kernel, heap, lent)
}

#[test]
fn chunks_go_back_with_the_last_of_what_is_strewn_over_them() {
    let (kernel, heap, mut lent) = full_of_small();
    free_at_random(heap, &mut lent, 131_072);
    // Of every page one is left.
    assert_eq!(heap.stats().locked, 8 << 20);
    free_at_random(heap, &mut lent, 131_072);
    let kept = heap.stats().locked;
    assert!(
        kept <= 3 << 20,
        "{kept}: 2 MiB, and the chunk of the slab in use"
    );
    assert_eq!(kernel.dirty_unmaps(), 0);
}

#[test]
fn chunks_go_back_as_soon_as_what_is_in_them_does() {
    let (_, heap, mut lent) = full_of_small();
    lent.sort_unstable();
    let mut near = lent.split_off(131_072);
    let count = near.len();
    free_at_random(heap, &mut near, count);
    let locked = heap.stats().locked;
    assert!(
        locked <= 7 << 20,
        "{locked}: half, a chunk on its edge, and the 2 MiB that are kept"
    );
    assert_eq!(heap.stats().count, 131_072);
    lent.into_iter().for_each(|at| free(heap, at));
}
