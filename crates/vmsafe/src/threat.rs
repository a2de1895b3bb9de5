//! Threats: the doors by which a secret leaves memory, and what a caller demands of each.

use std::fmt;

use vmsafe_os::Evidence;

/// A door by which a secret in memory can leave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Threat {
    /// The kernel writes pages to swap space.
    Swap,
    /// A crash writes memory to a core file.
    CoreDump,
    /// A child process inherits a copy that is less protected.
    Fork,
    /// Another process reads the memory: ptrace, `/proc/PID/mem`.
    ProcessRead,
    /// The machine writes all memory to disk and switches off.
    Hibernation,
    /// A file of the buffer's own keeps the content beyond the buffer's end.
    BackingFile,
}

impl Threat {
    /// All of them, in the order in which grades list them.
    pub const ALL: [Self; 6] = [
        Self::Swap,
        Self::CoreDump,
        Self::Fork,
        Self::ProcessRead,
        Self::Hibernation,
        Self::BackingFile,
    ];
}

impl fmt::Display for Threat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Swap => "swap",
            Self::CoreDump => "core dump",
            Self::Fork => "fork",
            Self::ProcessRead => "process read",
            Self::Hibernation => "hibernation",
            Self::BackingFile => "backing file",
        })
    }
}

/// What a caller wants done about one threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    /// Close it, or fail.
    Require,
    /// Have the system grant what closes it, or fail. Where the system cannot be asked back its
    /// word counts, and the grade says unknown.
    Grant,
    /// Close it if possible; the [`Grade`](crate::Grade) tells.
    Prefer,
    /// Leave it open where closing it has a price.
    Accept,
}

/// A demand for each threat.
///
/// The default requires what a program can always have, [`Threat::Swap`], [`Threat::CoreDump`] and
/// [`Threat::Fork`], and prefers the rest. Hibernation is a choice with a price: secret memory
/// (`memfd_secret`) forbids the whole machine to hibernate while it exists; memory that is only
/// locked lets the image hold the secret. `Prefer`, the default, takes secret memory where there is
/// some, for the same pages also never migrate and cannot be read from outside; `Accept` takes
/// locked memory and lets the laptop sleep.
///
/// What a system cannot confirm by its nature it need not confirm by default: there
/// [`Threat::Swap`] and [`Threat::Fork`] are demanded as [`Demand::Grant`], and
/// [`Threat::CoreDump`] as [`Demand::Prefer`], unless you state something else. `docs/platform.md`
/// says which system confirms what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demands([Option<Demand>; Threat::ALL.len()]);

impl Demands {
    /// This demand for every threat.
    #[must_use]
    pub const fn all(demand: Demand) -> Self {
        Self([Some(demand); Threat::ALL.len()])
    }

    /// The same, with another demand for one threat.
    #[must_use]
    pub const fn with(mut self, threat: Threat, demand: Demand) -> Self {
        self.0[threat as usize] = Some(demand);
        self
    }

    /// The demand for one threat.
    #[must_use]
    pub const fn of(&self, threat: Threat) -> Demand {
        match (self.0[threat as usize], threat) {
            (Some(stated), _) => stated,
            (None, Threat::Swap | Threat::CoreDump | Threat::Fork) => Demand::Require,
            (None, _) => Demand::Prefer,
        }
    }

    /// The same, with what was not stated as this system can answer it.
    pub(crate) fn on(mut self, evidence: &Evidence) -> Self {
        let own = [
            (Threat::Swap, &evidence.locked, Demand::Grant),
            (Threat::CoreDump, &evidence.dont_dump, Demand::Prefer),
            (Threat::Fork, &evidence.absent, Demand::Grant),
        ];
        for (threat, proof, demand) in own {
            if !proof.conclusive {
                self.0[threat as usize].get_or_insert(demand);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use vmsafe_os::Proof;

    use super::*;

    #[test]
    fn a_system_that_cannot_confirm_is_asked_for_less_unless_it_was_stated() {
        let silent = Evidence {
            locked: Proof::one_way("", ""),
            dont_dump: Proof::one_way("", ""),
            ..Evidence::LINUX
        };
        let usual = Demands::default();
        assert_eq!(usual.on(&Evidence::LINUX), usual);
        assert_eq!(usual.on(&silent).of(Threat::Swap), Demand::Grant);
        assert_eq!(usual.on(&silent).of(Threat::CoreDump), Demand::Prefer);
        assert_eq!(usual.on(&silent).of(Threat::Fork), Demand::Require);
        let blind = Evidence {
            absent: Proof::one_way("", ""),
            ..Evidence::LINUX
        };
        assert_eq!(usual.on(&blind).of(Threat::Fork), Demand::Grant);
        assert_eq!(usual.on(&blind).of(Threat::Swap), Demand::Require);
        let stated = Demands::all(Demand::Require);
        assert_eq!(stated.on(&silent), stated);
    }
}
