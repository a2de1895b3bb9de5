//! The record of an interrupted scan: what was covered, and what was found there.
//!
//! It holds no needle, only two bytes by which most mix-ups are noticed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use vmsafe_witness::{Checkpoint, Needles, Report};

const VERSION: u32 = 3;
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
    targets: Vec<Entry>,
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
        for entry in &content.targets {
            entry.checkpoint.parse::<Checkpoint>().context(DAMAGED)?;
        }
        Ok(content)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    /// As [`Target::key`](super::target::Target::key) gives it.
    target: String,
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
}

impl Record {
    /// Reads the record at `path`, or begins one if there is none.
    pub(super) fn open(
        path: &Path,
        needles: &Needles,
        question: impl FnOnce(u16) -> Question,
    ) -> anyhow::Result<Self> {
        let named = || format!("the record {}", path.display());
        let earlier = match fs::read(path) {
            Ok(bytes) => Some(Content::read(&bytes).with_context(named)?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", named())),
        };
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
            targets: Vec::new(),
        });
        let record = Self {
            path: path.to_owned(),
            content,
            at_hand: BTreeSet::new(),
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
        let same = |entry: &&Entry| {
            let identical = entry.identity == identity && identity.own.is_some();
            identical && entry.target == target
        };
        let Some(entry) = self.content.targets.iter().find(same) else {
            return Ok(None);
        };
        let read = entry.checkpoint.parse();
        read.map(Some)
            .with_context(|| format!("the record {}", self.path.display()))
    }

    /// Keeps how far the scan of a target came.
    pub(super) fn keep(
        &mut self,
        target: &str,
        identity: Identity,
        mut checkpoint: Checkpoint,
    ) -> anyhow::Result<()> {
        self.content.targets.retain(|entry| entry.target != target);
        let held = self.content.targets.iter().map(|entry| entry.places);
        let room = Report::MOST_HITS
            .saturating_sub(held.sum())
            .max(FEWEST_PLACES);
        let report = &mut checkpoint.report;
        report.keys.truncate(room);
        report.hits.truncate(room);
        self.content.targets.push(Entry {
            target: target.to_owned(),
            identity,
            places: report.hits.len() + report.keys.len(),
            checkpoint: checkpoint.to_string(),
        });
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let advice = "give --resume a place for it that takes files";
        self.replace()
            .with_context(|| format!("cannot write the record {}: {advice}", self.path.display()))
    }

    /// Beside the old one first, and then in its place: a crash leaves one of the two.
    fn replace(&self) -> anyhow::Result<()> {
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty());
        // Of mode 0600.
        let mut new = NamedTempFile::new_in(dir.unwrap_or(Path::new(".")))?;
        serde_json::to_writer(&mut new, &self.content)?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        Ok(())
    }

    /// The targets of this run are done: there is nothing to go on with. What others came to stays.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let at_hand = &self.at_hand;
        let is_other = |entry: &Entry| !at_hand.contains(&entry.target);
        self.content.targets.retain(is_other);
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

/// The checkpoint of a target that was searched to its end.
pub(super) fn whole(report: &Report, len: u64) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint.position = len;
    checkpoint.report = report.clone();
    checkpoint
}
