//! What is found where: programs that hold known keys are put to use, paged out to a real swap
//! file, and searched, their memory and the swap file. Prints a page of Markdown.
//!
//! Needs root, and openssl, ssh-agent and gpg-agent: `cargo run --release -p vmsafe-cli --example
//! found > docs/found.md`.

mod look;
mod page;
mod program;
mod run;
mod secret;

use std::path::Path;

fn main() -> anyhow::Result<()> {
    let found = run::run(Path::new("/var/tmp"))?;
    print!("{}", page::page(&found));
    Ok(())
}
