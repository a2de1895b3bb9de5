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

#[test]
fn half_of_a_full_heap_can_be_lent_again() {
    let (kernel, heap) = model();
    kernel.limit_locks(1 << 20);
    let mut lent = Vec::new();
    while let Ok(at) = heap.lend(layout(32)) {
        lent.push(at);
    }
    let full = lent.len();
    let mut random = 7_usize;
    for _ in 0..full / 2 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        free(heap, lent.swap_remove((random >> 33) % lent.len()));
    }
    while let Ok(at) = heap.lend(layout(32)) {
        lent.push(at);
    }
    assert_eq!(lent.len(), full);
    lent.into_iter().for_each(|at| free(heap, at));
    heap.trim();
    assert_eq!(heap.stats().locked, 0);
}
