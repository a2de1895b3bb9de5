//! Member after member of gzip.

use core::mem;
use core::ops::Range;
use std::io::{self, BufRead, Read};

use flate2::Crc;
use flate2::bufread::{DeflateDecoder, GzDecoder};

/// The decoder of flate2 works in a ring of so many bytes: deflate refers no further back.
const RING: usize = 32 * 1024;

/// The content of all members.
pub(super) struct Gzip<R> {
    state: State<R>,
    /// What was decoded at once, at the same place as in the ring of the decoder.
    decoded: Box<[u8; RING]>,
    /// Where in it lies what is yet to be given.
    fresh: Range<usize>,
    /// What comes behind that.
    failed: Option<io::Error>,
}

enum State<R> {
    Begin(R),
    In(DeflateDecoder<R>, Crc),
    /// Behind a member.
    Behind(R),
    /// The stream ended, or gave an error.
    Over,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            state: State::Begin(source),
            decoded: Box::new([0; RING]),
            fresh: 0..0,
            failed: None,
        }
    }

    /// Takes the next step; false at the end of all.
    fn advance(&mut self) -> io::Result<bool> {
        self.state = match mem::replace(&mut self.state, State::Over) {
            State::Begin(source) => {
                State::In(DeflateDecoder::new(behind_header(source)?), Crc::new())
            }
            State::In(mut decoder, mut crc) => {
                self.fresh = self.decode(&mut decoder)?;
                if self.fresh.is_empty() {
                    State::Behind(behind_trailer(decoder.into_inner(), &crc)?)
                } else {
                    crc.update(&self.decoded[self.fresh.clone()]);
                    State::In(decoder, crc)
                }
            }
            State::Behind(mut source) => {
                if is_zeros_to_the_end(&mut source)? {
                    return Ok(false);
                }
                State::Begin(source)
            }
            State::Over => return Ok(false),
        };
        Ok(true)
    }

    /// Decodes up to the end of the ring at most: then the decoder keeps nothing back, which would
    /// be lost with an error. Nothing was decoded at the end of the member.
    fn decode(&mut self, decoder: &mut DeflateDecoder<R>) -> io::Result<Range<usize>> {
        let in_ring = |total: u64| usize::try_from(total % RING as u64).unwrap_or(0);
        let before = decoder.total_out();
        let start = in_ring(before);
        let read = decoder.read(&mut self.decoded[start..]);
        // With an error too: no read says how much it decoded before that.
        let end = match decoder.total_out() {
            after if after == before => start,
            after => in_ring(after - 1) + 1,
        };
        if let Err(error) = read {
            if start == end {
                return Err(error);
            }
            self.failed = Some(error);
        }
        Ok(start..end)
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.fresh.is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            if into.is_empty() || !self.advance()? {
                return Ok(0);
            }
        }
        let count = self.fresh.len().min(into.len());
        let given = self.fresh.start..self.fresh.start + count;
        self.fresh.start = given.end;
        into[..count].copy_from_slice(&self.decoded[given]);
        Ok(count)
    }
}

/// Reads a header; what follows it is deflated.
fn behind_header<R: BufRead>(source: R) -> io::Result<R> {
    let mut decoder = GzDecoder::new(source);
    if decoder.header().is_none() {
        // It failed, and says so when it is asked for content.
        decoder.read_exact(&mut [0])?;
    }
    Ok(decoder.into_inner())
}

/// Reads a trailer, and compares it with what was decoded.
fn behind_trailer<R: BufRead>(mut source: R, decoded: &Crc) -> io::Result<R> {
    let mut words = [[0; 4]; 2];
    for word in &mut words {
        source.read_exact(word)?;
    }
    if words.map(u32::from_le_bytes) != [decoded.sum(), decoded.amount()] {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "wrong checksum or length",
        ));
    }
    Ok(source)
}

/// Passes over zeros, with which tapes and disks are filled up behind a stream, and tells whether
/// nothing follows them.
fn is_zeros_to_the_end(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = source.fill_buf()?;
        let len = bytes.len();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        source.consume(zeros);
        if zeros < len || len == 0 {
            return Ok(len == 0);
        }
    }
}
