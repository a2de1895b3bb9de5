//! A round: all subjects at once, through everything that moves memory to disk.

use std::fs::{self, File};

use anyhow::Context;
use vmsafe::buffer::confined::burn_file;

use super::actor::{Actor, Ending};
use super::canary::Canaries;
use super::child::Act;
use super::look::{self, Held};
use super::stage::{DiskDoor, Stage, SwapDoor};
use super::subject::Subject;
use super::tally::Tally;

/// How often the files are written back while their subjects store.
const WRITE_BACKS: usize = 10;

/// How often memory is squeezed, at most, until the controls' pages are out.
const SQUEEZES: usize = 20;

/// What a round goes through, for the progress bar.
pub(crate) const STEPS: [&str; 8] = [
    "planting fresh canaries",
    "paging out",
    "writing back while a thread stores",
    "forking, and paging out what is shared",
    "searching children",
    "crashing and killing",
    "searching cores",
    "searching files, disk and swap",
];

/// Plays one round. `step` is told each of [`STEPS`] as it begins, and may end the round there.
pub(crate) fn play(
    stage: &Stage,
    sabotaged: Option<Subject>,
    step: &mut dyn FnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<(Tally, Vec<Actor>)> {
    let mut tally = Tally::default();
    step(0)?;
    let canaries = Canaries::draw(&stage.cast)?;
    stage.watch_for(canaries.searcher())?;
    let mut actors = assemble(stage, &canaries, sabotaged)?;
    step(1)?;
    page_out(stage, &canaries, &mut actors)?;
    step(2)?;
    let held = write_back(stage, &canaries, &mut actors)?;
    step(3)?;
    fork(stage, &canaries, &mut actors)?;
    if matches!(stage.swap, SwapDoor::Counted) {
        look::at_counted_swap(&actors, &canaries, &mut tally)?;
    }
    step(4)?;
    look::at_children(stage, &actors, &canaries, &mut tally)?;
    step(5)?;
    actors.iter_mut().try_for_each(Actor::end)?;
    step(6)?;
    look::at_cores(stage, &actors, &canaries, &mut tally)?;
    step(7)?;
    let before = look::in_files(&actors, &canaries)?;
    let after = clear_away(&actors, &canaries, sabotaged)?;
    look::at_files(stage, &held, &before, &after, &canaries, &mut tally);
    look::at_disk(stage, &held.places, &canaries, &mut tally)?;
    look::at_swap(stage, &canaries, &mut tally)?;
    remove_leftovers(stage)?;
    Ok((tally, actors))
}

/// Two of each subject, one to crash and one to be killed, each with its canary.
fn assemble(
    stage: &Stage,
    canaries: &Canaries,
    sabotaged: Option<Subject>,
) -> anyhow::Result<Vec<Actor>> {
    let mut actors = Vec::new();
    for &subject in &stage.cast {
        for ending in [Ending::Crash, Ending::Kill] {
            let home = stage.home(&format!("{}-{ending:?}", subject.name()));
            let sabotage = sabotaged == Some(subject);
            let actor = Actor::start(subject, ending, sabotage, home, &stage.files)?;
            if let SwapDoor::Raw { group, .. } = &stage.swap {
                group.add(actor.pid())?;
            }
            actors.push(actor);
        }
    }
    actors
        .iter_mut()
        .try_for_each(|actor| actor.entrust(canaries))?;
    Ok(actors)
}

/// Makes the kernel page out everything that it may.
fn page_out(stage: &Stage, canaries: &Canaries, actors: &mut [Actor]) -> anyhow::Result<()> {
    match &stage.swap {
        SwapDoor::Raw { area, group } => {
            let own = actors.iter().map(Actor::pid);
            let pids: Vec<u32> = own
                .chain(actors.iter().filter_map(Actor::lingering))
                .collect();
            // Pages that were just used are only aged by the first reclaim, and one that left its
            // process may wait for its write. When even many squeezes do not bring a control to the
            // device, the verdict will say so.
            for _ in 0..SQUEEZES {
                vmsafe_lab::page_out(&pids)?;
                group.squeeze()?;
                if look::controls_are_out(area, &stage.cast, canaries)? {
                    break;
                }
            }
            Ok(())
        }
        SwapDoor::Counted => actors
            .iter_mut()
            .try_for_each(|actor| actor.act(Act::PageOut)),
        SwapDoor::Closed(_) => Ok(()),
    }
}

/// Writes all files back, again and again, while their subjects store. Tells where they lie, and
/// what stands in them.
fn write_back(stage: &Stage, canaries: &Canaries, actors: &mut [Actor]) -> anyhow::Result<Held> {
    let mut held = Held::default();
    let mut files: Vec<(Subject, File)> = Vec::new();
    let storing = |actor: &&mut Actor| actor.subject.has_file() && !actor.subject.is_control();
    for actor in actors.iter().filter(|actor| actor.subject.has_file()) {
        let open = actor.open_files(&stage.files)?;
        files.extend(open.into_iter().map(|file| (actor.subject, file)));
        // A buffer's file is open, and perhaps not shared; a control's is open no more.
        if let Some(path) = actor.file.as_ref().filter(|_| actor.subject.is_control()) {
            files.push((
                actor.subject,
                // To be synced it must be open for writing, on Windows.
                File::options()
                    .read(true)
                    .write(true)
                    .open(path)
                    .context("cannot open a file")?,
            ));
        }
    }
    for actor in actors.iter_mut().filter(storing) {
        actor.act(Act::BeginStoring)?;
    }
    for _ in 0..WRITE_BACKS {
        for actor in actors.iter_mut().filter(storing) {
            actor.act(Act::WriteBack)?;
        }
        for (_, file) in &files {
            file.sync_all()
                .context("cannot write a subject's file back")?;
        }
    }
    for actor in actors.iter_mut().filter(storing) {
        actor.act(Act::EndStoring)?;
    }
    if let DiskDoor::Watched { disk, .. } = &stage.disk {
        disk.flush()?;
        for (subject, file) in &files {
            held.places.add(*subject, file)?;
        }
    }
    held.counts = look::in_open_files(&files, canaries)?;
    Ok(held)
}

/// Forks each subject and lets it store once more, so that the child alone keeps the old page; then
/// pages out what they share.
fn fork(stage: &Stage, canaries: &Canaries, actors: &mut [Actor]) -> anyhow::Result<()> {
    for actor in actors.iter_mut() {
        // This one forked before anything was paged out, and shares its pages to the end.
        if actor.subject != Subject::ForkShared {
            if stage.childless.is_none() {
                actor.act(Act::Fork)?;
            }
            actor.act(Act::Touch)?;
        }
    }
    page_out(stage, canaries, actors)
}

/// Burns or removes the files, and counts what is left in them.
fn clear_away(
    actors: &[Actor],
    canaries: &Canaries,
    sabotaged: Option<Subject>,
) -> anyhow::Result<look::Counts> {
    for actor in actors {
        let Some(file) = actor.file.as_ref() else {
            continue;
        };
        match actor.subject {
            Subject::Confined if sabotaged == Some(Subject::Confined) => {}
            Subject::Confined => {
                // What the burn confirmed is not believed here: the witness looks for itself.
                let _ = burn_file(file, &mut |_, _| ())?;
            }
            _ => fs::remove_file(file)
                .with_context(|| format!("cannot remove {}", file.display()))?,
        }
    }
    look::in_files(actors, canaries)
}

/// What a sabotaged subject left behind.
fn remove_leftovers(stage: &Stage) -> anyhow::Result<()> {
    let entries = fs::read_dir(&stage.files).context("cannot list the subjects' files")?;
    for entry in entries.flatten().filter(|entry| entry.path().is_file()) {
        fs::remove_file(entry.path()).context("cannot remove a subject's file")?;
    }
    Ok(())
}
