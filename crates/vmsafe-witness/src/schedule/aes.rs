//! The key expansion of AES (FIPS 197, section 5.2), forwards and backwards from any place.

use zeroize::Zeroizing;

/// A column of four bytes, first byte first.
pub(super) type Word = [u8; 4];

/// The most words of a schedule: 15 round keys of 4.
pub(super) const MOST_WORDS: usize = 60;

/// Multiplication by x in GF(2^8).
const fn double(byte: u8) -> u8 {
    byte << 1 ^ if byte & 0x80 == 0 { 0 } else { 0x1b }
}

/// The substitution box, from its definition: the inverse, then an affine map.
const SBOX: [u8; 256] = {
    let mut table = [0; 256];
    // 3 generates the field: `power` runs through all elements but 0, `inverse` through theirs.
    let mut power = 1_u8;
    let mut inverse = 1_u8;
    loop {
        power ^= double(power);
        // Division by 3 is multiplication by 0xf6.
        inverse ^= inverse << 1;
        inverse ^= inverse << 2;
        inverse ^= inverse << 4;
        if inverse & 0x80 != 0 {
            inverse ^= 0x09;
        }
        let i = inverse;
        let mapped = i ^ i.rotate_left(1) ^ i.rotate_left(2) ^ i.rotate_left(3) ^ i.rotate_left(4);
        table[power as usize] = mapped ^ 0x63;
        if power == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
};

/// The round constants 1 to 10.
const CONSTANTS: [u8; 10] = {
    let mut table = [1; 10];
    let mut round = 1;
    while round < 10 {
        table[round] = double(table[round - 1]);
        round += 1;
    }
    table
};

pub(super) fn xor(one: Word, other: Word) -> Word {
    (u32::from_le_bytes(one) ^ u32::from_le_bytes(other)).to_le_bytes()
}

fn substitute(word: Word) -> Word {
    word.map(|byte| SBOX[usize::from(byte)])
}

fn rotate([first, second, third, fourth]: Word) -> Word {
    [second, third, fourth, first]
}

/// `MixColumns` of one column; three times itself is its inverse.
pub(super) fn mix(word: Word) -> Word {
    let all = word[0] ^ word[1] ^ word[2] ^ word[3];
    let next = rotate(word);
    core::array::from_fn(|row| word[row] ^ all ^ double(word[row] ^ next[row]))
}

/// `InvMixColumns` of one column.
pub(super) fn unmix(word: Word) -> Word {
    mix(mix(mix(word)))
}

/// The number of the key group whose first word is `first`, if it can follow a group that begins
/// with `before_first` and ends with `before_last`: what the substitution leaves over must be a
/// round constant.
pub(super) fn group_after(before_first: Word, before_last: Word, first: Word) -> Option<usize> {
    // Most of what is no schedule differs here, for the price of one substitution.
    if first[1] ^ before_first[1] != SBOX[usize::from(before_last[2])] {
        return None;
    }
    let step = xor(xor(first, before_first), substitute(rotate(before_last)));
    let [constant, 0, 0, 0] = step else {
        return None;
    };
    CONSTANTS
        .iter()
        .position(|known| *known == constant)
        .map(|at| at + 1)
}

/// All words of a schedule. Wiped when dropped.
pub(super) struct Schedule {
    /// Where no move leaves a copy behind.
    words: Zeroizing<Vec<Word>>,
    key_words: usize,
}

impl Schedule {
    /// How many words a schedule has whose key has `key_words`.
    pub(super) const fn len_for(key_words: usize) -> usize {
        4 * (key_words + 7)
    }

    /// The schedule in which `known`, a whole key's length of words, begins at word `at`.
    pub(super) fn from_words(known: &[Word], at: usize) -> Self {
        let key_words = known.len();
        let mut schedule = Self {
            words: Zeroizing::new(vec![[0; 4]; Self::len_for(key_words)]),
            key_words,
        };
        schedule.words[at..at + key_words].copy_from_slice(known);
        for i in at + key_words..schedule.len() {
            schedule.words[i] = xor(schedule.words[i - key_words], schedule.added(i));
        }
        for i in (key_words..at + key_words).rev() {
            schedule.words[i - key_words] = xor(schedule.words[i], schedule.added(i));
        }
        schedule
    }

    /// What word `i` differs by from the word a key's length before it.
    fn added(&self, i: usize) -> Word {
        let last = self.words[i - 1];
        if i.is_multiple_of(self.key_words) {
            let mut added = substitute(rotate(last));
            added[0] ^= CONSTANTS[i / self.key_words - 1];
            added
        } else if self.key_words > 6 && i % self.key_words == 4 {
            substitute(last)
        } else {
            last
        }
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    /// The key: its first words.
    pub(super) fn key(&self) -> &[u8] {
        self.words[..self.key_words].as_flattened()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(key: &str) -> Schedule {
        let bytes: Vec<u8> = base16ct::mixed::decode_vec(key).unwrap();
        Schedule::from_words(bytes.as_chunks().0, 0)
    }

    #[test]
    fn expands_the_examples_of_fips_197() {
        let examples = [
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                44,
                "d014f9a8c9ee2589e13f0cc8b6630ca6",
            ),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                52,
                "e98ba06f448c773c8ecc720401002202",
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                60,
                "fe4890d1e6188d0b046df344706c631e",
            ),
        ];
        for (key, len, last) in examples {
            let schedule = expand(key);
            assert_eq!(schedule.len(), len);
            let end = schedule.words()[len - 4..].as_flattened();
            assert_eq!(end, base16ct::mixed::decode_vec(last).unwrap());
        }
    }

    #[test]
    fn any_part_of_a_keys_length_gives_the_whole() {
        for key_words in [4, 6, 8] {
            let key: Vec<Word> = (0..key_words)
                .map(|i| [i, 7 * i, 200 - i, i + 99])
                .collect();
            let whole = Schedule::from_words(&key, 0);
            for at in 0..=whole.len() - key.len() {
                let part = &whole.words()[at..at + key.len()];
                assert_eq!(
                    Schedule::from_words(part, at).words(),
                    whole.words(),
                    "from {at}"
                );
            }
        }
    }

    #[test]
    fn mixing_is_undone() {
        assert_eq!(mix([0xdb, 0x13, 0x53, 0x45]), [0x8e, 0x4d, 0xa1, 0xbc]);
        assert_eq!(unmix([0x8e, 0x4d, 0xa1, 0xbc]), [0xdb, 0x13, 0x53, 0x45]);
    }

    #[test]
    fn the_step_between_groups_tells_its_number() {
        for key_words in [4, 6, 8] {
            let key: Vec<Word> = (0..key_words).map(|i| [i, 3, 5 * i, 77]).collect();
            let schedule = Schedule::from_words(&key, 0);
            let words = schedule.words();
            for group in 1..words.len() / key.len() {
                let first = group * key.len();
                let found = group_after(words[first - key.len()], words[first - 1], words[first]);
                assert_eq!(found, Some(group));
            }
        }
        assert_eq!(group_after([0; 4], [0; 4], [0; 4]), None);
    }
}
