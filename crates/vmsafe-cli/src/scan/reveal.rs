//! Reads what stands beside a finding, for a user who asked for it, without what may not be shown.

use core::ops::Range;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use vmsafe_witness::{NeedleId, Needles, Searcher, Wanted};
use zeroize::Zeroizing;

use super::finding::Context;

/// Bytes on each side.
const SIDE: u64 = 16;
/// Direct reads want places, lengths and buffers at multiples of this.
const PAGE: usize = 4096;
/// What stands for a byte of a needle or key.
const BLOTTED: &str = "**";

/// Finds what may not be shown: needles in all of their forms, whether or not these are looked for,
/// and keys that are.
#[derive(Clone, Debug)]
pub(super) struct Blot {
    searcher: Searcher,
    /// No form is longer, in bytes.
    longest: u64,
}

impl Blot {
    pub(super) fn new(needles: &Needles, mut wanted: Wanted) -> Self {
        /// Of keys in formats of files.
        const LONGEST_KEY: usize = 16 * 1024;
        /// Hexadecimal, and UTF-16 of text.
        const WIDEST: usize = 2;
        let lens = (0..needles.len()).filter_map(|number| needles.len_of(NeedleId::new(number)));
        let keys = wanted.schedules || wanted.private_keys || !wanted.moduli.is_empty();
        let longest = lens.map(|len| WIDEST * len).max().unwrap_or(0);
        let longest = longest.max(if keys { LONGEST_KEY } else { 0 });
        wanted.encoded = true;
        Self {
            searcher: Searcher::with(needles, &wanted),
            longest: longest as u64,
        }
    }

    /// Where in `bytes`, which begin at `start`, needles and keys stand.
    fn covered(&self, start: u64, bytes: &[u8]) -> Vec<Range<u64>> {
        let mut covered = Vec::new();
        self.searcher
            .search(start, bytes, &mut |hit| covered.push(hit.offset..hit.end()));
        self.searcher
            .search_keys(start, bytes, &mut |key| covered.push(key.offset..key.end()));
        covered
    }
}

/// A file of its own: the cursor of the one that is scanned must not move.
pub(super) struct Reveal {
    pub(super) file: File,
    pub(super) blot: Blot,
}

impl Reveal {
    /// What stands around `len` bytes at `offset`; nothing on a side that cannot be read.
    pub(super) fn around(&mut self, offset: u64, len: u64) -> Option<Context> {
        let end = offset.checked_add(len)?;
        Some(Context {
            before: self.hex(&(offset.saturating_sub(SIDE)..offset))?,
            after: self.hex(&(end..end.saturating_add(SIDE)))?,
        })
    }

    /// The bytes of a range, as far as they can be read, as digits. What may not be shown can begin
    /// or end far from it: that is read too.
    fn hex(&mut self, side: &Range<u64>) -> Option<String> {
        let page = PAGE as u64;
        let wide = side.start.saturating_sub(self.blot.longest)
            ..side.end.checked_add(self.blot.longest)?;
        let from = wide.start - wide.start % page;
        let until = wide.end.checked_next_multiple_of(page)?;
        let want = usize::try_from(until - from).ok()?;
        let mut room = Zeroizing::new(vec![0; want + PAGE]);
        let skip = room.as_ptr().align_offset(PAGE).min(PAGE);
        let block = room.get_mut(skip..skip + want)?;
        let before = usize::try_from(side.start - from).ok()?;
        let read = self.read(from, block, before);
        // What lies beyond does not reach in, and there is a search for each finding.
        let inside = |at: u64| usize::try_from(at - from).ok();
        let read = read.start.max(inside(wide.start)?)..read.end.min(inside(wide.end)?);
        let (start, bytes) = (
            from + read.start as u64,
            block.get(read).unwrap_or_default(),
        );
        let covered = self.blot.covered(start, bytes);
        let shown = (start..).zip(bytes).filter(|(at, _)| side.contains(at));
        let digits = shown.map(|(at, byte)| {
            if covered.iter().any(|covered| covered.contains(&at)) {
                BLOTTED.to_owned()
            } else {
                format!("{byte:02x}")
            }
        });
        Some(digits.collect())
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
