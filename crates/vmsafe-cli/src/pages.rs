//! `vmsafe man` and `vmsafe completions`: pages generated from the definitions of the arguments.

use core::iter;
use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

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
    /// Write a page for each command into this directory, which is made if it is missing.
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
    let (whole, commands) = pages();
    match &args.dir {
        Some(dir) => {
            fs::create_dir_all(dir)
                .with_context(|| format!("cannot make the directory {}", dir.display()))?;
            for page in iter::once(whole).chain(commands) {
                page.generate_to(dir)
                    .with_context(|| format!("cannot write the pages into {}", dir.display()))?;
            }
        }
        None => {
            let mut page = Vec::new();
            whole.render(&mut page)?;
            out.bytes(&page)?;
        }
    }
    Ok(Exit::Holds)
}

/// The page of the program, and those of its commands, each with the version in its footer.
fn pages() -> (Man, Vec<Man>) {
    const SOURCE: &str = concat!("vmsafe ", env!("CARGO_PKG_VERSION"));
    let page = |command: &clap::Command| Man::new(command.clone()).source(SOURCE);
    // `vmsafe help` has no page: there is help for each command.
    let mut whole = Args::command().disable_help_subcommand(true);
    // It names them after the program.
    whole.build();
    let commands = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    (page(&whole), commands.map(page).collect())
}

pub(crate) fn completions(args: &CompletionsArgs, out: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut shown(), "vmsafe", &mut script);
    let script = String::from_utf8(script)?;
    out.bytes(with_equals(args.shell, &script).as_bytes())?;
    Ok(Exit::Holds)
}

/// The script, which offers kinds of keys behind `--keys=` alone: the generator offers them also as
/// the next word, which would be a target.
fn with_equals(shell: Shell, script: &str) -> String {
    /// The = is a word of its own.
    const BASH: &str = r#"prev="$3"
    case "${COMP_WORDS[COMP_CWORD]},${prev}" in
        =,*) ;;
        *,=) prev="${COMP_WORDS[COMP_CWORD-2]}" ;;
        *,--keys) prev="" ;;
    esac
"#;
    match shell {
        Shell::Bash => script.replace("prev=\"$3\"\n", BASH),
        Shell::Zsh => script.replace("--keys=[", "--keys=-["),
        Shell::Fish => {
            // What is not required is taken from behind the = alone.
            let optional = |line: &str| {
                if line.contains(" -l keys ") {
                    line.replace(" -r -f ", " -f ")
                } else {
                    line.to_owned()
                }
            };
            script.split_inclusive('\n').map(optional).collect()
        }
        _ => script.to_owned(),
    }
}

/// The command line without the commands that are hidden: the generator would offer them all.
fn shown() -> clap::Command {
    let whole = Args::command();
    let commands = whole
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    clap::Command::new("vmsafe")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .args(whole.get_arguments().cloned())
        .subcommands(commands.cloned())
}
