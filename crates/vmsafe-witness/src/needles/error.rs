//! Why a needle was refused. No variant carries a byte of it.

use std::io;

use super::{LONGEST_NEEDLE, SHORTEST_NEEDLE};

/// Why a needle was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NeedleError {
    /// Fewer than [`SHORTEST_NEEDLE`] bytes.
    #[error(
        "needle of {len} bytes is too short to mean anything: \
         give at least {SHORTEST_NEEDLE} bytes, better 16"
    )]
    TooShort {
        /// Its length in bytes.
        len: usize,
    },
    /// More than [`LONGEST_NEEDLE`] bytes.
    #[error(
        "needle of {len} bytes is too long: give at most {LONGEST_NEEDLE} bytes, \
         a part of a longer secret finds it just as well"
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// All bytes have the same value.
    #[error("all bytes of the needle are alike: it would match padding, give a real secret")]
    AllAlike,
    /// No random bytes for the mask.
    #[error("the system gave no random bytes to mask the needle with: try again later")]
    Random,
    /// The line has no known prefix.
    #[error("no known prefix: write hex:…, base64:… or text:…")]
    Prefix,
    /// What follows `hex:` is not hexadecimal.
    #[error("not hexadecimal: write pairs of the digits 0-9 and a-f without spaces")]
    Hex,
    /// What follows `base64:` is not base64.
    #[error("not base64: use the standard or the URL alphabet, with or without padding")]
    Base64,
    /// A line is longer than any needle could be.
    #[error("line is too long: a needle has at most {LONGEST_NEEDLE} bytes")]
    LineTooLong,
    /// A line of a needle file was refused.
    #[error("line {number} of the needles: {because}")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What was wrong with it.
        because: Box<Self>,
    },
    /// The needles could not be read.
    #[error("cannot read the needles: {0}")]
    Read(#[from] io::Error),
}
