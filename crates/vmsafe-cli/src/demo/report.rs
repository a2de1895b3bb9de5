//! The report: a table and a sentence per row, or JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::actor::Actor;
use super::stage::Stage;
use super::subject::{Door, Expected, Subject};
use super::tally::{Sight, Tally};
use super::verdict::{Judgement, Verdict, is_shown};
use crate::output::{Cell, Output, Table, Tone};

/// All that there is to tell.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) tally: &'a Tally,
    pub(crate) judgement: &'a Judgement,
    pub(crate) rounds: Rounds,
    /// The last round's actors, for their grades.
    pub(crate) actors: &'a [Actor],
}

/// How the rounds went.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Rounds {
    pub(crate) played: u32,
    pub(crate) broken: u32,
    pub(crate) inconclusive: u32,
}

#[derive(Serialize)]
struct Json<'a> {
    verdict: Verdict,
    reasons: &'a [String],
    subjects: Vec<JsonSubject>,
    not_shown: BTreeMap<&'static str, String>,
    rounds: Rounds,
    machine: JsonMachine<'a>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct JsonSubject {
    name: &'static str,
    expected: &'static str,
    doors: BTreeMap<&'static str, Sight>,
    grade: Vec<String>,
    stores: u64,
    losses: u64,
}

#[derive(Serialize)]
struct JsonMachine<'a> {
    kernel: &'a str,
    root: bool,
    swap_areas: Vec<String>,
    zswap: Option<bool>,
    core_pattern: &'a str,
    files: String,
}

impl Report<'_> {
    /// Prints it as it was asked for.
    pub(crate) fn print(&self, out: &Output) -> anyhow::Result<()> {
        if out.is_json() {
            out.json(&self.json())?;
            return Ok(());
        }
        out.table(&self.table())?;
        for subject in &self.stage.cast {
            out.line(format_args!(
                "{:<17} {}",
                subject.name(),
                subject.sentence()
            ))?;
        }
        out.line("")?;
        for (door, because) in self.not_shown() {
            out.line(format_args!("not shown: {door}: {because}"))?;
        }
        for note in &self.stage.notes {
            out.line(format_args!("note: {note}"))?;
        }
        if self.rounds.played > 1 {
            let Rounds {
                played,
                broken,
                inconclusive,
            } = self.rounds;
            out.line(format_args!(
                "{played} rounds, {broken} broken, {inconclusive} inconclusive"
            ))?;
        }
        for reason in &self.judgement.reasons {
            out.line(format_args!("because {reason}"))?;
        }
        out.line(self.conclusion())?;
        Ok(())
    }

    fn conclusion(&self) -> &'static str {
        match self.judgement.verdict {
            Verdict::Holds => {
                "holds: ordinary memory leaked through each door shown, and nothing protected did"
            }
            Verdict::Inconclusive => "inconclusive: this run proves nothing either way",
            Verdict::Broken => "broken: a protected secret reached storage",
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            "subject",
            "swap",
            "core",
            "file",
            "other blocks",
            "child",
            "expected",
        ]);
        for &subject in &self.stage.cast {
            let mut cells = vec![Cell::from(subject.name())];
            cells.extend(Door::ALL.map(|door| self.cell(subject, door)));
            cells.push(Cell::from(subject.expectation()));
            table.row(cells);
        }
        table
    }

    fn cell(&self, subject: Subject, door: Door) -> Cell {
        let sight = self.tally.sight(subject, door);
        let expected = subject.expected(door);
        let text = match (sight.copies, sight.after_burn) {
            (None, _) => return Cell::toned(Tone::Doubtful, "not shown"),
            (Some(before), Some(after)) => format!("{before} > {after}"),
            (Some(copies), None) => copies.to_string(),
        };
        match (sight.meets(expected), expected) {
            (_, Expected::Leaks | Expected::Whatever) => Cell::from(text),
            (Some(true), _) => Cell::toned(Tone::Good, &text),
            _ => Cell::toned(Tone::Bad, &text),
        }
    }

    /// Doors without a leaking control, and why.
    fn not_shown(&self) -> BTreeMap<&'static str, String> {
        let hidden = Door::ALL
            .into_iter()
            .filter(|door| !is_shown(self.tally, *door));
        hidden
            .map(|door| {
                (
                    door.name(),
                    self.tally.sight(Subject::Ordinary, door).because,
                )
            })
            .collect()
    }

    fn json(&self) -> Json<'_> {
        let machine = &self.stage.machine;
        Json {
            verdict: self.judgement.verdict,
            reasons: &self.judgement.reasons,
            subjects: self
                .stage
                .cast
                .iter()
                .map(|subject| self.json_subject(*subject))
                .collect(),
            not_shown: self.not_shown(),
            rounds: self.rounds,
            machine: JsonMachine {
                kernel: &machine.kernel,
                root: machine.root,
                swap_areas: machine
                    .swap_areas
                    .iter()
                    .map(|area| area.path.display().to_string())
                    .collect(),
                zswap: machine.zswap,
                core_pattern: &machine.core_pattern,
                files: self.stage.files.display().to_string(),
            },
            notes: &self.stage.notes,
        }
    }

    fn json_subject(&self, subject: Subject) -> JsonSubject {
        let actors = || self.actors.iter().filter(|actor| actor.subject == subject);
        let sight = |door: Door| (door.name(), self.tally.sight(subject, door));
        JsonSubject {
            name: subject.name(),
            expected: subject.expectation(),
            doors: Door::ALL.into_iter().map(sight).collect(),
            grade: actors()
                .next()
                .map(|actor| actor.grade.clone())
                .unwrap_or_default(),
            stores: actors().map(|actor| actor.stores.0).sum(),
            losses: actors().map(|actor| actor.stores.1).sum(),
        }
    }
}
