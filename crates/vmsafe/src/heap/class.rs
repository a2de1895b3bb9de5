//! Size classes: which slot a request gets, and how many slots stand in a slab.
//!
//! Eight classes up to 128 bytes, then four for each doubling up to 32 KiB: at most a fifth of a
//! slot is lost to rounding above 64 bytes.

use std::alloc::Layout;

/// Bytes of the unit that chunks are divided into. No larger than any page.
pub(super) const GRANULE: usize = 4096;
/// How many classes there are.
pub(super) const CLASSES: usize = 40;
/// The classes below this one, up to 4 KiB a slot, are cached by threads: above it, wiping takes
/// longer than a lock does.
pub(super) const CACHED: usize = 28;
/// Most slots of a slab.
pub(super) const SLOTS: usize = 256;

/// Bytes of a slot, class by class.
pub(super) const SIZES: [usize; CLASSES] = sizes();

const fn sizes() -> [usize; CLASSES] {
    let mut sizes = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = match class {
            0..8 => 16 * (class + 1),
            _ => (5 + (class - 8) % 4) << (5 + (class - 8) / 4),
        };
        class += 1;
    }
    sizes
}

/// The class of up to [`NEAR`] bytes, by the number of sixteens.
static NEAR_CLASSES: [u8; NEAR / 16 + 1] = near_classes();

/// Up to so many bytes the class is looked up.
pub(super) const NEAR: usize = 1024;

const fn near_classes() -> [u8; NEAR / 16 + 1] {
    let mut classes = [0; NEAR / 16 + 1];
    let (mut sixteens, mut class) = (0, 0);
    while sixteens < classes.len() {
        if SIZES[class as usize] < sixteens * 16 {
            class += 1;
        }
        classes[sixteens] = class;
        sixteens += 1;
    }
    classes
}

/// The class of a request of `size` bytes; `None` when it wants a run of its own.
#[inline]
pub(super) fn of(size: usize) -> Option<usize> {
    near(size).or_else(|| far(size))
}

/// The same, if it can be looked up.
#[inline]
pub(super) fn near(size: usize) -> Option<usize> {
    (size <= NEAR).then(|| usize::from(NEAR_CLASSES[size.div_ceil(16)]))
}

fn far(size: usize) -> Option<usize> {
    let last = size - 1;
    let doubling = last.ilog2() as usize;
    let class = 8 + (doubling - 7) * 4 + ((last >> (doubling - 2)) & 3);
    (class < CLASSES).then_some(class)
}

/// The bytes to ask for, so that a slot's place satisfies the layout's alignment. A slot whose size
/// is a power of two stands at a multiple of it, up to a granule.
#[inline]
pub(super) fn padded(layout: Layout, extra: usize) -> usize {
    let size = layout.size().saturating_add(extra);
    if layout.align() <= 16 {
        return size;
    }
    let least = size.max(layout.align());
    least.checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// Granules of a slab of this class: few, so that a thread's caches hoard little; enough for four
/// slots up to 4 KiB.
pub(super) const fn granules(class: usize) -> usize {
    let size = SIZES[class];
    match size {
        0..=1024 => 1,
        1025..=2048 => 2,
        2049..=4096 => 4,
        _ => {
            let mut slots = 1;
            while !(slots * size).is_multiple_of(GRANULE) {
                slots *= 2;
            }
            slots * size / GRANULE
        }
    }
}

/// Slots of a slab of this class.
pub(super) const fn slots(class: usize) -> usize {
    granules(class) * GRANULE / SIZES[class]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gets_the_smallest_slot_that_holds_it() {
        for size in 0..=32 << 10 {
            let class = of(size).unwrap();
            assert!(SIZES[class] >= size, "{size}");
            assert!(
                class == 0 || SIZES[class - 1] < size,
                "{size} would fit a smaller slot"
            );
        }
        assert_eq!(of((32 << 10) + 1), None);
        assert_eq!(of(usize::MAX), None);
    }

    #[test]
    fn slabs_are_whole_granules_of_few_enough_slots() {
        for (class, size) in SIZES.iter().enumerate() {
            assert!(slots(class) >= 1 && slots(class) <= SLOTS);
            let waste = granules(class) * GRANULE - slots(class) * size;
            assert!(waste * 7 <= granules(class) * GRANULE, "class {class}");
        }
        assert_eq!(SIZES[CACHED - 1], 4096);
    }

    #[test]
    fn alignment_is_a_property_of_the_slot() {
        for align in [1, 8, 16, 32, 64, 1024, 4096] {
            for size in [1, 24, 100, 4000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let slot = SIZES[of(padded(layout, 0)).unwrap()];
                assert!(slot >= size);
                assert!(
                    slot.is_multiple_of(align.min(16))
                        && (align <= 16 || slot.is_multiple_of(align))
                );
            }
        }
    }
}
