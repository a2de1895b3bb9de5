//! The public keys that OpenSSL computes for private ones, and those that stand beside them.

use base64ct::{Base64UrlUnpadded, Encoding};

use super::output;

/// The names of curves, as DER has them.
const X25519: &[u8] = &[0x2b, 0x65, 0x6e];
const X448: &[u8] = &[0x2b, 0x65, 0x6f];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const ED448: &[u8] = &[0x2b, 0x65, 0x71];
const DIFFIE_HELLMAN: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1];

const SEQUENCE: u8 = 0x30;

/// Whether an Ed25519 key in DER, which OpenSSL 3.0 does not read with its public key (RFC 8410,
/// version 2), ends with the public key of its seed.
pub(super) fn ed25519(key: &[u8]) -> bool {
    let head = [4, 0x22, 4, 0x20];
    let seed = key.windows(head.len()).position(|part| part == head);
    let seed = seed.and_then(|at| key.get(at + head.len()..at + head.len() + 32));
    let point = key.last_chunk::<32>();
    seed.zip(point)
        .is_some_and(|(seed, point)| has_point(ED25519, seed, point))
}

/// Whether an S-expression as text is of primes, or holds the public key of its private one.
pub(super) fn expression(key: &[u8]) -> bool {
    // As GnuPG breaks its lines.
    let text = String::from_utf8_lossy(key).replace("\n ", "");
    let number = |name: &str| number(&text, name);
    if let (Some(p), Some(q), Some(_)) = (number("p"), number("q"), number("n")) {
        return is_prime(&p) && is_prime(&q);
    }
    if let (Some(p), Some(g), Some(y), Some(x)) =
        (number("p"), number("g"), number("y"), number("x"))
    {
        return is_power(&p, &g, &x, &y);
    }
    let (Some(point), Some(secret)) = (number("q"), number("d")) else {
        return false;
    };
    let curve = text.split("(curve ").nth(1).unwrap_or_default();
    match curve
        .split(')')
        .next()
        .unwrap_or_default()
        .trim_matches('"')
    {
        "Ed25519" => has_point(ED25519, &sized(&secret, 32), &point[1..]),
        "Ed448" => has_point(ED448, &secret, &point),
        "X448" => has_point(X448, &secret, &point),
        "Curve25519" => {
            let mut secret = sized(&secret, 32);
            secret.reverse();
            has_point(X25519, &secret, &point[1..])
        }
        name => has_point_of(name.trim_start_matches("NIST "), &secret, &point),
    }
}

/// Whether a JSON Web Key is of primes, or holds the public key of its private one.
pub(super) fn jwk(key: &[u8]) -> bool {
    // As it stands in a string of other JSON.
    let text = String::from_utf8_lossy(key);
    let key: serde_json::Value = serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&text.replace("\\n", "\n").replace("\\\"", "\"")))
        .unwrap_or_default();
    let number = |name: &str| {
        let digits = key[name].as_str()?.trim_end_matches('=');
        Base64UrlUnpadded::decode_vec(digits).ok()
    };
    if let (Some(p), Some(q), Some(_)) = (number("p"), number("q"), number("n")) {
        return is_prime(&p) && is_prime(&q);
    }
    let (Some(secret), Some(x)) = (number("d"), number("x")) else {
        return false;
    };
    match (key["crv"].as_str().unwrap_or_default(), number("y")) {
        (name, Some(y)) => has_point_of(name, &secret, &[&[4], &x[..], &y].concat()),
        ("Ed25519", _) => has_point(ED25519, &secret, &x),
        ("Ed448", _) => has_point(ED448, &secret, &x),
        ("X25519", _) => has_point(X25519, &secret, &x),
        ("X448", _) => has_point(X448, &secret, &x),
        _ => false,
    }
}

/// As [`has_point`], of a curve that OpenSSL knows by this name.
fn has_point_of(name: &str, secret: &[u8], point: &[u8]) -> bool {
    let args = ["ecparam", "-name", name, "-outform", "DER"];
    let object = output("openssl", &args, b"").unwrap_or_default();
    object.len() > 2 && has_point(&object[2..], secret, point)
}

/// The number of this name, which stands between two signs.
fn number(text: &str, name: &str) -> Option<Vec<u8>> {
    let digits = text
        .split(&format!("({name} #"))
        .nth(1)?
        .split('#')
        .next()?;
    let digits: String = digits.split_whitespace().collect();
    base16ct::mixed::decode_vec(&digits).ok()
}

