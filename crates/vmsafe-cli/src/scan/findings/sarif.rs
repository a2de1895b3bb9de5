//! For continuous integration: the Static Analysis Results Interchange Format, version 2.1.0.

use std::io::{self, Write};

use vmsafe_witness::{Sarif, SarifResult, SarifSummary};

use super::{Finding, Findings};

impl Findings {
    pub(super) fn write_sarif(&self, out: impl Write) -> io::Result<()> {
        let mut log = Sarif::begin(out)?;
        for found in self.findings.iter().flatten() {
            add(&mut log, found)?;
        }
        let mut log = log.notifications()?;
        for gap in self.gaps.iter().flatten() {
            log.not_searched(gap.target.in_sarif(), gap.offset, gap.length, &gap.because)?;
        }
        let listed = |list: Option<usize>| list.unwrap_or(0) as u64;
        log.left_out(
            self.finding_count - listed(self.findings.as_ref().map(Vec::len)),
            self.gap_count - listed(self.gaps.as_ref().map(Vec::len)),
        )?;
        for note in &self.notes {
            log.note(note.target.in_sarif(), &note.note)?;
        }
        let mut out = log.end(Some(&SarifSummary {
            verdict: self.verdict.name(),
            covered_bytes: self.covered_bytes,
            finding_count: self.finding_count,
        }))?;
        out.write_all(b"\n")
    }
}

fn add(log: &mut Sarif<impl Write>, found: &Finding) -> io::Result<()> {
    let (what, form) = (found.what(), found.form_in_words());
    let beside = found.context.as_ref();
    log.found(&SarifResult {
        target: found.target.in_sarif(),
        kind: found.kind,
        text: &format!("{what} as {form} at {}", found.where_in_words()),
        offset: found.offset,
        len: found.length,
        form: found.form,
        whole: found.whole,
        needle: found.needle,
        fingerprint: found.fingerprint.as_deref(),
        beside: beside.map(|context| (&*context.before, &*context.after)),
    })
}
