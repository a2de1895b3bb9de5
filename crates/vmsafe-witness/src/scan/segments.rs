//! Shares a file out among workers that read it side by side.

use core::ops::Range;
use std::collections::VecDeque;

/// A part of a range that one worker reads by itself.
pub(crate) struct Segment {
    /// 1 for the first.
    pub(crate) number: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The whole of which it is a part: nothing is known of what lies beside that.
    pub(crate) range: Range<u64>,
}

/// The segments of all ranges, in order.
pub(crate) struct Segments {
    ranges: VecDeque<Range<u64>>,
    at: u64,
    number: u64,
    len: u64,
}

impl Segments {
    /// Segments of at most `len` bytes. The ranges are in order and do not touch; what lies before
    /// `from` was searched by an earlier scan.
    pub(crate) fn new(ranges: &[Range<u64>], from: u64, len: u64) -> Self {
        let behind = ranges.iter().filter(|range| range.end > from);
        Self {
            ranges: behind.cloned().collect(),
            at: from,
            number: 0,
            len,
        }
    }
}

impl Iterator for Segments {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        let range = self.ranges.front()?.clone();
        let start = self.at.max(range.start);
        // Borders are multiples of the length, and so of a page.
        let border = (start / self.len + 1).saturating_mul(self.len);
        let end = border.min(range.end);
        if end == range.end {
            self.ranges.pop_front();
        }
        self.at = end;
        self.number += 1;
        Some(Segment {
            number: self.number,
            start,
            end,
            range,
        })
    }
}
