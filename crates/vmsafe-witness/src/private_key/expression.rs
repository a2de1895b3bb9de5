//! Private keys as libgcrypt keeps them: S-expressions, spelled as in memory or as in a file.
//!
//! ```text
//! in a file    (1:n257:…)(1:e3:…)(1:d256:…)(1:p129:…)(1:q129:…)
//! in memory    3 1 1 0 'n' 1 257 … 4   3 1 1 0 'e' 1 3 … 4   …      lengths in two bytes
//! as text      (private-key (rsa (n #00C5…#) (e #010001#) …)        spaces and line ends anywhere
//! ```
//!
//! `gpg-agent` leaves the second kind behind, and keeps keys in files as the third. An RSA key is
//! read from its modulus on, one of DSA or ElGamal from its prime, one of a curve from its public
//! point on; what stands before these names the algorithm only.

use base16ct::mixed;
use zeroize::Zeroizing;

use super::Recognised;
use super::der::{is_dsa, is_elgamal, rsa, varied};
use super::residue::strip;
use crate::keys::KeyKind;

/// What a number with a name of one letter begins with, in memory: open, data, a length of 1.
pub(super) const IN_MEMORY: &[u8] = &[3, 1, 1, 0];
/// The same in a file.
pub(super) const IN_FILE: &[u8] = b"(1:";
/// What a key as text begins with; one under a passphrase begins otherwise.
pub(super) const AS_TEXT: &[u8] = b"(private-key";

/// Among what stands before the point of an X25519 key.
const MONTGOMERY: &[u8] = b"djb-tweak";
/// How near.
const NEAR: usize = 64;
/// No name between quotation marks is longer.
const LONGEST_NAME: usize = 64;

/// The key as text that begins at `at`, or the one whose modulus or public point does.
pub(super) fn recognise(hay: &[u8], at: usize) -> Option<Recognised> {
    let bytes = &hay[at..];
    if bytes.starts_with(AS_TEXT) {
        return from_text(bytes);
    }
    let before = &hay[at.saturating_sub(NEAR)..at];
    let mut is_named = before.windows(MONTGOMERY.len());
    from_numbers(bytes, is_named.any(|part| part == MONTGOMERY))
}

/// The key whose numbers `bytes` begins with.
fn from_numbers(bytes: &[u8], is_montgomery: bool) -> Option<Recognised> {
    let mut reader = Reader { bytes };
    let (kind, identity) = match bytes.get(IN_FILE.len()..IN_MEMORY.len() + 1)? {
        [b'n', _] | [_, b'n'] => rsa_from_modulus(&mut reader)?,
        [b'p', _] | [_, b'p'] => from_prime(&mut reader)?,
        [b'q', _] | [_, b'q'] => curve_from_point(&mut reader, is_montgomery)?,
        _ => return None,
    };
    Some(Recognised::new(
        bytes.len() - reader.bytes.len(),
        kind,
        identity,
    ))
}

fn rsa_from_modulus<'a>(reader: &mut Reader<'a>) -> Option<(KeyKind, &'a [u8])> {
    let n = reader.number(b'n')?;
    reader.number(b'e')?;
    reader.number(b'd')?;
    let (p, q) = (reader.number(b'p')?, reader.number(b'q')?);
    rsa(n, &[p, q])
}

/// DSA has a second prime, ElGamal has not.
fn from_prime<'a>(reader: &mut Reader<'a>) -> Option<(KeyKind, &'a [u8])> {
    let p = strip(reader.number(b'p')?);
    let q = reader.number(b'q').map(strip);
    reader.number(b'g')?;
    let y = strip(reader.number(b'y')?);
    let x = strip(reader.number(b'x')?);
    match q {
        Some(q) => is_dsa(p, q, y, x).then_some((KeyKind::Dsa, x)),
        None => is_elgamal(p, x).then_some((KeyKind::ElGamal, x)),
    }
}

