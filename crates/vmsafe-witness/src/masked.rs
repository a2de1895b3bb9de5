//! Bytes that are never plain in our own memory.
//!
//! Each byte is held as `byte ^ mask`. The masks are not held at all: they are a function of the
//! place and of a random seed. So no plain copy exists that a page-out or a core dump of the
//! scanner could carry away.

use zeroize::Zeroize;

use crate::forms::Word;

/// The bytes that share a mask. What is added to a store begins at a multiple of it.
pub(crate) const WORD: usize = size_of::<u64>();

/// A store of masked bytes, addressed by position.
pub(crate) struct Masked {
    words: Vec<u64>,
    masks: MaskStream,
}

impl Masked {
    /// An empty store under `masks`.
    pub(crate) fn new(masks: MaskStream) -> Self {
        let words = Vec::new();
        Self { words, masks }
    }

    /// A store with `rooms` of so many words each, to be filled side by side. A room that is not
    /// used takes no memory.
    pub(crate) fn with_rooms(rooms: &[usize], masks: MaskStream) -> Self {
        let words = vec![0; rooms.iter().sum()];
        Self { words, masks }
    }

    /// The rooms of a store that has these.
    pub(crate) fn rooms(&mut self, rooms: &[usize]) -> Vec<Room<'_>> {
        let Self { words, masks } = self;
        let (mut left, mut first) = (words.as_mut_slice(), 0);
        let room = |len: &usize| {
            let (words, behind) = core::mem::take(&mut left).split_at_mut(*len);
            left = behind;
            first += len;
            let masks = &*masks;
            Room {
                words: words.iter_mut(),
                next: first - len,
                masks,
            }
        };
        rooms.iter().map(room).collect()
    }

    /// Appends `words`, all but the last of which are whole; tells where they begin.
    pub(crate) fn append(&mut self, words: impl Iterator<Item = Word>) -> usize {
        let first = self.words.len();
        let masked = words
            .zip(first..)
            .map(|(word, nth)| word.bytes ^ self.masks.nth(nth));
        self.words.extend(masked);
        first * WORD
    }

    /// Further masks, others for each `number`.
    pub(crate) fn fork(&self, number: u64) -> MaskStream {
        self.masks.fork(number)
    }

    /// The eight plain bytes that begin at word `nth`, lowest first, for a register. Behind the end
    /// they mean nothing.
    #[inline(always)]
    fn nth(&self, nth: usize) -> u64 {
        let masked = self.words.get(nth).copied().unwrap_or_default();
        masked ^ self.masks.nth(nth)
    }

    /// The eight plain bytes from `at` on, lowest first, for a register. Behind the end they mean
    /// nothing.
    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u64 {
        let (nth, bits) = (at / WORD, at % WORD * 8);
        if bits == 0 {
            return self.nth(nth);
        }
        self.nth(nth) >> bits | self.nth(nth + 1) << (64 - bits)
    }

    /// One plain byte.
    fn byte(&self, at: usize) -> u8 {
        (self.nth(at / WORD) >> (at % WORD * 8)).to_le_bytes()[0]
    }

    /// How many bytes of `hay` equal those from `at` on, at most up to `end`.
    pub(crate) fn matches_forward(&self, at: usize, end: usize, hay: &[u8]) -> usize {
        let hay = &hay[..hay.len().min(end - at)];
        equal_to(hay, |nth| self.word(at + nth))
    }

    /// How many bytes at the end of `hay` equal those before `at`, at most back to `start`.
    pub(crate) fn matches_backward(&self, start: usize, at: usize, hay: &[u8]) -> usize {
        let stored = (start..at).rev().map(|at| self.byte(at));
        stored
            .zip(hay.iter().rev())
            .take_while(|(stored, byte)| stored == *byte)
            .count()
    }
}

impl Default for Masked {
    /// An empty store whose masks are not secret.
    fn default() -> Self {
        Self::new(MaskStream::new(0))
    }
}

/// How many bytes of `hay` equal others, of which `word` gives eight from a place on.
pub(crate) fn equal_to(hay: &[u8], word: impl Fn(usize) -> u64) -> usize {
    let mut equal = 0;
    for part in hay.chunks(WORD) {
        let differing = differing(word(equal), part);
        equal += differing;
        if differing < part.len() {
            break;
        }
    }
    equal
}

/// Where in `part`, of at most a word, the first byte is that `word` has not.
fn differing(word: u64, part: &[u8]) -> usize {
    let mut bytes = [0; WORD];
    bytes[..part.len()].copy_from_slice(part);
    let differing = word ^ u64::from_le_bytes(bytes);
    (differing.trailing_zeros() as usize / 8).min(part.len())
}

/// A part of a store that is filled from its start.
pub(crate) struct Room<'a> {
    words: core::slice::IterMut<'a, u64>,
    /// The number of the next word.
    next: usize,
    masks: &'a MaskStream,
}

