//! Against a naive model: a map from address to content, over random sequences, in one thread and
//! in several.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Lend { size: usize, align: u32 },
    Free { which: usize },
    Resize { which: usize, size: usize },
    FreeElsewhere { which: usize },
    Trim,
}

fn sizes() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..300_usize, 3 => 300..5000_usize, 1 => 5000..120_000_usize]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = 0..1000_usize;
    let step = prop_oneof![
        6 => (sizes(), 0..8_u32).prop_map(|(size, align)| Step::Lend { size, align }),
        4 => which.clone().prop_map(|which| Step::Free { which }),
        2 => (which.clone(), sizes()).prop_map(|(which, size)| Step::Resize { which, size }),
        1 => which.prop_map(|which| Step::FreeElsewhere { which }),
        1 => Just(Step::Trim),
    ];
    prop::collection::vec(step, 1..400)
}

/// What ought to be lent: address, layout, and the byte that fills it.
#[derive(Default)]
pub(super) struct Naive {
    pub(super) lent: BTreeMap<NonNull<u8>, (Layout, u8)>,
    next: u8,
}

impl Naive {
    fn enter(&mut self, at: NonNull<u8>, layout: Layout, kept: usize) {
        let end = at.addr().get() + layout.size();
        if let Some((before, (size, _))) = self.lent.range(..at).next_back() {
            assert!(
                before.addr().get() + size.size().max(1) <= at.addr().get(),
                "overlap"
            );
        }
        if let Some((after, _)) = self.lent.range(at..).next() {
            assert!(end <= after.addr().get() && *after != at, "overlap");
        }
        assert!(at.addr().get().is_multiple_of(layout.align()));
        assert!(
            bytes_of(at, layout.size())[kept..]
                .iter()
                .all(|byte| *byte == 0)
        );
        self.next = self.next % 255 + 1;
        // SAFETY: just lent for this layout.
        unsafe { at.write_bytes(self.next, layout.size()) };
        self.lent.insert(at, (layout, self.next));
    }

    fn remove(&mut self, which: usize) -> Option<(NonNull<u8>, Layout)> {
        let at = *self.lent.keys().nth(which % self.lent.len().max(1))?;
        let (layout, byte) = self.lent.remove(&at)?;
        assert!(
            bytes_of(at, layout.size())
                .iter()
                .all(|found| *found == byte),
            "content changed"
        );
        Some((at, layout))
    }

    pub(super) fn step(&mut self, heap: Heap, step: &Step) {
        match *step {
            Step::Lend { size, align } => {
                let layout = Layout::from_size_align(size, 1 << (align * 2)).unwrap();
                self.enter(heap.lend(layout).unwrap(), layout, 0);
            }
            Step::Free { which } => {
                if let Some((at, _)) = self.remove(which) {
                    free(heap, at);
                }
            }
            Step::Resize { which, size } => {
                if let Some((at, old)) = self.remove(which) {
                    let new = Layout::from_size_align(size, old.align()).unwrap();
                    let kept = old.size().min(size);
                    let before = bytes_of(at, kept);
                    // SAFETY: lent for `old`; only the new place is used.
                    let at = unsafe { heap.resize(at, old, new) }.unwrap();
                    assert_eq!(bytes_of(at, kept), before);
                    self.enter(at, new, kept);
                }
            }
            Step::FreeElsewhere { which } => {
                if let Some((at, _)) = self.remove(which) {
                    let at = at.as_ptr().expose_provenance();
                    let there = move || NonNull::new(std::ptr::with_exposed_provenance_mut(at));
                    thread::spawn(move || free(heap, there().unwrap()))
                        .join()
                        .unwrap();
                }
            }
            Step::Trim => heap.trim(),
        }
    }

    pub(super) fn end(&mut self, heap: Heap) {
        while let Some((at, _)) = self.remove(0) {
            free(heap, at);
        }
    }
}

/// One thread of several: what it lends and frees itself, and what the next one is to free.
fn work(heap: Heap, steps: &[Step], to: &mpsc::Sender<Parcel>, from: &mpsc::Receiver<Parcel>) {
    let mut naive = Naive::default();
    let take = |parcel: Parcel| {
        let bytes = bytes_of(parcel.place(), parcel.len);
        assert!(
            bytes.iter().all(|byte| *byte == parcel.byte),
            "content changed"
        );
        free(heap, parcel.place());
    };
    for step in steps {
        if let Step::FreeElsewhere { which } = *step {
            let at = naive
                .lent
                .keys()
                .nth(which % naive.lent.len().max(1))
                .copied();
            if let Some((at, (layout, byte))) = at.and_then(|at| naive.lent.remove_entry(&at)) {
                let at = at.as_ptr().expose_provenance();
                let len = layout.size();
                // The box of a thread that has ended is kept.
                assert!(to.send(Parcel { at, len, byte }).is_ok());
            }
        } else {
            naive.step(heap, step);
        }
        from.try_iter().for_each(take);
    }
    naive.end(heap);
}

/// Something lent that another thread is to free.
struct Parcel {
    at: usize,
    len: usize,
    byte: u8,
}

impl Parcel {
    fn place(&self) -> NonNull<u8> {
        NonNull::new(std::ptr::with_exposed_provenance_mut(self.at)).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_heap_is_a_map_of_disjoint_zeroed_places(steps in steps(), canaries: bool) {
        let kernel = Model::leak();
        let heap = Heap::options().kernel(kernel).canaries(canaries).create().unwrap();
        let mut naive = Naive::default();
        for step in &steps {
            naive.step(heap, step);
            prop_assert_eq!(heap.stats().count, naive.lent.len());
        }
        naive.end(heap);
        heap.trim();
        prop_assert_eq!(heap.stats().locked, 0);
        prop_assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
    }

    #[test]
    fn threads_that_free_what_others_lent_lose_nothing(
        all in prop::collection::vec(steps(), 2..5),
        hardened: bool,
    ) {
        let kernel = Model::leak();
        let heap = Heap::options().kernel(kernel).hardened(hardened).create().unwrap();
        let (to, from): (Vec<_>, Vec<_>) = all.iter().map(|_| mpsc::channel()).unzip();
        let workers = all.into_iter().zip(from).enumerate().map(|(number, (steps, from))| {
            let to = to[(number + 1) % to.len()].clone();
            thread::spawn(move || {
                work(heap, &steps, &to, &from);
                from
            })
        });
        let workers: Vec<_> = workers.collect();
        let boxes: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        // What came after a thread had done its last step is still in its box.
        for parcel in boxes.iter().flat_map(mpsc::Receiver::try_iter) {
            free(heap, parcel.place());
        }
        heap.trim();
        prop_assert_eq!(heap.stats().locked, 0);
        prop_assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
    }
}
