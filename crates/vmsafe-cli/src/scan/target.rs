//! What can be searched, and how each kind is read.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use vmsafe_lab::{Opened, open_direct};
use vmsafe_witness::{Report, Searcher, scan_file, scan_stream};

use super::findings::{Finding, Gap, Scanned};
use super::process;
use crate::interrupt::Interrupt;
use crate::output::{Output, plain};

/// Something to search.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// The memory of a process.
    Process(u32),
    /// A file of any kind.
    Path(PathBuf),
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let pid = text.strip_prefix("pid:").and_then(|pid| pid.parse().ok());
        Ok(pid.map_or_else(|| Self::Path(text.into()), Self::Process))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "pid:{pid}"),
            Self::Path(path) => f.write_str(&plain(&path.display().to_string())),
        }
    }
}

impl Target {
    /// Searches it. What keeps it from being read, in part or at all, is part of the result.
    pub(super) fn scan(&self, searcher: &Searcher, stop: &Interrupt, out: &Output) -> Scanned {
        if stop.asked() {
            return Scanned::not_at_all("the scan was stopped");
        }
        match self {
            Self::Process(pid) => process::scan(*pid, searcher),
            Self::Path(path) => match open(path) {
                Ok(medium) => self.scan_medium(medium, searcher, stop, out),
                Err(because) => Scanned::not_at_all(because),
            },
        }
    }

    fn scan_medium(
        &self,
        medium: Medium,
        searcher: &Searcher,
        stop: &Interrupt,
        out: &Output,
    ) -> Scanned {
        let Medium {
            mut file,
            len,
            doubt,
        } = medium;
        let name = self.to_string();
        let bar = out.progress(&name, len);
        let mut told = 0;
        let mut progress = |progress: &vmsafe_witness::Progress<'_>| {
            bar.at(progress.covered);
            if progress.hits != told {
                told = progress.hits;
                bar.say(&format!("{name}: {told} found"));
            }
            if stop.asked() {
                progress.stop();
            }
        };
        let report = match len {
            Some(_) => scan_file(searcher, &file, None, &mut progress),
            None => scan_stream(searcher, &mut file, &mut progress),
        };
        let mut scanned = Scanned::from(report);
        scanned.gaps.extend(doubt.map(Gap::of_unknown_size));
        scanned
    }
}

impl From<Report> for Scanned {
    fn from(report: Report) -> Self {
        let mut gaps: Vec<Gap> = report.gaps.iter().map(Gap::from).collect();
        if gaps.is_empty() && !report.is_complete() {
            gaps.push(Gap::of_unknown_size("it was not read to its end"));
        }
        Self {
            covered_bytes: report.covered_bytes,
            finding_count: report.hit_count,
            findings: report
                .hits
                .iter()
                .map(|hit| Finding::new(hit, None))
                .collect(),
            gaps,
        }
    }
}

/// An open target.
struct Medium {
    file: File,
    /// `None`: it has no end that could be sought, and is read as it comes.
    len: Option<u64>,
    /// Why what is read may not be what the medium holds.
    doubt: Option<&'static str>,
}

fn open(path: &Path) -> Result<Medium, String> {
    let because = |error: std::io::Error| format!("it cannot be opened: {error}");
    let metadata = path.metadata().map_err(because)?;
    if metadata.is_dir() {
        return Err("it is a directory: name its files, or the device that it lies on".to_owned());
    }
    // Through the cache first: opening a pipe a second time would wait for a second writer.
    let mut file = File::open(path).map_err(because)?;
    // Files of /proc have no length, and pipes no end: they are read as they come.
    let len = file.seek(SeekFrom::End(0)).ok().filter(|len| *len > 0);
    let cached = len.is_none() || (metadata.is_file() && !holds_swap(&mut file));
    file.rewind().ok();
    if cached {
        let doubt = None;
        return Ok(Medium { file, len, doubt });
    }
    let (file, doubt) = match open_direct(path).map_err(|error| error.to_string())? {
        Opened::Direct(file) => (file, None),
        Opened::Buffered(file) => (file, Some(STALE)),
    };
    Ok(Medium { file, len, doubt })
}

const STALE: &str =
    "its file system has no direct reads: the page cache answered, and may hold other bytes";

/// Whether a file is a swap area, in use or not: there the page cache is stale even after swapoff.
fn holds_swap(file: &mut File) -> bool {
    const PAGE_SIZES: [u64; 3] = [4096, 16384, 65536];
    const SIGNATURES: [&[u8]; 3] = [b"SWAPSPACE2", b"SWAP-SPACE", b"S1SUSPEND\0"];
    PAGE_SIZES.iter().any(|page| {
        let mut found = [0; 10];
        let read = file
            .seek(SeekFrom::Start(page - 10))
            .and_then(|_| file.read_exact(&mut found));
        read.is_ok() && SIGNATURES.contains(&found.as_slice())
    })
}
