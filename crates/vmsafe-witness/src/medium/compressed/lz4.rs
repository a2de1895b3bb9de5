//! A frame of lz4, of today's format or the one before.

use std::io::{self, BufRead, Read};

use lz4_flex::block::decompress_into;
use lz4_flex::frame::FrameDecoder;

use super::frames::{Frame, Source};

/// A frame has a decoder of its own: block sizes may differ.
pub(super) struct Lz4<R: BufRead> {
    decoder: FrameDecoder<Source<R>>,
}

impl<R: BufRead> Lz4<R> {
    pub(super) fn new(source: Source<R>) -> Self {
        Self {
            decoder: FrameDecoder::new(source),
        }
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(into)
    }
}

impl<R: BufRead + Send> Frame<R> for Lz4<R> {
    fn end(self: Box<Self>) -> io::Result<Source<R>> {
        // The decoder says "nothing" at the end of a frame, and also where the source ends in the
        // middle of one; only then has it run into the end of the source.
        let source = self.decoder.into_inner();
        if source.is_ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(source)
    }
}

/// The content of a block of the legacy format, at most.
const BLOCK: u32 = 8 << 20;
/// What a stored byte stands for, at most.
const MOST_CONTENT: usize = 255;
/// What such a block may be stored in, incompressible as it may be.
const MOST_STORED: u32 = BLOCK + BLOCK / 255 + 16;

/// A frame of the legacy format: blocks, each behind its stored length. It has no end of its own.
pub(super) struct Legacy<R> {
    source: Source<R>,
    stored: Vec<u8>,
    block: Vec<u8>,
    given: usize,
    filled: usize,
}

impl<R: BufRead> Legacy<R> {
    pub(super) fn new(source: Source<R>) -> Self {
        Self {
            source,
            stored: Vec::new(),
            block: Vec::new(),
            given: 0,
            filled: 0,
        }
    }

    /// Decodes the next block; false where the frame ends.
    fn decode(&mut self) -> io::Result<bool> {
        let Some(number) = self.source.number()? else {
            return Ok(false);
        };
        let len = u32::from_le_bytes(number);
        if len > MOST_STORED {
            self.source.give_back(number);
            return Ok(false);
        }
        self.stored.clear();
        let read = (&mut self.source)
            .take(len.into())
            .read_to_end(&mut self.stored)?;
        if read as u64 != u64::from(len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // No more room than it may need: a stream may hold millions of the smallest frames.
        let room = (BLOCK as usize).min(read * MOST_CONTENT);
        if self.block.len() < room {
            self.block.resize(room, 0);
        }
        let decoded = decompress_into(&self.stored, &mut self.block);
        self.filled = decoded.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.given = 0;
        Ok(true)
    }
}

impl<R: BufRead> Read for Legacy<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given == self.filled {
            if !self.decode()? {
                return Ok(0);
            }
        }
        let count = into.len().min(self.filled - self.given);
        into[..count].copy_from_slice(&self.block[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

impl<R: BufRead + Send> Frame<R> for Legacy<R> {
    fn end(self: Box<Self>) -> io::Result<Source<R>> {
        Ok(self.source)
    }
}
