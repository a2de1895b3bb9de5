//! Identities of age: `AGE-SECRET-KEY-1…`, in Bech32 with a checksum.

use super::Recognised;
use crate::keys::KeyKind;

/// What an identity begins with.
pub(super) const PREFIX: &[u8] = b"AGE-SECRET-KEY-1";
/// 256 bits in groups of five, and six groups of checksum.
const CHARACTERS: usize = 52 + 6;
const ALPHABET: &[u8; 32] = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

/// The identity that begins at the start of `bytes`.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let text = bytes.strip_prefix(PREFIX)?.get(..CHARACTERS)?;
    let value = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
    let human = &PREFIX[..PREFIX.len() - 1];
    let lower = |byte: &u8| u32::from(byte.to_ascii_lowercase());
    let mut sum = human
        .iter()
        .fold(1, |sum, byte| step(sum, lower(byte) >> 5));
    sum = step(sum, 0);
    sum = human
        .iter()
        .fold(sum, |sum, byte| step(sum, lower(byte) & 31));
    for byte in text {
        sum = step(sum, u32::try_from(value(byte)?).ok()?);
    }
    (sum == 1).then(|| Recognised::new(PREFIX.len() + CHARACTERS, KeyKind::Age, text))
}

/// One step of the checksum of Bech32.
fn step(sum: u32, value: u32) -> u32 {
    const TAPS: [u32; 5] = [
        0x3b6a_57b2,
        0x2650_8e6d,
        0x1ea1_19fa,
        0x3d42_33dd,
        0x2a14_62b3,
    ];
    let top = sum >> 25;
    let next = (sum & 0x01ff_ffff) << 5 ^ value;
    let added = TAPS
        .iter()
        .enumerate()
        .filter(|(bit, _)| top >> bit & 1 == 1);
    added.fold(next, |sum, (_, tap)| sum ^ tap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_decides() {
        // Made for this test by the reference implementation; it protects nothing.
        let identity =
            *b"AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let found = recognise(&identity);
        assert_eq!(found.map(|found| found.len), Some(identity.len()));
        for at in PREFIX.len()..identity.len() {
            let mut changed = identity;
            changed[at] = if changed[at] == b'Q' { b'P' } else { b'Q' };
            assert!(recognise(&changed).is_none(), "{at}");
        }
        assert!(recognise(&identity[..identity.len() - 1]).is_none());
    }
}
