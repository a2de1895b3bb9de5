//! The record of an interrupted scan: what was covered, and what was found there.
//!
//! It holds no needle, only two bytes by which most mix-ups are noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, IntoInnerError, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use vmsafe_witness::{Checkpoint, Needles, Report};

const VERSION: u32 = 4;
/// What a record of any version begins with.
const BEGIN: &[u8] = br#"{"version":"#;
/// What a crash can cost.
pub(super) const KEEP_EVERY: Duration = Duration::from_secs(10);
/// Places of one target that are kept however many there are of others; all of them are counted.
const FEWEST_PLACES: usize = 1000;

/// What was asked: an answer to another question cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) needles: usize,
    pub(super) mark: u16,
    pub(super) encoded: bool,
    pub(super) schedules: bool,
    pub(super) private_keys: bool,
    pub(super) moduli: Vec<String>,
    pub(super) decompress: bool,
}

/// By what a target is known to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) len: u64,
    pub(super) modified_ns: u128,
    /// What the system tells it by; without, it may be another one.
    pub(super) own: Option<[u64; 6]>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    salt: u64,
    question: Question,
    /// By the names that [`Target::key`](super::target::Target::key) gives them.
    targets: BTreeMap<String, Entry>,
}

/// What a record of any version has.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Content {
    fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        const DAMAGED: &str = "it is damaged: remove it to begin anew";
        let Versioned { version } = serde_json::from_slice(bytes).context(DAMAGED)?;
        ensure!(
            version == VERSION,
            "it was made by another version of vmsafe: finish the scan with that one, or remove it \
             to begin anew",
        );
        let content: Self = serde_json::from_slice(bytes).context(DAMAGED)?;
        // Now, and not when other targets were searched.
        for entry in content.targets.values() {
            entry.checkpoint.parse::<Checkpoint>().context(DAMAGED)?;
        }
        Ok(content)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    identity: Identity,
    /// How many places of findings the checkpoint holds.
    places: usize,
    checkpoint: String,
}

/// A record and the file that it is kept in.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    content: Content,
    /// The targets of this run.
    at_hand: BTreeSet<String>,
    /// How many places all entries hold.
    places: usize,
    /// When it was written last.
    written: Instant,
    /// Whether that failed.
    is_stale: bool,
}

impl Record {
    /// Reads the record at `path`, or begins one if there is none.
    pub(super) fn open(
        path: &Path,
        needles: &Needles,
        question: impl FnOnce(u16) -> Question,
    ) -> anyhow::Result<Self> {
        let named = || format!("the record {}", path.display());
        let earlier = read(path).with_context(|| format!("cannot read {}", named()))?;
        let earlier = earlier.map(|bytes| Content::read(&bytes));
        let earlier = earlier.transpose().with_context(named)?;
        let salt = match &earlier {
            Some(content) => content.salt,
            None => getrandom::u64()?,
        };
        let question = question(needles.mark(salt));
        if let Some(content) = &earlier {
            ensure!(
                content.question == question,
                "{} is of a scan with other needles or options: give the same ones, or remove it \
                 to begin anew",
                named(),
            );
        }
        let content = earlier.unwrap_or(Content {
            version: VERSION,
            salt,
            question,
            targets: BTreeMap::new(),
        });
        let mut record = Self {
            path: path.to_owned(),
            places: content.targets.values().map(|entry| entry.places).sum(),
            content,
            at_hand: BTreeSet::new(),
            written: Instant::now(),
            is_stale: false,
        };
        // Where it cannot be kept, that is an error now, and not after hours of a scan.
        record.write()?;
        Ok(record)
    }

