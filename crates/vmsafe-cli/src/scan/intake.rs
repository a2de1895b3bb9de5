//! Where needles come from: a descriptor, a file, or standard input; never an argument.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use vmsafe_witness::{Modulus, Needles};

use crate::output::Output;

/// Where the needles are read from. Without any source there are none if `may_be_none`; otherwise
/// they come from standard input.
pub(super) fn source(
    fd: Option<u32>,
    file: Option<&Path>,
    may_be_none: bool,
    out: &Output,
) -> anyhow::Result<Option<File>> {
    if may_be_none && fd.is_none() && file.is_none() {
        return Ok(None);
    }
    open(fd, file, out).map(Some)
}

/// The needles from there.
pub(super) fn needles(source: Option<File>) -> anyhow::Result<Needles> {
    let Some(source) = source else {
        return Ok(Needles::new());
    };
    let needles = Needles::read_from(source)?;
    if needles.is_empty() {
        bail!("no needle was given: write one a line, as hex:…, base64:… or text:…");
    }
    Ok(needles)
}

/// The modulus of the RSA public key in a file.
pub(super) fn modulus(path: &Path) -> anyhow::Result<Modulus> {
    /// More than any has, with whatever stands beside it.
    const LONGEST: u64 = 1 << 20;
    let named = || format!("cannot read a public key from {}", path.display());
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(named)?;
    file.take(LONGEST)
        .read_to_end(&mut bytes)
        .with_context(named)?;
    Modulus::from_public_key(&bytes).with_context(named)
}

/// Whether the needles come from standard input.
pub(super) fn is_input(fd: Option<u32>, file: Option<&Path>, may_be_none: bool) -> bool {
    match (fd, file) {
        (Some(fd), _) => fd == 0,
        (None, Some(file)) => file == Path::new("-") || file == Path::new("/dev/stdin"),
        (None, None) => !may_be_none,
    }
}

/// Standard input is read without the standard library's handle, which would keep what it read in a
/// buffer that nobody wipes.
fn open(fd: Option<u32>, file: Option<&Path>, out: &Output) -> anyhow::Result<File> {
    match (fd, file) {
        (Some(0), _) => Ok(vmsafe_lab::input()?),
        (Some(fd), _) => {
            const ADVICE: &str = "cannot read needles: give an open descriptor, or --needle-file";
            vmsafe_lab::descriptor(fd).context(ADVICE)
        }
        (None, Some(file)) if file != Path::new("-") => open_file(file, out),
        (None, given) => {
            if given.is_none() && io::stdin().is_terminal() {
                bail!(
                    "no needles: give --needle-file or --needle-fd, or pipe them in; or look for \
                     unknown keys with --keys"
                );
            }
            Ok(vmsafe_lab::input()?)
        }
    }
}

fn open_file(path: &Path, out: &Output) -> anyhow::Result<File> {
    let named = || format!("cannot read needles from {}", path.display());
    ensure!(
        !path.is_dir(),
        "{}: it is a directory: name a file",
        named()
    );
    let file = File::open(path).with_context(named)?;
    // A device or a pipe keeps nothing that a mode could hide.
    let is_kept = file.metadata().is_ok_and(|about| about.is_file());
    if is_kept && vmsafe_lab::readable_by_all(&file).unwrap_or(false) {
        let path = path.display();
        out.warn(format_args!(
            "every user of this machine may read {path}: chmod 600 it, and delete it when done"
        ));
    }
    Ok(file)
}
