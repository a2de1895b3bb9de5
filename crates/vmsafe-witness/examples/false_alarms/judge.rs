//! Asks others about a key: OpenSSL, OpenSSH, GnuPG, and the plainest reading of FIPS 197.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

use base64ct::{Base64, Encoding};
use vmsafe_witness::{KeyForm, KeyHit, KeyKind};

use super::plants;

/// Whether somebody else takes these bytes for a key too.
pub(crate) fn accepts(mut file: &File, key: &KeyHit) -> bool {
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::Start(key.offset))
        .and_then(|_| file.take(key.len).read_to_end(&mut bytes));
    if read.is_err() {
        return false;
    }
    match key.form {
        KeyForm::Der => openssl(&bytes, "DER"),
        KeyForm::Pem => {
            bytes.push(b'\n');
            // As source code spells line ends.
            let text = String::from_utf8_lossy(&bytes).replace("\\n", "\n");
            let text: String = text
                .lines()
                .map(|line| format!("{}\n", line.trim()))
                .collect();
            openssl(text.as_bytes(), "PEM") || ssh_keygen(text.as_bytes()) || gpg(text.as_bytes())
        }
        KeyForm::OpenSsh => {
            let begin = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
            let end = "\n-----END OPENSSH PRIVATE KEY-----\n";
            let digits = Base64::encode_string(&bytes).into_bytes();
            let lines: Vec<_> = digits.chunks(70).collect();
            ssh_keygen(&[begin.as_bytes(), &lines.join(&b'\n'), end.as_bytes()].concat())
        }
        KeyForm::OpenPgp => gpg(&bytes),
        _ => schedule(key, &bytes),
    }
}

fn runs(program: &str, args: &[&str], input: &[u8]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = child else {
        eprintln!("{program} does not run: install it");
        return false;
    };
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    child.wait().is_ok_and(|status| status.success()) && written.is_some()
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
