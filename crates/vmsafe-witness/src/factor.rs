//! Finds the primes of an RSA key whose public part is known, as libraries keep them in memory:
//! numbers of 64-bit words, the lowest first, at a multiple of eight bytes. OpenSSL, GMP, Nettle,
//! libgcrypt and mbed TLS do so.
//!
//! ```text
//! n = p · q     both primes half as long as n
//!
//! lowest words    q = n · p⁻¹ mod 2^64, word by word: what p would have to be multiplied with
//! highest word    must be what n divided by p begins with
//! ```
//!
//! Each place is taken as p. Most fall at once: p is odd, at least as large as the upper half of n,
//! and no multiple of a small prime. For the rest q is computed from its lowest word up; when its
//! highest word fits, the product is checked in full.

#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use crate::keys::{Fingerprint, KeyForm, KeyHit, KeyKind};
use crate::private_key::{is_product, public_modulus};

/// Bytes of the shortest and the longest modulus: 512 and 16384 bits.
const SHORTEST: usize = 64;
const LONGEST: usize = 2048;
const WORD: usize = 8;

/// The modulus of an RSA public key, whose primes are to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modulus {
    /// The lowest first.
    words: Vec<u64>,
    big_endian: Vec<u8>,
    fingerprint: Fingerprint,
}

/// Why a number was refused as a modulus.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModulusError {
    /// Its length is not that of an RSA key with primes of whole words.
    #[error(
        "a modulus of {bits} bits is not supported: give one of 512 to 16384, a multiple of 128"
    )]
    Length {
        /// The length.
        bits: usize,
    },
    /// It is even.
    #[error("an even number is no RSA modulus: give the modulus with its first byte first")]
    Even,
    /// No RSA public key was recognised.
    #[error(
        "no RSA public key: give it as PEM or DER, or as a line that begins with ssh-rsa; of a \
         certificate: openssl x509 -pubkey -noout, of a private key: openssl rsa -pubout"
    )]
    Unknown,
}

impl Modulus {
    /// The modulus with these bytes, the highest first.
    ///
    /// # Errors
    ///
    /// [`ModulusError::Length`] or [`ModulusError::Even`] if no RSA key of a usual kind has it.
    pub fn new(big_endian: &[u8]) -> Result<Self, ModulusError> {
        let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
        let number = &big_endian[zeros..];
        let whole = (SHORTEST..=LONGEST).contains(&number.len())
            && number.len().is_multiple_of(2 * WORD)
            && number[0] >= 0x80;
        if !whole {
            let unused = number
                .first()
                .map_or(0, |first| first.leading_zeros() as usize);
            return Err(ModulusError::Length {
                bits: 8 * number.len() - unused,
            });
        }
        if number[number.len() - 1].is_multiple_of(2) {
            return Err(ModulusError::Even);
        }
        let words = number.rchunks(WORD).map(|word| {
            word.iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte))
        });
        Ok(Self {
            words: words.collect(),
            big_endian: number.to_vec(),
            fingerprint: Fingerprint::of(number),
        })
    }

    /// The modulus of a public key in PEM or DER, with its algorithm or without (PKCS #1), or in
    /// the line that OpenSSH uses.
    ///
    /// # Errors
    ///
    /// [`ModulusError::Unknown`] if it is none of these, else as [`Modulus::new`].
    pub fn from_public_key(key: &[u8]) -> Result<Self, ModulusError> {
        Self::new(&public_modulus(key).ok_or(ModulusError::Unknown)?)
    }

    /// What findings of its key are told by, in every form.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Words of each prime.
    fn half(&self) -> usize {
        self.words.len() / 2
    }

    /// How many bytes two adjacent pieces must share so that no prime is lost between them.
    pub(crate) fn overlap(&self) -> usize {
        self.half() * WORD
    }
}

/// The primes of each of the `moduli` in `hay`, which begins at `base_offset`.
pub(crate) fn find_factors(moduli: &[Modulus], base_offset: u64, hay: &[u8]) -> Vec<KeyHit> {
    let misaligned = base_offset % WORD as u64;
    let skip = if misaligned == 0 {
        0
    } else {
        WORD - usize::try_from(misaligned).unwrap_or(0)
    };
    let mut found = Vec::new();
    let Some(aligned) = hay.get(skip..) else {
        return found;
    };
    for modulus in moduli {
        let mut trial = Trial::new(modulus);
        let len = modulus.overlap();
        for (at, place) in aligned.windows(len).step_by(WORD).enumerate() {
            if trial.could_divide(place) && trial.divides(place) {
                found.push(KeyHit {
                    offset: base_offset + (skip + at * WORD) as u64,
                    len: len as u64,
                    kind: KeyKind::Rsa,
                    form: KeyForm::Prime,
                    matching: len as u64,
                    fingerprint: modulus.fingerprint,
                });
            }
        }
    }
    found
}

