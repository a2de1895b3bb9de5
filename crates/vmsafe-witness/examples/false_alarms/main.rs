//! Counts false alarms: `cargo run --release -p vmsafe-witness --example false_alarms -- 10 /usr`.
//!
//! Searches as many GiB of random bytes as the first argument says, and all files below the others,
//! for 200 needles that stand nowhere, in every form, and for unknown keys. Nothing may be found in
//! random bytes. Files of a system hold real keys, in tests and examples: each that is found is
//! given to programs which the searcher shares no code with, and one that they do not accept counts
//! as a false alarm.

mod judge;
#[path = "../../tests/corpus/plants.rs"]
#[expect(
    dead_code,
    reason = "of what is planted, the needles and the schedules are of use here"
)]
mod plants;

/// What `plants` draws from.
mod medium {
    pub(crate) use super::Random;
}

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use vmsafe_witness::{Needles, Report, Searcher, Wanted, scan_file, scan_stream};

/// Random bytes, others in each run (xorshift, 64 bits).
pub(crate) struct Random {
    state: u64,
    left: u64,
}

impl Random {
    fn word(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.word() >> 56) as u8).collect()
    }
}

impl Read for Random {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let len = into.len().min(most);
        let into = &mut into[..len];
        for part in into.chunks_mut(8) {
            let word = self.word().to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
        self.left -= len as u64;
        Ok(len)
    }
}

#[derive(Default)]
struct Tally {
    bytes: u64,
    files: u64,
    unread: u64,
    confirmed: u64,
    false_alarms: u64,
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let gib = args.next().and_then(|gib| gib.parse::<u64>().ok());
    let Some(gib) = gib else {
        eprintln!("usage: false_alarms GIB [FOLDER…]");
        return ExitCode::from(2);
    };
    let state = getrandom::u64().expect("random bytes of the system") | 1;
    let mut random = Random { state, left: 0 };
    let mut needles = Needles::new();
    for needle in plants::needles(200, &mut random) {
        needles.push(&needle).expect("a usable needle");
    }
    let searcher = Searcher::with(&needles, &Wanted::everything());

    let started = Instant::now();
    let mut tally = Tally::default();
    random.left = gib << 30;
    let report = scan_stream(&searcher, &mut random, &mut |_| {});
    assert!(report.is_complete() && report.covered_bytes == gib << 30);
    tally.add("random bytes", &report, None);
    println!(
        "random: {} bytes, {} false alarms",
        tally.bytes, tally.false_alarms
    );
    let mut folders: Vec<PathBuf> = args.map(PathBuf::from).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => tally.file(&searcher, &entry.path()),
                _ => {}
            }
        }
    }
    let Tally {
        bytes,
        files,
        unread,
        confirmed,
        false_alarms,
    } = tally;
    println!(
        "{bytes} bytes, {files} files ({unread} not read to their end) in {:.0} s: \
         {confirmed} keys that other programs accept too, {false_alarms} false alarms",
        started.elapsed().as_secs_f64(),
    );
    ExitCode::from(u8::from(false_alarms > 0))
}

impl Tally {
    fn file(&mut self, searcher: &Searcher, path: &Path) {
        let Ok(file) = File::open(path) else {
            self.unread += 1;
            return;
        };
        let report = scan_file(searcher, &file, None, &mut |_| {});
        self.files += 1;
        self.unread += u64::from(!report.is_complete());
        self.add(&path.display().to_string(), &report, Some(&file));
    }

    fn add(&mut self, target: &str, report: &Report, file: Option<&File>) {
        self.bytes += report.covered_bytes;
        self.false_alarms += report.hit_count;
        for hit in &report.hits {
            println!(
                "{target}: {} of {} bytes at {}",
                hit.form, hit.len, hit.offset
            );
        }
        for key in &report.keys {
            if file.is_some_and(|file| judge::accepts(file, key)) {
                self.confirmed += 1;
            } else {
                self.false_alarms += 1;
                println!("{target}: {} as {} at {}", key.kind, key.form, key.offset);
            }
        }
    }
}
