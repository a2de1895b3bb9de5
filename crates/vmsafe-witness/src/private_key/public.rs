//! RSA public keys, for which the primes are looked for.

use super::der::{self, INTEGER, SEQUENCE};
use super::{openssh, pem};

const BIT_STRING: u8 = 0x03;

/// The modulus of a public key in PEM, DER or a line of OpenSSH, the highest byte first.
pub(crate) fn public_modulus(key: &[u8]) -> Option<Vec<u8>> {
    let text = key.trim_ascii();
    if let Some(line) = text.strip_prefix(b"ssh-rsa ") {
        let digits = line.split(u8::is_ascii_whitespace).next()?;
        let decoded = pem::decode(digits)?;
        let mut reader = openssh::Reader { bytes: &decoded };
        let [name, _e, n] = reader.strings()?;
        return (name == b"ssh-rsa").then(|| n.to_vec());
    }
    if text.starts_with(pem::BEGIN) {
        let mut lines = text.split(|byte| *byte == b'\n');
        let body: Vec<u8> = lines
            .by_ref()
            .skip(1)
            .take_while(|line| !line.starts_with(b"-"))
            .flatten()
            .copied()
            .collect();
        return from_der(&pem::decode(&body)?);
    }
    from_der(key)
}

/// `SEQUENCE { n, e }`, alone or as the bits of `SEQUENCE { algorithm, bits }`.
fn from_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let content = der::Reader { bytes }.take(SEQUENCE)?;
    let mut reader = der::Reader { bytes: content };
    if content.first() == Some(&INTEGER) {
        let n = reader.positive()?;
        reader.positive()?;
        return reader.bytes.is_empty().then(|| n.to_vec());
    }
    reader.take(SEQUENCE)?;
    from_der(reader.take(BIT_STRING)?.strip_prefix(&[0])?)
}
