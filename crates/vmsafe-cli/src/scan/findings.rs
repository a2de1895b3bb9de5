//! What a scan found, as a table and as JSON.

use std::collections::BTreeSet;
use std::io;

use indicatif::HumanBytes;
use serde::Serialize;
use vmsafe_witness::{Form, Hit};

use super::target::Target;
use crate::exit::Exit;
use crate::output::{Cell, Output, Table, Tone};

/// Rows that a person reads; all of them are in the JSON.
const MOST_ROWS: usize = 200;

/// One place where a needle stands.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    target: String,
    offset: u64,
    length: u64,
    form: &'static str,
    /// False: a part of the needle, or of its form.
    whole: bool,
    needle: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<String>,
}

impl Finding {
    pub(super) fn new(hit: &Hit, mapping: Option<String>) -> Self {
        Self {
            target: String::new(),
            offset: hit.offset,
            length: hit.len,
            form: hit.form.name(),
            whole: hit.whole,
            needle: hit.needle.number(),
            mapping,
        }
    }

    fn form_in_words(&self) -> String {
        let part = !self.whole && self.form != Form::Fragment.name();
        format!("{}{}", self.form, if part { ", a part" } else { "" })
    }
}

/// Bytes that were not searched.
#[derive(Debug, Serialize)]
pub(super) struct Gap {
    target: String,
    offset: u64,
    /// `None`: unknown.
    length: Option<u64>,
    because: String,
}

impl Gap {
    pub(super) fn of_unknown_size(because: impl Into<String>) -> Self {
        Self {
            target: String::new(),
            offset: 0,
            length: None,
            because: because.into(),
        }
    }
}

impl From<&vmsafe_witness::Gap> for Gap {
    fn from(gap: &vmsafe_witness::Gap) -> Self {
        Self {
            target: String::new(),
            offset: gap.offset,
            length: Some(gap.len).filter(|len| *len > 0),
            because: gap.because.clone(),
        }
    }
}

/// What the scan of one target gave.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) covered_bytes: u64,
    pub(super) finding_count: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) gaps: Vec<Gap>,
}

impl Scanned {
    pub(super) fn not_at_all(because: impl Into<String>) -> Self {
        Self {
            covered_bytes: 0,
            finding_count: 0,
            findings: Vec::new(),
            gaps: vec![Gap::of_unknown_size(because)],
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    #[default]
    Clean,
    Found,
    Incomplete,
}

/// What all targets gave.
#[derive(Debug, Default, Serialize)]
pub(super) struct Findings {
    verdict: Verdict,
    covered_bytes: u64,
    /// More than `findings` holds, if there were very many.
    finding_count: u64,
    findings: Vec<Finding>,
    gaps: Vec<Gap>,
}

impl Findings {
    pub(super) fn add(&mut self, target: &Target, scanned: Scanned) {
        let name = target.to_string();
        self.covered_bytes += scanned.covered_bytes;
        self.finding_count += scanned.finding_count;
        self.findings
            .extend(scanned.findings.into_iter().map(|finding| Finding {
                target: name.clone(),
                ..finding
            }));
        self.gaps.extend(scanned.gaps.into_iter().map(|gap| Gap {
            target: name.clone(),
            ..gap
        }));
        // A find is certain, whatever else was not read.
        self.verdict = match (self.finding_count, self.gaps.len()) {
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

    pub(super) fn show(&self, out: &Output) -> io::Result<()> {
        if out.is_json() {
            return out.json(self);
        }
        if !self.findings.is_empty() {
            out.table(&self.found_table())?;
        }
        let shown = self.findings.len().min(MOST_ROWS) as u64;
        if self.finding_count > shown {
            let more = self.finding_count - shown;
            out.line(format_args!("and {more} more; --json lists them"))?;
        }
        if !self.gaps.is_empty() {
            out.line("")?;
            out.table(&self.gap_table())?;
        }
        out.line("")?;
        out.line(self.summary())
    }

    fn found_table(&self) -> Table {
        let mut table = Table::new(["target", "offset", "length", "form", "needle"]);
        for found in self.findings.iter().take(MOST_ROWS) {
            let target = match &found.mapping {
                Some(mapping) => format!("{} {mapping}", found.target),
                None => found.target.clone(),
            };
            table.row([
                Cell::from(target),
                Cell::from(format!("{:#x}", found.offset)),
                Cell::from(found.length.to_string()),
                Cell::from(found.form_in_words()),
                Cell::from(found.needle.to_string()),
            ]);
        }
        table
    }

    fn gap_table(&self) -> Table {
        let mut table = Table::new(["not searched", "offset", "length", "because"]);
        for gap in self.gaps.iter().take(MOST_ROWS) {
            let length = gap
                .length
                .map_or_else(|| "unknown".to_owned(), |len| len.to_string());
            table.row([
                Cell::from(&gap.target),
                Cell::from(format!("{:#x}", gap.offset)),
                Cell::from(length),
                Cell::from(&gap.because),
            ]);
        }
        table
    }

    fn summary(&self) -> String {
        let (on, off) = (self.tone().start(), Tone::end());
        let word = match self.verdict {
            Verdict::Clean => "clean",
            Verdict::Found => "found",
            Verdict::Incomplete => "incomplete",
        };
        let needles: BTreeSet<_> = self.findings.iter().map(|found| found.needle).collect();
        let covered = HumanBytes(self.covered_bytes);
        let found = match self.finding_count {
            0 => "nothing".to_owned(),
            count => {
                let needles = counted(needles.len() as u64, "needle");
                format!("{needles} at {}", counted(count, "place"))
            }
        };
        let all = match self.gaps.is_empty() {
            true => "",
            false => ", but not all could be searched",
        };
        format!("{on}{word}{off}: {found} in {covered}{all}")
    }

    fn tone(&self) -> Tone {
        match self.verdict {
            Verdict::Clean => Tone::Good,
            Verdict::Found => Tone::Bad,
            Verdict::Incomplete => Tone::Doubtful,
        }
    }
}

fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
