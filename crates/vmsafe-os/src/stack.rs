//! A closure on a stack of ours.

use std::num::NonZeroUsize;

use corosensei::stack::{MIN_STACK_SIZE, STACK_ALIGNMENT, Stack, StackPointer};

use crate::Mapping;

/// The mapping as corosensei wants to see it: guards included at the low end.
struct Pages {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: `call_on` builds it of a mapping of at least MIN_STACK_SIZE bytes whose lower neighbour
// is a guard page that faults (the contract's `map`); both ends are page-aligned. The mapping is
// borrowed mutably for as long as this value lives.
unsafe impl Stack for Pages {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        corosensei::stack::StackTebFields {
            StackBase: self.base.get(),
            StackLimit: self.limit.get(),
            DeallocationStack: self.limit.get(),
            GuaranteedStackBytes: 0,
        }
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, _limit: usize, _guaranteed: usize) {}
}

/// Runs `f` with `stack` as its stack and comes back with its result; a panic travels through.
/// Overflow hits the mapping's lower guard page and faults. What `f` left in the stack stays there:
/// the caller wipes it.
///
/// # Panics
/// When the mapping is smaller than [`MIN_STACK_SIZE`], and when `f` panics.
pub fn call_on<R>(stack: &mut Mapping, f: impl FnOnce() -> R) -> R {
    assert!(
        stack.len() >= MIN_STACK_SIZE,
        "a stack of fewer than {MIN_STACK_SIZE} bytes"
    );
    let low = stack.address();
    let high = (low + stack.len()) & !(STACK_ALIGNMENT - 1);
    let ends = NonZeroUsize::new(high).zip(NonZeroUsize::new(low));
    let (base, limit) = ends.expect("no mapping starts at address zero");
    corosensei::on_stack(Pages { base, limit }, f)
}
