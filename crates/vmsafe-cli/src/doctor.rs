//! `vmsafe doctor`: what on this machine lets memory reach storage, and what mends it.

mod check;
mod device;
mod dumps;
mod grades;
mod limits;
mod registry;
mod sleep;
mod swap;
mod sysroot;
mod windows;

use std::io;
use std::path::PathBuf;

use serde::Serialize;

use crate::exit::Exit;
use crate::output::{Cell, Output, Table};
use check::{Check, Risk};
use grades::{Advice, Grades};
use registry::Registry;
use sysroot::Sysroot;

/// Tells what on this machine lets memory reach storage, and what mends it.
///
/// Looks at swap and whether it is encrypted, zram, zswap, hibernation, core dumps, limits and
/// ptrace; on Windows at the page file and BitLocker, hibernation and fast start-up, crash dumps
/// and error reports. Asks for a locked buffer to see what the kernel confirms of it. Changes
/// nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Read /proc, /sys, /dev and /etc below this directory.
    #[arg(long, value_name = "DIR", hide = true, default_value = "/")]
    sysroot: PathBuf,
    /// Judge this record of a Windows registry: a JSON object of values by KEY\NAME.
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "sysroot")]
    registry: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  vmsafe doctor
  vmsafe doctor --json | jq '.checks[] | select(.risk == \"high\")'

Exit codes: 0 no high risk, 1 at least one high risk, 2 usage or I/O error, 3 something important
could not be told.";

pub(crate) fn run(args: &DoctorArgs, out: &Output) -> anyhow::Result<Exit> {
    // Before the grades: the secret memory that they try keeps the machine from hibernating.
    let (mut checks, advice) = match Registry::open(args.registry.as_deref())? {
        Some(registry) => (windows::examine(&registry), Advice::WINDOWS),
        None => (examine(&Sysroot::new(&args.sysroot)), Advice::LINUX),
    };
    let grades = Grades::probe();
    checks.push(grades.check(&advice));
    let verdict = Verdict::of(&checks);
    let diagnosis = Diagnosis {
        verdict,
        checks,
        grades,
    };
    diagnosis.show(out)?;
    Ok(verdict.exit())
}

fn examine(root: &Sysroot) -> Vec<Check> {
    let mut checks = swap::areas(root);
    checks.push(swap::zram(root));
    checks.push(swap::zswap(root));
    checks.push(sleep::hibernation(root));
    checks.push(dumps::pattern(root));
    checks.push(dumps::systemd(root));
    checks.push(dumps::limit(root));
    checks.push(dumps::filter(root));
    checks.push(limits::locked_memory(root));
    checks.push(limits::ptrace(root));
    checks
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Sound,
    AtRisk,
    Unknown,
}

impl Verdict {
    fn of(checks: &[Check]) -> Self {
        let any = |risk| checks.iter().any(|check| check.risk == risk);
        if any(Risk::High) {
            Self::AtRisk
        } else if any(Risk::Unknown) {
            Self::Unknown
        } else {
            Self::Sound
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Sound => Exit::Holds,
            Self::AtRisk => Exit::Found,
            Self::Unknown => Exit::Unknown,
        }
    }
}

#[derive(Debug, Serialize)]
struct Diagnosis {
    verdict: Verdict,
    checks: Vec<Check>,
    grades: Grades,
}

impl Diagnosis {
    fn show(&self, out: &Output) -> io::Result<()> {
        if out.is_json() {
            return out.json(self);
        }
        let mut table = Table::new(["check", "risk", "because"]);
        for check in &self.checks {
            table.row([
                Cell::from(&check.name),
                Cell::toned(check.risk.tone(), check.risk.name()),
                Cell::from(&check.because),
            ]);
        }
        out.table(&table)?;
        out.line("")?;
        self.grades.show(out)?;
        let mending = |check: &&Check| check.mend.is_some();
        for check in self.checks.iter().filter(mending) {
            let mend = check.mend.as_deref().unwrap_or_default();
            out.line(format_args!("\nto mend {}:\n  {mend}", check.name))?;
        }
        Ok(())
    }
}
