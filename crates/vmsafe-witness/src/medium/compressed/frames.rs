//! Frame after frame of zstd and lz4: each begins with a number that tells what it is.

use core::mem;
use std::io::{self, BufRead, Read};

use super::lz4::{Legacy, Lz4};
use super::zstd::Zstd;

/// What follows the number that a frame begins with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Zstd,
    Lz4,
    /// As by `lz4 -l`: blocks, and no end of the frame but the end of all or a new frame.
    LegacyLz4,
    /// A length, and so many bytes that are no content.
    Skipped,
}

impl Kind {
    pub(super) fn of(number: [u8; 4]) -> Option<Self> {
        match number {
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            [4, 0x22, 0x4d, 0x18] => Some(Self::Lz4),
            [2, 0x21, 0x4c, 0x18] => Some(Self::LegacyLz4),
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Skipped),
            _ => None,
        }
    }
}

/// The content of a frame, up to the end of that.
pub(super) trait Frame<R>: Read + Send {
    /// What follows, once all content was read.
    fn end(self: Box<Self>) -> io::Result<Source<R>>;
}

/// The content of all frames.
pub(super) struct Frames<'a, R> {
    state: State<'a, R>,
}

enum State<'a, R> {
    Between(Source<R>),
    In(Box<dyn Frame<R> + 'a>),
    /// The stream ended, or gave an error.
    Over,
}

impl<'a, R: BufRead + Send + 'a> Frames<'a, R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            state: State::Between(Source::new(reader)),
        }
    }
}

impl<'a, R: BufRead + Send + 'a> Read for Frames<'a, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match mem::replace(&mut self.state, State::Over) {
                State::Over => return Ok(0),
                State::Between(source) => begin(source)?,
                State::In(mut frame) => {
                    let count = frame.read(into)?;
                    if count > 0 {
                        self.state = State::In(frame);
                        return Ok(count);
                    }
                    State::Between(frame.end()?)
                }
            };
        }
    }
}

/// Begins what the source holds next.
fn begin<'a, R: BufRead + Send + 'a>(mut source: Source<R>) -> io::Result<State<'a, R>> {
    let Some(number) = source.number()? else {
        return Ok(State::Over);
    };
    let kind = Kind::of(number);
    if matches!(kind, Some(Kind::Zstd | Kind::Lz4)) {
        // Their decoders ask for it again.
        source.give_back(number);
    }
    Ok(match kind {
        Some(Kind::Zstd) => State::In(Box::new(Zstd::new(source)?)),
        Some(Kind::Lz4) => State::In(Box::new(Lz4::new(source))),
        Some(Kind::LegacyLz4) => State::In(Box::new(Legacy::new(source))),
        Some(Kind::Skipped) => {
            source.skip()?;
            State::Between(source)
        }
        None => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "what follows is no frame of zstd or lz4",
            ));
        }
    })
}

/// Where frames come from.
pub(super) struct Source<R> {
    reader: R,
    /// A number that was read and given back, and how many of its bytes were read again.
    number: [u8; 4],
    taken: usize,
    /// Whether the end was read.
    pub(super) is_ended: bool,
}

impl<R: BufRead> Source<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            number: [0; 4],
            taken: 4,
            is_ended: false,
        }
    }

    /// Gives back the number that was read last.
    pub(super) fn give_back(&mut self, number: [u8; 4]) {
        self.number = number;
        self.taken = 0;
    }

    /// Reads a number; none at the end.
    pub(super) fn number(&mut self) -> io::Result<Option<[u8; 4]>> {
        let mut number = [0; 4];
        let read = self.read(&mut number)?;
        if read == 0 {
            return Ok(None);
        }
        self.read_exact(&mut number[read..])?;
        Ok(Some(number))
    }

    /// Passes over what is no content: a length, and so many bytes.
    fn skip(&mut self) -> io::Result<()> {
        let mut len = [0; 4];
        self.read_exact(&mut len)?;
        let len = u32::from_le_bytes(len).into();
        let skipped = io::copy(&mut self.take(len), &mut io::sink())?;
        if skipped < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let again = &self.number[self.taken..];
        if !again.is_empty() {
            let count = again.len().min(into.len());
            into[..count].copy_from_slice(&again[..count]);
            self.taken += count;
            return Ok(count);
        }
        let count = self.reader.read(into)?;
        self.is_ended |= count == 0 && !into.is_empty();
        Ok(count)
    }
}
