//! Cuts a source into overlapping pieces.
//!
//! Each piece is the end of what came before (the carry) followed by fresh bytes. Where the bytes
//! end, at a gap or at the end of all, one more piece with the carry alone says that nothing
//! follows.

use core::ops::Range;
use std::collections::VecDeque;
use std::io;

use zeroize::Zeroizing;

use super::{ByteSource, Segment};
use crate::buffer::{Buffer, PAGE};
use crate::report::Gap;

/// A source, cut into pieces.
pub(crate) struct Pieces<S> {
    source: S,
    at: u64,
    end: u64,
    overlap: usize,
    carry: Zeroizing<Vec<u8>>,
    /// Up to here pages are read one by one, because a read of the whole block failed.
    careful_until: u64,
    /// Up to here bytes are read for the carry only: an earlier scan has searched them.
    context_until: u64,
    stopped_at: Option<u64>,
    pending: Option<Gap>,
    /// What to go on with behind `end`.
    rest: VecDeque<Range<u64>>,
    /// Whether another source gives what follows on the last of these bytes.
    goes_on: bool,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Bytes to search.
    Piece(Piece),
    /// Bytes that could not be read.
    Gap(Gap),
    /// Nothing has come; it is time to look whether to go on.
    Wait,
}

/// Bytes that lie in the buffer now.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The offset of the first byte, the carry included.
    pub(crate) offset: u64,
    /// How many bytes at the end are new.
    pub(crate) fresh: u64,
    /// Whether nothing follows that continues these bytes.
    pub(crate) is_last: bool,
    carried: usize,
    /// The fresh bytes' place in the block.
    place: Range<usize>,
}

impl Piece {
    /// The carry and the fresh bytes.
    pub(crate) fn bytes<'a>(&self, buffer: &'a Buffer) -> &'a [u8] {
        buffer.piece(self.carried, self.place.start, self.place.end)
    }
}

impl<S: ByteSource> Pieces<S> {
    /// Pieces of the bytes in `range`.
    pub(crate) fn new(source: S, overlap: usize, range: Range<u64>) -> Self {
        Self {
            source,
            at: range.start,
            end: range.end,
            overlap,
            carry: Zeroizing::new(Vec::with_capacity(overlap)),
            careful_until: 0,
            context_until: 0,
            stopped_at: None,
            pending: None,
            rest: VecDeque::new(),
            goes_on: false,
        }
    }

    /// Pieces of the bytes in all `ranges`, less those before `from`, which an earlier scan has
    /// searched. The ranges are in order and do not touch.
    pub(crate) fn of_ranges(source: S, overlap: usize, ranges: &[Range<u64>], from: u64) -> Self {
        let mut pieces = Self::new(source, overlap, 0..0);
        let behind = ranges.iter().filter(|range| range.end > from).cloned();
        pieces.rest = behind.collect();
        if let Some(first) = pieces.rest.front_mut() {
            first.start = first.start.max(from.saturating_sub(overlap as u64));
        }
        pieces.context_until = from;
        pieces
    }

    /// Pieces of one segment. What lies before it is read as context, and what it ends with is
    /// left to the next one.
    pub(crate) fn of_segment(source: S, overlap: usize, segment: &Segment) -> Self {
        let range = segment.range.start..segment.end;
        let mut pieces = Self::of_ranges(source, overlap, &[range], segment.start);
        pieces.goes_on = segment.end < segment.range.end;
        pieces
    }

    /// Goes on with another range of the same source, once all before was taken.
    pub(crate) fn restart(&mut self, range: Range<u64>) {
        self.at = range.start;
        self.end = range.end;
        self.careful_until = 0;
    }

    /// Where the carry lies in our memory.
    pub(crate) fn carry_addresses(&self) -> Range<u64> {
        let start = self.carry.as_ptr().addr() as u64;
        start..start + self.carry.capacity() as u64
    }

    /// Up to where all bytes were read, or given up.
    pub(crate) fn position(&self) -> u64 {
        let at = self.pending.as_ref().map_or(self.at, |gap| gap.offset);
        self.stopped_at.unwrap_or(at.max(self.context_until))
    }

