//! What the kernel confirms of a locked buffer here and now.

use std::io;
use std::path::Path;

use serde::Serialize;
use vmsafe::{Demand, Locked, Source, Threat, Verdict};

use super::check::Check;
use crate::output::{Cell, Output, Table, Tone};

/// How a system calls the memory that only its process reads, and what to do where it gives none.
pub(super) struct Advice {
    name: &'static str,
    /// When no memory can be locked.
    lock: &'static str,
    /// Where the kernel tells what it granted, and what to do when it is missing: then no lock can
    /// be confirmed, whatever the limit.
    table: Option<(&'static str, &'static str)>,
    /// When others can read it; `None` where nothing helps.
    secret: Option<&'static str>,
}

impl Advice {
    pub(super) const LINUX: Self = Self {
        name: "memfd_secret",
        lock: "raise the lock limit: ulimit -l 65536",
        table: Some(("/proc/self", "mount -t proc proc /proc")),
        secret: Some("boot with secretmem.enable=1 on Linux 5.14 or newer"),
    };
    pub(super) const WINDOWS: Self = Self {
        name: "locked memory",
        lock: "secpol.msc: let the account \"Increase a process working set\"",
        table: None,
        secret: None,
    };
}

impl Advice {
    /// What to do when no memory can be locked.
    fn unlocked(&self) -> &'static str {
        let missing = self.table.filter(|(table, _)| !Path::new(table).exists());
        missing.map_or(self.lock, |(_, mend)| mend)
    }
}

/// Enough for a key; the kernel gives whole pages.
const LEN: usize = 32;

/// The grades of each kind of buffer that was tried.
#[derive(Debug, Serialize)]
pub(super) struct Grades {
    locked: Tried,
    #[serde(skip)]
    secret: Result<(), String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Tried {
    Grade(Vec<Judged>),
    Error(String),
}

#[derive(Debug, Serialize)]
struct Judged {
    threat: String,
    verdict: &'static str,
    because: String,
}

impl Grades {
    /// Asks for a buffer with the default demands, and for one that only secret memory can be.
    pub(super) fn probe() -> Self {
        let locked = Locked::new(LEN);
        let secret = match &locked {
            Ok(locked) if locked.source() == Source::Secret => Ok(()),
            _ => Locked::options()
                .demand(Threat::ProcessRead, Demand::Require)
                .create(LEN)
                .map(drop)
                .map_err(|error| error.to_string()),
        };
        let locked = match &locked {
            Err(error) => Tried::Error(error.to_string()),
            Ok(locked) => Tried::Grade(locked.grade().iter().map(Judged::from).collect()),
        };
        Self { locked, secret }
    }

    /// Whether there is secret memory, or locked memory at all.
    pub(super) fn check(&self, advice: &Advice) -> Check {
        let name = advice.name;
        match (&self.locked, &self.secret) {
            (Tried::Error(because), _) => {
                Check::high(name, format!("no buffer can be locked here: {because}"))
                    .mend(advice.unlocked())
            }
            (_, Err(because)) => {
                let because =
                    format!("buffers are locked, but other processes can read them: {because}");
                let check = Check::low(name, because);
                advice.secret.iter().fold(check, Check::mend)
            }
            (_, Ok(())) => Check::none(name, "buffers get memory that only their process can read"),
        }
    }

    pub(super) fn show(&self, out: &Output) -> io::Result<()> {
        let grade = match &self.locked {
            Tried::Grade(grade) => grade,
            Tried::Error(because) => {
                return out.line(format_args!("a locked buffer cannot be had: {because}"));
            }
        };
        let mut table = Table::new(["a locked buffer and", "is", "because"]);
        for judged in grade {
            table.row([
                Cell::from(&judged.threat),
                Cell::toned(judged.tone(), judged.verdict),
                Cell::from(&judged.because),
            ]);
        }
        out.table(&table)
    }
}

impl Judged {
    fn tone(&self) -> Tone {
        match self.verdict {
            "closed" => Tone::Good,
            "open" => Tone::Bad,
            _ => Tone::Doubtful,
        }
    }
}

impl From<(Threat, &Verdict)> for Judged {
    fn from((threat, verdict): (Threat, &Verdict)) -> Self {
        let word = match verdict {
            Verdict::Closed { .. } => "closed",
            Verdict::Open { .. } => "open",
            Verdict::Unknown { .. } => "unknown",
        };
        Self {
            threat: threat.to_string(),
            verdict: word,
            because: verdict.reason().to_owned(),
        }
    }
}
