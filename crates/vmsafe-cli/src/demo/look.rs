//! Looking through the doors: what the witness finds behind each.

use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use vmsafe_lab::{CorePattern, Opened, PrivateSwap, Residence, smaps};
use vmsafe_witness::{scan_file, scan_process};

use super::actor::{Actor, Ending};
use super::canary::Canaries;
use super::stage::{DiskDoor, Stage, SwapDoor};
use super::subject::{Door, Subject};
use super::tally::{Sight, Tally};
use crate::scan::scan_all;

/// Copies per subject.
pub(crate) type Counts = HashMap<Subject, u64>;

/// Counts copies in a file or device, read past the page cache where `direct`.
fn count_in(path: &Path, canaries: &Canaries, direct: bool) -> anyhow::Result<Counts> {
    let name = || format!("cannot search {}", path.display());
    let file = match direct {
        false => File::open(path).with_context(name)?,
        true => match vmsafe_lab::open_direct(path).with_context(name)? {
            Opened::Direct(file) => file,
            Opened::Buffered(_) => bail!("{} cannot be read past the page cache", path.display()),
        },
    };
    count(&file, canaries, &path.display().to_string())
}

fn count(file: &File, canaries: &Canaries, name: &str) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    let report = scan_file(canaries.searcher(), file, None, &mut |progress| {
        for hit in progress.fresh {
            *counts.entry(canaries.owner(hit.needle)).or_default() += 1;
        }
    });
    match report.gaps.first() {
        None => Ok(counts),
        Some(gap) => bail!("{name} was not read whole: {}", gap.because),
    }
}

/// Copies in the files that their subjects hold open, which need no name.
pub(crate) fn in_open_files(
    files: &[(Subject, File)],
    canaries: &Canaries,
) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    for (holder, file) in files {
        let found = count(file, canaries, holder.name())?;
        let own = found.get(holder).copied().unwrap_or(0);
        let most = counts.entry(*holder).or_default();
        *most = own.max(*most);
    }
    Ok(counts)
}

/// The raw swap area.
pub(crate) fn at_swap(stage: &Stage, canaries: &Canaries, tally: &mut Tally) -> anyhow::Result<()> {
    match &stage.swap {
        SwapDoor::Raw { area, .. } => {
            let counts = count_in(area.path(), canaries, true)?;
            for subject in &stage.cast {
                let copies = counts.get(subject).copied().unwrap_or(0);
                tally.note(
                    *subject,
                    Door::Swap,
                    Sight::of(copies, "raw swap area, read directly"),
                );
            }
        }
        // The actors were counted while they lived.
        SwapDoor::Counted => {}
        SwapDoor::Closed(because) => note_all(stage, Door::Swap, because, tally),
    }
    Ok(())
}

/// What an ordinary user sees of swap: a control's copies in pages that the kernel did swap, and a
/// protected subject's copies in pages that it could swap.
pub(crate) fn at_counted_swap(
    actors: &[Actor],
    canaries: &Canaries,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    for actor in actors.iter().filter(|actor| actor.ending == Ending::Crash) {
        let sight = match actor.subject {
            Subject::ForkShared => {
                Sight::none("only memory pressure swaps shared pages; run: sudo vmsafe demo")
            }
            _ => counted(actor, canaries)?,
        };
        tally.note(actor.subject, Door::Swap, sight);
    }
    Ok(())
}

fn counted(actor: &Actor, canaries: &Canaries) -> anyhow::Result<Sight> {
    // Before the search, which reads everything back in.
    let residence = Residence::of(actor.pid())?;
    let report = scan_all(canaries.searcher(), actor.pid());
    let found = report.context("cannot read a subject's memory")?.hits;
    let count = |wanted: &dyn Fn(u64) -> bool| {
        let addresses = found.iter().map(|found| found.offset);
        addresses.filter(|at| wanted(*at)).count() as u64
    };
    Ok(if actor.subject.is_control() {
        let copies = count(&|at| residence.is_out(at));
        Sight::of(
            copies,
            "copies in pages that the kernel says are out of memory",
        )
    } else {
        let copies = count(&|at| residence.may_leave(at));
        Sight::of(copies, "copies in pages that the kernel could swap")
    })
}

/// Whether each control's copies have reached the swap device. The page table alone does not tell:
/// a page may have left its process and never be written.
pub(crate) fn controls_are_out(
    area: &PrivateSwap,
    cast: &[Subject],
    canaries: &Canaries,
) -> anyhow::Result<bool> {
    let counts = count_in(area.path(), canaries, true)?;
    let mut controls = cast.iter().filter(|subject| subject.is_control());
    Ok(controls.all(|control| counts.get(control).is_some_and(|copies| *copies > 0)))
}

/// The cores of those who crashed.
pub(crate) fn at_cores(
    stage: &Stage,
    actors: &[Actor],
    canaries: &Canaries,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let pattern = match &stage.core {
        Ok(pattern) => pattern,
        Err(because) => {
            note_all(stage, Door::Core, because, tally);
            return Ok(());
        }
    };
    for actor in actors.iter().filter(|actor| actor.ending == Ending::Crash) {
        let sight = in_core(pattern, actor, canaries)?;
        tally.note(actor.subject, Door::Core, sight);
    }
    Ok(())
}