    /// Reads the next piece into `buffer`, as much as that holds; `None` at the end. With `stop`,
    /// the rest is a gap.
    pub(crate) fn next(&mut self, buffer: &mut Buffer, stop: bool) -> Option<Step> {
        loop {
            if stop && self.at < self.end && self.pending.is_none() {
                self.stopped_at
                    .get_or_insert(self.at.max(self.context_until));
                self.give_up(Gap::STOPPED);
            }
            if self.pending.is_none()
                && let Some(step) = self.read(buffer)
            {
                return Some(step);
            }
            if self.goes_on && self.pending.is_none() && self.rest.is_empty() {
                return None;
            }
            if !self.carry.is_empty() {
                return Some(Step::Piece(self.flush(buffer)));
            }
            if let Some(gap) = self.pending.take() {
                return Some(Step::Gap(gap));
            }
            let next = self.rest.pop_front()?;
            self.restart(next);
        }
    }

    /// Says that nothing follows on the carry.
    fn flush(&mut self, buffer: &mut Buffer) -> Piece {
        let carried = self.carry.len();
        buffer.place_carry(&self.carry, 0);
        // A gap may begin behind the carry, where bytes were not to be read again.
        let end = self
            .pending
            .as_ref()
            .map_or(self.at, |gap| gap.offset.min(self.at));
        let offset = end - carried as u64;
        self.carry.clear();
        Piece {
            offset,
            fresh: 0,
            is_last: true,
            carried,
            place: 0..0,
        }
    }

    /// Reads fresh bytes; `None` at the end or with a gap pending.
    fn read(&mut self, buffer: &mut Buffer) -> Option<Step> {
        while self.at < self.end && self.pending.is_none() {
            let skip = self.at % S::ALIGNMENT;
            let start = self.at - skip;
            let block = if start < self.careful_until {
                PAGE
            } else {
                buffer.block_len()
            };
            let is_context = self.at < self.context_until;
            let end = if is_context {
                self.end.min(self.context_until)
            } else {
                self.end
            };
            let left = (end - start).checked_next_multiple_of(S::ALIGNMENT);
            let want = left.unwrap_or(u64::MAX).min(block as u64);
            match self.source.read_block(start, buffer.block(clamp(want))) {
                Ok(count) => {
                    let count = (count as u64).min(end - start);
                    if count <= skip {
                        self.finish_early();
                        continue;
                    }
                    let piece = self.cut(buffer, clamp(skip)..clamp(count));
                    if !is_context {
                        return Some(Step::Piece(piece));
                    }
                }
                Err(error) if S::CAN_WAIT && error.kind() == io::ErrorKind::WouldBlock => {
                    return Some(Step::Wait);
                }
                Err(error) => self.take_error(start + want, want, &error.to_string()),
            }
        }
        None
    }

    /// Makes a piece of the bytes at `place` in the block.
    fn cut(&mut self, buffer: &mut Buffer, place: Range<usize>) -> Piece {
        let carried = self.carry.len();
        buffer.place_carry(&self.carry, place.start);
        let fresh = place.len() as u64;
        let offset = self.at - carried as u64;
        let piece = Piece {
            offset,
            fresh,
            is_last: false,
            carried,
            place,
        };
        let bytes = piece.bytes(buffer);
        self.carry.clear();
        self.carry
            .extend_from_slice(&bytes[bytes.len().saturating_sub(self.overlap)..]);
        self.at += fresh;
        piece
    }

    fn finish_early(&mut self) {
        if self.end == u64::MAX {
            self.end = self.at;
        } else {
            self.give_up("it ended before its stated length");
        }
    }

    fn take_error(&mut self, read_end: u64, want: u64, error: &str) {
        if !S::CAN_SKIP {
            self.give_up(&format!("reading failed: {error}"));
        } else if want > PAGE as u64 {
            self.careful_until = read_end;
        } else if self.at < self.context_until {
            // The earlier scan has told this gap.
            self.at = read_end.min(self.context_until);
            self.carry.clear();
        } else {
            let len = read_end.min(self.end) - self.at;
            let because = format!("reading failed: {error}");
            self.pending = Some(Gap {
                offset: self.at,
                len,
                because,
            });
            self.at += len;
        }
    }

    /// Makes all that was to be searched a gap. What is read as context was searched before.
    fn give_up(&mut self, because: &str) {
        let offset = self.at.max(self.context_until).min(self.end);
        let len = if self.end == u64::MAX {
            0
        } else {
            self.end - offset
        };
        self.pending = Some(Gap {
            offset,
            len,
            because: because.to_owned(),
        });
        self.end = self.at;
    }
}

/// Lengths inside a block fit `usize`.
pub(super) fn clamp(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
