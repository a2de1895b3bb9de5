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
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::buffer::Buffer;
use crate::report::{Found, Gap, Progress, Report};
use crate::searcher::Searcher;

pub(crate) use pieces::{Piece, Pieces, Step};
pub(crate) use source::{ByteSource, Seekable, Stream};

/// Bytes that are read at once.
pub(crate) const BLOCK: usize = 512 * 1024;
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
    scan_pieces(searcher, pieces, None, progress)
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
    mut reader: R,
    range: Option<Range<u64>>,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    // The length in the metadata of a block device is 0; its end can be sought all the same.
    let Ok(end) = reader.seek(SeekFrom::End(0)) else {
        return scan_stream(searcher, &mut reader, progress);
    };
    let range = range.map_or(0..end, |range| range.start.min(end)..range.end.min(end));
    let total = range.end.saturating_sub(range.start);
    let pieces = Pieces::new(Seekable::new(reader, end), searcher.overlap(), range, BLOCK);
    scan_pieces(searcher, pieces, Some(total), progress)
}

/// What became of one step.
pub(crate) struct Done {
    number: u64,
    covered: u64,
    found: Found,
    gap: Option<Gap>,
}

/// Searches all pieces with as many workers as there are cores.
pub(crate) fn scan_pieces<S: ByteSource>(
    searcher: &Searcher,
    pieces: Pieces<S>,
    total: Option<u64>,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_WORKERS);
    let stop = AtomicBool::new(false);
    let pieces = Mutex::new((0, pieces));
    let mut tally = Tally::new(total, progress);
    thread::scope(|scope| {
        // Bounded, so that a slow progress function slows the workers instead of piling up hits.
        let (send, receive) = mpsc::sync_channel(2 * workers);
        for _ in 0..workers {
            let send = send.clone();
            let (pieces, stop) = (&pieces, &stop);
            scope.spawn(move || {
                let mut buffer = Buffer::new(searcher.overlap(), BLOCK);
                while let Some(done) = work(searcher, pieces, &mut buffer, stop) {
                    if send.send(done).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for done in receive {
            tally.take(done);
            stop.store(tally.stop.get(), Ordering::Relaxed);
        }
    });
    tally.report.sort();
    tally.report
}

/// Searches all pieces in the caller's thread, with the one buffer given.
pub(crate) fn scan_alone<S: ByteSource>(
    searcher: &Searcher,
    pieces: &mut Pieces<S>,
    buffer: &mut Buffer,
    report: &mut Report,
) {
    while let Some(step) = pieces.next(buffer, false) {
        let done = finish(searcher, 0, step, buffer);
        report.covered_bytes += done.covered;
        report.add(&done.found);
        done.gap.into_iter().for_each(|gap| report.add_gap(gap));
    }
}

fn work<S: ByteSource>(
    searcher: &Searcher,
    pieces: &Mutex<(u64, Pieces<S>)>,
    buffer: &mut Buffer,
    stop: &AtomicBool,
) -> Option<Done> {
    let (number, step) = {
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.0 += 1;
        (
            pieces.0,
            pieces.1.next(buffer, stop.load(Ordering::Relaxed))?,
        )
    };
    Some(finish(searcher, number, step, buffer))
}

fn finish(searcher: &Searcher, number: u64, step: Step, buffer: &Buffer) -> Done {
    match step {
        Step::Gap(gap) => Done {
            number,
            covered: 0,
            found: Found::default(),
            gap: Some(gap),
        },
        Step::Piece(piece) => {
            let found = newly_found(searcher, &piece, buffer);
            Done {
                number,
                covered: piece.fresh,
                found,
                gap: None,
            }
        }
    }
}

/// What a piece holds that no earlier piece has reported, less what a later one will.
///
/// A hit belongs to the piece in whose fresh bytes it ends. A fragment that ends where the piece
/// ends may be the beginning of more: it waits for the next piece, which holds all of it. So does
/// a schedule that ends behind the piece.
fn newly_found(searcher: &Searcher, piece: &Piece, buffer: &Buffer) -> Found {
    let bytes = piece.bytes(buffer);
    let end = piece.offset + bytes.len() as u64;
    let fresh_from = end - piece.fresh;
    let mut hits = searcher.hits(piece.offset, bytes);
    hits.retain(|hit| {
        if hit.whole {
            hit.end() > fresh_from
        } else {
            hit.end() >= fresh_from && (hit.end() < end || piece.is_last)
        }
    });
    let mut keys = searcher.keys(piece.offset, bytes);
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
    fn new(total: Option<u64>, progress: &'a mut dyn FnMut(&Progress<'_>)) -> Self {
        let report = Report {
            total_bytes: total,
            ..Report::default()
        };
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
                stop: &self.stop,
            });
        }
    }
}
