//! For continuous integration: the Static Analysis Results Interchange Format, version 2.1.0.

use vmsafe_witness::{Sarif, SarifResult};

use super::{Finding, Findings};

impl Findings {
    pub(super) fn sarif(&self) -> String {
        let mut log = Sarif::default();
        for found in self.findings.iter().flatten() {
            add(&mut log, found);
        }
        for gap in self.gaps.iter().flatten() {
            log.not_searched(&gap.target, gap.offset, gap.length, &gap.because);
        }
        for note in &self.notes {
            log.note(&note.target, &note.note);
        }
        log.summary(self.verdict.name(), self.covered_bytes, self.finding_count);
        log.to_json()
    }
}

fn add(log: &mut Sarif, found: &Finding) {
    let (what, form) = (found.what(), found.form_in_words());
    let beside = found.context.as_ref();
    log.found(&SarifResult {
        target: &found.target,
        kind: found.kind,
        text: &format!("{what} as {form} at {}", found.where_in_words()),
        offset: found.offset,
        len: found.length,
        form: found.form,
        whole: found.whole,
        needle: found.needle,
        fingerprint: found.fingerprint.as_deref(),
        beside: beside.map(|context| (&*context.before, &*context.after)),
    });
}
