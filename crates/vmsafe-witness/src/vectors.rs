//! With which vector instructions a search runs.

use pulp::{Arch, Scalar256b, Simd, WithSimd};

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
