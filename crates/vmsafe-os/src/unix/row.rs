//! Row: items side by side in memory of the system's allocator, whatever the program's own is.
//!
//! What a fork's handlers read must be there in the child. The program's allocator may be one whose
//! memory is kept from children; and it may come back here for more, while the row's lock is held.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

/// A row that grows and keeps its memory for good.
pub(super) struct Row<T> {
    start: NonNull<T>,
    len: usize,
    capacity: usize,
}

// SAFETY: it owns its items, as a vector does.
unsafe impl<T: Send> Send for Row<T> {}

impl<T: Copy> Row<T> {
    pub(super) const fn new() -> Self {
        Self {
            start: NonNull::dangling(),
            len: 0,
            capacity: 0,
        }
    }

    /// Adds an item; false when there is no memory for it.
    #[must_use]
    pub(super) fn push(&mut self, item: T) -> bool {
        if self.len == self.capacity && self.grow().is_none() {
            return false;
        }
        // SAFETY: within the memory of the row, which has room for one more.
        let end = unsafe { self.start.add(self.len) };
        // SAFETY: aligned, and nobody else's.
        unsafe { end.write(item) };
        self.len += 1;
        true
    }

    pub(super) fn items(&mut self) -> &mut [T] {
        // SAFETY: `len` items that were written, or none at a dangling but aligned place; `&mut
        // self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// Keeps the items that `keep` wants, in their order.
    pub(super) fn retain_mut(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let (mut kept, items) = (0, self.items());
        for place in 0..items.len() {
            if keep(&mut items[place]) {
                items[kept] = items[place];
                kept += 1;
            }
        }
        self.len = kept;
    }

    fn grow(&mut self) -> Option<()> {
        let wanted = (2 * self.capacity).max(16);
        let layout = Layout::array::<T>(wanted).ok()?;
        let start = match Layout::array::<T>(self.capacity) {
            // SAFETY: lent by `System` for that layout, and not used by this address again.
            Ok(old) if old.size() > 0 => unsafe {
                System.realloc(self.start.as_ptr().cast(), old, layout.size())
            },
            // SAFETY: items have a size, and there are some.
            _ => unsafe { System.alloc(layout) },
        };
        self.start = NonNull::new(start)?.cast();
        self.capacity = wanted;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_wanted_in_order() {
        let mut row = Row::new();
        assert!(row.items().is_empty());
        for number in 0..1000_u32 {
            assert!(row.push(number));
        }
        row.retain_mut(|number| {
            *number += 1;
            number.is_multiple_of(3)
        });
        let expected: Vec<_> = (1..=1000_u32).filter(|number| number % 3 == 0).collect();
        assert_eq!(row.items(), expected);
        assert!(row.push(7));
        assert_eq!(row.items().last(), Some(&7));
        row.retain_mut(|_| false);
        assert!(row.items().is_empty());
    }
}
