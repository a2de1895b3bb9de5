//! The shapes that programs write a secret in.
//!
//! Each form is made from the masked needle, eight bytes at a time in a register, so that no plain
//! copy of it, encoded or not, ever stands in our memory.

#[cfg(test)]
mod tests;

use crate::hit::Form;
use crate::masked::{Plain, WORD, equal_to};

/// Up to eight bytes, the first the lowest; those behind `len` mean nothing.
#[derive(Clone, Copy)]
pub(crate) struct Word {
    pub(crate) bytes: u64,
    pub(crate) len: usize,
}

impl Word {
    /// Whether any of `bits` is set that belong to one of its bytes.
    fn has(self, bits: u64) -> bool {
        bits << (8 * (WORD - self.len)) != 0
    }

    /// Its bytes, over and over, as eight.
    #[inline(always)]
    pub(crate) fn repeated(self) -> u64 {
        let mut bits = 8 * self.len;
        if bits == 64 {
            return self.bytes;
        }
        let mut repeated = self.bytes & !(u64::MAX << bits);
        while bits < 64 {
            repeated |= repeated << bits;
            bits *= 2;
        }
        repeated
    }
}

/// Takes in the forms of a needle.
pub(crate) trait Forms {
    /// Takes in one of them.
    fn add(&mut self, form: Form, words: impl Iterator<Item = Word>);
}

/// Adds each form of a needle to `forms`.
#[cfg(test)]
pub(crate) fn each_form(plain: Plain<'_>, forms: &mut impl Forms) {
    forms.add(Form::Exact, exact(plain));
    if Spelling::Reversed.is_own(plain) {
        forms.add(Form::Reversed, Spelling::Reversed.words(plain));
    }
    each_in_digits(plain, forms);
    wide(plain, forms);
}

/// Adds the forms that are written in digits.
pub(crate) fn each_in_digits(plain: Plain<'_>, forms: &mut impl Forms) {
    for spelling in Spelling::DIGITS {
        if spelling.is_own(plain) {
            forms.add(spelling.form(), spelling.words(plain));
        }
    }
}

/// Adds a needle that is text as UTF-16.
pub(crate) fn wide(plain: Plain<'_>, forms: &mut impl Forms) {
    if !exact(plain).any(|word| word.has(word.bytes & each(0x80))) {
        forms.add(Form::Utf16, Spelling::Wide.words(plain));
    } else if chars(plain.bytes()).all(|char| char.is_some()) {
        forms.add(Form::Utf16, pack(utf16(plain.bytes())));
    }
}

/// At least as many words as a needle of `len` bytes and its encoded forms have together.
pub(crate) fn words_of_forms(len: usize) -> usize {
    let words = |bytes: usize| bytes.div_ceil(WORD);
    let twice = 3 * words(2 * len);
    let base64 = 6 * words((4 * len).div_ceil(3));
    words(len) + twice + base64
}

#[cfg(test)]
impl Forms for Vec<(Form, Vec<u8>)> {
    fn add(&mut self, form: Form, words: impl Iterator<Item = Word>) {
        let bytes = words.flat_map(|word| word.bytes.to_le_bytes().into_iter().take(word.len));
        self.push((form, bytes.collect()));
    }
}

/// A needle as it is.
#[inline(always)]
pub(crate) fn exact(plain: Plain<'_>) -> impl Iterator<Item = Word> {
    words_of(plain.len(), move |at| plain.word(at))
}

/// The words of `len` bytes, of which `word` gives those from a place on.
#[inline(always)]
fn words_of(len: usize, word: impl Fn(usize) -> u64) -> impl Iterator<Item = Word> {
    (0..len).step_by(WORD).map(move |at| Word {
        bytes: word(at),
        len: WORD.min(len - at),
    })
}

/// Whether two forms of one length are the same.
fn is_same(form: impl Iterator<Item = Word>, other: impl Iterator<Item = Word>) -> bool {
    let mut pairs = form.zip(other);
    pairs.all(|(word, other)| !word.has(word.bytes ^ other.bytes))
}

/// The bytes in words, the last perhaps of fewer.
pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = Word> {
    bytes.chunks(WORD).map(|chunk| {
        let mut word = [0; WORD];
        word[..chunk.len()].copy_from_slice(chunk);
        Word {
            bytes: u64::from_le_bytes(word),
            len: chunk.len(),
        }
    })
}

