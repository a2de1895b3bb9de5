//! The verdict: what a round's sights mean.

use serde::Serialize;

use super::subject::{Door, Expected, Subject};
use super::tally::Tally;
use crate::exit::Exit;

/// What a demonstration says in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Every shown door is as promised.
    Holds,
    /// A control did not leak, or a door that is required could not be shown.
    Inconclusive,
    /// A protected subject leaked.
    Broken,
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Holds => Self::Holds,
            Verdict::Inconclusive => Self::Unknown,
            Verdict::Broken => Self::Found,
        }
    }
}

/// A verdict, and a sentence for everything that speaks against "holds".
#[derive(Clone, Debug)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) reasons: Vec<String>,
}

/// Judges what was seen. A door that nobody could show is no reason, unless it is required; a door
/// whose control did not leak says nothing about the others.
pub(crate) fn judge(tally: &Tally, required: &[Door]) -> Judgement {
    let mut judgement = Judgement {
        verdict: Verdict::Holds,
        reasons: Vec::new(),
    };
    for door in Door::ALL {
        for subject in Subject::ALL.into_iter().filter(|known| tally.has(*known)) {
            judge_one(tally, subject, door, &mut judgement);
        }
        if required.contains(&door) && !is_shown(tally, door) {
            let because = tally.sight(Subject::Ordinary, door).because;
            judgement.add(
                Verdict::Inconclusive,
                format!(
                    "the door {} is required and was not shown: {because}",
                    door.name()
                ),
            );
        }
    }
    judgement
}

/// True when the door's control leaked there.
pub(crate) fn is_shown(tally: &Tally, door: Door) -> bool {
    let control = tally.sight(Subject::Ordinary, door);
    control.meets(Expected::Leaks) == Some(true)
}

fn judge_one(tally: &Tally, subject: Subject, door: Door, judgement: &mut Judgement) {
    let sight = tally.sight(subject, door);
    let expected = subject.expected(door);
    let (name, door_name) = (subject.name(), door.name());
    match (sight.meets(expected), expected) {
        (Some(true), _) => {}
        (Some(false), Expected::Leaks) => judgement.add(
            Verdict::Inconclusive,
            format!(
                "the control {name} did not leak to {door_name}: the others' zero says nothing"
            ),
        ),
        (Some(false), Expected::Burns) if sight.copies == Some(0) => judgement.add(
            Verdict::Inconclusive,
            format!("{name} never wrote to its file: the burn shows nothing"),
        ),
        (Some(false), Expected::Burns) => judgement.add(
            Verdict::Broken,
            match sight.after_burn {
                Some(left) => format!("{name} leaked to {door_name}: {left} copies after the burn"),
                None => format!("{name} leaked to {door_name}: its file was not burned"),
            },
        ),
        (Some(false), _) => judgement.add(
            Verdict::Broken,
            format!(
                "{name} leaked to {door_name}: {} copies",
                sight.copies.unwrap_or(0)
            ),
        ),
        // A second control that this user cannot have takes nothing from the first.
        (None, _) if subject.is_control() => {}
        // The door was shown for the control, and this subject could not be looked at.
        (None, _) if is_shown(tally, door) => judgement.add(
            Verdict::Inconclusive,
            format!(
                "{name} could not be looked at through {door_name}: {}",
                sight.because
            ),
        ),
        (None, _) => {}
    }
}

