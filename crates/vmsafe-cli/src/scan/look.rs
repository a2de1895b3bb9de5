//! Searches one file, process or stream.

use core::iter;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::time::Instant;

use vmsafe_witness::{
    Checkpoint, Compression, Hit, KeyHit, Mapping, Medium, Progress, Report, Searcher,
    scan_incoming, scan_side_by_side, scan_stream_alone,
};

use super::finding::{Finding, Gap};
use super::name::Name;
use super::open::{Bytes, Open, is_same};
use super::process;
use super::record::{Identity, KEEP_EVERY, Record, whole};
use super::reveal::{Blot, Reveal};
use super::word::Word;
use crate::interrupt::Interrupt;

/// What is looked for, and how: the same for all targets.
#[derive(Clone)]
pub(super) struct Quest {
    pub(super) searcher: Searcher,
    pub(super) decompress: bool,
    /// Given if what stands beside a finding is to be shown.
    pub(super) blot: Option<Blot>,
    pub(super) stop: Interrupt,
}

/// A look at one thing: what is looked for, where it is kept how far that came, and who is told.
pub(super) struct Look<'a> {
    pub(super) quest: &'a Quest,
    /// Given if what is searched is to be kept in it.
    pub(super) record: Option<&'a mut Record>,
    pub(super) say: &'a mut dyn FnMut(Word),
    /// Whether others search beside it: then it takes no threads of its own.
    pub(super) is_one_of_many: bool,
}

/// What is looked at.
struct Subject<'a> {
    name: Name,
    parts: Parts<'a>,
    reveal: Option<Reveal>,
    identity: Option<Identity>,
}

/// What an offset in it belongs to.
enum Parts<'a> {
    Medium(&'a Medium),
    Process(&'a [Mapping], process::Places<'a>),
}

