//! Puts results back into the order of their offsets and keeps count.

use core::cell::Cell;
use std::collections::BTreeMap;

use crate::report::{Found, Gap, Progress, Report};

/// What became of one step.
pub(super) struct Done {
    pub(super) covered: u64,
    /// All before this was searched, or is a gap, once the steps before are done too.
    pub(super) position: u64,
    pub(super) found: Found,
    pub(super) gap: Option<Gap>,
}

impl Done {
    /// How many places it holds.
    pub(super) fn found(&self) -> usize {
        self.found.hits.len() + self.found.keys.len()
    }
}

/// What became of the steps that a worker did without asking for more.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) steps: Vec<Done>,
    /// Up to where they went.
    pub(super) reached: u64,
    /// Whether they were to go on and were stopped.
    pub(super) is_cut: bool,
    /// Whether more of this number follow.
    pub(super) goes_on: bool,
}

/// What came in order so far, and what waits for what came late.
pub(super) struct Tally<'a> {
    pub(super) report: Report,
    waiting: BTreeMap<u64, Batch>,
    /// The batches before this number were counted.
    pub(super) next: u64,
    /// Up to where all was counted.
    pub(super) reached: u64,
    is_cut: bool,
    pub(super) stop: Cell<bool>,
    progress: &'a mut dyn FnMut(&Progress<'_>),
}

impl<'a> Tally<'a> {
    pub(super) fn new(report: Report, progress: &'a mut dyn FnMut(&Progress<'_>)) -> Self {
        Self {
            report,
            waiting: BTreeMap::new(),
            next: 1,
            reached: 0,
            is_cut: false,
            stop: Cell::new(false),
            progress,
        }
    }

    /// Counts a batch when its turn has come, and tells how many places were counted.
    pub(super) fn take(&mut self, batch: Batch) -> usize {
        let mut counted = 0;
        // Of one number several come, one after the other, when its turn has come.
        self.waiting.insert(batch.number, batch);
        while let Some(batch) = self.waiting.remove(&self.next) {
            self.next += u64::from(!batch.goes_on);
            counted += batch.steps.iter().map(Done::found).sum::<usize>();
            // What others did behind a place that was not reached is not told.
            if self.is_cut {
                continue;
            }
            self.is_cut = batch.is_cut;
            for done in batch.steps {
                count(&mut self.report, done, &self.stop, self.progress);
            }
            self.reached = batch.reached;
        }
        counted
    }

    pub(super) fn report(mut self) -> Report {
        self.report.sort();
        self.report
    }
}

/// Adds what became of a step, and tells it.
pub(super) fn count(
    report: &mut Report,
    done: Done,
    stop: &Cell<bool>,
    progress: &mut dyn FnMut(&Progress<'_>),
) {
    report.covered_bytes += done.covered;
    report.add(&done.found);
    done.gap.into_iter().for_each(|gap| report.add_gap(gap));
    progress(&Progress {
        covered: report.covered_bytes,
        total: report.total_bytes,
        hits: report.hit_count + report.key_count,
        fresh: &done.found.hits,
        fresh_keys: &done.found.keys,
        position: done.position,
        report,
        stop,
    });
}
