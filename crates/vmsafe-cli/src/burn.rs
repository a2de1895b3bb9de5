//! `vmsafe burn`: the end of a confined buffer's file that a crash left behind.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use vmsafe::buffer::confined::{Burned, Confirmed, burn_file};

use crate::exit::Exit;
use crate::output::{Output, Tone, plain};

/// Overwrites files, checks on the medium that they are gone, and removes them.
///
/// For what a crash of a program left of its confined buffers; it asks nothing. Refused are
/// directories, devices, symbolic links, files with a second name, and files whose owner is alive.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BurnArgs {
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  vmsafe burn /var/tmp/session.confined
  vmsafe burn --json /var/lib/app/*.confined

Exit codes: 0 burned, in place and verified, 2 at least one file was not burned, 3 burned, but where
the bytes went or what the medium holds could not be confirmed. Blocks that are not given back hold
zeros, and change no exit code.";

pub(crate) fn run(args: &BurnArgs, out: &Output) -> anyhow::Result<Exit> {
    let mut fires = Vec::new();
    for path in &args.files {
        let fire = burn(path, out);
        if !out.is_json() {
            fire.show(out)?;
        }
        fires.push(fire);
    }
    let verdict = Verdict::of(&fires);
    if out.is_json() {
        out.json(&Fires {
            verdict,
            files: fires,
        })?;
    }
    Ok(verdict.exit())
}

fn burn(path: &Path, out: &Output) -> Fire {
    let name = path.display().to_string();
    let bar = out.progress(&plain(&name), Some(0));
    let result = burn_file(path, &mut |done, whole| {
        bar.of(whole);
        bar.at(done);
    });
    drop(bar);
    let outcome = match result {
        Ok(burned) => Outcome::burned(&burned),
        Err(error) => Outcome::Failed {
            because: advised(path, &error.to_string()),
        },
    };
    Fire {
        file: name,
        outcome,
    }
}

/// The library's reason, and what to do about it where the kind of file tells.
fn advised(path: &Path, because: &str) -> String {
    let advice = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => "; name the files in it",
        Ok(metadata) if metadata.is_symlink() => "; name the file that it points to",
        Ok(metadata) if !metadata.is_file() => "; only regular files can be burned",
        _ => "",
    };
    format!("{because}{advice}")
}

#[derive(Debug, Serialize)]
struct Fires {
    verdict: Verdict,
    files: Vec<Fire>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Burned,
    Unconfirmed,
    Failed,
}

impl Verdict {
    fn of(fires: &[Fire]) -> Self {
        let each = fires.iter().map(|fire| fire.outcome.verdict());
        each.max().unwrap_or(Self::Burned)
    }

    fn exit(self) -> Exit {
        match self {
            Self::Burned => Exit::Holds,
            Self::Unconfirmed => Exit::Unknown,
            Self::Failed => Exit::Usage,
        }
    }
}

#[derive(Debug, Serialize)]
struct Fire {
    file: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
enum Outcome {
    Burned {
        bytes: u64,
        verified: Step,
        in_place: Step,
        discarded: Step,
    },
    Failed {
        because: String,
    },
}

#[derive(Debug, Serialize)]
struct Step {
    confirmed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

impl From<&Confirmed> for Step {
    fn from(confirmed: &Confirmed) -> Self {
        let because = match confirmed {
            Confirmed::Yes => None,
            Confirmed::No { because } => Some(because.clone()),
        };
        Self {
            confirmed: because.is_none(),
            because,
        }
    }
}

impl Step {
    fn tell(&self, yes: &str, no: &str) -> String {
        match &self.because {
            None => yes.to_owned(),
            Some(because) => format!("{no} ({because})"),
        }
    }
}

impl Outcome {
    fn burned(burned: &Burned) -> Self {
        Self::Burned {
            bytes: burned.bytes,
            verified: Step::from(&burned.verified),
            in_place: Step::from(&burned.in_place),
            discarded: Step::from(&burned.discarded),
        }
    }

    /// Giving blocks back is an extra, so that it does not decide: what was to go is overwritten.
    fn verdict(&self) -> Verdict {
        match self {
            Self::Burned {
                verified, in_place, ..
            } if verified.confirmed && in_place.confirmed => Verdict::Burned,
            Self::Burned { .. } => Verdict::Unconfirmed,
            Self::Failed { .. } => Verdict::Failed,
        }
    }
}

impl Fire {
    fn show(&self, out: &Output) -> io::Result<()> {
        let (tone, word) = match self.outcome.verdict() {
            Verdict::Burned => (Tone::Good, "burned"),
            Verdict::Unconfirmed => (Tone::Doubtful, "burned, but not all confirmed"),
            Verdict::Failed => (Tone::Bad, "not burned"),
        };
        let (on, off) = (tone.start(), Tone::end());
        match &self.outcome {
            Outcome::Failed { because } => {
                out.note(format_args!("{on}{word}{off}: {}", plain(because)));
                Ok(())
            }
            Outcome::Burned {
                bytes,
                verified,
                in_place,
                discarded,
            } => {
                let steps = [
                    format!("{bytes} bytes overwritten"),
                    in_place.tell("in place", "perhaps elsewhere"),
                    verified.tell("verified on the medium", "not verified"),
                    discarded.tell("blocks given back", "blocks not given back"),
                ];
                let steps = steps.join(", ");
                out.line(format_args!(
                    "{on}{word}{off}: {}: {steps}",
                    plain(&self.file)
                ))
            }
        }
    }
}