/// As [`words`], of bytes that come one by one.
pub(crate) fn pack(mut bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = Word> {
    core::iter::from_fn(move || {
        let mut word = Word { bytes: 0, len: 0 };
        while word.len < WORD {
            let Some(byte) = bytes.next() else { break };
            word.bytes |= u64::from(byte) << (8 * word.len);
            word.len += 1;
        }
        (word.len > 0).then_some(word)
    })
}

/// A byte at each place of a word.
pub(crate) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// 1 in each byte of `values`, all below 128, that is not below `least`.
pub(crate) const fn from(values: u64, least: u8) -> u64 {
    (values + each(0x80 - least)) >> 7 & each(1)
}

/// Four bytes, each with a zero behind it.
#[inline(always)]
fn spread(bytes: u64) -> u64 {
    let two = (bytes | bytes << 16) & 0x0000_ffff_0000_ffff;
    (two | two << 8) & 0x00ff_00ff_00ff_00ff
}

/// What a letter lies behind the digit `9`, but for one.
const LOWER: u64 = (b'a' - b'9' - 1) as u64;
const UPPER: u64 = (b'A' - b'9' - 1) as u64;

/// A form any part of which is made from a part of the needle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Spelling {
    /// Byte by byte backwards.
    Reversed,
    Hex,
    HexUpper,
    /// The characters that the needle alone decides when it begins at byte `place` of a group of
    /// three.
    ///
    /// ```text
    /// place 0   |needle…            6 bits a character, from the first bit on
    /// place 1   x|needle…           skip 4 bits: they share a character with x
    /// place 2   xx|needle…          skip 2 bits
    /// ```
    Base64 {
        place: usize,
    },
    Base64Url {
        place: usize,
    },
    /// UTF-16 of ASCII: each byte with a zero behind it.
    Wide,
}

impl Spelling {
    /// Those in digits. What may be the same as another stands behind it.
    const DIGITS: [Self; 8] = [
        Self::Hex,
        Self::HexUpper,
        Self::Base64 { place: 0 },
        Self::Base64Url { place: 0 },
        Self::Base64 { place: 1 },
        Self::Base64Url { place: 1 },
        Self::Base64 { place: 2 },
        Self::Base64Url { place: 2 },
    ];

    pub(crate) fn form(self) -> Form {
        match self {
            Self::Reversed => Form::Reversed,
            Self::Hex => Form::Hex,
            Self::HexUpper => Form::HexUpper,
            Self::Base64 { .. } => Form::Base64,
            Self::Base64Url { .. } => Form::Base64Url,
            Self::Wide => Form::Utf16,
        }
    }

    /// The bits of the needle's first byte that it does not tell.
    pub(crate) fn skipped_bits(self) -> usize {
        match self {
            Self::Base64 { place } | Self::Base64Url { place } => [0, 4, 2][place],
            _ => 0,
        }
    }

    /// The bytes that a needle of `len` bytes takes.
    pub(crate) fn len(self, len: usize) -> usize {
        match self {
            Self::Reversed => len,
            Self::Hex | Self::HexUpper | Self::Wide => 2 * len,
            Self::Base64 { .. } | Self::Base64Url { .. } => (8 * len - self.skipped_bits()) / 6,
        }
    }

    /// Whether it is unlike all others of this needle: some are written in capitals only if there
    /// is a letter.
    pub(crate) fn is_own(self, plain: Plain<'_>) -> bool {
        let words = self.words(plain);
        match self {
            Self::Reversed => !is_same(exact(plain), words),
            Self::HexUpper => !is_same(Self::Hex.words(plain), words),
            Self::Base64Url { place } => !is_same(Self::Base64 { place }.words(plain), words),
            Self::Hex | Self::Base64 { .. } | Self::Wide => true,
        }
    }

    /// All of it.
    #[inline(always)]
    fn words(self, plain: Plain<'_>) -> impl Iterator<Item = Word> {
        words_of(self.len(plain.len()), move |at| self.word(plain, at))
    }

    /// The eight bytes from `at` on, a multiple of eight; behind the end they mean nothing.
    #[inline(always)]
    pub(crate) fn word(self, plain: Plain<'_>, at: usize) -> u64 {
        match self {
            Self::Reversed => reversed(plain, at),
            Self::Hex => hex(digits(plain, at), LOWER),
            Self::HexUpper => hex(digits(plain, at), UPPER),
            Self::Base64 { .. } => base64(self.sextets(plain, at), STANDARD),
            Self::Base64Url { .. } => base64(self.sextets(plain, at), URL),
            Self::Wide => spread(four(plain, at / 2)),
        }
    }

    /// The values of eight of base64's characters.
    #[inline(always)]
    fn sextets(self, plain: Plain<'_>, at: usize) -> u64 {
        // Eight characters are six bytes.
        separate(plain.word(at / 8 * 6).swap_bytes() << self.skipped_bits() >> 16)
    }
}

/// A form of a needle, to be read.
#[derive(Clone, Copy)]
pub(crate) struct Spelled<'a> {
    plain: Plain<'a>,
    spelling: Spelling,
}