/// A number with as many zeros before it as make it so long.
fn sized(number: &[u8], len: usize) -> Vec<u8> {
    let number = stripped(number);
    let zeros = len.saturating_sub(number.len());
    [&vec![0; zeros], number].concat()
}

/// Whether a packet of the versions 5 or 6, which many a GnuPG does not read, is of primes, or
/// holds the public key of its private one.
pub(super) fn packet(packet: &[u8]) -> bool {
    // Its header ends before the version; a longer one says how long the rest is, in two bytes.
    let body = [2, 3].into_iter().filter_map(|header| packet.get(header..));
    body.filter(|body| matches!(body.first(), Some(5 | 6)))
        .any(|body| of_body(body).unwrap_or(false))
}

fn of_body(body: &[u8]) -> Option<bool> {
    let (start, rest) = body.split_at_checked(10)?;
    let len = u32::from_be_bytes([start[6], start[7], start[8], start[9]]);
    let (public, secret) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let secret = match start[0] {
        5 => secret.strip_prefix(&[0, 0])?.get(4..)?,
        _ => secret.strip_prefix(&[0])?,
    };
    let as_it_is = |curve| has_point(curve, secret, public);
    Some(match start[5] {
        25 => as_it_is(X25519),
        26 => as_it_is(X448),
        27 => as_it_is(ED25519),
        28 => as_it_is(ED448),
        1..=3 => {
            let (_d, rest) = split_number(secret)?;
            let (p, rest) = split_number(rest)?;
            let (q, _u) = split_number(rest)?;
            is_prime(p) && is_prime(q)
        }
        _ => {
            let (curve, rest) = public[1..].split_at_checked(public[0].into())?;
            let (point, _derivation) = split_number(rest)?;
            let (secret, _) = split_number(secret)?;
            match curve {
                [0x2b, 6, 1, 4, 1, 0xda, ..] => has_point(ED25519, secret, &point[1..]),
                [0x2b, 6, 1, 4, 1, 0x97, ..] => {
                    let secret: Vec<u8> = secret.iter().rev().copied().collect();
                    has_point(X25519, &secret, &point[1..])
                }
                _ => has_point(curve, secret, point),
            }
        }
    })
}

/// A number behind its length in bits, and what follows it.
fn split_number(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (bits, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*bits)).div_ceil(8))
}

fn is_prime(number: &[u8]) -> bool {
    let digits = base16ct::lower::encode_string(number);
    let told = output("openssl", &["prime", "-hex", &digits], b"").unwrap_or_default();
    told.ends_with(b"is prime\n")
}

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("a short element");
    let [high, low] = len.to_be_bytes();
    let head = match len {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

fn integer(number: &[u8]) -> Vec<u8> {
    let number = stripped(number);
    // A first bit that is set would be a sign.
    let sign: &[u8] = match number.first() {
        Some(0x80..) => &[0],
        _ => &[],
    };
    element(2, &[sign, number].concat())
}

fn stripped(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// A key of this algorithm, with the parameters that it has.
fn pkcs8(object: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = element(SEQUENCE, &[&element(6, object), parameters].concat());
    let parts = [&element(2, &[0])[..], &algorithm, &element(4, key)];
    element(SEQUENCE, &parts.concat())
}

/// Whether OpenSSL computes this point of a curve for this secret.
fn has_point(curve: &[u8], secret: &[u8], point: &[u8]) -> bool {
    let key = if [X25519, X448, ED25519, ED448].contains(&curve) {
        pkcs8(curve, &[], &element(4, secret))
    } else {
        let (secret, curve) = (element(4, secret), element(0xa0, &element(6, curve)));
        element(SEQUENCE, &[element(2, &[1]), secret, curve].concat())
    };
    is_public(&key, point)
}

/// Whether `y` is the power `x` of `g`, modulo `p`: the public number of a key of Diffie and
/// Hellman, of ElGamal and of DSA.
fn is_power(p: &[u8], g: &[u8], x: &[u8], y: &[u8]) -> bool {
    let group = element(SEQUENCE, &[integer(p), integer(g)].concat());
    is_public(&pkcs8(DIFFIE_HELLMAN, &group, &integer(x)), y)
}

fn is_public(key: &[u8], public: &[u8]) -> bool {
    let args = ["pkey", "-inform", "DER", "-pubout", "-outform", "DER"];
    let told = output("openssl", &args, key).unwrap_or_default();
    public.len() >= 32 && told.ends_with(stripped(public))
}
