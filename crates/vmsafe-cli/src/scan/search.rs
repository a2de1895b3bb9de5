//! Searches one target after the other.

use std::path::Path;

use super::crew::{Crew, Job};
use super::directory::{Below, Directory};
use super::finding::Gap;
use super::look::{Look, Quest};
use super::name::Name;
use super::open::{Open, names_a_volume, open, opened};
use super::record::Record;
use super::target::Target;
use super::telling::Telling;
use super::word::Word;
use crate::exit::Exit;
use crate::output::Output;

/// The search of all targets.
pub(super) struct Search<'a> {
    pub(super) quest: Quest,
    /// Whether directories are searched on their own file system alone.
    pub(super) one_file_system: bool,
    pub(super) record: Option<Record>,
    pub(super) telling: Telling<'a>,
}

/// Why a target that was not begun is a gap.
const STOPPED: &str = vmsafe_witness::Gap::STOPPED;

/// Files of a directory below this length, in bytes, are searched side by side, each by one worker;
/// each of the others by all, and a record keeps these alone: of short ones there may be millions,
/// which are searched again.
const LONG: u64 = 8 << 20;

impl Search<'_> {
    /// Searches a target. What keeps it from being read, in part or at all, is part of the result.
    pub(super) fn target(&mut self, target: &Target) -> anyhow::Result<()> {
        let name = Name::from(target.clone());
        if self.quest.stop.asked() {
            self.not_at_all(&name, STOPPED);
            return Ok(());
        }
        match (target, target.path()) {
            (Target::Process(pid), _) => self.look(|look| look.process(name, *pid)),
            (Target::Path(path), _) if is_directory(path) => self.all_below(&name, target, path)?,
            (_, Some(path)) => {
                let opened = self.open(path);
                self.one(&name, path, opened)?;
            }
            (_, None) => self.not_at_all(&name, "it has no path"),
        }
        Ok(())
    }

    fn all_below(&mut self, name: &Name, target: &Target, path: &Path) -> anyhow::Result<()> {
        let mut directory = match Directory::open(path, self.one_file_system) {
            Ok(directory) => directory,
            Err(because) => {
                self.not_at_all(name, because);
                return Ok(());
            }
        };
        self.telling.enter(name);
        self.files_of(name, &mut directory)?;
        if let (Some(record), false) = (&mut self.record, self.quest.stop.asked()) {
            record.done_below(&target.key_of_all_below());
        }
        self.telling.leave();
        for note in directory.notes() {
            self.telling.hear(Word::Note(name.clone(), note));
        }
        Ok(())
    }

    fn files_of(&mut self, name: &Name, directory: &mut Directory) -> anyhow::Result<()> {
        let mut crew = Crew::new(&self.quest);
        let mut is_cut = false;
        while let Some(below) = directory.next() {
            is_cut = self.quest.stop.asked();
            if is_cut {
                break;
            }
            let hear = &mut |word| self.telling.hear(word);
            match below {
                Below::File(path, file, about) if about.len() < LONG => {
                    crew.give(Job::File(path, file, about), hear)?;
                }
                Below::File(path, file, about) => {
                    crew.finish(hear)?;
                    let opened = opened(file, Some(*about), &path, self.quest.decompress);
                    let name = Name::from(Target::Path(path.clone()));
                    self.one(&name, &path, opened)?;
                }
                Below::Closed(path, because) => {
                    let gap = Gap::of_unknown_size(&Target::Path(path).into(), because);
                    crew.give(Job::Closed(gap), hear)?;
                }
                Below::Other => crew.go_on(hear)?,
            }
        }
        crew.finish(&mut |word| self.telling.hear(word))?;
        if is_cut {
            self.not_at_all(name, STOPPED);
        }
        Ok(())
    }

    /// Searches what could be opened.
    fn one(
        &mut self,
        name: &Name,
        path: &Path,
        opened: Result<Open, String>,
    ) -> anyhow::Result<()> {
        match opened {
            Ok(open) => self.look(|look| look.medium(name.clone(), path, open)),
            Err(because) => {
                self.not_at_all(name, because);
                Ok(())
            }
        }
    }

    fn look<T>(&mut self, look: impl FnOnce(Look<'_>) -> T) -> T {
        let Self {
            quest,
            record,
            telling,
            ..
        } = self;
        look(Look {
            quest,
            record: record.as_mut(),
            say: &mut |word| telling.hear(word),
            is_one_of_many: false,
        })
    }

    /// Opens a target, unless it is stopped before: a pipe may have no writer yet, or one that
    /// waits.
    fn open(&self, path: &Path) -> Result<Open, String> {
        let decompress = self.quest.decompress;
        if path.metadata().is_ok_and(|about| about.is_file()) {
            return open(path, decompress);
        }
        let path = path.to_owned();
        match self.quest.stop.wait_for(move || open(&path, decompress)) {
            Ok(Some(opened)) => opened,
            Ok(None) => Err(STOPPED.to_owned()),
            Err(error) => Err(format!("nothing can wait for it: {error}")),
        }
    }

    fn not_at_all(&mut self, name: &Name, because: impl Into<String>) {
        let gap = Gap::of_unknown_size(name, because);
        self.telling.hear(Word::NotSearched(gap));
    }

    /// Tells the rest, and ends the record. One that could not be ended is an error, unless
    /// something was found, which is worse.
    pub(super) fn end(self, out: &Output) -> anyhow::Result<Exit> {
        let findings = self.telling.findings;
        let exit = findings.exit();
        findings.show(out)?;
        let is_stopped = self.quest.stop.asked();
        let ended = self.record.map_or(Ok(()), |record| record.end(is_stopped));
        match ended {
            Err(error) if exit == Exit::Found => out.warn(format_args!("{error:#}")),
            other => other?,
        }
        Ok(exit)
    }
}

/// A volume of Windows is none, though its root is one.
fn is_directory(path: &Path) -> bool {
    !names_a_volume(path) && path.is_dir()
}