    /// Where to go on with a target that is still the same.
    pub(super) fn checkpoint(
        &mut self,
        target: &str,
        identity: Identity,
    ) -> anyhow::Result<Option<Checkpoint>> {
        self.at_hand.insert(target.to_owned());
        let same = |entry: &&Entry| entry.identity == identity && identity.own.is_some();
        let Some(entry) = self.content.targets.get(target).filter(same) else {
            return Ok(None);
        };
        let read = entry.checkpoint.parse();
        read.map(Some)
            .with_context(|| format!("the record {}", self.path.display()))
    }

    /// Of a directory that was searched to its end nothing is left to go on with, nor of files in
    /// it that are gone or short now.
    pub(super) fn done_below(&mut self, prefix: &str) {
        let keys = self.content.targets.keys();
        let below = keys.filter(|target| target.starts_with(prefix)).cloned();
        self.at_hand.extend(below);
    }

    /// Keeps how far the scan of a target came. It is written `now`, or when that is due. Where it
    /// cannot be written, the first time, it gives the reason.
    pub(super) fn keep(
        &mut self,
        target: &str,
        identity: Identity,
        checkpoint: Checkpoint,
        now: bool,
    ) -> Option<String> {
        self.hold(target, identity, checkpoint);
        if !now && self.written.elapsed() <= KEEP_EVERY {
            return None;
        }
        let failure = self.write().err();
        let was_stale = core::mem::replace(&mut self.is_stale, failure.is_some());
        failure
            .filter(|_| !was_stale)
            .map(|error| format!("{error:#}"))
    }

    fn hold(&mut self, target: &str, identity: Identity, mut checkpoint: Checkpoint) {
        if let Some(before) = self.content.targets.remove(target) {
            self.places -= before.places;
        }
        let room = Report::MOST_HITS
            .saturating_sub(self.places)
            .max(FEWEST_PLACES);
        let report = &mut checkpoint.report;
        report.keys.truncate(room);
        report.hits.truncate(room);
        let places = report.hits.len() + report.keys.len();
        let entry = Entry {
            identity,
            places,
            checkpoint: checkpoint.to_string(),
        };
        self.places += places;
        self.content.targets.insert(target.to_owned(), entry);
    }

    /// Writes it as it is now.
    fn write(&mut self) -> anyhow::Result<()> {
        self.written = Instant::now();
        let advice = "give --resume a place for it that takes files";
        self.replace()
            .with_context(|| format!("cannot write the record {}: {advice}", self.path.display()))
    }

    /// Beside the old one first, and then in its place: a crash leaves one of the two.
    fn replace(&self) -> anyhow::Result<()> {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        // Of mode 0600.
        let new = NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
        let mut out = BufWriter::new(new);
        serde_json::to_writer(&mut out, &self.content)?;
        let new = out.into_inner().map_err(IntoInnerError::into_error)?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        Ok(())
    }

    /// Ends it, after a scan that was `stopped` or is done.
    pub(super) fn end(mut self, stopped: bool) -> anyhow::Result<()> {
        if stopped { self.write() } else { self.finish() }
    }

    /// The targets of this run are done: there is nothing to go on with. What others came to stays.
    fn finish(mut self) -> anyhow::Result<()> {
        let at_hand = &self.at_hand;
        let targets = &mut self.content.targets;
        targets.retain(|target, _| !at_hand.contains(target));
        if !self.content.targets.is_empty() {
            return self.write();
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error)
                .with_context(|| format!("cannot remove the record {}", self.path.display())),
            _ => Ok(()),
        }
    }
}

/// The record in a file; `None` if there is none, or nothing in it.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    const FOREIGN: &str = "it is no record of a scan: give --resume a file of its own";
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // A device may have no end.
    ensure!(file.metadata()?.is_file(), FOREIGN);
    let mut bytes = Vec::new();
    (&mut file)
        .take(BEGIN.len() as u64)
        .read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    ensure!(bytes == BEGIN, FOREIGN);
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The checkpoint of a target that was searched to its end.
pub(super) fn whole(report: &Report, len: u64) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint.position = len;
    checkpoint.report = report.clone();
    checkpoint
}
