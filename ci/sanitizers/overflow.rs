//! The control of AddressSanitizer: reads one byte behind a heap allocation.

use std::hint::black_box;

fn main() {
    let bytes = black_box(vec![7_u8; 32]);
    let beyond = bytes.as_ptr().wrapping_add(32);
    // SAFETY: none: this is what the sanitizer must find.
    black_box(unsafe { beyond.read_volatile() });
}
