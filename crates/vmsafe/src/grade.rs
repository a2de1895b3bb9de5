//! Grades: what a buffer got, threat by threat, with the evidence.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use vmsafe_os::{Facts, Mapping, Proof, Refused};

use crate::error::Error;
use crate::threat::{Demand, Demands, Threat};

/// What is known of one threat.
///
/// Ordered and compared by rank alone: open, unknown, closed. The words are for people.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The system confirmed, at run time, that the door is shut.
    Closed {
        /// What was confirmed.
        by: Cow<'static, str>,
    },
    /// The door is open.
    Open {
        /// Why.
        because: Cow<'static, str>,
    },
    /// Nothing could be confirmed.
    Unknown {
        /// Why not.
        because: Cow<'static, str>,
    },
}

impl Verdict {
    /// Closed, confirmed by this.
    pub(crate) fn closed(by: impl Into<Cow<'static, str>>) -> Self {
        Self::Closed { by: by.into() }
    }

    /// Open, for this reason.
    pub(crate) fn open(because: impl Into<Cow<'static, str>>) -> Self {
        Self::Open {
            because: because.into(),
        }
    }

    /// Unknown, for this reason.
    pub(crate) fn unknown(because: impl Into<Cow<'static, str>>) -> Self {
        Self::Unknown {
            because: because.into(),
        }
    }

    /// What a proof that shows, or does not, says of a door.
    pub(crate) fn by(proof: &Proof, shows: bool) -> Self {
        match (shows, proof.conclusive) {
            (true, _) => Self::closed(proof.shown),
            (false, true) => Self::open(proof.missing),
            (false, false) => Self::unknown(proof.missing),
        }
    }

    /// What is known of a flag that was asked for and must show on the mapping.
    pub(crate) fn marked(
        asked: &Result<(), Refused>,
        mapping: &Mapping,
        proof: &Proof,
        flag: fn(&Facts) -> bool,
    ) -> Self {
        match (asked, mapping.facts()) {
            (Err(refused), _) => Self::open(refused.to_string()),
            (Ok(()), Ok(facts)) => Self::by(proof, flag(&facts)),
            (Ok(()), Err(refused)) => Self::unknown(refused.to_string()),
        }
    }

    /// True when the door is shut.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// The evidence or the reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Closed { by } => by,
            Self::Open { because } | Self::Unknown { because } => because,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Open { .. } => 0,
            Self::Unknown { .. } => 1,
            Self::Closed { .. } => 2,
        }
    }
}

impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Verdict {}

impl PartialOrd for Verdict {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Verdict {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::Unknown { .. } => "unknown",
        };
        write!(f, "{word}: {}", self.reason())
    }
}

/// A verdict for each threat.
///
/// `a >= b` says that `a` is at least as good everywhere; two grades that are each better somewhere
/// have no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grade([Verdict; Threat::ALL.len()]);

impl Grade {
    /// One verdict per threat, as `judge` gives it.
    pub(crate) fn new(judge: impl Fn(Threat) -> Verdict) -> Self {
        Self(Threat::ALL.map(judge))
    }

    /// The same, with another verdict for one threat.
    pub(crate) fn with(mut self, threat: Threat, verdict: Verdict) -> Self {
        self.0[threat as usize] = verdict;
        self
    }

    /// For each threat the worse of two verdicts.
    pub(crate) fn worst(self, other: &Self) -> Self {
        let mut all = self;
        for (own, other) in all.0.iter_mut().zip(&other.0) {
            if *other < *own {
                *own = other.clone();
            }
        }
        all
    }

    /// The same, with a remark added to one verdict's words.
    pub(crate) fn noting(mut self, threat: Threat, remark: &str) -> Self {
        let verdict = &mut self.0[threat as usize];
        let (Verdict::Closed { by: words }
        | Verdict::Open { because: words }
        | Verdict::Unknown { because: words }) = verdict;
        *words = format!("{words}; {remark}").into();
        self
    }

    /// The verdict for one threat.
    #[must_use]
    pub fn of(&self, threat: Threat) -> &Verdict {
        &self.0[threat as usize]
    }

    /// Each threat with its verdict.
    pub fn iter(&self) -> impl Iterator<Item = (Threat, &Verdict)> {
        Threat::ALL.into_iter().zip(&self.0)
    }

    /// Fails on the first threat that is required closed and is not.
    pub(crate) fn meet(&self, demands: &Demands) -> Result<(), Error> {
        let unmet = |(threat, verdict): &(Threat, &Verdict)| match demands.of(*threat) {
            Demand::Require => !verdict.is_closed(),
            Demand::Grant => matches!(verdict, Verdict::Open { .. }),
            Demand::Prefer | Demand::Accept => false,
        };
        match self.iter().find(unmet) {
            None => Ok(()),
            Some((threat, verdict)) => Err(Error::Unmet {
                threat,
                because: verdict.reason().to_owned(),
            }),
        }
    }
}

impl PartialOrd for Grade {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let orders = || {
            self.0
                .iter()
                .zip(&other.0)
                .map(|(own, other)| own.cmp(other))
        };
        match (orders().any(Ordering::is_lt), orders().any(Ordering::is_gt)) {
            (false, false) => Some(Ordering::Equal),
            (true, false) => Some(Ordering::Less),
            (false, true) => Some(Ordering::Greater),
            (true, true) => None,
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (threat, verdict) in self.iter() {
            writeln!(f, "{threat:<12} {verdict}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(swap: Verdict, core: Verdict) -> Grade {
        Grade::new(|_| Verdict::closed("x"))
            .with(Threat::Swap, swap)
            .with(Threat::CoreDump, core)
    }

    #[test]
    fn at_least_means_everywhere() {
        let good = grade(Verdict::closed("a"), Verdict::closed("b"));
        let swaps = grade(Verdict::open("c"), Verdict::closed("d"));
        let dumps = grade(Verdict::closed("e"), Verdict::unknown("f"));
        assert!(good >= swaps && good >= dumps);
        assert_eq!(swaps.partial_cmp(&dumps), None);
        assert_eq!(
            good,
            grade(Verdict::closed("other words"), Verdict::closed(""))
        );
    }

    #[test]
    fn unknown_does_not_meet_a_requirement() {
        let unsure = grade(Verdict::closed("a"), Verdict::unknown("no /proc"));
        let error = unsure.meet(&Demands::default()).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Unmet {
                    threat: Threat::CoreDump,
                    ..
                }
            ),
            "{error}"
        );
        let preferred = Demands::default().with(Threat::CoreDump, Demand::Prefer);
        assert!(unsure.meet(&preferred).is_ok());
    }

    #[test]
    fn a_grant_is_met_by_a_word_and_not_by_a_refusal() {
        let granted = Demands::default().with(Threat::Swap, Demand::Grant);
        for (swap, met) in [("open", false), ("unknown", true), ("closed", true)] {
            let verdict = match swap {
                "open" => Verdict::by(&Proof::of("", ""), false),
                "unknown" => Verdict::by(&Proof::one_way("", ""), false),
                _ => Verdict::by(&Proof::one_way("", ""), true),
            };
            let grade = grade(verdict, Verdict::closed("b"));
            assert_eq!(grade.meet(&granted).is_ok(), met, "{swap}");
        }
    }
}
