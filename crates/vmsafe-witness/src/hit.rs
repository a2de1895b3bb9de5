//! What a search reports.

use core::fmt;

use crate::needles::NeedleId;

/// The shape in which a needle was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Form {
    /// The whole needle, byte for byte.
    Exact,
    /// At least 16 adjacent bytes of the needle, but not all of it.
    Fragment,
}

impl Form {
    /// The name in reports, in kebab case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fragment => "fragment",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One place where a needle stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Hit {
    /// Where it begins, in bytes from the start of what was searched (for a process: the address).
    pub offset: u64,
    /// How many bytes of it stand there.
    pub len: u64,
    /// Which needle.
    pub needle: NeedleId,
    /// In which shape.
    pub form: Form,
}

impl Hit {
    /// The offset just behind the hit.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}
