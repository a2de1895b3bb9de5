//! Scans streams, files and devices of any size in bounded memory.
//!
//! ```text
//! a reader for each   worker 1  read and search segment 1     segment 3  …   ─┐
//!                     worker 2  read and search segment 2     segment 4  …    ├─> report, progress
//!                                                                             │   (the caller)
//! one reader for all  worker 1  lock: read a block   search it            …  ─┤
//!                     worker 2                lock: read a block   search …  ─┘
//! ```
//!
//! Each worker reads a block and searches it while it is warm in its core's cache; reading and
//! searching overlap, memory is bounded by the number of workers, and results are told in order.

mod block;
mod incoming;
mod pieces;
mod segments;
mod source;
mod tally;
#[cfg(test)]
mod tests;
mod workers;

use core::cell::Cell;
use core::ops::Range;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{LazyLock, Mutex};
use std::thread;

use crate::buffer::Buffer;
use crate::checkpoint::Checkpoint;
use crate::report::{Found, Gap, Progress, Report};
use crate::searcher::Searcher;
use crate::vectors::is_empty;

pub(crate) use block::block_for;
use incoming::Incoming;
use pieces::clamp;
pub(crate) use pieces::{Piece, Pieces, Step};
pub(crate) use segments::{Segment, Segments};
pub(crate) use source::{ByteSource, Seekable, Stream};
use tally::{Done, Tally};
use workers::{Alone, Desk, in_workers, lock};

/// Bytes that are searched at once: they stay in the second-level cache from one engine to the
/// next.
const PART: usize = 256 * 1024;
/// Bytes that a worker reads by itself: to share out less would cost more than it saves, and more
/// would be told late on a slow medium.
const SEGMENT: u64 = 8 << 20;
/// More workers than this wait for the memory.
const MOST_WORKERS: usize = 4;
/// Of a stream the caller searches so much itself: most files are shorter than a thread is long in
/// coming.
const BEGINNING: Alone = Alone {
    batches: 4,
    block: 64 * 1024,
};

/// How many workers a scan of `len` bytes has use for: one for each core, up to four, and no more
/// than it has segments of 8 MiB.
#[must_use]
pub fn workers_for(len: u64) -> usize {
    clamp(len.div_ceil(SEGMENT)).clamp(1, workers())
}

/// How many workers a scan has at the most.
pub(crate) fn workers() -> usize {
    // Asking reads several files.
    static WORKERS: LazyLock<usize> = LazyLock::new(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        cores.min(MOST_WORKERS)
    });
    *WORKERS
}

/// Scans all that `reader` gives, up to its end.
///
/// `progress` is called after each block. Read errors end the scan with a gap of unknown length:
/// a stream has no place behind the error to go on from.
pub fn scan_stream(
    searcher: &Searcher,
    reader: &mut (dyn Read + Send),
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let pieces = Pieces::new(Stream::new(reader), searcher.overlap(), 0..u64::MAX);
    scan_pieces(searcher, pieces, Report::default(), progress)
}

/// As [`scan_stream`], in the caller's thread and no other: for one of many streams that are
/// scanned side by side.
pub fn scan_stream_alone(
    searcher: &Searcher,
    reader: &mut (dyn Read + Send),
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    scan_in_blocks(searcher, reader, BEGINNING.block, progress)
}

fn scan_in_blocks(
    searcher: &Searcher,
    reader: &mut (dyn Read + Send),
    block: usize,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let mut pieces = Pieces::new(Stream::new(reader), searcher.overlap(), 0..u64::MAX);
    let mut buffer = Buffer::new(searcher.overlap(), block);
    let (mut report, stop) = (Report::default(), Cell::new(false));
    scan_alone(
        searcher,
        &mut pieces,
        &mut buffer,
        &mut report,
        &stop,
        progress,
    );
    report.sort();
    report
}

/// As [`scan_stream`], of what may be long in coming, as from a pipe.
///
/// What came is searched as soon as nothing more comes for a moment. `progress` is called while
/// nothing comes, too: a scan that it stops does not wait for a read that has not ended; then
/// `reader` is left behind with a thread that waits for that.
pub fn scan_incoming(
    searcher: &Searcher,
    reader: impl Read + Send + 'static,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    match Incoming::new(reader) {
        Ok(source) => {
            let pieces = Pieces::new(source, searcher.overlap(), 0..u64::MAX);
            scan_pieces(searcher, pieces, Report::default(), progress)
        }
        Err(error) => Report::unread(&error),
    }
}