impl Room<'_> {
    /// Where the next word will begin.
    pub(crate) fn position(&self) -> usize {
        self.next * WORD
    }

    /// Adds eight bytes.
    ///
    /// # Panics
    ///
    /// If the room is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, bytes: u64) {
        let word = self.words.next().expect("a room has place for all forms");
        *word = bytes ^ self.masks.nth(self.next);
        self.next += 1;
    }
}

/// A part of a store, to be read.
#[derive(Clone, Copy)]
pub(crate) struct Plain<'a> {
    store: &'a Masked,
    start: usize,
    len: usize,
}

impl<'a> Plain<'a> {
    /// The `len` bytes that were added at `start`.
    pub(crate) fn new(store: &'a Masked, start: usize, len: usize) -> Self {
        debug_assert_eq!(start % WORD, 0, "only whole additions are read");
        Self { store, start, len }
    }

    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The eight bytes from `at` on, for a register; behind the end they mean nothing.
    #[inline(always)]
    pub(crate) fn word(self, at: usize) -> u64 {
        self.store.word(self.start + at)
    }

    /// The bytes, one at a time; the caller lets each live in a register only.
    pub(crate) fn bytes(self) -> impl DoubleEndedIterator<Item = u8> + 'a {
        (self.start..self.start + self.len).map(|at| self.store.byte(at))
    }
}

/// A stream of mask bytes from a random seed.
///
/// A mask has to look unlike the needle and to differ from run to run; it protects against being
/// found by a search, not against an attacker who reads all of our memory. So a small generator
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
        let word = self.nth(0);
        self.state = self.state.wrapping_add(STEP);
        word
    }

    /// The word that follows `nth` others.
    #[inline(always)]
    pub(crate) fn nth(&self, nth: usize) -> u64 {
        let steps = STEP.wrapping_mul(nth as u64 + 1);
        let mut word = self.state.wrapping_add(steps);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// From each state of a [`MaskStream`] to the next.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Drop for MaskStream {
    fn drop(&mut self) {
        // What was masked tells nothing without it.
        self.state.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::{exact, words};

    fn store_of(plain: &[u8], seed: u64) -> Masked {
        let mut store = Masked::new(MaskStream::new(seed));
        assert_eq!(store.append(words(plain)), 0);
        store
    }

    fn masked_bytes(store: &Masked) -> Vec<u8> {
        store
            .words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    #[test]
    fn holds_bytes_without_holding_them_plain() {
        let plain = b"a secret of some length, to be masked";
        let store = store_of(plain, 7);
        let read = Plain::new(&store, 0, plain.len());
        assert_eq!(read.bytes().collect::<Vec<u8>>(), plain);
        for (at, window) in plain.windows(WORD).enumerate() {
            assert_eq!(read.word(at).to_le_bytes(), window, "{at}");
        }
        let held = masked_bytes(&store);
        let stands = |part: &[u8]| held.windows(4).any(|other| other == part);
        assert!(!plain.windows(4).any(stands));
    }

    #[test]
    fn equal_words_are_held_unequal() {
        let store = store_of(&[7; 64], 7);
        let mut words = store.words.clone();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), 8);
    }

    #[test]
    fn rooms_are_filled_side_by_side() {
        let mut store = Masked::with_rooms(&[2, 0, 3], MaskStream::new(3));
        let mut rooms = store.rooms(&[2, 0, 3]);
        assert_eq!(
            [0, 1, 2].map(|nth: usize| rooms[nth].position()),
            [0, 16, 16]
        );
        rooms[2].push(5);
        rooms[0].push(6);
        rooms[2].push(7);
        assert_eq!(rooms[2].position(), 32);
        assert_eq!([0, 16, 24].map(|at| store.word(at)), [6, 5, 7]);
    }

    #[test]
    fn the_stream_gives_its_words_in_order() {
        let mut masks = MaskStream::new(11);
        let all = [0, 1, 2, 3].map(|nth| masks.nth(nth));
        assert_eq!([(); 4].map(|()| masks.next_word()), all);
    }

    #[test]
    fn compares_both_ways() {
        let store = store_of(b"0123456789abcdefghij", 1);
        assert_eq!(store.matches_forward(4, 10, b"4567xx"), 4);
        assert_eq!(store.matches_forward(4, 6, b"4567"), 2);
        assert_eq!(store.matches_forward(1, 20, b"123456789abcdefghijk"), 19);
        assert_eq!(store.matches_forward(1, 20, b"123456789abcde.ghijk"), 14);
        assert_eq!(store.matches_backward(0, 4, b"xx23"), 2);
        assert_eq!(store.matches_backward(3, 4, b"0123"), 1);
    }

    #[test]
    fn a_needle_is_read_from_where_it_was_added() {
        let mut store = store_of(b"some other", 1);
        let start = store.append(words(b"needle"));
        let needle = Plain::new(&store, start, 6);
        assert_eq!(needle.bytes().rev().collect::<Vec<u8>>(), b"eldeen");
        assert_eq!(exact(needle).map(|word| word.len).collect::<Vec<_>>(), [6]);
    }
}
