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
    /// Byte by byte backwards: a big number lies so in the memory of a little-endian machine.
    Reversed,
    /// Hexadecimal digits, lower case.
    Hex,
    /// Hexadecimal digits, upper case.
    HexUpper,
    /// Base64, the characters that depend on the needle alone, at any place in a longer text.
    Base64,
    /// Base64 with the alphabet for URLs.
    Base64Url,
    /// Text as UTF-16, low byte first.
    Utf16,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 8] = [
        Self::Exact,
        Self::Fragment,
        Self::Reversed,
        Self::Hex,
        Self::HexUpper,
        Self::Base64,
        Self::Base64Url,
        Self::Utf16,
    ];

    /// The name in reports, in kebab case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Fragment => "fragment",
            Self::Reversed => "reversed",
            Self::Hex => "hex",
            Self::HexUpper => "hex-upper",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Utf16 => "utf16le",
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
    /// Whether all of the needle stands there. If not, it is a part of at least 16 bytes of the
    /// form.
    pub whole: bool,
}

impl Hit {
    /// The offset just behind the hit.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }
}
