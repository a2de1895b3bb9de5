//! A closure on a stack of ours, and what it used of it.

use std::num::NonZeroUsize;

use corosensei::stack::{MIN_STACK_SIZE, STACK_ALIGNMENT, Stack, StackPointer};

use zeroize::Zeroize;

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

/// Bytes that are looked at in one go.
const STRIDE: usize = 512;

/// Zeroes what was used of a stack that was zero before: everything from its lowest byte that is
/// not zero now. Every byte below that one was looked at, so all of it is zero afterwards, whatever
/// ran there and however it left gaps.
///
/// # Panics
/// Never: the mapping's length is a multiple of the page size.
pub fn wipe_used(stack: &mut Mapping) {
    let bytes = stack.as_mut_slice();
    let strides = bytes.chunks_exact(STRIDE);
    debug_assert!(strides.remainder().is_empty(), "whole pages");
    let clean = clean_strides(bytes) * STRIDE;
    bytes[clean..].zeroize();
}

/// How many strides from the low end are zero.
fn clean_strides(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: AVX-512F is there.
        return unsafe { clean_strides_avx512(bytes) };
    } else if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: AVX2 is there.
        return unsafe { clean_strides_avx2(bytes) };
    }
    count_clean(bytes)
}

/// The same, compiled for registers of 64 bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn clean_strides_avx512(bytes: &[u8]) -> usize {
    count_clean(bytes)
}

/// The same, compiled for registers of 32 bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn clean_strides_avx2(bytes: &[u8]) -> usize {
    count_clean(bytes)
}

#[inline(always)]
fn count_clean(bytes: &[u8]) -> usize {
    let (strides, _) = bytes.as_chunks::<STRIDE>();
    let is_zero = |stride: &&[u8; STRIDE]| stride.iter().fold(0, |all, byte| all | byte) == 0;
    strides.iter().take_while(is_zero).count()
}