fn in_core(pattern: &CorePattern, actor: &Actor, canaries: &Canaries) -> anyhow::Result<Sight> {
    let Some(core) = pattern.find(&actor.home, actor.pid())? else {
        return Ok(Sight::none("the kernel wrote no core"));
    };
    let counts = count_in(&core, canaries, false)?;
    fs::remove_file(&core).context("cannot remove a core")?;
    let copies = counts.get(&actor.subject).copied().unwrap_or(0);
    Ok(Sight::of(copies, pattern.kind()))
}

/// The children that live on.
pub(crate) fn at_children(
    stage: &Stage,
    actors: &[Actor],
    canaries: &Canaries,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    if let Some(because) = &stage.childless {
        note_all(stage, Door::Child, because, tally);
        return Ok(());
    }
    for actor in actors.iter().filter(|actor| actor.ending == Ending::Crash) {
        let pid = actor.lingering().context("a subject without a child")?;
        let report = scan_process(canaries.searcher(), pid).context("cannot read a child")?;
        let inherited = smaps::mappings(pid)?;
        // Its pages cannot be read from outside; that the child has them at all is a copy.
        let secret = inherited
            .iter()
            .filter(|mapping| mapping.name.starts_with("/secretmem"));
        let copies = report.hit_count + secret.count() as u64;
        let sight = Sight::of(copies, "memory of a forked child that lives on");
        tally.note(actor.subject, Door::Child, sight);
    }
    Ok(())
}

/// What the files that subjects held open told.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Where they lie.
    pub(crate) places: Places,
    /// What stood in them after the last write-back.
    pub(crate) counts: Counts,
}

/// Where each subject's files lie on the disk.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<Subject, Vec<Range<u64>>>);

impl Places {
    /// Adds the extents of a subject's file.
    pub(crate) fn add(&mut self, subject: Subject, file: &File) -> anyhow::Result<()> {
        let extents = vmsafe_lab::extents(file)?;
        let ranges = extents.iter().filter(|extent| extent.located);
        let ranges = ranges.map(|extent| extent.physical..extent.physical + extent.len);
        self.0.entry(subject).or_default().extend(ranges);
        Ok(())
    }

    fn hold(&self, subject: Subject, offset: u64) -> bool {
        self.0
            .get(&subject)
            .is_some_and(|ranges| ranges.iter().any(|range| range.contains(&offset)))
    }
}

/// Copies in the files that have a name.
pub(crate) fn in_files(actors: &[Actor], canaries: &Canaries) -> anyhow::Result<Counts> {
    let mut counts = Counts::new();
    for actor in actors {
        let Some(file) = actor.file.as_ref().filter(|file| file.exists()) else {
            continue;
        };
        for (subject, copies) in count_in(file, canaries, false)? {
            *counts.entry(subject).or_default() += copies;
        }
    }
    Ok(counts)
}

/// What stood in the files, open or by name, before and after the burn, and what was written to
/// their blocks.
pub(crate) fn at_files(
    stage: &Stage,
    held: &Held,
    before: &Counts,
    after: &Counts,
    canaries: &Canaries,
    tally: &mut Tally,
) {
    let written = written(stage, canaries);
    let places = &held.places;
    let nameless = |subject| held.counts.get(&subject).copied().unwrap_or(0);
    for &subject in &stage.cast {
        let named = before.get(&subject).copied().unwrap_or(0);
        let own = written
            .iter()
            .filter(|(whose, at)| *whose == subject && places.hold(*whose, *at));
        let raced = if subject.has_file() {
            own.count() as u64
        } else {
            0
        };
        let because = match (subject.has_file(), &stage.disk) {
            (false, _) => "it has no file",
            (true, DiskDoor::Watched { .. }) => "its file, and each block written to it",
            (true, DiskDoor::Closed(_)) => "its file",
        };
        // What is burned has been written to its own file before, as it should.
        let sight = match subject {
            Subject::Confined => Sight {
                after_burn: Some(after.get(&subject).copied().unwrap_or(0)),
                ..Sight::of(named, "its file, before and after the burn")
            },
            _ => Sight::of(nameless(subject).max(named) + raced, because),
        };
        tally.note(subject, Door::File, sight);
    }
}

/// All other blocks: each while it was written, and the raw disk in the end.
pub(crate) fn at_disk(
    stage: &Stage,
    places: &Places,
    canaries: &Canaries,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let disk = match &stage.disk {
        DiskDoor::Watched { disk, .. } => disk,
        DiskDoor::Closed(because) => {
            note_all(stage, Door::Disk, because, tally);
            return Ok(());
        }
    };
    disk.flush()?;
    stage.check_watch()?;
    let raw = count_in(disk.raw_path(), canaries, true)?;
    let written = written(stage, canaries);
    for &subject in &stage.cast {
        let stray = written
            .iter()
            .filter(|(whose, at)| *whose == subject && !places.hold(*whose, *at));
        let copies = stray.count() as u64 + raw.get(&subject).copied().unwrap_or(0);
        let sight = Sight::of(
            copies,
            "other blocks as they were written, and the raw disk after",
        );
        tally.note(subject, Door::Disk, sight);
    }
    Ok(())
}

fn written(stage: &Stage, canaries: &Canaries) -> Vec<(Subject, u64)> {
    match &stage.disk {
        DiskDoor::Watched { written, .. } => {
            let hits = written.hits();
            hits.iter()
                .map(|hit| (canaries.owner(hit.needle), hit.offset))
                .collect()
        }
        DiskDoor::Closed(_) => Vec::new(),
    }
}

fn note_all(stage: &Stage, door: Door, because: &str, tally: &mut Tally) {
    for subject in &stage.cast {
        tally.note(*subject, door, Sight::none(because));
    }
}
