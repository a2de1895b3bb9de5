//! All that a scan gave, and how it is told: a table, JSON, a stream of JSON, or SARIF.

mod sarif;
mod secrets;
mod tables;

use std::io;

use serde::Serialize;

use secrets::Secrets;

use super::finding::{Finding, Gap, Note};
use super::name::Name;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::{Output, forgive};

/// How results are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people, when all is done.
    Tables,
    /// One document, when all is done.
    Json,
    /// One object a line, as it is found.
    Lines,
    /// For continuous integration, when all is done.
    Sarif,
}

/// The most findings that are kept: memory stays bounded whatever is scanned. A stream of JSON
/// tells all of them.
const MOST_KEPT: usize = 50_000;
/// The same for what was not searched: a disk may be bad at every other page.
const MOST_GAPS: usize = 10_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    #[default]
    Clean,
    Found,
    Incomplete,
}

impl Verdict {
    /// As in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Found => "found",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What all targets gave.
#[derive(Debug, Serialize)]
pub(super) struct Findings {
    verdict: Verdict,
    covered_bytes: u64,
    /// More than `findings` holds, if there were very many.
    finding_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<Finding>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gaps: Option<Vec<Gap>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
    #[serde(skip)]
    secrets: Secrets,
    /// Told if there are more than `gaps` holds.
    #[serde(skip_serializing_if = "are_kept")]
    gap_count: u64,
    #[serde(skip)]
    format: Format,
    #[serde(skip)]
    failed: Option<io::Error>,
    /// Asked once nothing more can be told.
    #[serde(skip)]
    stop: Interrupt,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn are_kept(gaps: &u64) -> bool {
    *gaps <= MOST_GAPS as u64
}

/// One line of a stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line<'a> {
    Finding(&'a Finding),
    Gap(&'a Gap),
    Note(&'a Note),
    Summary(&'a Findings),
}

impl Findings {
    pub(super) fn new(format: Format, stop: Interrupt) -> Self {
        let kept = format != Format::Lines;
        Self {
            verdict: Verdict::Clean,
            covered_bytes: 0,
            finding_count: 0,
            findings: kept.then(Vec::new),
            gaps: kept.then(Vec::new),
            notes: Vec::new(),
            secrets: Secrets::default(),
            gap_count: 0,
            format,
            failed: None,
            stop,
        }
    }

    /// One more place. In a stream it is told at once; else the first place of each secret is kept,
    /// however many there are of others.
    pub(super) fn found(&mut self, finding: Finding, out: &Output) {
        self.finding_count += 1;
        let is_first = self.secrets.add(&finding);
        self.judge();
        match &mut self.findings {
            None => self.tell(out, &Line::Finding(&finding)),
            Some(findings) if is_first || findings.len() < MOST_KEPT => findings.push(finding),
            Some(_) => {}
        }
    }

    /// Places that were counted, and are not known one by one.
    pub(super) fn found_more(&mut self, count: u64) {
        self.finding_count = self.finding_count.saturating_add(count);
        self.secrets.add_unknown(count);
        self.judge();
    }

    pub(super) fn not_searched(&mut self, gap: Gap, out: &Output) {
        self.gap_count += 1;
        self.judge();
        match &mut self.gaps {
            None => self.tell(out, &Line::Gap(&gap)),
            Some(gaps) if gaps.len() < MOST_GAPS => gaps.push(gap),
            Some(_) => {}
        }
    }

    pub(super) fn note(&mut self, target: &Name, note: impl Into<String>, out: &Output) {
        let (target, note) = (target.clone(), note.into());
        let note = Note { target, note };
        if self.are_told_at_once() {
            self.tell(out, &Line::Note(&note));
        } else {
            self.notes.push(note);
        }
    }

    /// Whether nothing waits for the end.
    pub(super) fn are_told_at_once(&self) -> bool {
        self.format == Format::Lines
    }

    pub(super) fn covered(&mut self, bytes: u64) {
        self.covered_bytes = self.covered_bytes.saturating_add(bytes);
    }

    /// A find is certain, whatever else was not read.
    fn judge(&mut self) {
        self.verdict = match (self.finding_count, self.gap_count) {
            (0, 0) => Verdict::Clean,
            (0, _) => Verdict::Incomplete,
            _ => Verdict::Found,
        };
    }

    pub(super) fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Clean => Exit::Holds,
            Verdict::Found => Exit::Found,
            Verdict::Incomplete => Exit::Unknown,
        }
    }

    /// A line that could not be written ends the scan, and is an error then: of what more it found
    /// nobody would hear.
    fn tell(&mut self, out: &Output, line: &Line<'_>) {
        if self.failed.is_none() {
            self.failed = out.json_of_many(line).err();
            if self.failed.is_some() {
                self.stop.ask();
            }
        }
    }

    /// Tells all that has not been told yet.
    pub(super) fn show(mut self, out: &Output) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return forgive(Err(error));
        }
        if let Some(findings) = &mut self.findings {
            // Those of adjacent pieces can overlap; the order of the targets is kept.
            for of_one in findings.chunk_by_mut(|one, other| one.target == other.target) {
                of_one.sort_by_key(|found| found.offset);
            }
        }
        match self.format {
            Format::Tables => self.show_tables(out),
            Format::Json => out.json(&self),
            Format::Lines => out.json(&Line::Summary(&self)),
            Format::Sarif => out.piecewise(|into| self.write_sarif(into)),
        }
    }
}
