//! Where bytes come from.

use std::io::{self, Read, Seek, SeekFrom};

use crate::buffer::PAGE;

/// Gives bytes at rising offsets.
pub(crate) trait ByteSource: Send {
    /// Offsets and lengths of reads are multiples of this, but for the end.
    const ALIGNMENT: u64;
    /// Whether reading can go on behind a place that gave an error.
    const CAN_SKIP: bool;
    /// Whether an error of the kind `WouldBlock` only says that nothing has come yet.
    const CAN_WAIT: bool = false;

    /// Reads the bytes at `at` into the front of `block`; fewer than `block.len()` only before an
    /// error or the end, none only at the end.
    fn read_block(&mut self, at: u64, block: &mut [u8]) -> io::Result<usize>;
}

/// Bytes that come once, in order.
pub(crate) struct Stream<'a> {
    reader: &'a mut (dyn Read + Send),
    /// What came behind the bytes that were given last: a reader need not say it again.
    failed: Option<io::Error>,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(reader: &'a mut (dyn Read + Send)) -> Self {
        let failed = None;
        Self { reader, failed }
    }
}

impl ByteSource for Stream<'_> {
    const ALIGNMENT: u64 = 1;
    const CAN_SKIP: bool = false;

    fn read_block(&mut self, _at: u64, block: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut filled = 0;
        while filled < block.len() {
            match patiently(|| self.reader.read(&mut block[filled..])) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if filled == 0 => return Err(error),
                // What came before the error is searched.
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(filled)
    }
}

/// Bytes that can be read at any offset below `end`.
pub(crate) struct Seekable<R> {
    reader: R,
    end: u64,
}

impl<R> Seekable<R> {
    pub(crate) fn new(reader: R, end: u64) -> Self {
        Self { reader, end }
    }
}

impl<R: Read + Seek + Send> ByteSource for Seekable<R> {
    const ALIGNMENT: u64 = PAGE as u64;
    const CAN_SKIP: bool = true;

    fn read_block(&mut self, at: u64, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        self.reader.seek(SeekFrom::Start(at))?;
        while filled < block.len() {
            let before = filled;
            match patiently(|| self.reader.read(&mut block[before..])) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
            // No read more to be told that nothing follows.
            if at + (filled as u64) >= self.end {
                break;
            }
            // Behind a short read direct I/O goes on at a page border only.
            let whole = filled - filled % PAGE;
            if whole < filled && before < whole {
                filled = whole;
                self.reader.seek(SeekFrom::Start(at + filled as u64))?;
            }
        }
        Ok(filled)
    }
}

impl<S: ByteSource> ByteSource for &mut S {
    const ALIGNMENT: u64 = S::ALIGNMENT;
    const CAN_SKIP: bool = S::CAN_SKIP;
    const CAN_WAIT: bool = S::CAN_WAIT;

    fn read_block(&mut self, at: u64, block: &mut [u8]) -> io::Result<usize> {
        (**self).read_block(at, block)
    }
}

/// Asks again after a signal.
pub(super) fn patiently(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
