//! Compressed streams: core dumps and images are often stored so.
//!
//! The decoders are written without unsafe code. Each of the formats is a row of frames, as which
//! gzip's members count; the stream ends where a frame ends and nothing follows, anything else is
//! an error. What was decoded before an error is given first.

mod frames;
mod gzip;
mod lz4;
#[cfg(test)]
mod tests;
mod xz;
mod zstd;

use std::io::{self, BufReader, Read};

use frames::{Frames, Kind};
use gzip::Gzip;
use xz::Xz;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As by `gzip`.
    Gzip,
    /// As by `zstd`.
    Zstd,
    /// As by `lz4`.
    Lz4,
    /// As by `zstd` or by `lz4`: it begins with bytes that both skip, and goes on behind what was
    /// looked at.
    ZstdOrLz4,
    /// As by `xz`.
    Xz,
}

impl Compression {
    /// What a stream that begins so is compressed with.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        if let [0x1f, 0x8b, 8, ..] = start {
            return Some(Self::Gzip);
        }
        if start.starts_with(b"\xfd7zXZ\0") {
            return Some(Self::Xz);
        }
        let mut rest = start;
        loop {
            let (number, behind) = rest.split_first_chunk()?;
            match Kind::of(*number)? {
                Kind::Zstd => return Some(Self::Zstd),
                Kind::Lz4 | Kind::LegacyLz4 => return Some(Self::Lz4),
                Kind::Skipped => {}
            }
            let skipped = behind.split_first_chunk().and_then(|(len, behind)| {
                behind.get(usize::try_from(u32::from_le_bytes(*len)).ok()?..)
            });
            match skipped {
                Some(behind) if behind.len() >= 4 => rest = behind,
                _ => return Some(Self::ZstdOrLz4),
            }
        }
    }

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::ZstdOrLz4 => "zstd or lz4",
            Self::Xz => "xz",
        }
    }

    /// The content of a compressed stream. A stream that is damaged or cut short ends in an error.
    pub fn reader<'a>(self, compressed: impl Read + Send + 'a) -> Box<dyn Read + Send + 'a> {
        let source = BufReader::with_capacity(1 << 16, compressed);
        match self {
            Self::Gzip => Box::new(Lasting::new(Gzip::new(source))),
            Self::Zstd | Self::Lz4 | Self::ZstdOrLz4 => Box::new(Lasting::new(Frames::new(source))),
            Self::Xz => Box::new(Lasting::new(Xz::new(source))),
        }
    }
}

/// A reader whose first error is its last word: who reads a block in several steps may set an error
/// aside for the bytes before it, and asks again; a decoder would go on somewhere, or say "end".
struct Lasting<R> {
    source: R,
    failed: Option<(io::ErrorKind, String)>,
}

impl<R> Lasting<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            failed: None,
        }
    }
}

impl<R: Read> Read for Lasting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, text)) = &self.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let read = self.source.read(into);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
        read
    }
}
