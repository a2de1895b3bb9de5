//! The subcommand `heap`: every engine, every work, interleaved rounds.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::engine::{self, CONTROL, Entry, Locks, Measured};
use crate::row::{self, Row};
use crate::work::Work;

/// An engine that is here.
type Opened = (Entry, Box<dyn Measured>);

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a line of JSON for each result.
    #[arg(long)]
    json: bool,
    /// Rounds; each measures every engine once.
    #[arg(long, default_value_t = 41)]
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
    for work in works {
        let threads = match (work, arguments.threads.as_slice()) {
            (_, given @ [_, ..]) => given,
            (Work::Pair | Work::Mixed, _) => &[1, 2, 8],
            (Work::Live, _) => &[1, 2],
            _ => &[1],
        };
        for threads in threads {
            rows.extend(rounds(&engines, *work, *threads, arguments.rounds));
        }
    }
    row::print(&rows, arguments.json)?;
    notes(&rows, &engines);
    Ok(())
}

/// Measures each engine once a round, so that what disturbs the machine disturbs all of them.
fn rounds(engines: &[Opened], work: Work, threads: usize, rounds: usize) -> Vec<Row> {
    let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        for (place, (_, engine)) in engines.iter().enumerate() {
            if let Some(time) = engine.measure(work, threads) {
                times.entry(place).or_default().push(time);
            }
        }
    }
    let mut control = f64::NAN;
    let mut rows = Vec::new();
    for (place, mut times) in times {
        let (ns_median, ns_min) = row::median_and_min(&mut times);
        let engine = engines[place].0.name;
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

/// Says where a peer that locks was faster than the heap.
fn notes(rows: &[Row], engines: &[Opened]) {
    let locks = |row: &&Row| {
        let found = engines.iter().find(|(entry, _)| entry.name == row.engine);
        found.is_some_and(|(entry, _)| entry.locks == Locks::Yes)
    };
    for own in rows.iter().filter(|row| row.engine == "vmsafe heap") {
        let same = |row: &&Row| row.work == own.work && row.threads == own.threads;
        let peers = rows.iter().filter(same).filter(locks);
        for peer in peers.filter(|peer| !peer.engine.starts_with("vmsafe")) {
            if peer.ns_median < own.ns_median {
                eprintln!(
                    "{} is faster at {} on {} threads",
                    peer.engine, own.work, own.threads
                );
            }
        }
    }
}
