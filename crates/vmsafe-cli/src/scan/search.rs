//! Searches one target after the other, and tells and keeps what comes of it.

use core::iter;
use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use vmsafe_witness::{
    Checkpoint, Hit, KeyHit, Mapping, Medium, Progress, Report, Searcher, scan_incoming,
    scan_side_by_side,
};

use super::directory::{Below, Directory};
use super::finding::{Finding, Gap};
use super::findings::Findings;
use super::gathered::Gathered;
use super::name::Name;
use super::open::{Bytes, Open, is_same, names_a_volume, open, opened};
use super::process;
use super::record::{Identity, KEEP_EVERY, Record, whole};
use super::reveal::{Blot, Reveal};
use super::target::Target;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::{Output, Progress as Bar};

/// What all targets are searched with.
pub(super) struct Search<'a> {
    pub(super) searcher: Searcher,
    pub(super) decompress: bool,
    /// Whether directories are searched on their own file system alone.
    pub(super) one_file_system: bool,
    /// Given if what stands beside a finding is to be shown.
    pub(super) blot: Option<Blot>,
    pub(super) record: Option<Record>,
    /// Why the record is not what it should be.
    pub(super) record_failure: Option<anyhow::Error>,
    pub(super) findings: Findings,
    pub(super) directory: Option<AtHand>,
    pub(super) stop: Interrupt,
    pub(super) out: &'a Output,
}

/// Why a target that was not begun is a gap.
const STOPPED: &str = vmsafe_witness::Gap::STOPPED;

/// The directory whose files are being searched.
pub(super) struct AtHand {
    bar: Rc<Bar>,
    covered: u64,
    notes: Gathered,
}

/// Of the files of a directory a record keeps those from this length on, in bytes: there may be
/// millions of others, which are searched again.
const REMEMBERED: u64 = 16 << 20;

/// The file, process or stream at hand.
struct Subject<'a> {
    name: Name,
    parts: Parts<'a>,
    reveal: Option<Reveal>,
    identity: Option<Identity>,
}

/// What an offset in a target belongs to.
enum Parts<'a> {
    Medium(&'a Medium),
    Process(&'a [Mapping], process::Places<'a>),
}

