//! Private keys as libgcrypt keeps them: S-expressions, spelled as in memory or as in a file.
//!
//! ```text
//! in a file    (1:n257:…)(1:e3:…)(1:d256:…)(1:p129:…)(1:q129:…)
//! in memory    3 1 1 0 'n' 1 257 … 4   3 1 1 0 'e' 1 3 … 4   …      lengths in two bytes
//! ```
//!
//! `gpg-agent` leaves the second kind behind. An RSA key is read from its modulus on, one of a
//! curve from its public point on; what stands before these names the algorithm only.

use super::Recognised;
use super::der::{rsa, varied};
use super::residue::strip;
use crate::keys::KeyKind;

/// What a number with a name of one letter begins with, in memory: open, data, a length of 1.
pub(super) const IN_MEMORY: &[u8] = &[3, 1, 1, 0];
/// The same in a file.
pub(super) const IN_FILE: &[u8] = b"(1:";

/// The key whose modulus or public point is the first of the numbers that `bytes` begins with.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let mut reader = Reader { bytes };
    let (kind, identity) = match bytes.get(IN_FILE.len()..IN_MEMORY.len() + 1)? {
        [b'n', _] | [_, b'n'] => rsa_from_modulus(&mut reader)?,
        [b'q', _] | [_, b'q'] => curve_from_point(&mut reader)?,
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
    rsa(n, p, q)
}

/// A point is 0x40 and a coordinate on Edwards's and Montgomery's curves, else 4 and both.
fn curve_from_point<'a>(reader: &mut Reader<'a>) -> Option<(KeyKind, &'a [u8])> {
    let point = reader.number(b'q')?;
    let scalar = reader.number(b'd')?;
    let secret = strip(scalar);
    let kind = match (point.first()?, point.len()) {
        (0x40, 33) if scalar.len() == 32 => KeyKind::Ed25519,
        (4, len @ (65 | 97 | 133)) if secret.len() <= len / 2 => KeyKind::Ec,
        _ => return None,
    };
    (secret.len() >= 16 && varied(&point[1..]) && varied(secret)).then_some((kind, secret))
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
            let found = recognise(&[&bytes[..], b"and on"].concat()).unwrap();
            assert_eq!((found.len, found.kind), (bytes.len(), KeyKind::Rsa));
            assert_eq!(found.fingerprint, print);
            for len in 0..bytes.len() {
                assert!(recognise(&bytes[..len]).is_none(), "{len}");
            }
            let mut changed = bytes.clone();
            changed[20] ^= 1;
            assert!(recognise(&changed).is_none());
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
                assert_eq!(recognise(&key).map(|found| found.kind), Some(kind));
                let dull = [spell(b'q', point), spell(b'd', &[7; 32])].concat();
                assert!(recognise(&dull).is_none());
                let other = [spell(b'q', &point[1..]), spell(b'd', &number(N)[1..33])].concat();
                assert!(recognise(&other).is_none());
            }
        }
    }
}
