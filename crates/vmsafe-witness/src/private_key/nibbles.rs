//! Looks up nibbles in a table, as many at once as a vector holds.
//!
//! Every processor with vectors has an instruction for it; the library for vectors gives these each
//! by its own name.

use pulp::bytemuck::cast;
use pulp::{Scalar256b, Simd};

/// Vectors that look up nibbles.
pub(super) trait Nibbles: Simd {
    /// The entry of each of the `nibbles`, which are bytes below 16.
    fn look_up(self, table: [u8; 16], nibbles: Self::u8s) -> Self::u8s;
}

#[cfg(target_arch = "x86_64")]
impl Nibbles for pulp::x86::V4 {
    #[inline(always)]
    fn look_up(self, table: [u8; 16], nibbles: Self::u8s) -> Self::u8s {
        cast(
            self.avx512bw
                ._mm512_shuffle_epi8(cast([table; 4]), cast(nibbles)),
        )
    }
}

#[cfg(target_arch = "x86_64")]
impl Nibbles for pulp::x86::V3 {
    #[inline(always)]
    fn look_up(self, table: [u8; 16], nibbles: Self::u8s) -> Self::u8s {
        cast(
            self.avx2
                ._mm256_shuffle_epi8(cast([table; 2]), cast(nibbles)),
        )
    }
}

#[cfg(target_arch = "aarch64")]
impl Nibbles for pulp::aarch64::Neon {
    #[inline(always)]
    fn look_up(self, table: [u8; 16], nibbles: Self::u8s) -> Self::u8s {
        cast(self.neon.vqtbl1q_u8(cast(table), cast(nibbles)))
    }
}

impl Nibbles for Scalar256b {
    #[inline(always)]
    fn look_up(self, table: [u8; 16], nibbles: Self::u8s) -> Self::u8s {
        let nibbles: [u8; 32] = cast(nibbles);
        cast(nibbles.map(|nibble| table[usize::from(nibble & 15)]))
    }
}
