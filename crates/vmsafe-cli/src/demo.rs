//! `vmsafe demo`: shows, with real swap, cores and disks, what reaches them and what does not.
//!
//! ```text
//!   demo ─ stage ─ private swap, cgroup, watched scratch disk, core pattern
//!     └ round ─ actors: two processes per subject, each holding a fresh canary
//!         └ look ─ the witness at each door ─► tally ─► verdict ─► report
//! ```

mod actor;
mod canary;
mod child;
mod holder;
mod look;
mod race;
mod report;
mod round;
mod stage;
mod subject;
mod tally;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use self::report::{Report, Rounds};
use self::round::STEPS;
use self::stage::Stage;
use self::subject::{Door, Subject};
use self::tally::Tally;
use self::verdict::{Judgement, Verdict, judge};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::{Output, Progress};

pub(crate) use self::child::{DemoSubjectArgs, run_subject};

/// Shows that the buffers' contents reach no storage while ordinary memory does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Repeat so many rounds; every one must hold.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Exit 3 if this door could not be shown. May be repeated.
    #[arg(long, value_name = "DOOR")]
    pub(crate) require: Vec<Door>,
    /// Instead, race a storing thread against write-back for so many seconds on each of ext4, xfs,
    /// btrfs and ext4 with data=journal, and search every block that is written (root only).
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    #[arg(conflicts_with_all = ["rounds", "require"])]
    pub(crate) race: Option<u64>,
    /// Where the scratch files go [default: the first usual place on a disk].
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// For testers: leave out this subject's protection, so that the demo must say "broken".
    #[arg(long, value_name = "SUBJECT", hide_short_help = true)]
    #[arg(value_parser = Subject::protected())]
    pub(crate) sabotage: Option<Subject>,
}

const EXAMPLES: &str = "\
Examples:
  vmsafe demo                    every door that this user can open
  sudo vmsafe demo               every door
  vmsafe demo --require swap     fail with exit code 3 if swap could not be shown
  vmsafe demo --json --rounds 500
  sudo vmsafe demo --race 60     the evaporating tail against write-back on four file systems

Exit codes: 0 holds, 1 broken, 2 usage or I/O error, 3 could not tell.";

/// Runs the demonstration.
pub(crate) fn run(args: &DemoArgs, out: &Output) -> anyhow::Result<Exit> {
    if let Some(seconds) = args.race {
        return race::run(args, Duration::from_secs(seconds), out);
    }
    // Before anything of the machine is changed.
    let interrupt = Interrupt::listen()?;
    let stage = Stage::set_up(args.dir.as_deref(), &interrupt, out)?;
    if let Some(subject) = args.sabotage {
        let name = subject.name();
        ensure!(
            stage.cast.contains(&subject),
            "{name} is left out on this machine"
        );
    }
    let progress = out.steps("", u64::from(args.rounds) * STEPS.len() as u64);
    let mut total = Tally::default();
    let mut judgement = Judgement {
        verdict: Verdict::Holds,
        reasons: Vec::new(),
    };
    let mut rounds = Rounds::default();
    let mut last = Vec::new();
    for _ in 0..args.rounds {
        let mut step = step(&progress, rounds, &interrupt);
        let played = round::play(&stage, args.sabotage, &mut step);
        // A terminal's Ctrl-C reaches the subjects too, so any error may be its doing.
        if interrupt.asked() {
            rounds.cut_short(args.rounds, &mut judgement)?;
            break;
        }
        let (tally, actors) = played?;
        rounds.count(judge(&tally, &args.require), &mut judgement);
        total.add(tally);
        last = actors;
    }
    drop(progress);
    let report = Report {
        stage: &stage,
        tally: &total,
        judgement: &judgement,
        rounds,
        actors: &last,
    };
    report.print(out)?;
    Ok(judgement.verdict.into())
}

fn step(
    progress: &Progress,
    rounds: Rounds,
    interrupt: &Interrupt,
) -> impl FnMut(usize) -> anyhow::Result<()> {
    move |step| {
        ensure!(!interrupt.asked(), "interrupted");
        progress.at(u64::from(rounds.played) * STEPS.len() as u64 + step as u64);
        progress.say(STEPS[step]);
        Ok(())
    }
}

impl Rounds {
    /// Keeps what the whole rounds showed, though they are fewer than was asked for.
    fn cut_short(&self, asked: u32, judgement: &mut Judgement) -> anyhow::Result<()> {
        const AS_BEFORE: &str = "the machine is as it was before";
        ensure!(self.played > 0, "interrupted; {AS_BEFORE}");
        let reason = format!(
            "interrupted after {} of {asked} rounds; {AS_BEFORE}",
            self.played
        );
        judgement.add(Verdict::Inconclusive, reason);
        Ok(())
    }

    /// Counts a round's judgement in, and keeps the worst verdict with its reasons.
    fn count(&mut self, round: Judgement, worst: &mut Judgement) {
        self.played += 1;
        self.broken += u32::from(round.verdict == Verdict::Broken);
        self.inconclusive += u32::from(round.verdict == Verdict::Inconclusive);
        if round.verdict > worst.verdict {
            *worst = round;
        }
    }
}
