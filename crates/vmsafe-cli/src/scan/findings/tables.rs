//! For people: what was found, grouped; what was not searched; and the verdict in words.

use std::collections::BTreeMap;
use std::io;

use indicatif::HumanBytes;

use super::secrets::counted;
use super::{Finding, Findings, Verdict};
use crate::output::{Cell, Output, Table, Tone};

/// Rows that a person reads; all of them are in the JSON.
const MOST_ROWS: usize = 200;
/// Places that are named in a row.
const MOST_PLACES: usize = 3;

impl Findings {
    pub(super) fn show_tables(&self, out: &Output) -> io::Result<()> {
        let findings = self.findings.as_deref().unwrap_or_default();
        if !findings.is_empty() {
            out.table(&found_table(findings))?;
        }
        let more = self.finding_count - findings.len() as u64;
        if more > 0 {
            out.line(format_args!("and {more} more; --jsonl tells each of them"))?;
        }
        show_contexts(findings, out)?;
        if self.gap_count > 0 {
            out.line("")?;
            out.table(&self.gap_table())?;
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

    fn gap_table(&self) -> Table {
        let mut table = Table::new(["not searched", "offset", "length", "because"]);
        for gap in self.gaps.iter().flatten().take(MOST_ROWS) {
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

/// One row for each secret in each form of each target.
fn found_table(findings: &[Finding]) -> Table {
    let mut groups: BTreeMap<_, Vec<&Finding>> = BTreeMap::new();
    for found in findings {
        let secret = (found.needle, &found.fingerprint);
        let form = (found.kind, found.form, found.whole);
        let group = groups.entry((&found.target, secret, form)).or_default();
        group.push(found);
    }
    let mut table = Table::new(["target", "found", "form", "places", "at"]);
    for group in groups.values().take(MOST_ROWS) {
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
    table
}

fn show_contexts(findings: &[Finding], out: &Output) -> io::Result<()> {
    let with_context = findings
        .iter()
        .filter_map(|found| Some((found, found.context.as_ref()?)));
    let mut table = Table::new(["target", "offset", "before", "length", "after"]);
    let mut rows = 0;
    for (found, context) in with_context.take(MOST_ROWS) {
        rows += 1;
        table.row([
            Cell::from(&found.target),
            Cell::from(format!("{:#x}", found.offset)),
            Cell::from(&context.before),
            Cell::from(found.length.to_string()),
            Cell::from(&context.after),
        ]);
    }
    if rows == 0 {
        return Ok(());
    }
    out.line("")?;
    out.table(&table)
}
