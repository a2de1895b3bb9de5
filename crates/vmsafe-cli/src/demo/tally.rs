//! Tallies: copies per subject and door, of one round or of many.

use std::collections::BTreeMap;

use serde::Serialize;

use super::subject::{Door, Expected, Subject};

/// What was seen at one door of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Sight {
    /// Copies found; none when the door could not be shown.
    pub(crate) copies: Option<u64>,
    /// What was looked at, or why it could not be.
    pub(crate) because: String,
    /// Copies found after the burn, where something was burned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_burn: Option<u64>,
}

impl Sight {
    /// This many copies in what was looked at.
    pub(crate) fn of(copies: u64, because: impl Into<String>) -> Self {
        Self {
            copies: Some(copies),
            because: because.into(),
            after_burn: None,
        }
    }

    /// Nothing could be seen.
    pub(crate) fn none(because: impl Into<String>) -> Self {
        Self {
            copies: None,
            because: because.into(),
            after_burn: None,
        }
    }

    /// Whether it is as expected; `None` when it cannot be told.
    pub(crate) fn meets(&self, expected: Expected) -> Option<bool> {
        let copies = self.copies?;
        Some(match expected {
            Expected::Leaks => copies > 0,
            Expected::Nothing => copies == 0,
            Expected::Burns => copies > 0 && self.after_burn == Some(0),
            Expected::Whatever => true,
        })
    }

    fn add(&mut self, other: Self) {
        let sum = |own: Option<u64>, other: Option<u64>| Some(own? + other?);
        self.copies = sum(self.copies, other.copies);
        self.after_burn = sum(self.after_burn, other.after_burn);
        self.because = other.because;
    }
}

/// All that was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<(Door, usize), Sight>);

impl Tally {
    /// Notes what was seen at a door of a subject.
    pub(crate) fn note(&mut self, subject: Subject, door: Door, sight: Sight) {
        self.0.insert((door, subject as usize), sight);
    }

    /// What was seen at a door of a subject.
    pub(crate) fn sight(&self, subject: Subject, door: Door) -> Sight {
        let sight = self.0.get(&(door, subject as usize)).cloned();
        sight.unwrap_or_else(|| Sight::none("not looked at"))
    }

    /// Whether a subject was on stage: this machine may not offer what it stands on.
    pub(crate) fn has(&self, subject: Subject) -> bool {
        self.0.keys().any(|(_, whose)| *whose == subject as usize)
    }

    /// Adds another round.
    pub(crate) fn add(&mut self, other: Self) {
        for (place, sight) in other.0 {
            match self.0.get_mut(&place) {
                Some(own) => own.add(sight),
                None => {
                    self.0.insert(place, sight);
                }
            }
        }
    }
}
