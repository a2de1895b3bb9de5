//! Reads of any place and length over reads that direct I/O accepts.

use std::io::{self, Read, Seek, SeekFrom};

use super::swap::LONGEST_HEADER;
use crate::buffer::{Buffer, PAGE};
use crate::scan::{ByteSource, Seekable};

/// How much is read at once, if there is so much: enough for the headers of every kind of medium.
const WINDOW: usize = LONGEST_HEADER;

/// A reader that may want page-aligned reads, made to allow any.
pub(super) struct Paged<R> {
    source: Seekable<R>,
    window: Buffer,
    /// What the window holds: bytes from `start` on, `filled` of them.
    start: u64,
    filled: usize,
    at: u64,
    end: u64,
}

impl<R: Read + Seek + Send> Paged<R> {
    pub(super) fn new(mut reader: R) -> io::Result<Self> {
        let end = reader.seek(SeekFrom::End(0))?;
        let source = Seekable::new(reader, end);
        // To make and to wipe more takes longer than to read a short file.
        let len = usize::try_from(end).unwrap_or(WINDOW).clamp(1, WINDOW);
        let window = Buffer::new(0, len.next_multiple_of(PAGE));
        Ok(Self {
            source,
            window,
            start: 0,
            filled: 0,
            at: 0,
            end,
        })
    }

    /// The length of what can be read.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The first bytes, all of those that are read at once.
    pub(super) fn start(&mut self) -> io::Result<&[u8]> {
        self.at = 0;
        self.fill()
    }

    /// What is held from the place at hand on; nothing at the end.
    fn fill(&mut self) -> io::Result<&[u8]> {
        let held = self.start..self.start + self.filled as u64;
        let len = self.window.block_len();
        if !held.contains(&self.at) {
            if self.at >= self.end {
                return Ok(&[]);
            }
            self.filled = 0;
            self.start = self.at - self.at % PAGE as u64;
            self.filled = self.source.read_block(self.start, self.window.block(len))?;
        }
        let skip = usize::try_from(self.at - self.start).unwrap_or(usize::MAX);
        let held = self.window.block(len).get(skip..self.filled);
        Ok(held.unwrap_or_default())
    }

    /// Reads exactly `into.len()` bytes from `at` on.
    pub(super) fn read_at(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.at = at;
        self.read_exact(into)
    }
}

impl<R: Read + Seek + Send> Read for Paged<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let held = self.fill()?;
        let count = held.len().min(into.len());
        into[..count].copy_from_slice(&held[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek + Send> Seek for Paged<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(distance) => self.end.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
        };
        let before_start = || io::Error::new(io::ErrorKind::InvalidInput, "seek before the start");
        self.at = target.ok_or_else(before_start)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Refuses what direct I/O refuses.
    struct Direct(Cursor<Vec<u8>>);

    impl Read for Direct {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let aligned = self.0.position().is_multiple_of(PAGE as u64)
                && into.len().is_multiple_of(PAGE)
                && into.as_ptr().addr().is_multiple_of(PAGE);
            if aligned {
                self.0.read(into)
            } else {
                Err(io::ErrorKind::InvalidInput.into())
            }
        }
    }

    impl Seek for Direct {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn any_place_and_length_by_aligned_reads() {
        let bytes: Vec<u8> = (0..200_000_u32)
            .map(|at| at.to_be_bytes()[2] ^ at.to_be_bytes()[3])
            .collect();
        let mut paged = Paged::new(Direct(Cursor::new(bytes.clone()))).unwrap();
        for (at, len) in [(0, 10), (4090, 20), (65_000, 70_000), (5, 1), (199_990, 10)] {
            let mut read = vec![0; len];
            paged.read_at(at as u64, &mut read).unwrap();
            assert_eq!(read, bytes[at..at + len], "{len} bytes at {at}");
        }
        assert!(paged.read_at(199_991, &mut [0; 10]).is_err());
        assert_eq!(paged.seek(SeekFrom::End(-4)).unwrap(), 199_996);
        let mut rest = Vec::new();
        paged.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes[199_996..]);
        assert!(paged.seek(SeekFrom::Current(-300_000)).is_err());
    }
}
