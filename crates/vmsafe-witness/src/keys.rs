//! Keys that were not known beforehand, recognised by their structure.

use core::fmt;

use sha2::{Digest, Sha256};

/// What kind of key was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// AES with a 128-bit key.
    Aes128,
    /// AES with a 192-bit key.
    Aes192,
    /// AES with a 256-bit key.
    Aes256,
    /// RSA.
    Rsa,
    /// DSA.
    Dsa,
    /// ElGamal.
    ElGamal,
    /// A curve of the NIST, brainpool or SEC families, for signatures or key agreement.
    Ec,
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// X25519.
    X25519,
    /// X448.
    X448,
    /// An identity of age.
    Age,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Aes128,
        Self::Aes192,
        Self::Aes256,
        Self::Rsa,
        Self::Dsa,
        Self::ElGamal,
        Self::Ec,
        Self::Ed25519,
        Self::Ed448,
        Self::X25519,
        Self::X448,
        Self::Age,
    ];

    /// The name in reports, in kebab case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "aes-128",
            Self::Aes192 => "aes-192",
            Self::Aes256 => "aes-256",
            Self::Rsa => "rsa",
            Self::Dsa => "dsa",
            Self::ElGamal => "elgamal",
            Self::Ec => "ec",
            Self::Ed25519 => "ed25519",
            Self::Ed448 => "ed448",
            Self::X25519 => "x25519",
            Self::X448 => "x448",
            Self::Age => "age",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a recognised key is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyForm {
    /// The round keys of encryption, as FIPS 197 lists them.
    Schedule,
    /// The same, each 32-bit word in the other byte order.
    ScheduleSwapped,
    /// The round keys from the last to the first.
    ReversedSchedule,
    /// The same, each 32-bit word in the other byte order.
    ReversedScheduleSwapped,
    /// The round keys of the equivalent inverse cipher: from the last to the first, all but the
    /// two outer ones passed through `InvMixColumns`.
    DecryptionSchedule,
    /// The same, each 32-bit word in the other byte order.
    DecryptionScheduleSwapped,
    /// ASN.1 in DER: PKCS #1, PKCS #8 or SEC 1.
    Der,
    /// The same, or an OpenSSH key, as text from `BEGIN` to `END`; or a key of OpenPGP as text: the
    /// first from `BEGIN` to its last digit, each other from its first.
    Pem,
    /// Such a text in a file that is written in base64 once more, as Kubernetes keeps it: from the
    /// key's first digit to its last.
    PemTwice,
    /// The binary format of OpenSSH.
    OpenSsh,
    /// A file of PuTTY, up to the last digit of the key.
    Putty,
    /// A JSON Web Key, from brace to brace.
    Jwk,
    /// A packet of OpenPGP.
    OpenPgp,
    /// An S-expression, as libgcrypt keeps a key in memory and GnuPG writes it to a file.
    Expression,
    /// The text of an identity of age.
    AgeIdentity,
    /// A prime of a given modulus, as a number in memory.
    Prime,
}

impl KeyForm {
    /// Every form.
    pub const ALL: [Self; 16] = [
        Self::Schedule,
        Self::ScheduleSwapped,
        Self::ReversedSchedule,
        Self::ReversedScheduleSwapped,
        Self::DecryptionSchedule,
        Self::DecryptionScheduleSwapped,
        Self::Der,
        Self::Pem,
        Self::PemTwice,
        Self::OpenSsh,
        Self::Putty,
        Self::Jwk,
        Self::OpenPgp,
        Self::Expression,
        Self::AgeIdentity,
        Self::Prime,
    ];

    /// The name in reports, in kebab case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::ScheduleSwapped => "schedule-swapped",
            Self::ReversedSchedule => "reversed-schedule",
            Self::ReversedScheduleSwapped => "reversed-schedule-swapped",
            Self::DecryptionSchedule => "decryption-schedule",
            Self::DecryptionScheduleSwapped => "decryption-schedule-swapped",
            Self::Der => "der",
            Self::Pem => "pem",
            Self::PemTwice => "pem-in-base64",
            Self::OpenSsh => "openssh",
            Self::Putty => "putty",
            Self::Jwk => "jwk",
            Self::OpenPgp => "openpgp",
            Self::Expression => "s-expression",
            Self::AgeIdentity => "age-identity",
            Self::Prime => "prime",
        }
    }
}

impl fmt::Display for KeyForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Tells two keys apart without giving either away: the first 8 bytes of a SHA-256, of an RSA key's
/// modulus or of any other key's secret part. The same key has the same in every form.
///
/// A key that can be guessed can be confirmed by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    pub(crate) fn of(key: &[u8]) -> Self {
        let mut first = [0; 8];
        // Not moved, and wiped in its place: a part of the key lies in it.
        let mut hash = Sha256::new();
        hash.update(key);
        first.copy_from_slice(&hash.finalize_reset()[..8]);
        Self(first)
    }

    /// Reads what it displays as.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        let mut bytes = [0; 8];
        let decoded = base16ct::lower::decode(digits, &mut bytes).ok()?;
        (decoded.len() == bytes.len()).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

/// In hexadecimal.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// One place where a key was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct KeyHit {
    /// Where it begins, in bytes from the start of what was searched.
    pub offset: u64,
    /// How many bytes it takes in that form.
    pub len: u64,
    /// What it is.
    pub kind: KeyKind,
    /// How it is laid out.
    pub form: KeyForm,
    /// How many of these bytes are as they should be: `len` unless a part was overwritten.
    pub matching: u64,
    /// Which key it is.
    pub fingerprint: Fingerprint,
}

impl KeyHit {
    /// The offset just behind the key.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}