impl Look<'_> {
    /// Searches the memory of a process.
    pub(super) fn process(mut self, name: Name, pid: u32) {
        let (mappings, memory) = match process::open(pid) {
            Ok(open) => open,
            Err(error) => {
                self.not_at_all(&name, format!("it cannot be traced: {error}"));
                return;
            }
        };
        let subject = Subject {
            name,
            parts: Parts::Process(&mappings, process::Places::new(&mappings)),
            reveal: memory.and_then(|memory| self.reveal(memory)),
            identity: None,
        };
        let total = mappings
            .iter()
            .map(|mapping| mapping.range.end - mapping.range.start)
            .sum();
        let searcher = &self.quest.searcher;
        self.watch(subject, Some(total), Checkpoint::default(), |progress| {
            process::scan(searcher, pid, &mappings, progress)
                .unwrap_or_else(|error| Report::unread(&error))
        });
    }

    /// Searches what was opened.
    ///
    /// # Errors
    /// If the record of an earlier search is damaged.
    pub(super) fn medium(self, name: Name, path: &Path, open: Open) -> anyhow::Result<()> {
        let is_structured = !matches!(open.medium, Medium::Plain);
        let is_alone = !self.is_one_of_many;
        self.opened(name, path, open)?;
        if is_structured && is_alone {
            // Its tables, or what it was unpacked by, took megabytes.
            vmsafe_lab::give_back_freed();
        }
        Ok(())
    }

    fn opened(mut self, name: Name, path: &Path, open: Open) -> anyhow::Result<()> {
        for note in open.notes {
            self.note(&name, note);
        }
        for doubt in open.doubts {
            self.not_at_all(&name, doubt);
        }
        let subject = Subject {
            name,
            parts: Parts::Medium(&open.medium),
            reveal: None,
            identity: None,
        };
        match (open.bytes, &open.medium) {
            (Bytes::None, _) => {}
            (Bytes::Stream(bytes), _) => self.stream(subject, bytes),
            (Bytes::Seekable { file, .. }, Medium::Compressed(how)) => {
                self.content(subject, &open.medium, *how, file);
            }
            (
                Bytes::Seekable {
                    file,
                    again,
                    ranges,
                    identity,
                },
                medium,
            ) => {
                let readers = iter::once(file).chain(again).collect();
                let kept = self.record.is_some().then_some(identity);
                let reveal = self.beside(path, medium, identity);
                let subject = Subject {
                    reveal,
                    identity: kept,
                    ..subject
                };
                if subject.reveal.is_none() {
                    self.no_reveal(&subject);
                }
                let earlier = self.checkpoint(&subject)?;
                let checkpoint = earlier.clone();
                let searcher = &self.quest.searcher;
                let total = ranges.iter().map(|range| range.end - range.start).sum();
                self.watch(subject, Some(total), earlier, |progress| {
                    scan_side_by_side(searcher, readers, &ranges, checkpoint, progress)
                });
            }
        }
        Ok(())
    }

    fn stream(mut self, subject: Subject<'_>, bytes: Box<dyn Read + Send>) {
        self.no_reveal(&subject);
        let searcher = &self.quest.searcher;
        self.watch(subject, None, Checkpoint::default(), |progress| {
            scan_incoming(searcher, bytes, progress)
        });
    }

    /// Searches what a compressed file holds.
    fn content(mut self, subject: Subject<'_>, medium: &Medium, how: Compression, mut file: File) {
        self.no_reveal(&subject);
        let searcher = &self.quest.searcher;
        let is_alone = self.is_one_of_many;
        self.watch(subject, None, Checkpoint::default(), |progress| {
            if !is_alone {
                return medium.scan(searcher, &file, None, progress);
            }
            match file.rewind() {
                Ok(()) => scan_stream_alone(searcher, &mut how.reader(file), progress),
                Err(error) => Report::unread(&error),
            }
        });
    }

    fn note(&mut self, name: &Name, note: impl Into<String>) {
        (self.say)(Word::Note(name.clone(), note.into()));
    }

    pub(super) fn not_at_all(&mut self, name: &Name, because: impl Into<String>) {
        (self.say)(Word::NotSearched(Gap::of_unknown_size(name, because)));
    }

    fn reveal(&self, file: File) -> Option<Reveal> {
        let blot = self.quest.blot.clone()?;
        Some(Reveal::new(file, blot))
    }

    /// What shows what stands beside a finding in a file, if that was asked for.
    fn beside(&self, path: &Path, medium: &Medium, identity: Identity) -> Option<Reveal> {
        self.quest.blot.as_ref()?;
        let again = reopened(path, medium).filter(|file| is_same(file, identity));
        self.reveal(again?)
    }

    fn no_reveal(&mut self, subject: &Subject<'_>) {
        if self.quest.blot.is_some() {
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
    ) {
        (self.say)(Word::Begun(subject.name.clone(), total));
        self.tell(&mut subject, &earlier.report.hits, &earlier.report.keys);
        let untold = untold(&earlier.report);
        if untold > 0 {
            (self.say)(Word::FoundMore(untold));
        }
        let stop = &self.quest.stop;
        let mut kept = Instant::now();
        let mut stopped = false;
        let report = scan(&mut |progress| {
            (self.say)(Word::Reached {
                covered: progress.covered,
                found: progress.hits,
            });
            self.tell(&mut subject, progress.fresh, progress.fresh_keys);
            let asked = stop.asked() && !stopped;
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
        self.finish(&subject, &report, stopped);
    }

    fn finish(&mut self, subject: &Subject<'_>, report: &Report, stopped: bool) {
        (self.say)(Word::Covered(report.covered_bytes));
        for gap in &report.gaps {
            if let Parts::Process(mappings, _) = &subject.parts
                && process::is_the_kernels(mappings, gap)
            {
                continue;
            }
            (self.say)(Word::NotSearched(Gap::of(&subject.name, gap)));
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
        let failure = record.keep(&subject.name.key(), identity, checkpoint(), now);
        if let Some(failure) = failure {
            self.note(
                &subject.name,
                format!("{failure}; the scan goes on without"),
            );
        }
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
            (self.say)(Word::Found(finding.into()));
        }
    }
}

/// Places that an earlier scan counted, and no more.
fn untold(report: &Report) -> u64 {
    let all = report.hit_count + report.key_count;
    all - (report.hits.len() + report.keys.len()) as u64
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
