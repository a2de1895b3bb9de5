//! Scans streams, files and devices of any size in bounded memory.
//!
//! ```text
//!           lock: read one block     search it            hand the hits over, in order
//! worker 1  [==]                     [==========]         ─┐
//! worker 2      [==]                     [==========]      ├─> report, progress (the caller)
//! worker 1                                  [==]  [====…  ─┘
//! ```
//!
//! Each worker reads a block and searches it while it is warm in its core's cache; reading and
//! searching overlap, and memory is bounded by the number of workers.

mod pieces;
mod source;
#[cfg(test)]
mod tests;

use core::cell::Cell;
use core::hint;
use core::mem;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::buffer::{Buffer, PAGE};
use crate::checkpoint::Checkpoint;
use crate::report::{Found, Gap, Progress, Report};
use crate::searcher::Searcher;

use pieces::clamp;
pub(crate) use pieces::{Piece, Pieces, Step};
pub(crate) use source::{ByteSource, Seekable, Stream};

/// Bytes that are read at once: they stay in a core's second-level cache until they are searched.
pub(crate) const BLOCK: usize = 256 * 1024;
/// More workers than this wait for the reading.
const MOST_WORKERS: usize = 4;

/// Scans all that `reader` gives, up to its end.
///
/// `progress` is called after each block. Read errors end the scan with a gap of unknown length:
/// a stream has no place behind the error to go on from.
pub fn scan_stream(
    searcher: &Searcher,
    reader: &mut (dyn Read + Send),
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let pieces = Pieces::new(Stream::new(reader), searcher.overlap(), 0..u64::MAX, BLOCK);
    scan_pieces(searcher, pieces, Report::default(), progress)
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
    let overlap = searcher.overlap();
    // A single range is taken as it is; nothing says what lies beside it.
    let beside = if ranges.len() == 1 { 0 } else { overlap as u64 };
    let ranges = widened(ranges, beside, end);
    let total = ranges
        .iter()
        .map(|range| range.end.saturating_sub(range.start))
        .sum();
    let source = Seekable::new(reader, end);
    let pieces = Pieces::of_ranges(source, overlap, &ranges, checkpoint.position, BLOCK);
    let earlier = Report {
        total_bytes: Some(total),
        ..checkpoint.before_position()
    };
    scan_pieces(searcher, pieces, earlier, progress)
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

/// What became of one step.
pub(crate) struct Done {
    number: u64,
    covered: u64,
    /// All before this was searched, or is a gap, once the steps before are done too.
    position: u64,
    found: Found,
    gap: Option<Gap>,
}

/// Searches all pieces with as many workers as there are cores, and adds to `earlier`.
pub(crate) fn scan_pieces<S: ByteSource>(
    searcher: &Searcher,
    pieces: Pieces<S>,
    earlier: Report,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_WORKERS);
    let stop = AtomicBool::new(false);
    let pieces = Mutex::new((0, pieces));
    let mut tally = Tally::new(earlier, progress);
    thread::scope(|scope| {
        // Bounded, so that a slow progress function slows the workers instead of piling up hits.
        let (send, receive) = mpsc::sync_channel(2 * workers);
        for _ in 0..workers {
            let send = send.clone();
            let (pieces, stop) = (&pieces, &stop);
            scope.spawn(move || {
                let mut buffer = Buffer::new(searcher.overlap(), BLOCK);
                let mut basket = Basket::new(S::CAN_SKIP);
                while let Some(done) = work(searcher, pieces, &mut buffer, stop) {
                    if let Some(full) = basket.put(done)
                        && send.send(full).is_err()
                    {
                        return;
                    }
                }
                let _ = send.send(basket.rest());
            });
        }
        drop(send);
        for basket in receive {
            basket.into_iter().for_each(|done| tally.take(done));
            stop.store(tally.stop.get(), Ordering::Relaxed);
        }
    });
    tally.report.sort();
    tally.report
}

/// Results on their way to the caller: waking it for each block would cost more than reading one.
struct Basket {
    held: Vec<Done>,
    /// What comes from a stream is told at once, since the next block may be long in coming.
    waits: bool,
    since: Instant,
}

impl Basket {
    /// With two workers, as many blocks as 4 MiB.
    const MOST: usize = 8;
    /// So much later a result is told on a slow medium.
    const LONGEST: Duration = Duration::from_millis(10);

    fn new(waits: bool) -> Self {
        Self {
            held: Vec::new(),
            waits,
            since: Instant::now(),
        }
    }

