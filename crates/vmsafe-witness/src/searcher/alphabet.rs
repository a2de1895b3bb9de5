//! Which windows of memory the needles that are text could have: those of their own characters.
//!
//! Much of a disk is ASCII, and little of that is written with the characters of some hexadecimal
//! digits, say, alone. Who tells that by vector instructions asks the filter seldom.

use pulp::Simd;

use super::windows::{WINDOW, load};

/// A byte at each place of a window.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Ranges of characters that are told apart: letters, capitals and digits, for example.
const RANGES: usize = 3;

/// Some ASCII characters, but for NUL, and others between them where they are many.
#[derive(Clone, Default)]
pub(super) struct Alphabet {
    /// A bit for each character that is held. What was held once stays so: nobody learns it again.
    held: u128,
    /// Where a range begins, and where it has ended, in turn, as what must be added to a byte for
    /// its highest bit to tell that it is not below. None is told by 0, which ASCII stays below.
    borders: [u64; 2 * RANGES],
}

impl Alphabet {
    /// The highest bit of each byte of a window.
    pub(super) const HIGHEST: u64 = all(0x80);
    /// Where UTF-16 has zeros, in a window that begins with one and in one that does not.
    pub(super) const WIDE: [u64; 2] = [0x00ff_00ff_00ff_00ff, 0xff00_ff00_ff00_ff00];
    /// What [`Self::own`] tells of a window that is held: all bytes, or every second one.
    pub(super) const WHOLE: [u64; 3] = [
        Self::HIGHEST,
        Self::HIGHEST & Self::WIDE[1],
        Self::HIGHEST & Self::WIDE[0],
    ];

    /// Where a pattern that is text may have zeros, in a window that begins with it.
    pub(super) const ZEROS: [u64; 3] = [0, Self::WIDE[0], Self::WIDE[1]];

    /// Whether all bytes of `window` are ASCII, and just those zero that `zeros` has ones at.
    pub(super) fn is_ascii(window: u64, zeros: u64) -> bool {
        // Each byte that is not zero carries into its highest bit.
        let is_set = (window & !Self::HIGHEST) + !Self::HIGHEST;
        window & Self::HIGHEST == 0 && is_set & Self::HIGHEST == Self::HIGHEST & !zeros
    }

    /// Whether all of `window` is of these characters: as bytes, or as pairs of such a byte and a
    /// zero, as UTF-16 writes them.
    pub(super) fn holds(&self, window: u64) -> bool {
        let is_pairs = |zeros: &u64| self.holds_pairs(window, *zeros);
        self.holds_bytes(window) || Self::WIDE.iter().any(is_pairs)
    }

    /// Whether all bytes of `window` are of these characters.
    pub(super) fn holds_bytes(&self, window: u64) -> bool {
        self.own(window) == Self::HIGHEST
    }

    /// Whether the bytes where `zeros` has none are of these characters, and the others are zeros.
    pub(super) fn holds_pairs(&self, window: u64, zeros: u64) -> bool {
        window & zeros == 0 && self.own(window) == Self::HIGHEST & !zeros
    }

    /// The highest bit of each byte that is of these characters.
    pub(super) fn own(&self, window: u64) -> u64 {
        // Without their highest bits no byte carries into the next.
        let letters = window & !Self::HIGHEST;
        let toggled = |inside, border| inside ^ (letters + border);
        let inside = self.borders.into_iter().fold(0, toggled);
        inside & !window & Self::HIGHEST
    }

    /// As [`Self::own`], of the window at `at` of `hay`: what is not there may be of the alphabet.
    pub(super) fn own_beside(&self, hay: &[u8], at: Option<usize>) -> u64 {
        let window = at.and_then(|at| hay.get(at..at + WINDOW));
        window.map_or(Self::HIGHEST, |window| self.own(load(window)))
    }

    /// As [`Self::own`], of as many windows as a vector holds.
    #[inline(always)]
    pub(super) fn own_of<S: Simd>(&self, simd: S, windows: S::u64s) -> S::u64s {
        let highest = simd.splat_u64s(Self::HIGHEST);
        let letters = simd.and_u64s(windows, simd.not_u64s(highest));
        let mut inside = simd.splat_u64s(0);
        for border in self.borders {
            let reached = simd.add_u64s(letters, simd.splat_u64s(border));
            inside = simd.xor_u64s(inside, reached);
        }
        simd.and_u64s(simd.and_u64s(inside, highest), simd.not_u64s(windows))
    }

    /// Takes in the characters of `window`, all ASCII, but for zeros.
    pub(super) fn learn(&mut self, window: u64) {
        if !self.holds(window) {
            let letters = window.to_le_bytes().into_iter().filter(|byte| *byte != 0);
            self.add(letters.fold(0, |set, letter| set | 1 << letter));
        }
    }

    /// Those of base64's two alphabets, hexadecimal digits among them.
    pub(super) fn of_digits() -> Self {
        let mut digits = Self::default();
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
        let set = (0..0x80).filter(is_digit);
        digits.add(set.fold(0, |set, digit| set | 1 << digit));
        digits
    }

