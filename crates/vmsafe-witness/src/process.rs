//! Scans the memory of a live process.

mod maps;
mod populated;
#[cfg(test)]
mod tests;

use core::cell::Cell;
use core::ops::Range;
use std::fs::File;
use std::io::{self, Read, Seek};

use crate::buffer::{Buffer, PAGE};
use crate::hit::Hit;
use crate::keys::KeyHit;
use crate::report::{Gap, Progress, Report};
use crate::scan::{Pieces, Seekable, block_for, scan_alone};
use crate::searcher::Searcher;

use populated::{PageMap, each_range};

pub use maps::{Mapping, mappings};

/// A hit in the memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessHit {
    /// The hit; its offset is the address.
    pub hit: Hit,
    /// The mapping's name: a path, `[heap]`, `[stack]`, or `[anonymous]`.
    pub mapping: String,
    /// The mapping's permissions as the kernel prints them, such as `rw-p`.
    pub permissions: String,
}

/// A key that was recognised in the memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessKey {
    /// The key; its offset is the address.
    pub key: KeyHit,
    /// The mapping's name, as in [`ProcessHit`].
    pub mapping: String,
    /// The mapping's permissions, as in [`ProcessHit`].
    pub permissions: String,
}

/// What a scan of a process found. Offsets are addresses.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ProcessReport {
    /// Bytes that were read and searched.
    pub covered_bytes: u64,
    /// Bytes that the process had mapped when the scan began, less those that it never used.
    pub total_bytes: u64,
    /// By rising address, at most [`Report::MOST_HITS`].
    pub hits: Vec<ProcessHit>,
    /// How many hits there were.
    pub hit_count: u64,
    /// Keys that were recognised, by rising address, at most [`Report::MOST_HITS`].
    pub keys: Vec<ProcessKey>,
    /// What could not be read; kernel pages such as `[vvar]` always are among them.
    pub gaps: Vec<Gap>,
}

/// Scans all memory that process `pid` has mapped.
///
/// The process runs on: what moves while it is scanned may be missed. Memory of its own that it
/// reserved and never used holds nothing, and is passed over: to read it would cost the process
/// memory. Scanning ourselves leaves out the scanner's own read buffer, as a gap that says so: it
/// holds a copy of whatever was read last.
///
/// # Errors
///
/// If `/proc/PID/maps` or `/proc/PID/mem` cannot be opened: no such process, or no right to trace
/// it.
pub fn scan_process(searcher: &Searcher, pid: u32) -> io::Result<ProcessReport> {
    let mappings = mappings(pid)?;
    let report = scan_mappings(searcher, pid, &mappings, &mut |_| {})?;
    Ok(with_names(report, &mappings))
}

/// As [`scan_process`], of the `mappings` given, by rising address; `progress` is called after each
/// block. Offsets are addresses: [`Mapping::of`] tells what they belong to.
///
/// # Errors
///
/// If `/proc/PID/mem` cannot be opened.
pub fn scan_mappings(
    searcher: &Searcher,
    pid: u32,
    mappings: &[Mapping],
    progress: &mut dyn FnMut(&Progress<'_>),
) -> io::Result<Report> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let walk = Walk::new(searcher, pid, memory, progress);
    Ok(walk.report(mappings, PageMap::open(pid)))
}

/// As [`scan_mappings`], through `memory`, where an address is an offset: for systems that show it
/// by calls and not as files. What was never used is read too: no file tells of it.
pub fn scan_memory(
    searcher: &Searcher,
    pid: u32,
    memory: impl Read + Seek + Send,
    mappings: &[Mapping],
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    Walk::new(searcher, pid, memory, progress).report(mappings, None)
}

/// A scan that goes through memory range by range.
struct Walk<'a, R> {
    searcher: &'a Searcher,
    buffer: Buffer,
    pieces: Pieces<Seekable<R>>,
    /// Where the scan itself keeps what it reads, if that is in this memory.
    own: Vec<Range<u64>>,
    report: Report,
    stop: Cell<bool>,
    progress: &'a mut dyn FnMut(&Progress<'_>),
}

