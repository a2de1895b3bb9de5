//! A frame of zstd.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::frames::{Frame, Source};

/// The most memory that the history of a frame may ask for, in bytes; `zstd` writes at most 8 MiB
/// unless told otherwise.
const MOST_HISTORY: u64 = 32 << 20;

/// A block that is raw, empty and the last, and room for a checksum that is not looked at.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

pub(super) struct Zstd<R> {
    source: Source<R>,
    decoder: FrameDecoder,
    /// Why the frame broke off; told once all that was decoded before is given.
    failed: Option<io::Error>,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(mut source: Source<R>) -> io::Result<Self> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MOST_HISTORY);
        decoder.reset(&mut source).map_err(|error| match error {
            FrameDecoderError::WindowSizeTooBig { requested, max } => io::Error::other(format!(
                "its window of {requested} bytes is larger than the {max} that are kept in \
                 memory: decompress it (zstd -dc --long=31) and scan what comes out"
            )),
            error => io::Error::other(error),
        })?;
        Ok(Self {
            source,
            decoder,
            failed: None,
        })
    }

    /// Decodes a block. Where that fails, the frame is ended: the decoder keeps a whole window of
    /// what it decoded for the blocks to come, and gives it at the end of the frame only.
    fn decode(&mut self) -> io::Result<()> {
        let one = || BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.decoder.decode_blocks(&mut self.source, one()) else {
            return Ok(());
        };
        let error = io::Error::other(error);
        if self.decoder.decode_blocks(&LAST_BLOCK[..], one()).is_err() {
            return Err(error);
        }
        self.failed = Some(error);
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            self.decode()?;
        }
        self.decoder.read(into)
    }
}

impl<R: BufRead + Send> Frame<R> for Zstd<R> {
    fn end(self: Box<Self>) -> io::Result<Source<R>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (stored, computed) = (
            self.decoder.get_checksum_from_data(),
            self.decoder.get_calculated_checksum(),
        );
        if stored.is_some() && stored != computed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "wrong checksum"));
        }
        Ok(self.source)
    }
}
