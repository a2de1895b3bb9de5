//! Reads what stands beside a finding, for a user who asked for it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use zeroize::Zeroizing;

use super::finding::Context;

/// Bytes on each side.
const SIDE: u64 = 16;
/// Direct reads want places, lengths and buffers at multiples of this.
const PAGE: u64 = 4096;

/// A file of its own: the cursor of the one that is scanned must not move.
pub(super) struct Reveal(pub(super) File);

impl Reveal {
    /// What stands around `len` bytes at `offset`; `None` if it cannot be read.
    pub(super) fn around(&mut self, offset: u64, len: u64) -> Option<Context> {
        let end = offset.checked_add(len)?;
        Some(Context {
            before: self.hex(offset.saturating_sub(SIDE), offset)?,
            after: self.hex(end, end.saturating_add(SIDE))?,
        })
    }

    /// The bytes from `start` to `end` or to the end of all, as digits.
    fn hex(&mut self, start: u64, end: u64) -> Option<String> {
        let from = start - start % PAGE;
        let until = end.checked_next_multiple_of(PAGE)?;
        let page = usize::try_from(PAGE).ok()?;
        let want = usize::try_from(until - from).ok()?;
        let mut room = Zeroizing::new(vec![0; want + page]);
        let skip = room.as_ptr().align_offset(page).min(page);
        let block = room.get_mut(skip..skip + want)?;
        self.0.seek(SeekFrom::Start(from)).ok()?;
        let filled = fill(&mut self.0, block)?;
        let wanted = usize::try_from(start - from).ok()?..usize::try_from(end - from).ok()?;
        let bytes = block.get(wanted.start.min(filled)..wanted.end.min(filled))?;
        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Reads until the block is full or all is read; what was read before an error counts.
fn fill(file: &mut File, block: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(_) if filled > 0 => break,
            Err(_) => return None,
        }
    }
    Some(filled)
}