/// A point is 0x40 and a coordinate on Edwards's and Montgomery's shorter curves, a coordinate
/// alone on the longer ones, else 4 and both.
fn curve_from_point<'a>(
    reader: &mut Reader<'a>,
    is_montgomery: bool,
) -> Option<(KeyKind, &'a [u8])> {
    let point = reader.number(b'q')?;
    let scalar = reader.number(b'd')?;
    let secret = strip(scalar);
    let kind = match (point.first()?, point.len()) {
        (0x40, 33) if scalar.len() <= 33 && is_montgomery => KeyKind::X25519,
        (0x40, 33) if scalar.len() <= 33 => KeyKind::Ed25519,
        (_, 56) if scalar.len() == 56 => KeyKind::X448,
        (_, 57) if scalar.len() == 57 => KeyKind::Ed448,
        // A coordinate and its like, of 160 to 576 bits.
        (4, 41..=145) if point.len() % 2 == 1 && secret.len() <= point.len() / 2 => KeyKind::Ec,
        _ => return None,
    };
    let is_secret = (16..=72).contains(&secret.len()) && varied(secret);
    (is_secret && varied(&point[1..])).then_some((kind, secret))
}

/// The key as text that `bytes` begins with.
fn from_text(bytes: &[u8]) -> Option<Recognised> {
    let mut text = Text {
        bytes: &bytes[AS_TEXT.len()..bytes.len().min(super::OVERLAP)],
    };
    text.sign(b'(')?;
    if !matches!(text.word()?, b"rsa" | b"ecc" | b"dsa" | b"elg") {
        return None;
    }
    let (mut numbers, mut is_montgomery) = (Vec::new(), false);
    while text.sign(b'(').is_some() {
        let name = text.word()?;
        if let ([letter], Some(digits)) = (name, text.number()) {
            numbers.push((*letter, digits));
        }
        while let Some(word) = text.word() {
            is_montgomery |= word == MONTGOMERY;
        }
        text.sign(b')')?;
    }
    text.sign(b')')?;
    let len = bytes.len().min(super::OVERLAP) - text.bytes.len();
    let inner = from_numbers(&in_memory_form(&numbers)?, is_montgomery)?;
    Some(Recognised { len, ..inner })
}

/// Names and digits of numbers, as they stand in memory.
fn in_memory_form(numbers: &[(u8, &[u8])]) -> Option<Zeroizing<Vec<u8>>> {
    let most = |(_, digits): &(u8, &[u8])| IN_MEMORY.len() + 5 + digits.len();
    let mut form = Zeroizing::new(Vec::with_capacity(numbers.iter().map(most).sum()));
    for (name, digits) in numbers {
        let mut compact = Zeroizing::new(Vec::with_capacity(digits.len()));
        compact.extend(digits.iter().filter(|digit| !digit.is_ascii_whitespace()));
        let mut content = Zeroizing::new(vec![0; compact.len() / 2]);
        let content = mixed::decode(&compact[..], &mut content).ok()?;
        form.extend_from_slice(IN_MEMORY);
        form.extend_from_slice(&[*name, 1]);
        form.extend_from_slice(&u16::try_from(content.len()).ok()?.to_le_bytes());
        form.extend_from_slice(content);
        form.push(4);
    }
    Some(form)
}

/// Takes what stands in a text, one after the other, and passes over spaces and line ends.
struct Text<'a> {
    bytes: &'a [u8],
}

impl<'a> Text<'a> {
    fn sign(&mut self, sign: u8) -> Option<()> {
        self.bytes = self.bytes.trim_ascii_start().strip_prefix(&[sign])?;
        Some(())
    }

    /// A name, of what names are made of or between quotation marks.
    fn word(&mut self) -> Option<&'a [u8]> {
        let bytes = self.bytes.trim_ascii_start();
        if let Some(quoted) = bytes.strip_prefix(b"\"") {
            let len = quoted
                .iter()
                .take(LONGEST_NAME)
                .position(|byte| *byte == b'"')?;
            self.bytes = &quoted[len + 1..];
            return Some(&quoted[..len]);
        }
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
        let (word, rest) = bytes.split_at(bytes.iter().take_while(is_part).count());
        self.bytes = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The digits between two signs, spaces and line ends among them.
    fn number(&mut self) -> Option<&'a [u8]> {
        let bytes = self.bytes.trim_ascii_start().strip_prefix(b"#")?;
        let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace();
        let (digits, rest) = bytes.split_at(bytes.iter().take_while(is_part).count());
        self.bytes = rest.strip_prefix(b"#")?;
        Some(digits)
    }
}

/// Takes one number after the other, in either spelling.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next number, if it has this name.
    fn number(&mut self, name: u8) -> Option<&'a [u8]> {
        let (content, rest) = in_memory(self.bytes, name).or_else(|| in_file(self.bytes, name))?;
        self.bytes = rest;
        Some(content)
    }
}

/// The content of a number, and what follows it.
type Split<'a> = (&'a [u8], &'a [u8]);

