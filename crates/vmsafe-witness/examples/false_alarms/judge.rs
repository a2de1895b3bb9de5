//! Asks others about a key: OpenSSL, OpenSSH, GnuPG, PuTTY, age, and the plainest reading of
//! FIPS 197.

mod public;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use base64ct::{Base64, Encoding};
use vmsafe_witness::{KeyForm, KeyHit, KeyKind};

use super::plants;

/// How long the last line of a file of PuTTY is, with line ends.
const CHECKSUM: u64 = "\r\nPrivate-MAC: ".len() as u64 + 64 + 2;

/// Whether somebody else takes these bytes for a key too.
pub(crate) fn accepts(mut file: &File, key: &KeyHit) -> bool {
    let mut bytes = Vec::new();
    let behind = if key.form == KeyForm::Putty {
        CHECKSUM
    } else {
        0
    };
    let read = file
        .seek(SeekFrom::Start(key.offset))
        .and_then(|_| file.take(key.len + behind).read_to_end(&mut bytes));
    if read.is_err() {
        return false;
    }
    match key.form {
        KeyForm::Der => der(&bytes),
        KeyForm::Pem => pem(&bytes),
        KeyForm::PemTwice => spells(&String::from_utf8_lossy(&bytes), pem),
        KeyForm::OpenSsh => {
            let begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
            let end = "\n-----END OPENSSH PRIVATE KEY-----\n";
            let digits = Base64::encode_string(&bytes).into_bytes();
            let lines: Vec<_> = digits.chunks(70).collect();
            ssh_keygen(&[begin.as_bytes(), &lines.join(&b'\n'), end.as_bytes()].concat())
        }
        KeyForm::Putty => puttygen(&bytes),
        KeyForm::Jwk => public::jwk(&bytes),
        KeyForm::OpenPgp => gpg(&bytes) || public::packet(&bytes),
        KeyForm::Expression => public::expression(&bytes),
        KeyForm::AgeIdentity => runs("age-keygen", &["-y"], &[&bytes[..], b"\n"].concat()),
        _ => schedule(key, &bytes),
    }
}

fn der(key: &[u8]) -> bool {
    openssl(key, "DER") || public::ed25519(key)
}

fn pem(bytes: &[u8]) -> bool {
    // As source code spells line ends.
    let text = String::from_utf8_lossy(bytes)
        .replace("\\r", "")
        .replace("\\n", "\n");
    if !text.contains("-----END") {
        // A key of a ring of OpenPGP, from its first digit to its last.
        return spells(&text, |packet| gpg(packet) || public::packet(packet));
    }
    let lines = text.lines().map(|line| format!("{}\n", line.trim()));
    let lines: String = lines.collect();
    let asked = |text: &str| {
        let text = text.as_bytes();
        openssl(text, "PEM") || ssh_keygen(text) || gpg(text)
    };
    asked(&lines) || asked(&wrapped(&text)) || content(&text).is_some_and(|key| der(&key))
}

/// Whether what a text in base64 spells, from the first digit of it to the last, is accepted.
fn spells(text: &str, accepts: impl Fn(&[u8]) -> bool) -> bool {
    let lines = text.lines().map(str::trim);
    let is_digits = |line: &&str| !line.contains([':', '-']);
    let digits: String = lines.filter(is_digits).collect();
    // It begins and ends within groups of four digits, of which its neighbours have a part.
    (0..3).any(|ahead| {
        let mut group = format!("{}{digits}", &"AA"[..ahead]);
        group.extend(std::iter::repeat_n('A', group.len().wrapping_neg() % 4));
        let bytes = Base64::decode_vec(&group).unwrap_or_default();
        (0..3).any(|behind| {
            let key = bytes.get(ahead..bytes.len().saturating_sub(behind));
            key.is_some_and(&accepts)
        })
    })
}

/// The digits between the two lines that say what they are.
fn digits(text: &str) -> String {
    let inner = text.split("-----").nth(2).unwrap_or_default();
    inner.chars().filter(|char| !char.is_whitespace()).collect()
}

fn content(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(&digits(text)).ok()
}

/// The text with lines of 64 digits, where a program holds them without line ends.
fn wrapped(text: &str) -> String {
    let mut parts = text.split("-----");
    let (begin, end) = (parts.nth(1), parts.nth(1));
    let digits = digits(text).into_bytes();
    let lines = digits.chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!(
        "-----{}-----\n{}\n-----{}-----\n",
        begin.unwrap_or_default(),
        lines.join("\n"),
        end.unwrap_or_default()
    )
}

fn runs(program: &str, args: &[&str], input: &[u8]) -> bool {
    output(program, args, input).is_some()
}

/// What it prints, if it ends well.
fn output(program: &str, args: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        eprintln!("{program} does not run: install it");
        return None;
    };
    // It may end before it has read all: then its status says what is to be said.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn openssl(key: &[u8], form: &str) -> bool {
    runs(
        "openssl",
        &["pkey", "-inform", form, "-noout", "-passin", "pass:"],
        key,
    )
}

fn ssh_keygen(key: &[u8]) -> bool {
    runs("ssh-keygen", &["-y", "-P", "", "-f", "/dev/stdin"], key)
}

fn puttygen(key: &[u8]) -> bool {
    let args = ["/dev/stdin", "--old-passphrase", "/dev/null", "-L"];
    runs("puttygen", &args, key)
}

fn gpg(key: &[u8]) -> bool {
    runs("gpg", &["--batch", "--list-packets"], key)
}

/// Whether the whole schedule follows from its key, in the layout that was named.
fn schedule(key: &KeyHit, bytes: &[u8]) -> bool {
    let words = match key.kind {
        KeyKind::Aes128 => 4,
        KeyKind::Aes192 => 6,
        KeyKind::Aes256 => 8,
        _ => return false,
    };
    let mut bytes = bytes.to_vec();
    let swapped = [
        KeyForm::ScheduleSwapped,
        KeyForm::ReversedScheduleSwapped,
        KeyForm::DecryptionScheduleSwapped,
    ];
    if swapped.contains(&key.form) {
        plants::swap_words(&mut bytes);
    }
    let forward = match key.form {
        KeyForm::Schedule | KeyForm::ScheduleSwapped => bytes,
        KeyForm::ReversedSchedule | KeyForm::ReversedScheduleSwapped => plants::reversed(&bytes),
        // Passing through InvMixColumns four times changes nothing.
        _ => plants::decryption(&plants::reversed(&plants::decryption(&plants::reversed(
            &plants::decryption(&bytes),
        )))),
    };
    forward.len() >= 4 * words && plants::expanded(&forward[..4 * words]) == forward
}
