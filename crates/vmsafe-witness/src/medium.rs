//! What kind of thing is scanned, and what an offset in it means.

mod compressed;
mod core_dump;
mod paged;
mod swap;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;
use std::io::{self, Read, Seek};

pub use compressed::Compression;
pub use core_dump::{CoreDump, CorePlace, Thread};
pub use swap::{SwapHeader, SwapPlace, SwapState};

use crate::report::{Progress, Report};
use crate::scan::{scan_seekable, scan_stream};
use crate::searcher::Searcher;

use paged::Paged;

/// The kind of a file or device, as far as it has a structure that names its parts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Medium {
    /// Nothing that we know the structure of.
    Plain,
    /// A swap file or partition.
    Swap(SwapHeader),
    /// A core dump.
    Core(CoreDump),
    /// A compressed stream. Offsets count in its content.
    Compressed(Compression),
}

/// What an offset in a medium belongs to. It displays as a short phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A part of a swap area.
    Swap(SwapPlace),
    /// A part of a core dump.
    Core(CorePlace),
}

impl Medium {
    /// Looks at the beginning of `reader` to tell what it is. The cursor is moved.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or looks like a core dump but is damaged; it can be scanned as
    /// [`Medium::Plain`] all the same.
    pub fn detect(reader: impl Read + Seek + Send) -> io::Result<Self> {
        let mut paged = Paged::new(reader)?;
        if let Some(core) = CoreDump::read_paged(&mut paged)? {
            return Ok(Self::Core(core));
        }
        let start = paged.start()?;
        Ok(if let Some(header) = SwapHeader::parse(start) {
            Self::Swap(header)
        } else if let Some(compression) = Compression::detect(start) {
            Self::Compressed(compression)
        } else {
            Self::Plain
        })
    }

    /// Scans `reader` as the kind of medium that it is: the content of a compressed stream,
    /// anything else byte by byte as [`scan_seekable`] does.
    ///
    /// In a compressed stream `range` cannot be sought: what lies before it is decompressed and
    /// searched too.
    pub fn scan<R: Read + Seek + Send>(
        &self,
        searcher: &Searcher,
        mut reader: R,
        range: Option<Range<u64>>,
        progress: &mut dyn FnMut(&Progress<'_>),
    ) -> Report {
        let Self::Compressed(compression) = self else {
            return scan_seekable(searcher, reader, range, progress);
        };
        let start = reader.rewind().and_then(|()| Paged::new(reader));
        match start {
            Ok(paged) => scan_stream(searcher, &mut compression.reader(paged), progress),
            Err(error) => Report::unread(&error),
        }
    }

    /// What the byte at `offset` belongs to; `None` if the medium has no such structure.
    #[must_use]
    pub fn place(&self, offset: u64) -> Option<Place> {
        match self {
            Self::Plain | Self::Compressed(_) => None,
            Self::Swap(header) => Some(Place::Swap(header.place(offset))),
            Self::Core(core) => Some(Place::Core(core.place(offset))),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Swap(place) => place.fmt(f),
            Self::Core(place) => place.fmt(f),
        }
    }
}