impl<'a> Spelled<'a> {
    pub(crate) fn new(plain: Plain<'a>, spelling: Spelling) -> Self {
        Self { plain, spelling }
    }

    fn len(self) -> usize {
        self.spelling.len(self.plain.len())
    }

    /// The eight bytes from `at` on; behind the end they mean nothing.
    fn word(self, at: usize) -> u64 {
        let (start, bits) = (at / WORD * WORD, at % WORD * 8);
        let word = self.spelling.word(self.plain, start);
        if bits == 0 || start + WORD >= self.len() {
            return word >> bits;
        }
        let next = self.spelling.word(self.plain, start + WORD);
        word >> bits | next << (64 - bits)
    }

    /// How many bytes of `hay` equal those from `at` on.
    pub(crate) fn matches_forward(self, at: usize, hay: &[u8]) -> usize {
        let hay = &hay[..hay.len().min(self.len() - at)];
        equal_to(hay, |nth| self.word(at + nth))
    }

    /// How many bytes at the end of `hay` equal those before `at`.
    pub(crate) fn matches_backward(self, at: usize, hay: &[u8]) -> usize {
        let pairs = (0..at).rev().zip(hay.iter().rev());
        let is_equal = |(at, byte): &(usize, &u8)| self.word(*at).to_le_bytes()[0] == **byte;
        pairs.take_while(is_equal).count()
    }
}

/// Eight bytes backwards, from the one on that `at` others are behind.
#[inline(always)]
fn reversed(plain: Plain<'_>, at: usize) -> u64 {
    let left = plain.len() - at;
    let last = if left < WORD {
        plain.word(0) << (8 * (WORD - left))
    } else {
        plain.word(left - WORD)
    };
    last.swap_bytes()
}

/// Four bytes from `at` on, a multiple of four.
#[inline(always)]
fn four(plain: Plain<'_>, at: usize) -> u64 {
    plain.word(at / WORD * WORD) >> (8 * (at % WORD)) & 0xffff_ffff
}

/// The values of eight hexadecimal digits.
#[inline(always)]
fn digits(plain: Plain<'_>, at: usize) -> u64 {
    let pairs = spread(four(plain, at / 2));
    (pairs >> 4 | pairs << 8) & each(15)
}

#[inline(always)]
fn hex(digits: u64, letters: u64) -> u64 {
    digits + each(b'0') + from(digits, 10) * letters
}

/// The characters for 62 and 63.
const STANDARD: [u8; 2] = *b"+/";
const URL: [u8; 2] = *b"-_";

/// The lowest 48 bits as eight bytes of six bits, the highest first.
#[inline(always)]
fn separate(bits: u64) -> u64 {
    let two = bits >> 24 & 0x00ff_ffff | (bits & 0x00ff_ffff) << 32;
    let four = two >> 12 & 0x0000_0fff_0000_0fff | (two & 0x0000_0fff_0000_0fff) << 16;
    four >> 6 & 0x003f_003f_003f_003f | (four & 0x003f_003f_003f_003f) << 8
}

#[inline(always)]
fn base64(values: u64, last_two: [u8; 2]) -> u64 {
    // `A` to `Z`, `a` to `z`, `0` to `9`: from each to the next by so much more or less.
    const CAPITALS: u64 = b'A' as u64;
    const LETTERS: u64 = b'a' as u64 - 26 - CAPITALS;
    const DIGITS: u64 = b'a' as u64 - 26 + 52 - b'0' as u64;
    let [first, last] = last_two.map(u64::from);
    let [letters, digits, both, second] = [26, 52, 62, 63].map(|least| from(values, least));
    let all = values + each(b'A') + letters * LETTERS - digits * DIGITS;
    // What the two would be is taken away before they are added.
    let last_two = (both ^ second) * first + second * last;
    !(both * 0xff) & all | last_two
}

/// The text as UTF-16, low byte first.
fn utf16(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    chars(bytes).flatten().flat_map(|char| {
        let mut units = [0; 2];
        let used = char.encode_utf16(&mut units).len();
        units.into_iter().take(used).flat_map(u16::to_le_bytes)
    })
}

/// The characters of UTF-8 text; `None` stands for what is no UTF-8.
fn chars(mut bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = Option<char>> {
    core::iter::from_fn(move || {
        let first = bytes.next()?;
        let len = match first {
            0..0x80 => 1,
            0xc0..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0.. => 4,
            _ => return Some(None),
        };
        let mut encoded = [first, 0, 0, 0];
        for byte in &mut encoded[1..len] {
            *byte = bytes.next().unwrap_or(0);
        }
        let text = core::str::from_utf8(&encoded[..len]).ok();
        Some(text.and_then(|text| text.chars().next()))
    })
}