/// Room to try places in; wiped at the end, since it held the primes if they were found.
struct Trial<'a> {
    modulus: &'a Modulus,
    highest: u64,
    prime: Zeroizing<Vec<u64>>,
    other: Zeroizing<Vec<u64>>,
}

impl<'a> Trial<'a> {
    fn new(modulus: &'a Modulus) -> Self {
        let half = modulus.half();
        let highest = modulus.words[2 * half - 1];
        let room = || Zeroizing::new(vec![0; half]);
        Self {
            modulus,
            highest,
            prime: room(),
            other: room(),
        }
    }

    /// Whether the number at `place` is odd and large enough, and not one that memory is filled
    /// with: of primes drawn at random, one in 2^64 begins with the same word twice.
    #[inline]
    fn could_divide(&self, place: &[u8]) -> bool {
        place[0] & 1 == 1
            && word(&place[place.len() - WORD..]) >= self.highest
            && word(place) != word(&place[WORD..])
    }

    /// Whether the number at `place` divides the modulus.
    fn divides(&mut self, place: &[u8]) -> bool {
        let half = self.prime.len();
        for (word_of_prime, bytes) in self.prime.iter_mut().zip(place.chunks_exact(WORD)) {
            *word_of_prime = word(bytes);
        }
        if is_multiple_of_a_small_prime(&self.prime) {
            return false;
        }
        let inverse = inverse(self.prime[0]);
        // Column by column of the product: what the lower words of the other prime give, and the
        // word of it that makes up the rest.
        let mut column = Column::default();
        for at in 0..half {
            let lower = self.other[..at].iter().zip(self.prime[1..=at].iter().rev());
            for (other, prime) in lower {
                column.add(product(*other, *prime));
            }
            let lacks = self.modulus.words[at].wrapping_sub(split(column.sum).0);
            self.other[at] = lacks.wrapping_mul(inverse);
            column.add(product(self.other[at], self.prime[0]));
            column = column.carried();
        }
        let upper = u128::from(self.highest) << 64 | u128::from(self.modulus.words[2 * half - 2]);
        let (expected, too_large) = split(upper / u128::from(self.prime[half - 1]));
        let fits = self.other[half - 1].abs_diff(expected) <= 4 && too_large == 0;
        fits && is_product(
            &[&reversed(place), &self.other_prime()],
            &self.modulus.big_endian,
        )
    }

    fn other_prime(&self) -> Zeroizing<Vec<u8>> {
        let highest_first = self.other.iter().rev();
        Zeroizing::new(highest_first.flat_map(|word| word.to_be_bytes()).collect())
    }
}

fn reversed(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.iter().rev().copied().collect())
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    word.copy_from_slice(&bytes[..WORD]);
    u64::from_le_bytes(word)
}

/// The lower and the upper half.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn split(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

#[inline]
fn product(one: u64, other: u64) -> u128 {
    u128::from(one) * u128::from(other)
}

/// A sum of products, whose lowest word belongs to one column of theirs.
#[derive(Clone, Copy, Default)]
struct Column {
    sum: u128,
    /// How often the sum was carried out of its 128 bits.
    above: u64,
}

impl Column {
    #[inline]
    fn add(&mut self, product: u128) {
        let (sum, is_carried) = self.sum.overflowing_add(product);
        self.sum = sum;
        self.above += u64::from(is_carried);
    }

    /// What the next column begins with.
    #[inline]
    fn carried(self) -> Self {
        Self {
            sum: u128::from(self.above) << 64 | self.sum >> 64,
            above: 0,
        }
    }
}

/// Whether a number is one of 3, 5, 17 or 257: half of the odd ones are. These divide 2^64 - 1, so
/// that the sum of the words has the same remainder.
fn is_multiple_of_a_small_prime(words: &[u64]) -> bool {
    let sum: u128 = words.iter().map(|word| u128::from(*word)).sum();
    let (low, high) = split(sum);
    let (rest, is_carried) = low.overflowing_add(high);
    let rest = rest.wrapping_add(is_carried.into());
    // One by one: only so are they known to the compiler, which divides by none of them.
    rest.is_multiple_of(3)
        || rest.is_multiple_of(5)
        || rest.is_multiple_of(17)
        || rest.is_multiple_of(257)
}

/// The number that gives 1 when multiplied with an odd `number`, modulo 2^64.
fn inverse(number: u64) -> u64 {
    // Right in the lowest three bits; each step doubles that.
    let step =
        |inverse: u64, _| inverse.wrapping_mul(2_u64.wrapping_sub(number.wrapping_mul(inverse)));
    (0..5).fold(number, step)
}
