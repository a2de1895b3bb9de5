//! The race: a thread stores into the evaporating tail as fast as it is lost, while the file is
//! written back all the time. Every block that reaches the device is searched as it does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use vmsafe_lab::{FsKind, Scratch};

use super::DemoArgs;
use super::actor::{Actor, Ending};
use super::canary::Canaries;
use super::child::Act;
use super::stage::{WorkDir, closed, enter};
use super::subject::Subject;
use super::verdict::Verdict;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::{Cell, Output, Table, Tone};

const KINDS: [FsKind; 4] = [
    FsKind::Ext4,
    FsKind::Xfs,
    FsKind::Btrfs,
    FsKind::Ext4Journal,
];
const RACERS: [Subject; 2] = [Subject::Evaporating, Subject::Evaporating2001];

/// What came of one racer on one file system.
#[derive(Clone, Debug, Serialize)]
struct Lap {
    filesystem: String,
    subject: Subject,
    stores: u64,
    losses: u64,
    write_backs: u64,
    blocks_searched: u64,
    copies: u64,
}

#[derive(Serialize)]
struct Json<'a> {
    verdict: Verdict,
    seconds: u64,
    laps: &'a [Lap],
}

/// Races on each file system, `time` long.
pub(crate) fn run(args: &DemoArgs, time: Duration, out: &Output) -> anyhow::Result<Exit> {
    if let Some(subject) = args.sabotage.filter(|subject| !RACERS.contains(subject)) {
        let (name, racer) = (subject.name(), Subject::Evaporating.name());
        bail!("{name} does not race, so its protection cannot be left out; name {racer}");
    }
    if let Some(because) = closed(vmsafe_lab::Door::WrittenBlocks)? {
        bail!("no disk can be watched: {because} --race");
    }
    let interrupt = Interrupt::listen()?;
    let _lab = enter(&interrupt, out)?;
    let work = WorkDir::create_in(args.dir.as_deref())?;
    let progress = out.steps("racing", KINDS.len() as u64);
    let mut laps = Vec::new();
    for (done, kind) in (0..).zip(KINDS) {
        progress.at(done);
        progress.say(&format!("racing on {kind:?}"));
        let raced = race(kind, time, args.sabotage, &work, &interrupt);
        ensure!(
            !interrupt.asked(),
            "interrupted; the machine is as it was before"
        );
        laps.extend(raced?);
    }
    drop(progress);
    let verdict = judge(&laps);
    if out.is_json() {
        out.json(&Json {
            verdict,
            seconds: time.as_secs(),
            laps: &laps,
        })?;
    } else {
        out.table(&table(&laps))?;
        out.line(conclusion(verdict))?;
    }
    Ok(verdict.into())
}

fn race(
    kind: FsKind,
    time: Duration,
    sabotaged: Option<Subject>,
    work: &WorkDir,
    interrupt: &Interrupt,
) -> anyhow::Result<Vec<Lap>> {
    let canaries = Canaries::draw(&RACERS)?;
    let searcher = canaries.searcher().clone();
    let hits = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&hits);
    let disk = Scratch::create_watched(kind, work.path(), move |offset, bytes| {
        searcher.search(offset, bytes, &mut |hit| {
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(hit.needle);
        });
    });
    let disk = disk.with_context(|| format!("cannot make a scratch disk with {kind:?}"))?;
    let mut actors = Vec::new();
    for subject in RACERS {
        let home = work.path().join(format!("{}-{kind:?}", subject.name()));
        let sabotage = sabotaged == Some(subject);
        let mut actor = Actor::start(subject, Ending::Kill, sabotage, home, &disk.path())?;
        actor.entrust(&canaries)?;
        actors.push(actor);
    }
    let write_backs = write_back(&mut actors, &disk, time, interrupt)?;
    let watch = disk.watch().context("the scratch disk is not watched")?;
    ensure!(watch.panics() == 0, "a written block went by unseen");
    let hits = hits.lock().unwrap_or_else(PoisonError::into_inner);
    let laps = actors.iter().map(|actor| Lap {
        filesystem: format!("{kind:?}").to_lowercase(),
        subject: actor.subject,
        stores: actor.stores.0,
        losses: actor.stores.1,
        write_backs,
        blocks_searched: watch.writes(),
        copies: hits
            .iter()
            .filter(|needle| canaries.owner(**needle) == actor.subject)
            .count() as u64,
    });
    Ok(laps.collect())
}

fn write_back(
    actors: &mut [Actor],
    disk: &Scratch,
    time: Duration,
    interrupt: &Interrupt,
) -> anyhow::Result<u64> {
    let mut files = Vec::new();
    for actor in actors.iter() {
        files.extend(actor.open_files(&disk.path())?);
    }
    if files.is_empty() {
        bail!("the racers hold no file open");
    }
    actors
        .iter_mut()
        .try_for_each(|actor| actor.act(Act::BeginStoring))?;
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < time && !interrupt.asked() {
        for file in &files {
            file.sync_all()
                .context("cannot write a racer's file back")?;
            count += 1;
        }
    }
    actors
        .iter_mut()
        .try_for_each(|actor| actor.act(Act::EndStoring))?;
    disk.flush()?;
    Ok(count)
}

/// The plain tail is the control: if none of it was ever carried away, nothing was shown.
fn judge(laps: &[Lap]) -> Verdict {
    let copies = |subject| -> u64 {
        laps.iter()
            .filter(|lap| lap.subject == subject)
            .map(|lap| lap.copies)
            .sum()
    };
    match (
        copies(Subject::Evaporating),
        copies(Subject::Evaporating2001),
    ) {
        (0, 0) => Verdict::Inconclusive,
        (0, _) => Verdict::Holds,
        _ => Verdict::Broken,
    }
}

fn table(laps: &[Lap]) -> Table {
    let mut table = Table::new([
        "file system",
        "subject",
        "stores",
        "losses",
        "write-backs",
        "writes searched",
        "copies",
    ]);
    for lap in laps {
        let copies = lap.copies.to_string();
        let copies = match (lap.subject, lap.copies) {
            (Subject::Evaporating, 0) => Cell::toned(Tone::Good, &copies),
            (Subject::Evaporating, _) => Cell::toned(Tone::Bad, &copies),
            _ => Cell::from(copies),
        };
        let counts = [lap.stores, lap.losses, lap.write_backs, lap.blocks_searched];
        let mut row = vec![Cell::from(&lap.filesystem), Cell::from(lap.subject.name())];
        row.extend(counts.map(|count| Cell::from(count.to_string())));
        row.push(copies);
        table.row(row);
    }
    table
}

fn conclusion(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds: the plain tail was carried to the disk, the sealed one never",
        Verdict::Inconclusive => "inconclusive: even the plain tail was never carried to the disk",
        Verdict::Broken => "broken: plaintext or the key of the sealed tail was written",
    }
}
