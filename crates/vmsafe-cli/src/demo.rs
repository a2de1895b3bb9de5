//! `vmsafe demo`: shows, with real swap, cores and disks, what reaches them and what does not.

use std::path::PathBuf;

use crate::exit::Exit;
use crate::output::Output;

/// Shows that the buffers' contents reach no storage while ordinary memory does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Repeat so many rounds; every one must hold.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) rounds: u32,
    /// Exit 3 if this door could not be shown: swap, core, file, disk or child. May be repeated.
    #[arg(long, value_name = "DOOR")]
    pub(crate) require: Vec<String>,
    /// Where the scratch files go [default: the directory for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// For testers: leave out this subject's protection, so that the demo must say "broken".
    #[arg(long, value_name = "SUBJECT", hide_short_help = true)]
    pub(crate) sabotage: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  vmsafe demo                    every door that this user can open
  sudo vmsafe demo               every door
  vmsafe demo --require swap     fail with exit code 3 if swap could not be shown
  vmsafe demo --json --rounds 500

Exit codes: 0 holds, 1 broken, 2 usage or I/O error, 3 could not tell.";

/// One subject of the demonstration, run as a process of its own by `vmsafe demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoSubjectArgs {
    /// Which subject.
    pub(crate) name: String,
}

pub(crate) fn run(args: &DemoArgs, out: &Output) -> anyhow::Result<Exit> {
    out.note(format_args!("{} rounds asked for", args.rounds));
    anyhow::bail!("the demonstration is not built into this version")
}

pub(crate) fn run_subject(args: &DemoSubjectArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("subject {} is not built into this version", args.name)
}
