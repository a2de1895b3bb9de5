//! `vmsafe`: shows whether a secret can reach storage, looks for it there, and removes it.
//!
//! Results go to standard output, everything else to standard error. The exit codes are the same
//! for every command: [`exit::Exit`].
#![forbid(unsafe_code)]

mod args;
mod burn;
mod demo;
mod doctor;
mod exit;
mod interrupt;
mod output;
mod pages;
mod scan;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::output::Output;

fn main() -> ExitCode {
    interrupt::outlive_a_file_limit();
    let command = match Args::try_parse() {
        Ok(args) => args.command,
        // Wrong usage: to standard error, and out.
        Err(told) if told.use_stderr() => told.exit(),
        Err(page) => {
            return end(Output::new(false), |out| {
                Ok(out.page(&page).map(|()| Exit::Holds)?)
            });
        }
    };
    let out = Output::new(command.wants_json());
    end(out, |out| run(&command, out))
}

/// Tells an error, and how it ended.
fn end(out: Output, work: impl FnOnce(&Output) -> anyhow::Result<Exit>) -> ExitCode {
    match work(&out) {
        Ok(exit) => exit.into(),
        Err(error) => {
            out.error(&error);
            Exit::Usage.into()
        }
    }
}

fn run(command: &Command, out: &Output) -> anyhow::Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(args, out),
        Command::Doctor(args) => doctor::run(args, out),
        Command::Scan(args) => scan::run(args, out),
        Command::Burn(args) => burn::run(args, out),
        Command::DemoSubject(args) => demo::run_subject(args),
        Command::Man(args) => pages::man(args, out),
        Command::Completions(args) => pages::completions(args, out),
    }
}
