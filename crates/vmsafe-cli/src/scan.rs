//! `vmsafe scan`: looks for known secrets in files, devices, swap and processes.

mod findings;
mod intake;
mod process;
mod target;

use std::path::PathBuf;

use vmsafe_witness::{Searcher, Wanted};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::Output;
use findings::Findings;
use target::Target;

/// Looks for known secrets in files, devices, swap and processes.
///
/// The secrets ("needles") are read from a file or a descriptor, never from the command line: one a
/// line, as hex:…, base64:… or text:…, blank lines and lines that start with # left out. Reports
/// name them by number, from 0 in the order of their lines, and never show them. Swap areas and
/// block devices are read past the page cache, which may hold other bytes than they do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScanArgs {
    /// Read the needles from this open file descriptor.
    #[arg(long, value_name = "N", conflicts_with = "needle_file")]
    needle_fd: Option<u32>,
    /// Read the needles from this file [default: -, standard input].
    #[arg(long, value_name = "FILE")]
    needle_file: Option<PathBuf>,
    /// Look for the needles also reversed, in hexadecimal, base64 and UTF-16.
    #[arg(long)]
    encoded: bool,
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// A file, block device or swap area, or pid:N for the memory of process N.
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<Target>,
}

const EXAMPLES: &str = "\
Examples:
  vmsafe scan --needle-file needles.txt core disk.img
  vmsafe scan --needle-file needles.txt --encoded mail.mbox
  sudo vmsafe scan --needle-file needles.txt /dev/sda2 /swapfile
  pass show bank | sed 's/^/text:/' | vmsafe scan pid:4711
  vmsafe scan --needle-fd 3 --json /swapfile 3< needles.txt

Exit codes: 0 clean, 1 found, 2 usage or I/O error, 3 something could not be searched.";

pub(crate) fn run(args: &ScanArgs, out: &Output) -> anyhow::Result<Exit> {
    let needles = intake::needles(args.needle_fd, args.needle_file.as_deref(), out)?;
    let mut wanted = Wanted::default();
    wanted.encoded = args.encoded;
    let searcher = Searcher::with(&needles, &wanted);
    let interrupt = Interrupt::listen()?;
    let mut findings = Findings::default();
    for target in &args.targets {
        findings.add(target, target.scan(&searcher, &interrupt, out));
    }
    findings.show(out)?;
    Ok(findings.exit())
}
