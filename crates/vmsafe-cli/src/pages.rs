//! `vmsafe man` and `vmsafe completions`: pages generated from the definitions of the arguments.

use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Exit;
use crate::output::Output;

/// Prints the manual page, or writes one page for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vmsafe man | man -l -
  vmsafe man --dir ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for each command into this directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vmsafe completions bash > ~/.local/share/bash-completion/completions/vmsafe
  vmsafe completions zsh > ~/.zfunc/_vmsafe
  vmsafe completions fish > ~/.config/fish/completions/vmsafe.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell.
    shell: Shell,
}

pub(crate) fn man(args: &ManArgs, out: &Output) -> anyhow::Result<Exit> {
    let command = Args::command();
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(command, dir)
            .with_context(|| format!("cannot write the pages into {}", dir.display()))?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            out.bytes(&page)?;
        }
    }
    Ok(Exit::Holds)
}

pub(crate) fn completions(args: &CompletionsArgs, out: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "vmsafe", &mut script);
    out.bytes(&script)?;
    Ok(Exit::Holds)
}
