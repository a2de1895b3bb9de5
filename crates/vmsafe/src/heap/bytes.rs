//! Bytes: the only place of the heap that touches the secret pages.

use std::ptr::NonNull;

use zeroize::Zeroize;

/// Bytes of a canary.
pub(super) const CANARY: usize = 8;

/// What slots are made of: sixteen bytes, and aligned so.
#[repr(C, align(16))]
struct Block([u8; 16]);

/// Up to so many bytes it is sooner to store than to call.
pub(super) const FEW: usize = 256;

/// Zeroes `len` bytes, for certain.
///
/// # Safety
/// `at` is aligned to 16 bytes and starts `len` bytes, a multiple of 16, of a live chunk, of which
/// no reference is in use.
#[inline]
pub(super) unsafe fn wipe(at: NonNull<u8>, len: usize) {
    if len <= FEW {
        // SAFETY: as the caller promised.
        return unsafe { wipe_few(at, len) };
    }
    // SAFETY: aligned, mapped, initialised (chunks start as zeros), and nobody else's, says the
    // caller.
    let words = unsafe { std::slice::from_raw_parts_mut(at.cast::<u64>().as_ptr(), len / 8) };
    words.zeroize();
}

/// The same for 16 to [`FEW`] bytes: a store or two from each end, which meet, in place of a loop
/// for what is small.
///
/// # Safety
/// As [`wipe`], and `len` is not zero.
#[inline]
pub(super) unsafe fn wipe_few(at: NonNull<u8>, len: usize) {
    let wipe_block = |offset: usize| {
        // SAFETY: both ends of the slot, and what lies between, are `len` bytes.
        let block = unsafe { at.add(offset) }.cast::<Block>();
        // SAFETY: as in `wipe`.
        let block = unsafe { &mut *block.as_ptr() };
        block.0.as_mut_slice().zeroize();
    };
    wipe_block(0);
    wipe_block(len - 16);
    if len > 32 {
        wipe_block(16);
        wipe_block(len - 32);
        (32..len.saturating_sub(32))
            .step_by(16)
            .for_each(wipe_block);
    }
}

/// True when all of `len` bytes are zero.
///
/// # Safety
/// As [`wipe`].
pub(super) unsafe fn is_zero(at: NonNull<u8>, len: usize) -> bool {
    // SAFETY: as in `wipe`.
    let blocks = unsafe { std::slice::from_raw_parts(at.cast::<u128>().as_ptr(), len / 16) };
    blocks.iter().fold(0, |all, block| all | block) == 0
}

/// The same for 16 to [`FEW`] bytes, from both ends as [`wipe_few`].
///
/// # Safety
/// As [`wipe_few`].
#[inline]
pub(super) unsafe fn is_zero_few(at: NonNull<u8>, len: usize) -> bool {
    let block = |offset: usize| {
        // SAFETY: both ends of the slot, and what lies between, are `len` bytes.
        let block = unsafe { at.add(offset) }.cast::<u128>();
        // SAFETY: aligned as the slot is, initialised, and nobody else's.
        unsafe { block.read() }
    };
    let mut all = block(0) | block(len - 16);
    if len > 32 {
        all |= block(16) | block(len - 32);
        for offset in (32..len.saturating_sub(32)).step_by(16) {
            all |= block(offset);
        }
    }
    all == 0
}

/// Copies `len` bytes from one slot to another.
///
/// # Safety
/// Both are live and `len` bytes long, and they are two slots.
pub(super) unsafe fn copy(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    // SAFETY: two slots never overlap; the caller vouches for the rest.
    unsafe { to.copy_from_nonoverlapping(from, len) };
}

/// The place of a slot's canary: its last eight bytes.
///
/// # Safety
/// `at` starts a live slot of `size` bytes, a multiple of 8.
unsafe fn canary(at: NonNull<u8>, size: usize) -> NonNull<u64> {
    // SAFETY: a slot has at least 16 bytes, so the place lies in it.
    unsafe { at.add(size - CANARY) }.cast()
}

/// Writes a canary.
///
/// # Safety
/// As [`canary`]; nobody else uses the slot.
pub(super) unsafe fn set_canary(at: NonNull<u8>, size: usize, value: u64) {
    // SAFETY: as the caller promised.
    let place = unsafe { canary(at, size) };
    // SAFETY: within the slot, and aligned, for slot and size are multiples of 8.
    unsafe { place.write(value) };
}

/// True when the canary stands.
///
/// # Safety
/// As [`canary`].
pub(super) unsafe fn has_canary(at: NonNull<u8>, size: usize, value: u64) -> bool {
    // SAFETY: as the caller promised.
    let place = unsafe { canary(at, size) };
    // SAFETY: within the slot, and aligned, as above.
    let found = unsafe { place.read() };
    found == value
}

/// The slot at `offset` bytes into a chunk.
///
/// # Safety
/// The offset lies within the chunk that starts at `base`, which is not null.
#[inline]
pub(super) unsafe fn slot(base: *mut u8, offset: usize) -> NonNull<u8> {
    // SAFETY: within one mapping, says the caller.
    let slot = unsafe { base.add(offset) };
    // SAFETY: no mapping holds address zero.
    unsafe { NonNull::new_unchecked(slot) }
}

/// Zeroes the bytes from `from` up to `to`, if there are any.
///
/// # Safety
/// `at` starts a lent slot of at least `to` bytes.
pub(super) unsafe fn wipe_between(at: NonNull<u8>, from: usize, to: usize) {
    let len = to.saturating_sub(from);
    if len == 0 {
        return;
    }
    // SAFETY: from < to, which lies within the slot.
    let start = unsafe { at.add(from) };
    // SAFETY: initialised, for slots start as zeros, and given up by the caller of `resize`.
    let tail = unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), len) };
    tail.zeroize();
}
