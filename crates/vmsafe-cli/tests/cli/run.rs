//! Runs the utility and takes down what it said.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// What one run gave.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Standard output as JSON: one document and nothing else.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The utility, with nothing on standard input and no settings for colour.
pub(crate) fn vmsafe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmsafe"));
    command
        .stdin(Stdio::null())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE");
    command
}

/// Runs the utility with these arguments.
pub(crate) fn run<const N: usize>(args: [&str; N]) -> Said {
    said(vmsafe().args(args))
}

pub(crate) fn said(command: &mut Command) -> Said {
    Said::from(command.output().expect("the utility runs"))
}

/// Starts the utility; what it reads is written to the second, and what it says can be waited for.
pub(crate) fn begun(command: &mut Command) -> (Child, ChildStdin) {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = piped.stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the utility runs");
    let input = child.stdin.take().expect("piped");
    (child, input)
}

/// A directory on the disk that holds the build; `/tmp` may be memory.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build directory takes files")
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().expect("scratch paths are UTF-8")
}