fn in_memory(bytes: &[u8], name: u8) -> Option<Split<'_>> {
    let [found, 1, rest @ ..] = bytes.strip_prefix(IN_MEMORY)? else {
        return None;
    };
    let (len, rest) = rest.split_first_chunk()?;
    // In the order of the machine, of which only this one is usual.
    let (content, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    let rest = rest.strip_prefix(&[4])?;
    (*found == name).then_some((content, rest))
}

fn in_file(bytes: &[u8], name: u8) -> Option<Split<'_>> {
    let rest = bytes.strip_prefix(IN_FILE)?.strip_prefix(&[name])?;
    let digits = rest
        .iter()
        .take(5)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = rest.split_at(digits);
    let len = core::str::from_utf8(digits).ok()?.parse().ok()?;
    let (content, rest) = rest.strip_prefix(b":")?.split_at_checked(len)?;
    Some((content, rest.strip_prefix(b")")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spelling = fn(u8, &[u8]) -> Vec<u8>;

    fn memory(name: u8, number: &[u8]) -> Vec<u8> {
        let len = u16::try_from(number.len()).unwrap().to_le_bytes();
        [IN_MEMORY, &[name, 1], &len, number, &[4]].concat()
    }

    fn file(name: u8, number: &[u8]) -> Vec<u8> {
        let head = format!("(1:{}{}:", char::from(name), number.len());
        [head.as_bytes(), number, b")"].concat()
    }

    const SPELLINGS: [Spelling; 2] = [memory, file];

    /// Two primes of 256 bits and their product, as Python computed them.
    const P: &str = "e02fdaa1ad864c44e049548e8a0a8c9632ea6928f6236bf2504b74ba4a0fe75d";
    const Q: &str = "ea9e2de890d90e5a53777fec1ba0895d61c12c05003e181aa962740fe4ba40d5";
    const N: &str = "cd764394cc0b68bce12a2e9dec961135301c57dba6c6525b4c2e4c29f9bd45b8\
                     94f949e6890a2245e5d1b7dc521eb9a4f4f98d8c7f604136e7a55d9386a4c061";

    fn number(digits: &str) -> Vec<u8> {
        [vec![0], base16ct::lower::decode_vec(digits).unwrap()].concat()
    }

    fn key(spell: Spelling) -> Vec<u8> {
        let (n, p, q) = (number(N), number(P), number(Q));
        let numbers: [(u8, &[u8]); 5] = [
            (b'n', &n),
            (b'e', &[1, 0, 1]),
            (b'd', &n[1..]),
            (b'p', &p),
            (b'q', &q),
        ];
        numbers
            .iter()
            .flat_map(|(name, number)| spell(*name, number))
            .collect()
    }

    #[test]
    fn an_rsa_key_is_read_in_both_spellings_and_only_if_its_numbers_fit() {
        let print = crate::keys::Fingerprint::of(&number(N)[1..]);
        for spell in SPELLINGS {
            let bytes = key(spell);
            let found = from_numbers(&[&bytes[..], b"and on"].concat(), false).unwrap();
            assert_eq!((found.len, found.kind), (bytes.len(), KeyKind::Rsa));
            assert_eq!(found.fingerprint, print);
            for len in 0..bytes.len() {
                assert!(from_numbers(&bytes[..len], false).is_none(), "{len}");
            }
            let mut changed = bytes.clone();
            changed[20] ^= 1;
            assert!(from_numbers(&changed, false).is_none());
        }
    }

    #[test]
    fn a_key_of_a_curve_is_read_in_both_spellings() {
        let bytes = number(P);
        let point = [&[0x40][..], &bytes[1..]].concat();
        let both = [&[4][..], &bytes[1..], &number(Q)[1..]].concat();
        for spell in SPELLINGS {
            for (point, kind) in [(&point, KeyKind::Ed25519), (&both, KeyKind::Ec)] {
                let key = [spell(b'q', point), spell(b'd', &number(N)[1..33])].concat();
                assert_eq!(
                    from_numbers(&key, false).map(|found| found.kind),
                    Some(kind)
                );
                let dull = [spell(b'q', point), spell(b'd', &[7; 32])].concat();
                assert!(from_numbers(&dull, false).is_none());
                let other = [spell(b'q', &point[1..]), spell(b'd', &number(N)[1..33])].concat();
                assert!(from_numbers(&other, false).is_none());
            }
        }
    }
}
