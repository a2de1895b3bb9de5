//! The subcommand `heap`: every engine, every work, interleaved rounds.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::engine::{self, CONTROL, Entry, Measured};
use crate::row::{self, Check, Row};
use crate::work::Work;

/// An engine that is here.
type Opened = (Entry, Box<dyn Measured>);

/// The engine that the budgets are for.
const SUBJECT: &str = "vmsafe heap";

/// How long one engine may take over one piece of work, once it had its least rounds.
const PATIENCE: Duration = Duration::from_millis(500);
/// Rounds that even the slowest engine has.
const LEAST_ROUNDS: usize = 3;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a line of JSON for each result.
    #[arg(long)]
    json: bool,
    /// Rounds; each measures every engine once, but slow ones are left out of the later ones.
    #[arg(long, default_value_t = 101)]
    rounds: usize,
    /// Only this work; may be given more than once.
    #[arg(long)]
    work: Vec<Work>,
    /// Only engines whose name holds this; the control is always measured.
    #[arg(long)]
    engine: Option<String>,
    /// Only this many threads; may be given more than once.
    #[arg(long)]
    threads: Vec<usize>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let wanted = |entry: &Entry| {
        let part = arguments.engine.as_deref().unwrap_or("");
        entry.name == CONTROL || entry.name.contains(part)
    };
    let mut engines = Vec::new();
    for entry in engine::all().into_iter().filter(wanted) {
        match (entry.open)() {
            Ok(engine) => engines.push((entry, engine)),
            Err(reason) => eprintln!("{}: left out: {reason}", entry.name),
        }
    }
    let works = if arguments.work.is_empty() {
        Work::value_variants()
    } else {
        &arguments.work
    };
    let mut rows = Vec::new();
    let mut checks = Vec::new();
    for work in works {
        let first = rows.len();
        let threads = match arguments.threads.as_slice() {
            [] => work.threads(),
            given => given,
        };
        for threads in threads {
            let fresh = rounds(&engines, *work, *threads, arguments.rounds);
            checks.extend(beside_peers(&fresh, *work, &engines));
            rows.extend(fresh);
        }
        if *work == Work::Pair {
            checks.extend(of_pairs(&rows[first..]));
        }
    }
    if arguments.json {
        return row::print(&rows, true);
    }
    for work in works {
        print_work(&rows, *work, &engines);
    }
    row::print(&checks, false)
}

/// One table for a piece of work: a line for each engine, two columns for each number of threads.
fn print_work(rows: &[Row], work: Work, engines: &[Opened]) {
    let rows: Vec<_> = rows.iter().filter(|row| row.work == work.name()).collect();
    let mut threads: Vec<_> = rows.iter().map(|row| row.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let mut header = vec![work.name().to_owned()];
    for threads in &threads {
        header.push(format!("{threads} threads, ns"));
        header.push("to the control".to_owned());
    }
    let mut lines = Vec::new();
    for (entry, _) in engines {
        let mut line = vec![entry.name.to_owned()];
        if !entry.locks.holds(work) {
            line[0].push_str(" (not locked)");
        }
        for threads in &threads {
            let is_it = |row: &&&Row| row.engine == entry.name && row.threads == *threads;
            let found = rows.iter().find(is_it);
            let cell = |number: Option<f64>| number.map_or("-".to_owned(), row::short);
            line.push(cell(found.map(|row| row.ns_median)));
            line.push(cell(found.map(|row| row.ratio_to_control)));
        }
        lines.push(line);
    }
    row::print_table(&header, &lines);
}

/// What one engine needs for one piece of work, and what it took.
struct Course<'a> {
    engine: &'a Opened,
    steps: usize,
    times: Vec<f64>,
    spent: Duration,
}

/// Measures each engine once a round, so that what disturbs the machine disturbs all of them.
fn rounds(engines: &[Opened], work: Work, threads: usize, rounds: usize) -> Vec<Row> {
    let ready = |engine| {
        let (_, measured): &Opened = engine;
        Some(Course {
            engine,
            steps: measured.calibrate(work, threads)?,
            times: Vec::new(),
            spent: Duration::ZERO,
        })
    };
    let mut courses: Vec<_> = engines.iter().filter_map(ready).collect();
    for round in 0..rounds {
        let is_due = |course: &&mut Course<'_>| round < LEAST_ROUNDS || course.spent < PATIENCE;
        for course in courses.iter_mut().filter(is_due) {
            let start = Instant::now();
            let time = course.engine.1.measure(work, threads, course.steps);
            course.times.extend(time);
            course.spent += start.elapsed();
        }
    }
    let mut control = f64::NAN;
    let mut rows = Vec::new();
    for course in courses.iter_mut().filter(|course| !course.times.is_empty()) {
        let (ns_median, ns_min) = row::median_and_min(&mut course.times);
        let engine = course.engine.0.name;
        if engine == CONTROL {
            control = ns_median;
        }
        rows.push(Row {
            engine: engine.to_owned(),
            work: work.name().to_owned(),
            threads,
            ns_median,
            ns_min,
            ratio_to_control: ns_median / control,
        });
    }
    rows
}

fn find<'a>(rows: &'a [Row], engine: &str, threads: usize) -> Option<&'a Row> {
    let is_it = |row: &&Row| row.engine == engine && row.threads == threads;
    rows.iter().find(is_it)
}

/// The price of a pair, and how it grows with a second thread.
fn of_pairs(rows: &[Row]) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(row) = find(rows, SUBJECT, 1) {
        let ratio = "32 B pair, ratio to the control";
        checks.push(Check::at_most(ratio, row.ratio_to_control, 1.5));
        checks.push(Check::at_most("32 B pair, ns", row.ns_median, 25.0));
    }
    for (engine, who) in [(SUBJECT, None), (CONTROL, Some("what the machine allows"))] {
        let Some((one, two)) = find(rows, engine, 1).zip(find(rows, engine, 2)) else {
            continue;
        };
        let what = format!("32 B pair, two threads to one: {engine}");
        // Of the best rounds: on a machine with other work the two seldom run at once.
        let scaling = 2.0 * one.ns_min / two.ns_min;
        checks.push(match who {
            Some(who) => Check::to_compare(what, scaling, who),
            None => Check::at_least(what, scaling, 1.9),
        });
    }
    checks
}

/// No slower than the fastest peer that really locks.
fn beside_peers(rows: &[Row], work: Work, engines: &[Opened]) -> Option<Check> {
    let own = rows.iter().find(|row| row.engine == SUBJECT)?;
    let is_peer = |row: &&Row| {
        let entry = engines.iter().find(|(entry, _)| entry.name == row.engine);
        entry.is_some_and(|(entry, _)| entry.locks.holds(work) && !entry.name.starts_with("vmsafe"))
    };
    let peers = rows.iter().filter(is_peer);
    let peer = peers.min_by(|one, other| one.ns_median.total_cmp(&other.ns_median))?;
    let what = format!("{}, {} threads, ns", own.work, own.threads);
    Some(Check::at_most(what, own.ns_median, peer.ns_median).of(&peer.engine))
}
