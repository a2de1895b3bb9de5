//! With which vector instructions a search runs.

use pulp::{Arch, Scalar256b, Simd, WithSimd};

use crate::buffer::PAGE;

/// Runs `search` with the widest vectors of this processor. What has none is told as much, and left
/// to the compiler.
pub(crate) fn widest<S: WithSimd>(search: S) -> S::Output {
    match Arch::new() {
        Arch::Scalar => Scalar256b.vectorize(search),
        arch => arch.dispatch(search),
    }
}

/// Runs `search` with vectors of 256 bits, if this processor has them and wider ones.
pub(crate) fn narrower<S: WithSimd>(search: S) -> S::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(vectors) = pulp::x86::V3::try_new() {
        return Simd::vectorize(vectors, search);
    }
    widest(search)
}

/// Whether all bytes are zero, as on much of any disk.
pub(crate) fn is_empty(bytes: &[u8]) -> bool {
    // What is not empty seldom begins with a page of zeros.
    bytes.chunks(PAGE).all(|page| widest(Empty(page)))
}

struct Empty<'a>(&'a [u8]);

impl WithSimd for Empty<'_> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        self.0.iter().fold(0, |any, byte| any | byte) == 0
    }
}

/// Runs each of `searches` with other vectors: they are to find the same.
#[cfg(test)]
pub(crate) fn all<S: WithSimd>(searches: impl Fn() -> S) -> [S::Output; 4] {
    let search = || searches();
    [
        widest(search()),
        narrower(search()),
        pulp::Scalar128b.vectorize(search()),
        Scalar256b.vectorize(search()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_is_not_empty() {
        for len in [0, 1, 63, 64, 4095, 4096, 4097, 9000] {
            let mut bytes = vec![0; len];
            assert!(is_empty(&bytes));
            for at in (0..len).step_by(61).chain(len.checked_sub(1)) {
                bytes[at] = 1;
                assert_eq!(all(|| Empty(&bytes)), [false; 4], "{at} of {len}");
                assert!(!is_empty(&bytes), "{at} of {len}");
                bytes[at] = 0;
            }
        }
    }
}
