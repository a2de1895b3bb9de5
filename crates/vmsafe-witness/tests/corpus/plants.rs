//! What is planted, and what must be found.

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use vmsafe_witness::{Form, SHORTEST_FRAGMENT};

use super::medium::Random;

/// Bytes to plant, and the part of them that is the hit.
pub(crate) struct Plant {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hit_from: usize,
    pub(crate) hit_len: usize,
    pub(crate) form: Form,
}

/// What stands before and behind each plant: an end that continues no form by chance.
pub(crate) const BESIDE: u8 = 1;

/// Needles of many lengths, every third of them text, and some with zeros as memory has them.
pub(crate) fn needles(count: usize, random: &mut Random) -> Vec<Vec<u8>> {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ !?-_+";
    let letter = |byte: u8| letters[usize::from(byte) % letters.len()];
    let mut needle = |number: usize| {
        let mut bytes = random.bytes(8 + number * 7 % 68);
        let len = bytes.len();
        match number % 6 {
            0 | 3 => bytes.iter_mut().for_each(|byte| *byte = letter(*byte)),
            // Half a window of zeros, and more than a window of them.
            1 => bytes[len / 2 - 2..len / 2 + 2].fill(0),
            2 if len > 24 => bytes[len / 2 - 5..len / 2 + 5].fill(0),
            _ => {}
        }
        // What stands behind a fragment is not to complete it.
        bytes[len - 1] = bytes[len - 1].max(BESIDE + 1);
        bytes
    };
    (0..count).map(&mut needle).collect()
}

/// A needle in each form that it has, spelled by other libraries than the searcher's.
pub(crate) fn every_form(needle: &[u8], random: &mut Random) -> Vec<Plant> {
    let whole = |form, bytes: Vec<u8>| {
        let hit_len = bytes.len();
        Plant {
            bytes,
            hit_from: 0,
            hit_len,
            form,
        }
    };
    let mut plants = vec![
        whole(Form::Exact, needle.to_vec()),
        whole(Form::Fragment, needle[..needle.len() - 1].to_vec()),
        whole(Form::Reversed, needle.iter().rev().copied().collect()),
        whole(
            Form::Hex,
            base16ct::lower::encode_string(needle).into_bytes(),
        ),
        whole(
            Form::HexUpper,
            base16ct::upper::encode_string(needle).into_bytes(),
        ),
    ];
    // Digits without letters have no capitals.
    let has_capitals = plants[3].bytes != plants[4].bytes;
    plants.retain(|plant| match plant.form {
        Form::Fragment => plant.hit_len >= SHORTEST_FRAGMENT,
        Form::HexUpper => has_capitals,
        _ => true,
    });
    if let Ok(text) = core::str::from_utf8(needle) {
        plants.push(whole(
            Form::Utf16,
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ));
    }
    for place in 0..3 {
        let around = [&random.bytes(place)[..], needle, &random.bytes(4)].concat();
        let standard = Base64Unpadded::encode_string(&around).into_bytes();
        let url = Base64UrlUnpadded::encode_string(&around).into_bytes();
        // The characters that no surrounding byte has a part in.
        let hit_from = [0, 2, 3][place];
        let hit_len = (8 * needle.len() - [0, 4, 2][place]) / 6;
        let differs = url[hit_from..hit_from + hit_len] != standard[hit_from..hit_from + hit_len];
        let mut add = |form, bytes| {
            plants.push(Plant {
                bytes,
                hit_from,
                hit_len,
                form,
            });
        };
        add(Form::Base64, standard);
        if differs {
            add(Form::Base64Url, url);
        }
    }
    plants
}

/// The key schedule of a random AES key, by the plainest reading of FIPS 197.
pub(crate) fn schedule(key_words: usize, swapped: bool, random: &mut Random) -> Vec<u8> {
    let mut bytes = expanded(&random.bytes(4 * key_words));
    if swapped {
        swap_words(&mut bytes);
    }
    bytes
}

/// Each word in the other byte order.
pub(crate) fn swap_words(bytes: &mut [u8]) {
    bytes
        .as_chunks_mut::<4>()
        .0
        .iter_mut()
        .for_each(|word| word.reverse());
}

/// The schedule that follows from a key.
pub(crate) fn expanded(key: &[u8]) -> Vec<u8> {
    let key_words = key.len() / 4;
    let mut words: Vec<[u8; 4]> = key.as_chunks().0.to_vec();
    let mut constant = 1_u8;
    for i in key_words..4 * (key_words + 7) {
        let mut word = words[i - 1];
        if i % key_words == 0 {
            word.rotate_left(1);
            word = word.map(substitute);
            word[0] ^= constant;
            constant = times(constant, 2);
        } else if key_words > 6 && i % key_words == 4 {
            word = word.map(substitute);
        }
        words.push(core::array::from_fn(|at| {
            word[at] ^ words[i - key_words][at]
        }));
    }
    words.into_flattened()
}

/// Round keys from the last to the first.
pub(crate) fn reversed(schedule: &[u8]) -> Vec<u8> {
    schedule.chunks(16).rev().flatten().copied().collect()
}

/// As a decryption schedule: round keys in reverse order, the inner ones through `InvMixColumns`.
pub(crate) fn decryption(schedule: &[u8]) -> Vec<u8> {
    let rounds: Vec<&[u8]> = schedule.chunks(16).rev().collect();
    let last = rounds.len() - 1;
    let unmixed = |column: &[u8]| {
        core::array::from_fn(|row| {
            let factor = |at: usize| [14, 11, 13, 9][(at + 4 - row) % 4];
            (0..4).fold(0, |sum, at| sum ^ times(column[at], factor(at)))
        })
    };
    let round = |(number, round): (usize, &&[u8])| {
        if number == 0 || number == last {
            round.to_vec()
        } else {
            round
                .chunks(4)
                .flat_map(|column| -> [u8; 4] { unmixed(column) })
                .collect()
        }
    };
    rounds.iter().enumerate().flat_map(round).collect()
}

fn times(mut one: u8, mut other: u8) -> u8 {
    let mut product = 0;
    while other != 0 {
        if other & 1 == 1 {
            product ^= one;
        }
        one = one << 1 ^ if one & 0x80 == 0 { 0 } else { 0x1b };
        other >>= 1;
    }
    product
}

fn substitute(byte: u8) -> u8 {
    let inverse = (1..=255)
        .find(|other| times(byte, *other) == 1)
        .unwrap_or(0_u8);
    (0..5).fold(0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
}