/// Scans `range` of `file`, or all of it.
///
/// The file may be a block device, and may be opened for direct I/O: blocks are read at multiples
/// of a page into an aligned buffer. (A buffered read of a swap file in use shows stale pages.)
/// The file's cursor is moved. What cannot be read becomes a gap, a page at a time, and the scan
/// goes on behind it. A file that cannot seek (a pipe) is scanned as a stream.
pub fn scan_file(
    searcher: &Searcher,
    file: &File,
    range: Option<Range<u64>>,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    scan_seekable(searcher, file, range, progress)
}

/// As [`scan_file`], for anything that can seek.
pub fn scan_seekable<R: Read + Seek + Send>(
    searcher: &Searcher,
    reader: R,
    range: Option<Range<u64>>,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    scan_ranges(
        searcher,
        reader,
        &[range.unwrap_or(0..u64::MAX)],
        Checkpoint::default(),
        progress,
    )
}

/// Scans the `ranges` of a sparse file that hold data, or goes on where an earlier scan stopped.
///
/// What lies between the ranges counts as zeros: a needle that ends in zeros is found across the
/// border. The ranges may come in any order and overlap. [`Checkpoint::default`] begins anew;
/// [`Progress::checkpoint`] gives one to go on from, with the same searcher and ranges.
pub fn scan_ranges<R: Read + Seek + Send>(
    searcher: &Searcher,
    mut reader: R,
    ranges: &[Range<u64>],
    checkpoint: Checkpoint,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    // The length in the metadata of a block device is 0; its end can be sought all the same.
    let Ok(end) = reader.seek(SeekFrom::End(0)) else {
        return scan_stream(searcher, &mut reader, progress);
    };
    let plan = Plan::new(searcher, ranges, end, checkpoint);
    let source = Seekable::new(reader, end);
    let overlap = searcher.overlap();
    let pieces = Pieces::of_ranges(source, overlap, &plan.ranges, plan.from);
    scan_pieces(searcher, pieces, plan.earlier, progress)
}

/// As [`scan_ranges`], by as many workers as there are readers, which read side by side:
/// [`workers_for`] says how many are of use.
///
/// The readers are of the same bytes, and each has a cursor of its own: a file that was opened
/// several times, and not a clone of one that was opened.
pub fn scan_side_by_side<R: Read + Seek + Send>(
    searcher: &Searcher,
    mut readers: Vec<R>,
    ranges: &[Range<u64>],
    checkpoint: Checkpoint,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let Some(Ok(end)) = readers
        .first_mut()
        .map(|first| first.seek(SeekFrom::End(0)))
    else {
        let reader = readers.pop();
        return reader.map_or_else(Report::default, |mut reader| {
            scan_stream(searcher, &mut reader, progress)
        });
    };
    let plan = Plan::new(searcher, ranges, end, checkpoint);
    let sources = readers.into_iter().map(|reader| Seekable::new(reader, end));
    scan_segments(searcher, sources.collect(), plan, SEGMENT, progress)
}

/// What is to be read, and what an earlier scan has found.
struct Plan {
    /// In order, and none touches the next.
    ranges: Vec<Range<u64>>,
    from: u64,
    earlier: Report,
}

impl Plan {
    fn new(searcher: &Searcher, ranges: &[Range<u64>], end: u64, checkpoint: Checkpoint) -> Self {
        // A single range is taken as it is; nothing says what lies beside it.
        let beside = if ranges.len() == 1 {
            0
        } else {
            searcher.overlap() as u64
        };
        let ranges = widened(ranges, beside, end);
        let len = |range: &Range<u64>| range.end.saturating_sub(range.start);
        let total = ranges.iter().map(len).sum();
        Self {
            ranges,
            from: checkpoint.position,
            earlier: Report {
                total_bytes: Some(total),
                ..checkpoint.before_position()
            },
        }
    }
}

/// The ranges with `by` more bytes at both ends, in order, those that touch joined.
fn widened(ranges: &[Range<u64>], by: u64, end: u64) -> Vec<Range<u64>> {
    let widen =
        |range: &Range<u64>| range.start.saturating_sub(by)..range.end.saturating_add(by).min(end);
    let mut wide: Vec<_> = ranges
        .iter()
        .filter(|range| !range.is_empty())
        .map(widen)
        .collect();
    wide.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in wide {
        match joined.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined.retain(|range| !range.is_empty());
    joined
}

/// Searches all pieces with as many workers as there are cores, and adds to `earlier`.
pub(crate) fn scan_pieces<S: ByteSource>(
    searcher: &Searcher,
    pieces: Pieces<S>,
    earlier: Report,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let pieces = Mutex::new((0, pieces));
    let work = |(): &mut (), buffer: &mut Buffer, desk: &mut Desk<'_>| {
        let (number, position, step) = {
            let mut pieces = lock(&pieces);
            pieces.0 += 1;
            let step = pieces.1.next(buffer, desk.stops())?;
            (pieces.0, pieces.1.position(), step)
        };
        desk.begin(number);
        desk.add(finish(searcher, position, step, buffer));
        desk.end(position, false)
    };
    in_workers(
        searcher,
        vec![(); workers()],
        &work,
        BEGINNING,
        Tally::new(earlier, progress),
    )
    .report()
}

