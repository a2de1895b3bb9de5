//! A search for known secrets on any medium: swap, disks, cores, files, live processes.
//!
//! ```
//! use vmsafe_witness::{Needles, Searcher, scan_stream};
//!
//! let mut needles = Needles::new();
//! needles.push(b"a secret that should be nowhere")?;
//! let searcher = Searcher::new(&needles);
//!
//! let mut leaked: &[u8] = b"... a secret that should be nowhere ...";
//! let report = scan_stream(&searcher, &mut leaked, &mut |_| {});
//! assert_eq!(report.hits[0].offset, 4);
//! assert!(report.is_complete());
//! # Ok::<(), vmsafe_witness::NeedleError>(())
//! ```
//!
//! # What holds
//!
//! * Nothing is missed in what was read: every place where a whole needle stands is reported, at
//!   any offset and across any block border, and so is every part of at least 16 bytes
//!   ([`SHORTEST_FRAGMENT`]); of hexadecimal, base64 and UTF-16, which are longer than the needle,
//!   of at least 32 ([`SHORTEST_ENCODED_FRAGMENT`]). A part that lies within another hit, of this
//!   needle or another, is reported by that hit alone. A part that hardly varies (runs of one byte,
//!   with fewer than [`FEWEST_CHANGES`] changes of value) is no evidence and is not reported.
//! * What was not read is said: a [`Report`] lists its [`Gap`]s, and only
//!   [`Report::is_complete`] together with no hit means clean.
//! * The search does not plant what it seeks: needles are masked as soon as they arrive, read
//!   buffers are wiped, and a hit, an error or a log names a needle by its number only.
//! * Memory is bounded whatever is scanned.
//!
//! This crate depends on no other crate of the project, so that a mistake there cannot fool it. It
//! makes no system call but through the standard library; a caller who wants direct I/O opens the
//! file so.
//!
//! # From here
//!
//! | to | take |
//! |---|---|
//! | take needles in | [`Needles::push`], [`Needles::push_line`], [`Needles::read_from`] |
//! | choose what is looked for: forms, unknown keys | [`Wanted`], [`Searcher::with`] |
//! | search memory at hand | [`Searcher::search`], [`Searcher::search_keys`] |
//! | scan a file, a device or a stream | [`scan_file`], [`scan_stream`] |
//! | scan what it really is: swap, core dump, compressed | [`Medium::detect`], [`Medium::scan`] |
//! | say what an offset is: swap slot, address, thread | [`Medium::place`] |
//! | scan the data of a sparse file, or go on after a stop | [`scan_ranges`], [`Checkpoint`] |
//! | let several cores read one file | [`scan_side_by_side`] |
//! | scan a live process, or watch that | [`scan_process`], [`mappings`], [`scan_mappings`] |
//! | scan one whose memory is no file | [`scan_memory`] |
//! | find the primes of a public RSA key in memory | [`Modulus`], [`Wanted::moduli`] |
//! | report to a CI system | [`to_sarif`], or piece by piece [`Sarif`] |
//!
//! # What it does not do
//!
//! It finds no needle that was encrypted, compressed (but for whole streams) or split into parts
//! below 16 bytes. Of unknown keys it finds AES keys by the schedules that FIPS 197 describes, not
//! by those that constant-time code rearranges bit by bit, and private keys that are not under a
//! passphrase. What decoders of compressed streams keep in memory is not wiped.
#![forbid(unsafe_code)]

mod buffer;
mod checkpoint;
mod factor;
mod forms;
mod hit;
mod keys;
mod masked;
mod medium;
mod needles;
mod private_key;
mod process;
mod report;
mod sarif;
mod scan;
mod schedule;
mod searcher;
mod vectors;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use factor::{Modulus, ModulusError};
pub use hit::{Form, Hit};
pub use keys::{Fingerprint, KeyForm, KeyHit, KeyKind};
pub use medium::{
    Compression, CoreDump, CorePlace, Medium, Place, SwapHeader, SwapPlace, SwapState, Thread,
};
pub use needles::{LONGEST_NEEDLE, NeedleError, NeedleId, Needles, SHORTEST_NEEDLE};
pub use process::{
    Mapping, ProcessHit, ProcessKey, ProcessReport, mappings, scan_mappings, scan_memory,
    scan_process,
};
pub use report::{Gap, Progress, Report};
pub use sarif::{
    Sarif, SarifNotifications, SarifResult, SarifSummary, SarifTarget, Scanned, to_sarif,
};
pub use scan::{
    scan_file, scan_incoming, scan_ranges, scan_seekable, scan_side_by_side, scan_stream,
    scan_stream_alone, workers_for,
};
pub use searcher::{
    FEWEST_CHANGES, SHORTEST_ENCODED_FRAGMENT, SHORTEST_FRAGMENT, Searcher, Wanted,
};