impl<'a, R: Read + Seek + Send> Walk<'a, R> {
    fn new(
        searcher: &'a Searcher,
        pid: u32,
        memory: R,
        progress: &'a mut dyn FnMut(&Progress<'_>),
    ) -> Self {
        let buffer = Buffer::new(searcher.overlap(), block_for(searcher));
        let source = Seekable::new(memory, u64::MAX);
        let pieces = Pieces::new(source, searcher.overlap(), 0..0);
        let own = if pid == std::process::id() {
            vec![buffer.addresses(), pieces.carry_addresses()]
        } else {
            Vec::new()
        };
        Self {
            searcher,
            buffer,
            pieces,
            own,
            report: Report::default(),
            stop: Cell::new(false),
            progress,
        }
    }

    /// Scans the mappings, of which `pages` tells the parts that there are.
    fn report(mut self, mappings: &[Mapping], pages: Option<PageMap<File>>) -> Report {
        let mapped: u64 = mappings.iter().map(Mapping::len).sum();
        self.report.total_bytes = Some(mapped);
        let rim = (self.searcher.overlap() as u64).next_multiple_of(PAGE as u64);
        let passed_over = each_range(mappings, pages, rim, &mut |range, passed_over| {
            self.report.total_bytes = Some(mapped - passed_over);
            self.visit(range);
        });
        self.report.total_bytes = Some(mapped - passed_over);
        self.report.sort();
        self.report
    }

    fn visit(&mut self, range: Range<u64>) {
        for (range, is_own) in without(range, &self.own) {
            if is_own {
                self.report.add_gap(Gap {
                    offset: range.start,
                    len: range.end - range.start,
                    because: "the scanner's own read buffer".to_owned(),
                });
                continue;
            }
            self.pieces.restart(range);
            scan_alone(
                self.searcher,
                &mut self.pieces,
                &mut self.buffer,
                &mut self.report,
                &self.stop,
                self.progress,
            );
        }
    }
}

/// Cuts `own` ranges out of `range`; the parts come in order, each with whether it is our own.
fn without(range: Range<u64>, own: &[Range<u64>]) -> Vec<(Range<u64>, bool)> {
    let mut inside: Vec<_> = own
        .iter()
        .map(|own| own.start.max(range.start)..own.end.min(range.end))
        .filter(|own| !own.is_empty())
        .collect();
    inside.sort_unstable_by_key(|own| own.start);
    let mut parts = Vec::new();
    let mut at = range.start;
    for own in inside {
        let own = own.start.max(at)..own.end;
        parts.push((at..own.start, false));
        at = own.end;
        parts.push((own, true));
    }
    parts.push((at..range.end, false));
    parts.retain(|(part, _)| !part.is_empty());
    parts
}

fn with_names(report: Report, mappings: &[Mapping]) -> ProcessReport {
    let at = |offset: u64| {
        let mapping = Mapping::of(mappings, offset);
        mapping.map_or_else(Default::default, |mapping| {
            (mapping.name.clone(), mapping.permissions.clone())
        })
    };
    let name_hit = |hit: Hit| {
        let (mapping, permissions) = at(hit.offset);
        ProcessHit {
            hit,
            mapping,
            permissions,
        }
    };
    let name_key = |key: KeyHit| {
        let (mapping, permissions) = at(key.offset);
        ProcessKey {
            key,
            mapping,
            permissions,
        }
    };
    ProcessReport {
        covered_bytes: report.covered_bytes,
        total_bytes: report.total_bytes.unwrap_or(0),
        hits: report.hits.into_iter().map(name_hit).collect(),
        hit_count: report.hit_count,
        keys: report.keys.into_iter().map(name_key).collect(),
        gaps: report.gaps,
    }
}
