//! Tells what is found, and shows how far a scan has come.

use super::findings::Findings;
use super::gathered::Gathered;
use super::name::Name;
use super::word::Word;
use crate::output::{Output, Progress};

/// Where all words of a scan go.
pub(super) struct Telling<'a> {
    pub(super) findings: Findings,
    out: &'a Output,
    bar: Option<Progress>,
    at_hand: Option<AtHand>,
    /// Given while the files below a directory are searched.
    below: Option<Below>,
}

/// What is being searched.
struct AtHand {
    name: Name,
    found: u64,
}

/// The directory whose files are being searched.
struct Below {
    name: Name,
    /// Bytes in files that are done.
    covered: u64,
    notes: Gathered,
}

impl<'a> Telling<'a> {
    pub(super) fn new(findings: Findings, out: &'a Output) -> Self {
        Self {
            findings,
            out,
            bar: None,
            at_hand: None,
            below: None,
        }
    }

    /// From now on what is said is of files below a directory.
    pub(super) fn enter(&mut self, name: &Name) {
        self.bar = Some(self.out.progress(name, None));
        self.below = Some(Below {
            name: name.clone(),
            covered: 0,
            notes: Gathered::default(),
        });
    }

    /// All below the directory was searched.
    pub(super) fn leave(&mut self) {
        self.bar = None;
        let Some(below) = self.below.take() else {
            return;
        };
        for (name, note) in below.notes.notes(&below.name) {
            self.findings.note(&name, note, self.out);
        }
    }

    pub(super) fn hear(&mut self, word: Word) {
        match word {
            Word::Begun(name, total) => self.begin(name, total),
            Word::Reached { covered, found } => self.show(covered, found),
            Word::Covered(bytes) => self.covered(bytes),
            Word::Found(finding) => self.findings.found(*finding, self.out),
            Word::FoundMore(count) => self.findings.found_more(count),
            Word::NotSearched(gap) => self.findings.not_searched(gap, self.out),
            Word::Note(name, note) => self.note(&name, note),
        }
    }

    fn begin(&mut self, name: Name, total: Option<u64>) {
        match &self.bar {
            Some(bar) => bar.say(&name),
            None => self.bar = Some(self.out.progress(&name, total)),
        }
        self.at_hand = Some(AtHand { name, found: 0 });
    }

    fn show(&mut self, covered: u64, found: u64) {
        let (Some(bar), Some(at_hand)) = (&self.bar, &mut self.at_hand) else {
            return;
        };
        let before = self.below.as_ref().map_or(0, |below| below.covered);
        bar.at(before + covered);
        if found != at_hand.found {
            at_hand.found = found;
            bar.say(&format!("{}: {found} found", at_hand.name));
        }
    }

    fn covered(&mut self, bytes: u64) {
        self.findings.covered(bytes);
        match &mut self.below {
            Some(below) => below.covered += bytes,
            None => self.bar = None,
        }
    }

    /// Of the files of a directory each note is told once, at its end, unless all is told at once.
    fn note(&mut self, name: &Name, note: String) {
        match &mut self.below {
            Some(below) if !self.findings.are_told_at_once() => below.notes.add(name, note),
            _ => self.findings.note(name, note, self.out),
        }
    }
}
