//! The secrets to look for, held masked.

mod error;
mod intake;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;

use crate::forms::words;
use crate::masked::{MaskStream, Masked, Plain};

pub use error::NeedleError;

/// The shortest needle, in bytes: shorter ones stand in any large input by chance.
pub const SHORTEST_NEEDLE: usize = 8;
/// The longest needle, in bytes.
pub const LONGEST_NEEDLE: usize = 16 * 1024;

/// The number of a needle: 0 for the first that was pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeedleId(pub(crate) usize);

impl NeedleId {
    /// The needle with this number.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self(number)
    }

    /// The number, 0 for the first needle.
    #[must_use]
    pub fn number(self) -> usize {
        self.0
    }
}

impl fmt::Display for NeedleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of needles, each masked as soon as it arrives.
#[derive(Default)]
pub struct Needles {
    /// Under masks from a random seed, once there is a needle.
    store: Masked,
    spans: Vec<Range<usize>>,
}

impl Needles {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one needle and returns its number. The caller's own copy is the caller's to wipe.
    ///
    /// # Errors
    ///
    /// [`NeedleError::TooShort`], [`NeedleError::TooLong`] or [`NeedleError::AllAlike`] if the
    /// bytes cannot be told from chance, and [`NeedleError::Random`] if no mask could be drawn.
    pub fn push(&mut self, bytes: &[u8]) -> Result<NeedleId, NeedleError> {
        check(bytes)?;
        if self.is_empty() {
            let seed = getrandom::u64().map_err(|_| NeedleError::Random)?;
            self.store = Masked::new(MaskStream::new(seed));
        }
        let start = self.store.append(words(bytes));
        self.spans.push(start..start + bytes.len());
        Ok(NeedleId(self.spans.len() - 1))
    }

    /// How many needles the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether the set holds no needle.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The length in bytes of one needle, `None` if there is no such needle.
    #[must_use]
    pub fn len_of(&self, needle: NeedleId) -> Option<usize> {
        self.spans.get(needle.0).map(ExactSizeIterator::len)
    }

    /// Two bytes that notice most mix-ups of two sets of needles, and are too few to confirm a
    /// guess. Different for each `salt`.
    #[must_use]
    pub fn mark(&self, salt: u64) -> u16 {
        // Byte by byte, so that no block of a needle stands plain in a hash function's buffer.
        let mut state = salt;
        let mut mix = |value: u64| state = MaskStream::new(state ^ value).next_word();
        for number in 0..self.len() {
            mix(self.spans[number].len() as u64);
            self.plain(number).bytes().for_each(|byte| mix(byte.into()));
        }
        let [low, high, ..] = state.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// One needle, to be read.
    pub(crate) fn plain(&self, number: usize) -> Plain<'_> {
        let span = &self.spans[number];
        Plain::new(&self.store, span.start, span.len())
    }

    /// Further masks, others for each `number`.
    pub(crate) fn masks(&self, number: u64) -> MaskStream {
        self.store.fork(number)
    }
}

/// Shows the number of needles, never their content.
impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needles")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn check(bytes: &[u8]) -> Result<(), NeedleError> {
    if bytes.len() < SHORTEST_NEEDLE {
        return Err(NeedleError::TooShort { len: bytes.len() });
    }
    if bytes.len() > LONGEST_NEEDLE {
        return Err(NeedleError::TooLong { len: bytes.len() });
    }
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err(NeedleError::AllAlike);
    }
    Ok(())
}
