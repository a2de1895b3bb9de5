//! Streams of xz.

use std::io::{self, ErrorKind, Read};

use lzma_rust2::XzReader;

/// The most memory that the history of a block may ask for, in KiB; `xz` writes at most 8 MiB
/// unless told otherwise (`-7` and above).
const MOST_HISTORY: u32 = 33 << 10;

/// What is decoded at once, in bytes: of a call that fails the decoder gives nothing.
pub(super) const STEP: usize = 256;

/// The content of all streams.
pub(super) struct Xz<R: Read>(XzReader<R>);

impl<R: Read> Xz<R> {
    pub(super) fn new(source: R) -> Self {
        Self(XzReader::new_mem_limit(source, true, MOST_HISTORY))
    }
}

impl<R: Read> Read for Xz<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // The decoder would take that for the end of a block.
        if into.is_empty() {
            return Ok(0);
        }
        let step = into.len().min(STEP);
        self.0.read(&mut into[..step]).map_err(|error| {
            if error.kind() != ErrorKind::OutOfMemory {
                return error;
            }
            io::Error::other(format!(
                "its history is larger than the {MOST_HISTORY} KiB that are kept in memory: \
                 decompress it (xz -dc) and scan what comes out"
            ))
        })
    }
}
