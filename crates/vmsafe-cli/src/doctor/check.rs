//! One thing that was looked at.

use serde::Serialize;

use crate::output::{Tone, plain};

/// How easily memory reaches storage by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Risk {
    None,
    Low,
    High,
    /// It could not be told, and matters.
    Unknown,
}

impl Risk {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::High => "high",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::None => Tone::Good,
            Self::Low | Self::Unknown => Tone::Doubtful,
            Self::High => Tone::Bad,
        }
    }
}

/// A risk, its reason in one sentence, and the command that mends it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) risk: Risk,
    pub(super) because: String,
    pub(super) mend: Option<String>,
}

impl Check {
    pub(super) fn none(name: impl Into<String>, because: impl Into<String>) -> Self {
        Self::new(name, Risk::None, because)
    }

    pub(super) fn low(name: impl Into<String>, because: impl Into<String>) -> Self {
        Self::new(name, Risk::Low, because)
    }

    pub(super) fn high(name: impl Into<String>, because: impl Into<String>) -> Self {
        Self::new(name, Risk::High, because)
    }

    pub(super) fn unknown(name: impl Into<String>, because: impl Into<String>) -> Self {
        Self::new(name, Risk::Unknown, because)
    }

    /// What to do about it.
    pub(super) fn mend(mut self, command: impl AsRef<str>) -> Self {
        self.mend = Some(plain(command.as_ref()));
        self
    }

    fn new(name: impl Into<String>, risk: Risk, because: impl Into<String>) -> Self {
        Self {
            name: plain(&name.into()),
            risk,
            because: plain(&because.into()),
            mend: None,
        }
    }
}
