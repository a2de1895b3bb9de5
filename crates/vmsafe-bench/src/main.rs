//! vmsafe and its peers as engines of one program: speed in interleaved rounds, and what fits under
//! a lock limit.

mod capacity;
mod engine;
mod heap;
mod row;
mod sealed;
mod work;

use clap::{Parser, Subcommand};

/// Measures vmsafe beside its peers.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Nanoseconds an operation: vmsafe's heap, its peers, and controls without protection.
    Heap(heap::Arguments),
    /// How many live 32-byte secrets fit under the lock limit, and what happens then.
    Capacity(capacity::Arguments),
    /// `Sealed`: open, use and close against the cipher alone; ten million sealed secrets.
    Sealed(sealed::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Heap(arguments) => heap::run(&arguments),
        Command::Capacity(arguments) => capacity::run(&arguments),
        Command::Sealed(arguments) => sealed::run(&arguments),
    }
}
