//! Bytes that are never plain in our own memory.
//!
//! Each byte is held as `byte ^ mask`, beside its mask. Neither array alone tells anything, and no
//! plain copy exists that a page-out or a core dump of the scanner could carry away.

use core::ops::Range;

use zeroize::Zeroize;

use crate::forms::Word;

/// A growing store of masked bytes, addressed by position.
#[derive(Default)]
pub(crate) struct Masked {
    masked: Vec<u8>,
    mask: Vec<u8>,
}

impl Masked {
    /// An empty store that need not grow up to `len` bytes.
    pub(crate) fn with_room(len: usize) -> Self {
        Self {
            masked: Vec::with_capacity(len),
            mask: Vec::with_capacity(len),
        }
    }

    /// Appends `words` under masks drawn from `masks`.
    pub(crate) fn extend(&mut self, words: impl IntoIterator<Item = Word>, masks: &mut MaskStream) {
        for Word { bytes, len } in words {
            let mask = masks.next_word();
            let (masked, mask) = ((bytes ^ mask).to_le_bytes(), mask.to_le_bytes());
            // Most are whole, and of a length that is known nothing is called to copy them.
            if len == masked.len() {
                self.masked.extend_from_slice(&masked);
                self.mask.extend_from_slice(&mask);
            } else {
                self.masked.extend_from_slice(&masked[..len]);
                self.mask.extend_from_slice(&mask[..len]);
            }
        }
    }

    /// Appends all of `other`, under its masks.
    pub(crate) fn append(&mut self, other: &Self) {
        self.masked.extend_from_slice(&other.masked);
        self.mask.extend_from_slice(&other.mask);
    }

    pub(crate) fn len(&self) -> usize {
        self.masked.len()
    }

    /// The plain bytes of a part, one at a time; the caller lets each live in a register only.
    pub(crate) fn plain(&self, part: Range<usize>) -> impl DoubleEndedIterator<Item = u8> + '_ {
        let masked = self.masked[part.clone()].iter();
        masked
            .zip(&self.mask[part])
            .map(|(masked, mask)| masked ^ mask)
    }

    /// The eight plain bytes from `at` on, lowest first, for a register.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> u64 {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        word(&self.masked) ^ word(&self.mask)
    }

    /// Whether `window` stands at `at`.
    pub(crate) fn is_window(&self, at: usize, window: &[u8]) -> bool {
        let stored = self.masked[at..at + window.len()]
            .iter()
            .zip(&self.mask[at..]);
        stored
            .zip(window)
            .all(|((masked, mask), byte)| byte ^ mask == *masked)
    }

    /// How many bytes of `hay` equal those from `at` on, at most up to `end`.
    pub(crate) fn matches_forward(&self, at: usize, end: usize, hay: &[u8]) -> usize {
        let stored = self.masked[at..end].iter().zip(&self.mask[at..end]);
        stored
            .zip(hay)
            .take_while(|((masked, mask), byte)| *byte ^ *mask == **masked)
            .count()
    }

    /// How many bytes at the end of `hay` equal those before `at`, at most back to `start`.
    pub(crate) fn matches_backward(&self, start: usize, at: usize, hay: &[u8]) -> usize {
        let stored = self.masked[start..at]
            .iter()
            .zip(&self.mask[start..at])
            .rev();
        let hay = hay.iter().rev();
        stored
            .zip(hay)
            .take_while(|((masked, mask), byte)| *byte ^ *mask == **masked)
            .count()
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        // What is left tells nothing without them.
        self.mask.zeroize();
    }
}

/// A stream of mask bytes from a random seed.
///
/// A mask has to look unlike the needle and to differ from run to run; it protects against being
/// found by a search, not against an attacker who reads both arrays. So a small generator
/// (SplitMix64) does, and building a searcher needs no system call that could fail.
pub(crate) struct MaskStream {
    state: u64,
}

impl MaskStream {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Another stream, of other masks for each `number`.
    pub(crate) fn fork(&self, number: u64) -> Self {
        let mut fork = Self::new(self.state.rotate_left(32) ^ number);
        Self::new(fork.next_word())
    }

    pub(crate) fn next_word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::pack;

    #[test]
    fn holds_bytes_without_holding_them_plain() {
        let plain = b"a secret of some length, to be masked";
        let mut store = Masked::default();
        store.extend(pack::<8>(plain.iter().copied()), &mut MaskStream::new(7));
        let back: Vec<u8> = store.plain(0..store.len()).collect();
        assert_eq!(back, plain);
        assert_ne!(store.masked, plain);
        assert!(
            !store
                .masked
                .windows(4)
                .any(|part| plain.windows(4).any(|other| other == part))
        );
    }

    #[test]
    fn compares_both_ways() {
        let mut store = Masked::default();
        store.extend(
            pack::<8>(b"0123456789".iter().copied()),
            &mut MaskStream::new(1),
        );
        assert_eq!(store.matches_forward(4, 10, b"4567xx"), 4);
        assert_eq!(store.matches_forward(4, 6, b"4567"), 2);
        assert_eq!(store.matches_backward(0, 4, b"xx23"), 2);
        assert_eq!(store.matches_backward(3, 4, b"0123"), 1);
    }
}
