//! Opens a target so that what is read is what it holds.

use core::iter;
use core::ops::Range;
use std::fs::{File, Metadata};
use std::io::{Cursor, Read, Seek};
use std::path::{Component, Path, Prefix};
use std::time::UNIX_EPOCH;

use vmsafe_lab::{Opened, data_ranges, open_direct};
use vmsafe_witness::{Compression, Medium, workers_for};

use super::explain;
use super::record::Identity;

/// An open target.
pub(super) struct Open {
    pub(super) bytes: Bytes,
    pub(super) medium: Medium,
    /// Why what is read may not be what the medium holds.
    pub(super) doubts: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// How a target is read.
pub(super) enum Bytes {
    /// At any place: these ranges hold all that there is, the rest are holes.
    Seekable {
        file: File,
        /// The same, each with a cursor of its own: readers that can work side by side.
        again: Vec<File>,
        ranges: Vec<Range<u64>>,
        identity: Identity,
    },
    /// Not at all: there are none.
    None,
    /// As they come.
    Stream(Box<dyn Read + Send>),
}

/// The bytes around a hole that are read with the data: a needle may end in zeros. More than the
/// longest form of the longest needle.
const RIM: u64 = 64 * 1024;

pub(super) fn open(path: &Path, decompress: bool) -> Result<Open, String> {
    if let Some(because) = explain::not_to_be_searched(path) {
        return Err(because);
    }
    if names_a_volume(path) {
        return volume(path);
    }
    let (file, metadata) = through_cache(path)?;
    opened(file, metadata, path, decompress)
}

/// The same for what is open already.
pub(super) fn opened(
    mut file: File,
    metadata: Option<Metadata>,
    path: &Path,
    decompress: bool,
) -> Result<Open, String> {
    let is_file = metadata.as_ref().is_some_and(Metadata::is_file);
    if metadata.as_ref().is_some_and(Metadata::is_dir) {
        return Err("it is a directory: name it by its path".to_owned());
    }
    // Files of /proc have no length, and pipes no end: they are read as they come.
    let (Some(metadata), Some(len)) = (metadata, vmsafe_lab::length(&file)) else {
        return Ok(stream(file, path, is_file, decompress));
    };
    let (medium, damage) = match Medium::detect(&mut file) {
        Ok(medium) => (medium, None),
        Err(error) => (
            Medium::Plain,
            Some(format!("it is searched byte by byte: {error}")),
        ),
    };
    let medium = match medium {
        Medium::Compressed(_) if !decompress || !is_file => Medium::Plain,
        medium => medium,
    };
    let mut notes: Vec<String> = damage.into_iter().collect();
    notes.extend(explain::notes(path, is_file, &medium));
    let mut doubts = Vec::new();
    if decompress && matches!(medium, Medium::Plain) {
        doubts.extend(explain::unopened(&beginning(&file)));
    }
    let identity = identity(&metadata, len);
    let cached = is_file && !matches!(medium, Medium::Swap(_));
    let ranges = if cached {
        data(&mut file, len, &mut notes)
    } else {
        iter::once(0..len).collect()
    };
    if !cached {
        file = match open_direct(path).map_err(|error| error.to_string())? {
            Opened::Direct(file) => file,
            Opened::Buffered(file) => {
                doubts.push(STALE.to_owned());
                file
            }
        };
        if !is_same(&file, identity) {
            return Err(REPLACED.to_owned());
        }
    }
    let again = if cached {
        again(path, identity)
    } else {
        // A disk would have to go back and forth.
        Vec::new()
    };
    Ok(Open {
        bytes: Bytes::Seekable {
            file,
            again,
            ranges,
            identity,
        },
        medium,
        doubts,
        notes,
    })
}

const REPLACED: &str = "it was replaced or changed while it was opened: scan it again";

/// Whether the system tells that this is what was opened before: another file may have taken its
/// name meanwhile.
pub(super) fn is_same(file: &File, before: Identity) -> bool {
    let about = file.metadata();
    about.is_ok_and(|about| vmsafe_lab::identity(&about) == before.own)
}

/// Opens it through the cache first: opening a pipe a second time would wait for a second writer.
/// What is said of it is nothing for a pipe, on some systems.
fn through_cache(path: &Path) -> Result<(File, Option<Metadata>), String> {
    let because = |error: std::io::Error| explain::closed(path, &error);
    // Standard input has a path on some systems only.
    if path == Path::new(STANDARD_INPUT) {
        let file = vmsafe_lab::input().map_err(|error| error.to_string())?;
        let metadata = file.metadata().ok();
        return Ok((file, metadata));
    }
    let metadata = path.metadata().map_err(because)?;
    Ok((File::open(path).map_err(because)?, Some(metadata)))
}

/// A volume or disk in the namespace of devices: `\\.\C:`, `\\.\PhysicalDrive0`.
pub(super) fn names_a_volume(path: &Path) -> bool {
    let first = path.components().next();
    matches!(first, Some(Component::Prefix(prefix)) if matches!(prefix.kind(), Prefix::DeviceNS(_)))
}

/// Such a volume is read past the cache, and a byte of it by the sector only: it is not asked what
/// it is.
fn volume(path: &Path) -> Result<Open, String> {
    let opened = open_direct(path).map_err(|error| explain::closed(path, &error.into()))?;
    let (Opened::Direct(file) | Opened::Buffered(file)) = opened;
    let len = vmsafe_lab::length(&file).ok_or("it tells no length: name a volume or a disk")?;
    Ok(Open {
        bytes: Bytes::Seekable {
            file,
            again: Vec::new(),
            ranges: iter::once(0..len).collect(),
            identity: Identity {
                len,
                modified_ns: 0,
                own: None,
            },
        },
        medium: Medium::Plain,
        doubts: Vec::new(),
        notes: Vec::new(),
    })
}

const STANDARD_INPUT: &str = "/dev/stdin";

/// What `path` names, as often as further workers are of use, if it still names the same. Standard
/// input has one cursor, however often it is opened.
fn again(path: &Path, same: Identity) -> Vec<File> {
    if path == Path::new(STANDARD_INPUT) {
        return Vec::new();
    }
    let open = |_| {
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let now = identity(&metadata, metadata.len());
        (now == same && same.own.is_some()).then_some(file)
    };
    (1..workers_for(same.len)).map_while(open).collect()
}

const STALE: &str =
    "its file system has no direct reads: the page cache answered, and may hold other bytes";

/// Devices are written to all the time, and the system does not say when.
fn identity(metadata: &Metadata, len: u64) -> Identity {
    let modified = metadata.modified().ok().filter(|_| metadata.is_file());
    let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Identity {
        len,
        modified_ns: since.map_or(0, |since| since.as_nanos()),
        own: vmsafe_lab::identity(metadata),
    }
}

/// The first bytes; none if they cannot be read, which the scan will tell.
pub(super) fn beginning(mut file: &File) -> Vec<u8> {
    let mut start = Vec::new();
    if file.rewind().is_ok() {
        let _ = file.take(explain::MAGIC_LEN as u64).read_to_end(&mut start);
    }
    start
}

/// The first bytes tell whether it is compressed, and are searched with the rest.
fn stream(mut file: File, path: &Path, is_file: bool, decompress: bool) -> Open {
    file.rewind().ok();
    let mut start = Vec::new();
    let read = (&mut file)
        .take(explain::MAGIC_LEN as u64)
        .read_to_end(&mut start);
    let compression = Compression::detect(&start).filter(|_| decompress && read.is_ok());
    let unopened = explain::unopened(&start).filter(|_| decompress);
    let is_empty = start.is_empty() && read.is_ok();
    let whole = Cursor::new(start).chain(file);
    let (medium, bytes) = match compression {
        Some(compression) => (
            Medium::Compressed(compression),
            Bytes::Stream(Box::new(compression.reader(whole))),
        ),
        None if is_empty => (Medium::Plain, Bytes::None),
        None => (Medium::Plain, Bytes::Stream(Box::new(whole))),
    };
    Open {
        bytes,
        notes: explain::notes(path, is_file, &medium),
        medium,
        doubts: unopened.into_iter().collect(),
    }
}

const HOLES: &str = "its holes, which read as zeros, were passed over";

/// Where a sparse file holds data, and a little more. A file system that does not say gives all.
fn data(file: &mut File, len: u64, notes: &mut Vec<String>) -> Vec<Range<u64>> {
    let Ok(data) = data_ranges(file) else {
        return iter::once(0..len).collect();
    };
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for data in data {
        let wide = data.start.saturating_sub(RIM)..data.end.saturating_add(RIM).min(len);
        match ranges.last_mut() {
            Some(last) if last.end >= wide.start => last.end = wide.end,
            _ => ranges.push(wide),
        }
    }
    let read: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    if read < len {
        notes.push(HOLES.to_owned());
    }
    ranges
}
