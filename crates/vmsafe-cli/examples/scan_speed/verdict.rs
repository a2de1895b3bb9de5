//! What is asked of the speed, as ratios within one run.

use std::time::Duration;

use serde_json::json;

use crate::engine::{Engine, Run};

/// One work of one engine.
type Subject = (&'static str, &'static str);

/// A speed that must be so many times another.
struct Demand {
    ours: Subject,
    other: Subject,
    by: By,
    least: f64,
    /// Whether the time that reading the needles takes is left out.
    apart: bool,
}

#[derive(Clone, Copy)]
enum By {
    Wall,
    Core,
}

const ALL_FORMS: &str = "vmsafe, all forms";
/// The work of reading ten thousand needles and building their tables.
pub(crate) const SET_UP: &str = "10000 needles, set-up";

const fn demand(ours: Subject, least: f64, other: Subject, by: By) -> Demand {
    Demand {
        ours,
        other,
        by,
        least,
        apart: false,
    }
}

/// The scan alone: the set-up takes as long for a file of a kilobyte as for one of a terabyte.
const fn apart(demand: Demand) -> Demand {
    Demand {
        apart: true,
        ..demand
    }
}

const DEMANDS: [Demand; 19] = [
    demand(
        ("1 needle", "vmsafe"),
        1.0,
        ("1 needle", "ripgrep"),
        By::Core,
    ),
    demand(
        ("1 needle", "vmsafe"),
        1.0,
        ("1 needle", "ripgrep"),
        By::Wall,
    ),
    demand(
        ("100 needles", ALL_FORMS),
        3.0,
        ("100 needles", "ripgrep"),
        By::Core,
    ),
    demand(
        ("100 needles", ALL_FORMS),
        3.0,
        ("100 needles", "grep"),
        By::Core,
    ),
    demand(
        ("100 needles", ALL_FORMS),
        3.0,
        ("100 needles", "yara"),
        By::Core,
    ),
    demand(
        ("100 needles", ALL_FORMS),
        3.0,
        ("100 needles", "yara-x"),
        By::Core,
    ),
    demand(
        ("1000 needles", "vmsafe"),
        1.0,
        ("1 needle", "grep"),
        By::Wall,
    ),
    demand(
        ("10000 needles", "vmsafe"),
        1.0,
        ("100 needles", "vmsafe"),
        By::Core,
    ),
    apart(demand(
        ("10000 needles", "vmsafe"),
        1.0,
        ("100 needles", "vmsafe"),
        By::Core,
    )),
    demand(
        ("10000 needles", ALL_FORMS),
        1.0,
        ("100 needles", ALL_FORMS),
        By::Core,
    ),
    apart(demand(
        ("10000 needles", ALL_FORMS),
        1.0,
        ("100 needles", ALL_FORMS),
        By::Core,
    )),
    demand(
        ("10000 needles", ALL_FORMS),
        1.0,
        ("100 needles", ALL_FORMS),
        By::Wall,
    ),
    demand(
        ("10000 needles of bytes", "vmsafe"),
        1.0,
        ("100 needles of bytes", "vmsafe"),
        By::Core,
    ),
    demand(
        ("10000 needles of bytes", ALL_FORMS),
        1.0,
        ("100 needles of bytes", ALL_FORMS),
        By::Core,
    ),
    demand(
        ("key schedules", "vmsafe"),
        300.0,
        ("key schedules", "aeskeyfind"),
        By::Core,
    ),
    demand(
        ("key schedules", "vmsafe"),
        300.0,
        ("key schedules", "findaes"),
        By::Core,
    ),
    demand(
        ("key schedules", "vmsafe"),
        60.0,
        ("key schedules", "bulk_extractor"),
        By::Core,
    ),
    demand(
        ("needles and schedules", "vmsafe"),
        0.7,
        ("read", "cat"),
        By::Wall,
    ),
    // Private keys are sought too.
    demand(("all at once", "vmsafe"), 0.7, ("read", "cat"), By::Wall),
];

/// The most memory that a scan may take, in MiB.
const MOST_MIB: f64 = 64.0;

impl Demand {
    /// How many times as fast, if both engines ran: the median of what each round says. A machine
    /// that becomes slower or faster meanwhile does so for both.
    fn ratio(&self, engines: &[Engine]) -> Option<f64> {
        let engine = |(work, name): Subject| {
            engines
                .iter()
                .find(|one| one.work == work && one.name == name)
        };
        let (ours, other) = (engine(self.ours)?, engine(self.other)?);
        let set_up = if self.apart {
            Some(engine((SET_UP, self.ours.1))?)
        } else {
            None
        };
        let in_round = |round: usize| {
            let time = |one: &Engine| self.time(&one.runs[round]);
            let less = set_up.map_or(Duration::ZERO, time);
            ours.speed(time(ours).saturating_sub(less)) / other.speed(time(other))
        };
        let mut ratios: Vec<f64> = (0..ours.runs.len()).map(in_round).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied()
    }

    fn time(&self, run: &Run) -> Duration {
        match self.by {
            By::Wall => run.wall,
            By::Core => run.cpu,
        }
    }
}

pub(crate) fn tell(engines: &[Engine], as_json: bool) {
    for demand in &DEMANDS {
        let by = match demand.by {
            By::Wall => "by the clock",
            By::Core => "per core",
        };
        let (ours, other) = (demand.ours, demand.other);
        let less = if demand.apart { " less set-up" } else { "" };
        let what = format!(
            "{}, {}{less} : {}, {}, {by}",
            ours.0, ours.1, other.0, other.1
        );
        match demand.ratio(engines) {
            Some(ratio) => judge(&what, ratio, demand.least, ratio >= demand.least, as_json),
            None => eprintln!("not measured: {what}"),
        }
    }
    let ours = engines.iter().filter(|one| one.name.starts_with("vmsafe"));
    let peak = ours.map(Engine::peak_mib).fold(0.0, f64::max);
    judge(
        "peak memory in MiB, at most",
        peak,
        MOST_MIB,
        peak <= MOST_MIB,
        as_json,
    );
}

fn judge(what: &str, is: f64, asked: f64, holds: bool, as_json: bool) {
    if as_json {
        println!(
            "{}",
            json!({ "demand": what, "asked": asked, "is": is, "holds": holds })
        );
    } else {
        let verdict = if holds { "holds" } else { "FAILS" };
        println!("{what:<88} {asked:>7.1} {is:>7.2}  {verdict}");
    }
}
