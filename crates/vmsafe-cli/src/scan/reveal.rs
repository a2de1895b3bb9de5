//! Reads what stands beside a finding, for a user who asked for it, without what may not be shown.

use core::ops::Range;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use vmsafe_witness::{Needles, Searcher, Wanted};
use zeroize::Zeroizing;

use super::finding::Context;

/// Bytes on each side.
const SIDE: u64 = 16;
/// Direct reads want places, lengths and buffers at multiples of this.
const PAGE: usize = 4096;
/// Findings that are no further apart share a search for what may not be shown.
const AHEAD: u64 = 32 * 1024;
/// What stands for a byte of a needle or key.
const BLOTTED: &str = "**";

/// Finds what may not be shown: needles in all of their forms, and keys, whether or not these are
/// looked for.
#[derive(Clone, Debug)]
pub(super) struct Blot {
    searcher: Searcher,
}

impl Blot {
    pub(super) fn new(needles: &Needles, mut wanted: Wanted) -> Self {
        (wanted.encoded, wanted.schedules, wanted.private_keys) = (true, true, true);
        let searcher = Searcher::with(needles, &wanted);
        Self { searcher }
    }

    /// No form of what may not be shown is longer, in bytes.
    fn longest(&self) -> u64 {
        self.searcher.overlap() as u64
    }

    /// Where in `bytes`, which begin at `start`, needles and keys stand: in order, and none touches
    /// the next.
    fn covered(&self, start: u64, bytes: &[u8]) -> Vec<Range<u64>> {
        let mut covered = Vec::new();
        self.searcher
            .search(start, bytes, &mut |hit| covered.push(hit.offset..hit.end()));
        self.searcher
            .search_keys(start, bytes, &mut |key| covered.push(key.offset..key.end()));
        covered.sort_unstable_by_key(|range| range.start);
        covered.dedup_by(|range, before| {
            let touches = range.start <= before.end;
            if touches {
                before.end = before.end.max(range.end);
            }
            touches
        });
        covered
    }
}

/// Bytes of a file, and what of them may not be shown.
#[derive(Default)]
struct View {
    start: u64,
    bytes: Zeroizing<Vec<u8>>,
    covered: Vec<Range<u64>>,
    /// Of these bytes all is known that may reach into them.
    known: Range<u64>,
}

impl View {
    /// The bytes of a range that are there, as digits.
    fn digits(&self, side: &Range<u64>) -> String {
        let digits = |(at, byte): (u64, &u8)| {
            let next = self.covered.partition_point(|range| range.end <= at);
            match self.covered.get(next) {
                Some(range) if range.contains(&at) => BLOTTED.to_owned(),
                _ => format!("{byte:02x}"),
            }
        };
        let skip = usize::try_from(side.start.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let there = (self.start..).zip(&self.bytes[..]).skip(skip);
        let shown = there.take_while(|(at, _)| *at < side.end);
        shown.map(digits).collect()
    }
}

/// A file of its own: the cursor of the one that is scanned must not move.
pub(super) struct Reveal {
    file: File,
    blot: Blot,
    view: View,
}

impl Reveal {
    pub(super) fn new(file: File, blot: Blot) -> Self {
        let view = View::default();
        Self { file, blot, view }
    }

    /// What stands around `len` bytes at `offset`; nothing on a side that cannot be read.
    pub(super) fn around(&mut self, offset: u64, len: u64) -> Option<Context> {
        let end = offset.checked_add(len)?;
        Some(Context {
            before: self.hex(&(offset.saturating_sub(SIDE)..offset))?,
            after: self.hex(&(end..end.saturating_add(SIDE)))?,
        })
    }

    /// The bytes of a range, as far as they can be read, as digits.
    fn hex(&mut self, side: &Range<u64>) -> Option<String> {
        let known = &self.view.known;
        if side.start < known.start || side.end > known.end {
            self.view = self.look(side)?;
        }
        Some(self.view.digits(side))
    }

    /// The bytes of a range and some behind it. What may not be shown can begin or end far from
    /// them: that is read too.
    fn look(&mut self, side: &Range<u64>) -> Option<View> {
        let page = PAGE as u64;
        let longest = self.blot.longest();
        let from = side.start.saturating_sub(longest);
        let from = from - from % page;
        let until = side.end.checked_add(longest + AHEAD)?;
        let until = until.checked_next_multiple_of(page)?;
        let want = usize::try_from(until - from).ok()?;
        let mut room = Zeroizing::new(vec![0; want + PAGE]);
        let skip = room.as_ptr().align_offset(PAGE).min(PAGE);
        let block = room.get_mut(skip..skip + want)?;
        let before = usize::try_from(side.start - from).ok()?;
        let read = self.read(from, block, before);
        let (start, end) = (from + read.start as u64, from + read.end as u64);
        let bytes = Zeroizing::new(block.get(read)?.to_vec());
        // What does not lie there does not reach in.
        let known_to = if end < until { end } else { until - longest };
        Some(View {
            start,
            covered: self.blot.covered(start, &bytes),
            bytes,
            known: side.start..known_to,
        })
    }

    /// Fills `block` from `from` on, and gives what of it was read without a gap: pages before the
    /// byte `before` may be missing, and any behind.
    fn read(&mut self, from: u64, block: &mut [u8], before: usize) -> Range<usize> {
        let mut read = 0..0;
        for (nth, page) in block.chunks_mut(PAGE).enumerate() {
            let at = nth * PAGE;
            match fill(&mut self.file, from + at as u64, page) {
                Some(filled) => {
                    read.end = at + filled;
                    if filled < page.len() {
                        break;
                    }
                }
                None if at + PAGE <= before => read = at + PAGE..at + PAGE,
                None => break,
            }
        }
        read
    }
}

/// Reads until the page is full or all is read; what was read before an error counts.
fn fill(file: &mut File, at: u64, page: &mut [u8]) -> Option<usize> {
    file.seek(SeekFrom::Start(at)).ok()?;
    let mut filled = 0;
    while filled < page.len() {
        match file.read(&mut page[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(_) if filled > 0 => break,
            Err(_) => return None,
        }
    }
    Some(filled)
}
