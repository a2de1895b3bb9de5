//! The command line. Parser, help, man pages and completions all come from these definitions.

use clap::{Parser, Subcommand};

use crate::burn::BurnArgs;
use crate::demo::{DemoArgs, DemoSubjectArgs};
use crate::doctor::DoctorArgs;
use crate::exit::EXIT_CODES;
use crate::pages::{CompletionsArgs, ManArgs};
use crate::scan::ScanArgs;

/// Buffers whose contents can reach no disk, and the tools that prove it.
#[derive(Debug, Parser)]
#[command(name = "vmsafe", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Doctor(DoctorArgs),
    Scan(ScanArgs),
    Burn(BurnArgs),
    Man(ManArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    DemoSubject(DemoSubjectArgs),
}

impl Command {
    /// Whether results are to be JSON.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Scan(args) => args.json,
            Self::Burn(args) => args.json,
            Self::Man(_) | Self::Completions(_) | Self::DemoSubject(_) => false,
        }
    }
}