    /// Takes one more; gives all when it is time to tell them.
    fn put(&mut self, done: Done) -> Option<Vec<Done>> {
        let is_news = done.gap.is_some() || !done.found.is_empty();
        self.held.push(done);
        let is_full = self.held.len() == Self::MOST || self.since.elapsed() > Self::LONGEST;
        (is_news || is_full || !self.waits).then(|| self.rest())
    }

    fn rest(&mut self) -> Vec<Done> {
        self.since = Instant::now();
        mem::take(&mut self.held)
    }
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
        let done = finish(searcher, (0, pieces.position()), step, buffer);
        report.covered_bytes += done.covered;
        report.add(&done.found);
        done.gap.into_iter().for_each(|gap| report.add_gap(gap));
        progress(&Progress {
            covered: report.covered_bytes,
            total: report.total_bytes,
            hits: report.hit_count + report.key_count,
            fresh: &done.found.hits,
            fresh_keys: &done.found.keys,
            position: done.position,
            report,
            stop,
        });
    }
}

fn work<S: ByteSource>(
    searcher: &Searcher,
    pieces: &Mutex<(u64, Pieces<S>)>,
    buffer: &mut Buffer,
    stop: &AtomicBool,
) -> Option<Done> {
    let (place, step) = {
        let mut pieces = lock(pieces);
        pieces.0 += 1;
        let step = pieces.1.next(buffer, stop.load(Ordering::Relaxed))?;
        ((pieces.0, pieces.1.position()), step)
    };
    Some(finish(searcher, place, step, buffer))
}

/// Waits for another worker's read without sleeping, as long as a block in memory takes: to be
/// woken takes longer. A medium that is slower is waited for asleep.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    const PATIENCE: usize = 2000;
    for _ in 0..PATIENCE {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => hint::spin_loop(),
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finish(searcher: &Searcher, place: (u64, u64), step: Step, buffer: &Buffer) -> Done {
    let (number, position) = place;
    let (covered, found, gap) = match step {
        Step::Gap(gap) => (0, Found::default(), Some(gap)),
        Step::Piece(piece) => (piece.fresh, newly_found(searcher, &piece, buffer), None),
    };
    Done {
        number,
        covered,
        position,
        found,
        gap,
    }
}

/// What a piece holds that no earlier piece has reported, less what a later one will.
///
/// A hit belongs to the piece in whose fresh bytes it ends. A fragment that ends where the piece
/// ends may be the beginning of more: it waits for the next piece, which holds all of it. So does
/// a schedule that ends behind the piece.
fn newly_found(searcher: &Searcher, piece: &Piece, buffer: &Buffer) -> Found {
    let bytes = piece.bytes(buffer);
    // Much of any disk is empty, and there is nothing that zeros alone could be.
    let is_empty = |page: &[u8]| page.iter().fold(0, |any, byte| any | byte) == 0;
    if bytes.chunks(PAGE).all(is_empty) {
        return Found::default();
    }
    let end = piece.offset + bytes.len() as u64;
    let fresh_from = end - piece.fresh;
    let fresh = bytes.len() - clamp(fresh_from - piece.offset);
    let mut hits = searcher.hits(piece.offset, bytes, fresh);
    hits.retain(|hit| {
        if hit.whole {
            hit.end() > fresh_from
        } else {
            hit.end() >= fresh_from && (hit.end() < end || piece.is_last)
        }
    });
    let mut keys = searcher.keys(piece.offset, bytes, fresh);
    keys.retain(|key| key.end() > fresh_from && (key.end() <= end || piece.is_last));
    Found { hits, keys }
}

/// Puts results back into the order of their offsets and keeps count.
struct Tally<'a> {
    report: Report,
    waiting: BTreeMap<u64, Done>,
    next: u64,
    stop: Cell<bool>,
    progress: &'a mut dyn FnMut(&Progress<'_>),
}

impl<'a> Tally<'a> {
    fn new(report: Report, progress: &'a mut dyn FnMut(&Progress<'_>)) -> Self {
        Self {
            report,
            waiting: BTreeMap::new(),
            next: 1,
            stop: Cell::new(false),
            progress,
        }
    }

    fn take(&mut self, done: Done) {
        self.waiting.insert(done.number, done);
        while let Some(done) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.report.covered_bytes += done.covered;
            self.report.add(&done.found);
            if let Some(gap) = done.gap {
                self.report.add_gap(gap);
            }
            (self.progress)(&Progress {
                covered: self.report.covered_bytes,
                total: self.report.total_bytes,
                hits: self.report.hit_count + self.report.key_count,
                fresh: &done.found.hits,
                fresh_keys: &done.found.keys,
                position: done.position,
                report: &self.report,
                stop: &self.stop,
            });
        }
    }
}
