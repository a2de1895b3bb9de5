//! Keys that we know because we had them made, in the numbers that programs keep of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use vmsafe_witness::Modulus;
use zeroize::Zeroizing;

type Bytes = Zeroizing<Vec<u8>>;

/// A secret, and what it is.
pub(crate) struct Secret {
    pub(crate) what: &'static str,
    pub(crate) bytes: Bytes,
}

/// The secrets of one program, and the public key that they belong to.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) modulus: Option<Modulus>,
}

impl Held {
    pub(crate) fn add(&mut self, what: &'static str, bytes: &[u8]) {
        let bytes = Zeroizing::new(bytes.to_vec());
        self.secrets.push(Secret { what, bytes });
    }

    fn add_rsa(&mut self, [n, d, p, q]: [&[u8]; 4]) -> anyhow::Result<()> {
        self.modulus = Some(Modulus::new(n)?);
        self.add("RSA private exponent", d);
        self.add("RSA first prime", p);
        self.add("RSA second prime", q);
        Ok(())
    }
}

/// Runs a tool to its end, and gives its output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Bytes> {
    let named = command.get_program().to_string_lossy().into_owned();
    let out = command
        .output()
        .with_context(|| format!("{named} does not run"))?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{named} failed: {said}");
    Ok(Zeroizing::new(out.stdout))
}

/// A certificate and its key, for a server of TLS.
pub(crate) fn tls(dir: &Path) -> anyhow::Result<Held> {
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(dir)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
    openssl.args([
        "-keyout",
        "tls.key",
        "-out",
        "tls.crt",
        "-subj",
        "/CN=localhost",
    ]);
    output(&mut openssl)?;
    let mut held = Held::default();
    rsa_of_pem(&dir.join("tls.key"), &mut held)?;
    Ok(held)
}

/// An RSA and an Ed25519 key for `ssh-agent`.
pub(crate) fn ssh(dir: &Path) -> anyhow::Result<Held> {
    for kind in ["rsa", "ed25519"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen
            .current_dir(dir)
            .args(["-q", "-N", "", "-t", kind, "-f", kind]);
        if kind == "rsa" {
            keygen.args(["-m", "PEM", "-b", "2048"]);
        }
        output(&mut keygen)?;
    }
    let mut held = Held::default();
    rsa_of_pem(&dir.join("rsa"), &mut held)?;
    let binary = decoded(&dir.join("ed25519"))?;
    // The private string: 64 bytes, the seed and once more the public key.
    let private = binary.windows(4).rposition(|len| len == [0, 0, 0, 64]);
    let seed = private.and_then(|at| binary.get(at + 4..at + 36));
    held.add("Ed25519 seed", seed.context("no Ed25519 key of OpenSSH")?);
    Ok(held)
}

/// An RSA key in the home of a `gpg-agent`, under `phrase`.
pub(crate) fn gpg(home: &Path, phrase: &str) -> anyhow::Result<Held> {
    let gpg = |args: &[&str]| {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir")
            .arg(home)
            .args(["--quiet", "--batch"])
            .args(args);
        output(&mut gpg)
    };
    let usage = ["rsa2048", "sign,cert", "never"];
    gpg(&[
        &[
            "--passphrase",
            "",
            "--quick-generate-key",
            "someone@example.org",
        ],
        &usage[..],
    ]
    .concat())?;
    let packet = gpg(&["--export-secret-keys"])?;
    let mut held = Held::default();
    held.add_rsa(rsa_of_openpgp(&packet).context("no RSA key in what gpg exported")?)?;
    held.add("passphrase", phrase.as_bytes());
    let file = home.join("phrase");
    fs::write(&file, phrase)?;
    let file = file.to_str().context("a path in UTF-8")?;
    let loopback = ["--pinentry-mode", "loopback", "--passphrase-file", file];
    gpg(&[&loopback[..], &["--passwd", "someone@example.org"]].concat())?;
    // The agent that made the key goes; the one that is looked at has not seen it in the open.
    output(
        Command::new("gpgconf")
            .arg("--homedir")
            .arg(home)
            .args(["--kill", "gpg-agent"]),
    )?;
    Ok(held)
}

fn rsa_of_pem(key: &Path, held: &mut Held) -> anyhow::Result<()> {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["rsa", "-traditional", "-outform", "DER", "-in"])
        .arg(key);
    let der = output(&mut openssl)?;
    held.add_rsa(rsa_of_der(&der).context("no RSA key in PKCS #1")?)
}

/// `SEQUENCE { 0, n, e, d, p, q, … }`, each number with a length of two bytes at most.
fn rsa_of_der(der: &[u8]) -> Option<[&[u8]; 4]> {
    let mut rest = der.get(4..)?;
    let mut number = || {
        let (len, behind) = match rest {
            [2, 0x82, high, low, behind @ ..] => {
                (usize::from(*high) << 8 | usize::from(*low), behind)
            }
            [2, 0x81, len, behind @ ..] | [2, len, behind @ ..] => (usize::from(*len), behind),
            _ => return None,
        };
        let (number, behind) = behind.split_at_checked(len)?;
        rest = behind;
        Some(number.strip_prefix(&[0]).unwrap_or(number))
    };
    let [_version, n, _e, d, p, q] = [
        number()?,
        number()?,
        number()?,
        number()?,
        number()?,
        number()?,
    ];
    Some([n, d, p, q])
}

/// Header, version, time, algorithm, then n, e, a zero byte, d, p, q.
fn rsa_of_openpgp(packet: &[u8]) -> Option<[&[u8]; 4]> {
    let mut rest = packet.get(3 + 6..)?;
    let mut number = |skip: usize| {
        let (bits, behind) = rest.get(skip..)?.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes(*bits)).div_ceil(8);
        let (number, behind) = behind.split_at_checked(len)?;
        rest = behind;
        Some(number)
    };
    let (n, _e) = (number(0)?, number(0)?);
    Some([n, number(1)?, number(0)?, number(0)?])
}

/// What the text between the dashes stands for.
fn decoded(pem: &Path) -> anyhow::Result<Bytes> {
    let mut openssl = Command::new("sh");
    output(
        openssl
            .args(["-c", "grep -v -e - \"$0\" | openssl base64 -d"])
            .arg(pem),
    )
}