/// Searches all that is planned; each worker reads segments of `len` bytes from a source of its
/// own.
fn scan_segments<S: ByteSource>(
    searcher: &Searcher,
    mut sources: Vec<S>,
    plan: Plan,
    len: u64,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let segments = || Segments::new(&plan.ranges, plan.from, len);
    sources.truncate(segments().take(sources.len()).count().max(1));
    let is_one = segments().nth(1).is_none();
    let alone = Alone {
        batches: if is_one { usize::MAX } else { 0 },
        block: segments()
            .next()
            .map_or(0, |one| clamp(one.end - one.start)),
    };
    let segments = Mutex::new(segments());
    let work = |source: &mut S, buffer: &mut Buffer, desk: &mut Desk<'_>| {
        let segment = lock(&segments).next()?;
        desk.begin(segment.number);
        if desk.stops() {
            return None;
        }
        let mut pieces = Pieces::of_segment(source, searcher.overlap(), &segment);
        while let Some(step) = pieces.next(buffer, false) {
            let position = pieces.position();
            desk.add(finish(searcher, position, step, buffer));
            if desk.stops() && position < segment.end {
                return desk.end(position, true);
            }
        }
        desk.end(segment.end, false)
    };
    let mut tally = Tally::new(plan.earlier, progress);
    tally.reached = plan.from;
    let mut tally = in_workers(searcher, sources, &work, alone, tally);
    let reached = tally.reached;
    for range in plan.ranges.iter().filter(|range| range.end > reached) {
        let offset = range.start.max(reached);
        tally.report.add_gap(Gap {
            offset,
            len: range.end - offset,
            because: Gap::STOPPED.to_owned(),
        });
    }
    tally.report()
}

/// Searches all pieces in the caller's thread, with the one buffer given.
pub(crate) fn scan_alone<S: ByteSource>(
    searcher: &Searcher,
    pieces: &mut Pieces<S>,
    buffer: &mut Buffer,
    report: &mut Report,
    stop: &Cell<bool>,
    progress: &mut dyn FnMut(&Progress<'_>),
) {
    while let Some(step) = pieces.next(buffer, stop.get()) {
        let done = finish(searcher, pieces.position(), step, buffer);
        tally::count(report, done, stop, progress);
    }
}

fn finish(searcher: &Searcher, position: u64, step: Step, buffer: &Buffer) -> Done {
    let (covered, found, gap) = match step {
        Step::Gap(gap) => (0, Found::default(), Some(gap)),
        Step::Wait => (0, Found::default(), None),
        Step::Piece(piece) => (piece.fresh, newly_found(searcher, &piece, buffer), None),
    };
    Done {
        covered,
        position,
        found,
        gap,
    }
}

/// What a piece holds that no earlier piece has reported, less what a later one will.
fn newly_found(searcher: &Searcher, piece: &Piece, buffer: &Buffer) -> Found {
    let bytes = piece.bytes(buffer);
    let mut found = Found::default();
    let mut from = bytes.len() - clamp(piece.fresh);
    loop {
        let end = bytes.len().min(from + PART);
        let is_end = end == bytes.len();
        let start = from.saturating_sub(searcher.overlap());
        found.append(found_in(
            searcher,
            piece.offset + start as u64,
            &bytes[start..end],
            end - from,
            piece.is_last && is_end,
        ));
        if is_end {
            return found;
        }
        from = end;
    }
}

/// What stands in `bytes` and belongs to the last `fresh` of them.
///
/// A hit belongs to the bytes in which it ends. A fragment that ends where they end may be the
/// beginning of more, unless nothing follows: it waits for the next bytes, which hold all of it. So
/// does a schedule that ends behind them.
fn found_in(searcher: &Searcher, offset: u64, bytes: &[u8], fresh: usize, is_last: bool) -> Found {
    // There is nothing that zeros alone could be.
    if is_empty(bytes) {
        return Found::default();
    }
    let end = offset + bytes.len() as u64;
    let fresh_from = end - fresh as u64;
    let mut hits = searcher.hits(offset, bytes, fresh);
    hits.retain(|hit| {
        if hit.whole {
            hit.end() > fresh_from
        } else {
            hit.end() >= fresh_from && (hit.end() < end || is_last)
        }
    });
    let mut keys = searcher.keys(offset, bytes, fresh);
    keys.retain(|key| key.end() > fresh_from && (key.end() <= end || is_last));
    Found { hits, keys }
}
