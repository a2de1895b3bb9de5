//! For people: what was found, grouped; what was not searched; and the verdict in words.

use std::collections::BTreeMap;
use std::io;

use indicatif::HumanBytes;

use super::secrets::counted;
use super::{Finding, Findings, Gap, Verdict};
use crate::output::{Cell, Output, Table, Tone};

/// Rows that a person reads; --jsonl tells all of them.
const MOST_ROWS: usize = 200;
/// Places that are named in a row.
const MOST_PLACES: usize = 3;
/// Targets that are named of those that were not searched at all for one reason.
const MOST_NAMED: usize = 3;

impl Findings {
    pub(super) fn show_tables(&self, out: &Output) -> io::Result<()> {
        let findings = self.findings.as_deref().unwrap_or_default();
        if !findings.is_empty() {
            let (table, places) = found_table(findings);
            out.table(&table)?;
            show_rest(self.finding_count - places, out)?;
        }
        show_contexts(findings, out)?;
        if self.gap_count > 0 {
            let (table, gaps) = gap_table(self.gaps.as_deref().unwrap_or_default());
            out.line("")?;
            out.table(&table)?;
            show_rest(self.gap_count - gaps, out)?;
        }
        if !self.notes.is_empty() {
            out.line("")?;
        }
        for note in &self.notes {
            out.line(format_args!("{}: {}", note.target, note.note))?;
        }
        out.line("")?;
        out.line(self.summary())
    }

    fn summary(&self) -> String {
        let (on, off) = (self.tone().start(), Tone::end());
        let word = self.verdict.name();
        let covered = HumanBytes(self.covered_bytes);
        let found = match self.finding_count {
            0 => "nothing".to_owned(),
            count => format!("{} at {}", self.secrets.in_words(), counted(count, "place")),
        };
        let all = match self.gap_count {
            0 => "",
            _ => ", but not all could be searched",
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

/// Says how many a table leaves out.
fn show_rest(more: u64, out: &Output) -> io::Result<()> {
    match more {
        0 => Ok(()),
        _ => out.line(format_args!("and {more} more; --jsonl tells each of them")),
    }
}

/// Gaps that share a row.
struct Row<'a> {
    first: &'a Gap,
    gaps: u64,
}

impl<'a> Row<'a> {
    /// One for each gap; but targets of which nothing was searched share one, behind the first few
    /// that have the same reason.
    fn all(gaps: &'a [Gap]) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        let mut shared: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for first in gaps {
            if (first.offset, first.length) == (0, None) {
                let (targets, row) = shared.entry(&first.because).or_default();
                *targets += 1;
                if *targets > MOST_NAMED + 1 {
                    rows[*row].gaps += 1;
                    continue;
                }
                *row = rows.len();
            }
            rows.push(Self { first, gaps: 1 });
        }
        rows
    }

    fn cells(&self) -> [Cell; 4] {
        let Gap {
            target,
            offset,
            length,
            because,
        } = self.first;
        if self.gaps > 1 {
            let targets = format!("and {} more targets", self.gaps);
            return [&*targets, "", "", because].map(Cell::from);
        }
        let length = length.map_or_else(|| "unknown".to_owned(), |len| len.to_string());
        [target, &*format!("{offset:#x}"), &*length, because].map(Cell::from)
    }
}

/// And how many gaps it tells.
fn gap_table(gaps: &[Gap]) -> (Table, u64) {
    let mut table = Table::new(["not searched", "offset", "length", "because"]);
    let mut told = 0;
    for row in Row::all(gaps).iter().take(MOST_ROWS) {
        table.row(row.cells());
        told += row.gaps;
    }
    (table, told)
}

/// One row for each secret in each form of each target; and how many findings they tell.
fn found_table(findings: &[Finding]) -> (Table, u64) {
    let mut groups: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
    for found in findings {
        let secret = (found.needle, &found.fingerprint);
        let form = (found.kind, found.form, found.whole);
        let group = groups.entry((&found.target, secret, form)).or_default();
        group.push(found);
    }
    let mut table = Table::new(["target", "found", "form", "places", "at"]);
    let mut told = 0;
    for group in groups.values().take(MOST_ROWS) {
        told += group.len() as u64;
        let [first, ..] = group.as_slice() else {
            continue;
        };
        let mut places: Vec<_> = group
            .iter()
            .take(MOST_PLACES)
            .map(|found| found.where_in_words())
            .collect();
        if group.len() > MOST_PLACES {
            places.push("…".to_owned());
        }
        table.row([
            Cell::from(&first.target),
            Cell::from(first.what()),
            Cell::from(first.form_in_words()),
            Cell::from(group.len().to_string()),
            Cell::from(places.join(", ")),
        ]);
    }
    (table, told)
}

fn show_contexts(findings: &[Finding], out: &Output) -> io::Result<()> {
    let with_context = findings
        .iter()
        .filter_map(|found| Some((found, found.context.as_ref()?)));
    let mut table = Table::new(["target", "offset", "before", "length", "after"]);
    let mut rest = with_context.clone().count();
    if rest == 0 {
        return Ok(());
    }
    for (found, context) in with_context.take(MOST_ROWS) {
        rest -= 1;
        table.row([
            Cell::from(&found.target),
            Cell::from(format!("{:#x}", found.offset)),
            Cell::from(&context.before),
            Cell::from(found.length.to_string()),
            Cell::from(&context.after),
        ]);
    }
    out.line("")?;
    out.table(&table)?;
    show_rest(rest as u64, out)
}