    /// Takes in all characters of another.
    pub(super) fn unite(&mut self, other: &Self) {
        self.add(other.held);
    }

    fn add(&mut self, letters: u128) {
        let changes = changes(self.held | letters);
        self.held = 0;
        for range in changes.chunks(2) {
            self.held |= (range[0]..range[1]).fold(0, |set, letter| set | 1 << letter);
        }
        self.borders = [0; 2 * RANGES];
        for (border, change) in self.borders.iter_mut().zip(changes) {
            *border = all(0x80 - change);
        }
    }
}

/// Where few ranges that hold all `letters` begin and have ended, in turn.
fn changes(letters: u128) -> Vec<u8> {
    let is_held = |letter: u8| letter < 0x80 && letters >> letter & 1 == 1;
    let mut changes: Vec<u8> = (1..=0x80)
        .filter(|&letter| is_held(letter) != is_held(letter - 1))
        .collect();
    while changes.len() > 2 * RANGES {
        // Joins the two ranges with the smallest gap between them.
        let gap = |nth: &usize| changes[nth + 1] - changes[*nth];
        let smallest = (1..changes.len() - 1).step_by(2).min_by_key(gap);
        let Some(nth) = smallest else { break };
        changes.drain(nth..=nth + 1);
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(text: &[u8]) -> Alphabet {
        let mut alphabet = Alphabet::default();
        for part in text.windows(8) {
            alphabet.learn(u64::from_le_bytes(part.try_into().unwrap()));
        }
        alphabet
    }

    fn characters(alphabet: &Alphabet) -> Vec<u8> {
        (0..=0xff)
            .filter(|&byte| alphabet.holds(all(byte)))
            .collect()
    }

    #[test]
    fn holds_what_it_learned_and_nothing_else() {
        assert!(characters(&Alphabet::default()).is_empty());
        assert_eq!(characters(&learned(b"abcdefgh")), b"abcdefgh");
        let digits = learned(b"0123456789abcdefABCDEF");
        assert_eq!(characters(&digits), b"0123456789ABCDEFabcdef");
        assert_eq!(characters(&learned(&[1, 0x7f].repeat(8))), [1, 0x7f]);
    }

    #[test]
    fn joins_the_ranges_that_are_nearest() {
        let four = learned(b"\x01\x01AAzz\x7f\x7f");
        assert_eq!(characters(&four), b"\x01Az{|}~\x7f");
    }

    #[test]
    fn what_was_held_once_stays_held() {
        // Three ranges, one of which takes in `C`; then a fourth, for which others are joined.
        let mut alphabet = learned(b"AAAAEEEE  zzzz  ");
        for text in [
            b"CCCCCCCC",
            b"\x01\x01\x01\x01~~~~",
            b"ZZZZ0000",
            b"mmmm9999",
        ] {
            let before = characters(&alphabet);
            alphabet.learn(u64::from_le_bytes(*text));
            let after = characters(&alphabet);
            assert!(
                before
                    .iter()
                    .chain(text)
                    .all(|letter| after.contains(letter))
            );
        }
    }

    #[test]
    fn text_has_no_zeros_but_those_of_utf_16() {
        let kinds = |window: &[u8; 8]| {
            let window = u64::from_le_bytes(*window);
            Alphabet::ZEROS.map(|zeros| Alphabet::is_ascii(window, zeros))
        };
        assert_eq!(kinds(b"\x01ext...\x7f"), [true, false, false]);
        assert_eq!(kinds(b"\0w\0i\0d\0e"), [false, true, false]);
        assert_eq!(kinds(b"w\0i\0d\0e\0"), [false, false, true]);
        for bytes in [
            b"seven..\0",
            b"\0seven..",
            b"seven..\x80",
            b"w\0i\0d\0\0\0",
            &[0; 8],
        ] {
            assert_eq!(kinds(bytes), [false; 3], "{bytes:?}");
        }
    }

    #[test]
    fn one_foreign_byte_at_any_place_is_told() {
        let alphabet = learned(b"abcdefgh");
        for at in 0..8 {
            for byte in 0..=0xff {
                let mut window = *b"abcdefgh";
                window[at] = byte;
                let is_own = (b'a'..=b'h').contains(&byte);
                let window = u64::from_le_bytes(window);
                assert_eq!(alphabet.holds(window), is_own, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn wide_characters_are_the_same_characters() {
        let alphabet = learned(b"a\0b\0c\0d\0");
        assert_eq!(characters(&alphabet), b"abcd");
        for (window, is_own) in [
            (*b"a\0b\0c\0d\0", true),
            (*b"\0a\0b\0c\0d", true),
            (*b"a\0b\0c\0e\0", false),
            (*b"a\0b\0c\0\0\0", false),
            (*b"a\0b\0c\0da", false),
        ] {
            let window = u64::from_le_bytes(window);
            assert_eq!(alphabet.holds(window), is_own, "{window:x}");
        }
    }
}