impl Judgement {
    /// Adds what speaks against "holds"; the worse verdict stays.
    pub(crate) fn add(&mut self, verdict: Verdict, reason: String) {
        self.verdict = self.verdict.max(verdict);
        self.reasons.push(reason);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Sight;
    use super::*;

    /// All as it should be, as root.
    fn good() -> Tally {
        let mut tally = Tally::default();
        for subject in Subject::ALL {
            for door in Door::ALL {
                let sight = match subject.expected(door) {
                    Expected::Leaks => Sight::of(3, "seen"),
                    Expected::Nothing | Expected::Whatever => Sight::of(0, "seen"),
                    Expected::Burns => Sight {
                        after_burn: Some(0),
                        ..Sight::of(3, "seen")
                    },
                };
                tally.note(subject, door, sight);
            }
        }
        tally
    }

    fn verdict(change: impl Fn(&mut Tally)) -> Verdict {
        let mut tally = good();
        change(&mut tally);
        judge(&tally, &[Door::Swap]).verdict
    }

    #[test]
    fn all_as_expected_holds() {
        assert_eq!(verdict(|_| ()), Verdict::Holds);
    }

    #[test]
    fn a_copy_of_a_protected_subject_at_any_door_breaks() {
        for subject in Subject::ALL {
            for door in Door::ALL {
                if subject.expected(door) == Expected::Nothing {
                    let leak = |tally: &mut Tally| tally.note(subject, door, Sight::of(1, "seen"));
                    assert_eq!(verdict(leak), Verdict::Broken, "{subject:?} {door:?}");
                }
            }
        }
    }

    #[test]
    fn a_control_that_stays_in_is_inconclusive() {
        for subject in [Subject::Ordinary, Subject::ForkShared] {
            let stay = |tally: &mut Tally| tally.note(subject, Door::Swap, Sight::of(0, "seen"));
            assert_eq!(verdict(stay), Verdict::Inconclusive);
        }
    }

    #[test]
    fn a_leak_outweighs_a_control_that_stays_in() {
        let both = |tally: &mut Tally| {
            tally.note(Subject::Ordinary, Door::Core, Sight::of(0, "seen"));
            tally.note(Subject::Locked, Door::Swap, Sight::of(1, "seen"));
        };
        assert_eq!(verdict(both), Verdict::Broken);
    }

    #[test]
    fn an_unshown_door_counts_only_when_required() {
        let hide = |door| {
            move |tally: &mut Tally| {
                for subject in Subject::ALL {
                    tally.note(subject, door, Sight::none("needs root"));
                }
            }
        };
        assert_eq!(verdict(hide(Door::Disk)), Verdict::Holds);
        assert_eq!(verdict(hide(Door::Swap)), Verdict::Inconclusive);
    }

    #[test]
    fn one_subject_that_cannot_be_seen_is_inconclusive() {
        let hide = |tally: &mut Tally| tally.note(Subject::Locked, Door::Core, Sight::none("x"));
        assert_eq!(verdict(hide), Verdict::Inconclusive);
    }

    #[test]
    fn one_subject_that_was_never_on_stage_says_nothing() {
        let mut tally = Tally::default();
        for subject in Subject::ALL {
            let left_out = [Subject::Locked, Subject::ForkShared].contains(&subject);
            for door in Door::ALL.into_iter().filter(|_| !left_out) {
                tally.note(subject, door, good().sight(subject, door));
            }
        }
        assert_eq!(judge(&tally, &[Door::Swap]).verdict, Verdict::Holds);
    }

    #[test]
    fn an_unburned_file_is_broken_and_an_unwritten_one_says_nothing() {
        let unburned = |tally: &mut Tally| {
            tally.note(Subject::Confined, Door::File, Sight::of(3, "seen"));
        };
        let left = |tally: &mut Tally| {
            let sight = Sight {
                after_burn: Some(1),
                ..Sight::of(3, "seen")
            };
            tally.note(Subject::Confined, Door::File, sight);
        };
        let unwritten = |tally: &mut Tally| {
            let sight = Sight {
                after_burn: Some(0),
                ..Sight::of(0, "seen")
            };
            tally.note(Subject::Confined, Door::File, sight);
        };
        assert_eq!(verdict(unburned), Verdict::Broken);
        assert_eq!(verdict(left), Verdict::Broken);
        assert_eq!(verdict(unwritten), Verdict::Inconclusive);
    }
}
