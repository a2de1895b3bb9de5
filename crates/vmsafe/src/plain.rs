//! Plain: types of which any bytes are a value.

/// A type that is its bytes: any bytes are a value of it, it has no padding, and holds no pointer
/// to anything that it owns. So it can begin as zeros, be filled with random bytes, be compared
/// byte by byte, and be forgotten by zeroing.
///
/// # Safety
/// All of that is true. For a structure: `#[repr(C)]` or `#[repr(transparent)]`, every field
/// `Plain`, and no padding between or behind them.
pub unsafe trait Plain: Sized + 'static {
    /// The value of which all bytes are zero.
    #[must_use]
    fn zeroed() -> Self {
        // SAFETY: any bytes are a value, so zeros are.
        unsafe { std::mem::zeroed() }
    }
}

macro_rules! plain {
    ($($plain:ty)*) => {
        $(
            // SAFETY: every bit pattern is a number; numbers have no padding.
            unsafe impl Plain for $plain {}
        )*
    };
}

plain!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

// SAFETY: elements of an array stand side by side without padding.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The bytes of some values.
pub(crate) fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: a `Plain` value has no padding, so all of its bytes are initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of some values, to change.
pub(crate) fn bytes_of_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    let len = size_of_val(values);
    // SAFETY: as in `bytes_of`; and any bytes written are values again.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), len) }
}

/// The value that begins at the first byte.
///
/// # Panics
/// When the bytes are too few or not aligned.
pub(crate) fn of_bytes<T: Plain>(bytes: &mut [u8]) -> &mut T {
    assert_fits::<T>(bytes);
    // SAFETY: aligned and long enough, as asserted; any bytes are a value; borrowed mutably.
    unsafe { &mut *bytes.as_mut_ptr().cast::<T>() }
}

/// As [`of_bytes`], to read.
pub(crate) fn of_shared_bytes<T: Plain>(bytes: &[u8]) -> &T {
    assert_fits::<T>(bytes);
    // SAFETY: aligned and long enough, as asserted; any bytes are a value.
    unsafe { &*bytes.as_ptr().cast::<T>() }
}

fn assert_fits<T>(bytes: &[u8]) {
    assert!(bytes.len() >= size_of::<T>(), "too few bytes for a value");
    let at = bytes.as_ptr().cast::<T>();
    assert!(at.is_aligned(), "bytes that are not aligned for a value");
}
