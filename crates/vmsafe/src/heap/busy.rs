//! Busy: whether this thread is inside the heap's own books, whose memory is ordinary.

use std::cell::Cell;

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Until it is dropped this thread is inside.
#[derive(Debug)]
pub(crate) struct Busy(());

pub(crate) fn enter() -> Busy {
    DEPTH.set(DEPTH.get() + 1);
    Busy(())
}

pub(super) fn is_inside() -> bool {
    DEPTH.get() > 0
}

impl Drop for Busy {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
