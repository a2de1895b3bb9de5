//! Private keys between `-----BEGIN …-----` and `-----END …-----`.

use base64ct::{Base64Unpadded, Encoding};
use zeroize::Zeroizing;

use super::{Recognised, der, openpgp, openssh};

/// What a block begins with.
pub(super) const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
/// A block that is longer holds no single key.
const LONGEST: usize = super::OVERLAP;

/// The key in the block that begins at the start of `bytes`; also where line ends are written as
/// `\n`, as in a JSON string. One that is encrypted is none.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let rest = bytes.strip_prefix(BEGIN)?;
    let read: fn(&[u8]) -> Option<Recognised> = match label(rest)? {
        b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY" | b"DSA PRIVATE KEY" => {
            der::recognise
        }
        b"OPENSSH PRIVATE KEY" => openssh::recognise,
        b"PGP PRIVATE KEY BLOCK" => openpgp::recognise,
        _ => return None,
    };
    let label = label(rest)?;
    let body = &rest[label.len() + DASHES.len()..];
    let end = [b"-----END ", label, DASHES].concat();
    let body = &body[..body.windows(end.len()).position(|part| part == end)?];
    let decoded = decode(without_headers(body, label)?)?;
    let inner = read(&decoded)?;
    let len = BEGIN.len() + label.len() + DASHES.len() + body.len() + end.len();
    Some(Recognised { len, ..inner })
}

fn label(rest: &[u8]) -> Option<&[u8]> {
    let longest = &rest[..rest.len().min(40)];
    let end = longest
        .windows(DASHES.len())
        .position(|part| part == DASHES)?;
    Some(&rest[..end])
}

/// The body behind the headers, which end with a blank line in OpenPGP. Elsewhere a header says
/// that the key is encrypted.
fn without_headers<'a>(body: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    if !body.contains(&b':') {
        return Some(body);
    }
    let blank = |ends: &[u8]| body.windows(ends.len()).position(|part| part == ends);
    let start = blank(b"\n\n")
        .or_else(|| blank(b"\n\r\n"))
        .or_else(|| blank(b"\\n\\n"))?;
    (label == b"PGP PRIVATE KEY BLOCK").then(|| &body[start..])
}

/// The bytes that the base64 digits up to the first `=` stand for.
pub(super) fn decode(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // As long as they can become: a vector that grows leaves its old content behind.
    let mut digits = Zeroizing::new(Vec::with_capacity(body.len()));
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => digits.push(*byte),
            b'\n' | b'\r' | b' ' | b'\t' => {}
            b'\\' if matches!(bytes.next(), Some(b'n' | b'r')) => {}
            b'=' => break,
            _ => return None,
        }
    }
    let mut decoded = Zeroizing::new(vec![0; digits.len()]);
    let len = Base64Unpadded::decode(&digits[..], &mut decoded)
        .ok()?
        .len();
    decoded.truncate(len);
    Some(decoded)
}