impl Search<'_> {
    /// Searches a target. What keeps it from being read, in part or at all, is part of the result.
    pub(super) fn target(&mut self, target: &Target) -> anyhow::Result<()> {
        let name = Name::from(target.clone());
        if self.stop.asked() {
            self.not_at_all(&name, STOPPED);
            return Ok(());
        }
        match (target, target.path()) {
            (Target::Process(pid), _) => self.process(name, *pid)?,
            (Target::Path(path), _) if is_directory(path) => self.all_below(&name, target, path)?,
            (_, Some(path)) => match self.open(path) {
                Ok(open) => self.medium(name, path, open)?,
                Err(because) => self.not_at_all(&name, because),
            },
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
        self.directory = Some(AtHand {
            bar: self.out.progress(name, None).into(),
            covered: 0,
            notes: Gathered::default(),
        });
        while let Some(below) = directory.next() {
            if self.stop.asked() {
                self.not_at_all(name, STOPPED);
                break;
            }
            match below {
                Below::File(path, file, about) => self.file_below(path, file, *about)?,
                Below::Closed(path, because) => {
                    self.not_at_all(&Target::Path(path).into(), because);
                }
                Below::Other => {}
            }
        }
        if let (Some(record), false) = (&mut self.record, self.stop.asked()) {
            record.done_below(&target.key_of_all_below());
        }
        if let Some(at_hand) = self.directory.take() {
            for (name, note) in at_hand.notes.notes(name) {
                self.findings.note(&name, note, self.out);
            }
        }
        for note in directory.notes() {
            self.findings.note(name, note, self.out);
        }
        Ok(())
    }

    fn file_below(&mut self, path: PathBuf, file: File, about: Metadata) -> anyhow::Result<()> {
        let opened = opened(file, Some(about), &path, self.decompress);
        let name = Name::from(Target::Path(path.clone()));
        match opened {
            Ok(open) => self.medium(name, &path, open)?,
            Err(because) => self.not_at_all(&name, because),
        }
        Ok(())
    }

    /// Of the files of a directory each note is told once, at its end, unless all is told at once.
    fn note(&mut self, name: &Name, note: impl Into<String>) {
        match &mut self.directory {
            Some(directory) if !self.findings.are_told_at_once() => {
                directory.notes.add(name, note.into());
            }
            _ => self.findings.note(name, note, self.out),
        }
    }

    /// Opens a target, unless it is stopped before: a pipe may have no writer yet, or one that
    /// waits.
    fn open(&self, path: &Path) -> Result<Open, String> {
        let decompress = self.decompress;
        if path.metadata().is_ok_and(|about| about.is_file()) {
            return open(path, decompress);
        }
        let path = path.to_owned();
        match self.stop.wait_for(move || open(&path, decompress)) {
            Ok(Some(opened)) => opened,
            Ok(None) => Err(STOPPED.to_owned()),
            Err(error) => Err(format!("nothing can wait for it: {error}")),
        }
    }

    fn not_at_all(&mut self, name: &Name, because: impl Into<String>) {
        let gap = Gap::of_unknown_size(name, because);
        self.findings.not_searched(gap, self.out);
    }

    fn process(&mut self, name: Name, pid: u32) -> anyhow::Result<()> {
        let (mappings, memory) = match process::open(pid) {
            Ok(open) => open,
            Err(error) => {
                self.not_at_all(&name, format!("it cannot be traced: {error}"));
                return Ok(());
            }
        };
        let reveal = memory.and_then(|memory| self.reveal(memory));
        let subject = Subject {
            name,
            parts: Parts::Process(&mappings, process::Places::new(&mappings)),
            reveal,
            identity: None,
        };
        let total = mappings
            .iter()
            .map(|mapping| mapping.range.end - mapping.range.start)
            .sum();
        let searcher = self.searcher.clone();
        self.watch(subject, Some(total), Checkpoint::default(), |progress| {
            process::scan(&searcher, pid, &mappings, progress)
                .unwrap_or_else(|error| Report::unread(&error))
        })
    }

    fn medium(&mut self, name: Name, path: &Path, open: Open) -> anyhow::Result<()> {
        for note in open.notes {
            self.note(&name, note);
        }
        for doubt in open.doubts {
            self.not_at_all(&name, doubt);
        }
        let mut subject = Subject {
            name,
            parts: Parts::Medium(&open.medium),
            reveal: None,
            identity: None,
        };
        match open.bytes {
            Bytes::None => Ok(()),
            Bytes::Stream(bytes) => {
                self.no_reveal(&subject);
                let (searcher, bar) = (self.searcher.clone(), None);
                self.watch(subject, bar, Checkpoint::default(), |progress| {
                    scan_incoming(&searcher, bytes, progress)
                })
            }
            Bytes::Seekable { file, .. } if matches!(open.medium, Medium::Compressed(_)) => {
                self.no_reveal(&subject);
                let (searcher, medium) = (self.searcher.clone(), &open.medium);
                self.watch(subject, None, Checkpoint::default(), |progress| {
                    medium.scan(&searcher, &file, None, progress)
                })
            }
            Bytes::Seekable {
                file,
                again,
                ranges,
                identity,
            } => {
                let is_kept = self.directory.is_none() || identity.len >= REMEMBERED;
                subject.identity = is_kept.then_some(identity);
                if self.blot.is_some() {
                    let again = reopened(path, &open.medium);
                    let again = again.filter(|file| is_same(file, identity));
                    subject.reveal = again.and_then(|file| self.reveal(file));
                }
                if subject.reveal.is_none() {
                    self.no_reveal(&subject);
                }
                let checkpoint = self.checkpoint(&subject)?;
                let earlier = checkpoint.clone();
                let searcher = self.searcher.clone();
                let total = ranges.iter().map(|range| range.end - range.start).sum();
                let readers = iter::once(file).chain(again).collect();
                self.watch(subject, Some(total), earlier, |progress| {
                    scan_side_by_side(&searcher, readers, &ranges, checkpoint, progress)
                })
            }
        }
    }

    fn reveal(&self, file: File) -> Option<Reveal> {
        let blot = self.blot.clone()?;
        Some(Reveal::new(file, blot))
    }

    fn no_reveal(&mut self, subject: &Subject<'_>) {
        if self.blot.is_some() {
            let note = "what stands beside a finding cannot be read again, and is not shown";
            self.note(&subject.name, note);
        }
    }

    /// Where an earlier scan stopped, or the beginning.
    fn checkpoint(&mut self, subject: &Subject<'_>) -> anyhow::Result<Checkpoint> {
        let (Some(record), Some(identity)) = (&mut self.record, subject.identity) else {
            return Ok(Checkpoint::default());
        };
        let checkpoint = record.checkpoint(&subject.name.key(), identity)?;
        if identity.own.is_none() {
            let note = "this system does not tell it from others: a scan of it begins anew";
            self.note(&subject.name, note);
        }
        let Some(checkpoint) = checkpoint else {
            return Ok(Checkpoint::default());
        };
        let note = format!("the scan went on at byte {}", checkpoint.position);
        self.note(&subject.name, note);
        Ok(checkpoint)
    }

    /// Runs a scan: shows its progress, tells what it finds, keeps a record, stops it when asked.
    fn watch(
        &mut self,
        mut subject: Subject<'_>,
        total: Option<u64>,
        earlier: Checkpoint,
        scan: impl FnOnce(&mut dyn FnMut(&Progress<'_>)) -> Report,
    ) -> anyhow::Result<()> {
        let (bar, before) = match &self.directory {
            Some(directory) => (Rc::clone(&directory.bar), directory.covered),
            None => (self.out.progress(&subject.name, total).into(), 0),
        };
        bar.say(&subject.name);
        self.tell(&mut subject, &earlier.report.hits, &earlier.report.keys);
        let untold = |report: &Report| {
            let all = report.hit_count + report.key_count;
            all - (report.hits.len() + report.keys.len()) as u64
        };
        self.findings.found_more(untold(&earlier.report));
        let mut told = 0;
        let mut kept = Instant::now();
        let mut stopped = false;
        let report = scan(&mut |progress| {
            bar.at(before + progress.covered);
            if progress.hits != told {
                told = progress.hits;
                bar.say(&format!("{}: {told} found", subject.name));
            }
            self.tell(&mut subject, progress.fresh, progress.fresh_keys);
            let asked = self.stop.asked() && !stopped;
            if asked || (kept.elapsed() > KEEP_EVERY && !stopped) {
                // Before the stop: what a stop cuts in two is found whole by the scan that goes on.
                self.keep(&subject, || progress.checkpoint(), true);
                kept = Instant::now();
            }
            if asked {
                stopped = true;
                progress.stop();
            }
        });
        drop(bar);
        self.finish(&subject, &report, stopped);
        Ok(())
    }

    fn finish(&mut self, subject: &Subject<'_>, report: &Report, stopped: bool) {
        self.findings.covered(report.covered_bytes);
        if let Some(directory) = &mut self.directory {
            directory.covered += report.covered_bytes;
        }
        for gap in &report.gaps {
            if let Parts::Process(mappings, _) = &subject.parts
                && process::is_the_kernels(mappings, gap)
            {
                continue;
            }
            let gap = Gap::of(&subject.name, gap);
            self.findings.not_searched(gap, self.out);
        }
        if report.gaps.is_empty() && !report.is_complete() {
            self.not_at_all(&subject.name, vmsafe_witness::Gap::UNFINISHED);
        }
        if !stopped {
            let len = subject.identity.map_or(0, |identity| identity.len);
            self.keep(subject, || whole(report, len), false);
        }
    }

    /// A record that cannot be kept ends no scan: what was found is worth more.
    fn keep(&mut self, subject: &Subject<'_>, checkpoint: impl FnOnce() -> Checkpoint, now: bool) {
        let (Some(record), Some(identity)) = (&mut self.record, subject.identity) else {
            return;
        };
        let kept = record.keep(&subject.name.key(), identity, checkpoint(), now);
        let is_first = self.record_failure.is_none();
        if let (Err(error), true) = (&kept, is_first) {
            let note = format!("{error:#}; the scan goes on without");
            self.note(&subject.name, note);
        }
        self.record_failure = kept.err();
    }

    fn tell(&mut self, subject: &mut Subject<'_>, hits: &[Hit], keys: &[KeyHit]) {
        let name = &subject.name;
        let hits = hits.iter().map(|hit| Finding::of_hit(name, hit));
        let keys = keys.iter().map(|key| Finding::of_key(name, key));
        for finding in hits.chain(keys) {
            let mut finding = match &mut subject.parts {
                Parts::Medium(medium) => {
                    let place = medium.place(finding.offset);
                    finding.at(place)
                }
                Parts::Process(_, places) => {
                    let mapping = places.of(finding.offset);
                    finding.in_mapping(mapping)
                }
            };
            if let Some(reveal) = &mut subject.reveal {
                finding.context = reveal.around(finding.offset, finding.length);
            }
            self.findings.found(finding, self.out);
        }
    }

    /// Tells the rest, and removes the record of a scan that is done. A record that failed is an
    /// error, unless something was found, which is worse.
    pub(super) fn end(self) -> anyhow::Result<Exit> {
        let exit = self.findings.exit();
        self.findings.show(self.out)?;
        let finished = match self.record {
            Some(mut record) if self.stop.asked() => record.write(),
            Some(record) => record.finish(),
            None => Ok(()),
        };
        match self.record_failure.map_or(finished, Err) {
            Err(error) if exit == Exit::Found => self.out.warn(format_args!("{error:#}")),
            other => other?,
        }
        Ok(exit)
    }
}

/// A volume of Windows is none, though its root is one.
fn is_directory(path: &Path) -> bool {
    !names_a_volume(path) && path.is_dir()
}

/// Past the page cache where the scan reads so.
fn reopened(path: &Path, medium: &Medium) -> Option<File> {
    use vmsafe_lab::{Opened, open_direct};
    if matches!(medium, Medium::Swap(_)) || !path.metadata().ok()?.is_file() {
        return match open_direct(path).ok()? {
            Opened::Direct(file) | Opened::Buffered(file) => Some(file),
        };
    }
    File::open(path).ok()
}
