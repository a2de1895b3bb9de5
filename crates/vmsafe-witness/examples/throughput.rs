//! Measures the search: `cargo run --release --example throughput [FILE]`.
//!
//! Without a file it searches random bytes in memory, on one core.
use std::fs::File;
use std::time::Instant;

use vmsafe_witness::{Needles, Searcher, Wanted, scan_file};

fn random(len: usize, mut state: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn searcher(count: u64, len: usize, wanted: &Wanted) -> Searcher {
    let mut needles = Needles::new();
    for seed in 1..=count {
        needles
            .push(&random(len, seed << 20))
            .expect("a usable needle");
    }
    Searcher::with(&needles, wanted)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate to read, not to count with"
)]
fn measure_keys(hay: &[u8], name: &str, wanted: &Wanted) {
    let searcher = Searcher::with(&Needles::new(), wanted);
    let started = Instant::now();
    let mut hits = 0;
    for piece in hay.chunks(512 << 10) {
        searcher.search_keys(0, piece, &mut |_| hits += 1);
    }
    let rate = hay.len() as f64 / started.elapsed().as_secs_f64() / 1e6;
    println!("{name}: {rate:6.0} MB/s, {hits} hits");
}

fn main() {
    let file = std::env::args_os()
        .nth(1)
        .map(|path| File::open(path).expect("a readable file"));
    let hay = random(256 << 20, 42);
    let mut wanted = Wanted::default();
    wanted.schedules = true;
    measure_keys(&hay, "key schedules", &wanted);
    wanted = Wanted::default();
    wanted.private_keys = true;
    measure_keys(&hay, "private keys", &wanted);
    let (plain, all) = (Wanted::default(), Wanted::everything());
    for (count, len, wanted, name) in [
        (1, 32, &plain, "plain"),
        (100, 32, &plain, "plain"),
        (1_000, 32, &plain, "plain"),
        (10_000, 32, &plain, "plain"),
        (1_000, 12, &plain, "plain"),
        (1_000, 8, &plain, "plain"),
        (100, 32, &all, "all forms"),
        (1_000, 32, &all, "all forms"),
        (10_000, 32, &all, "all forms"),
    ] {
        let built = Instant::now();
        let searcher = searcher(count, len, wanted);
        let built = built.elapsed();
        let started = Instant::now();
        let mut hits = 0;
        let bytes = if let Some(file) = &file {
            let report = scan_file(&searcher, file, None, &mut |_| {});
            hits = report.hit_count;
            report.covered_bytes
        } else {
            for piece in hay.chunks(512 << 10) {
                searcher.search(0, piece, &mut |_| hits += 1);
            }
            hay.len() as u64
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate to read, not to count with"
        )]
        let rate = bytes as f64 / started.elapsed().as_secs_f64() / 1e6;
        println!(
            "{count:6} needles of {len:2} bytes, {name}: {rate:6.0} MB/s, {hits} hits, \
             built in {built:.0?}"
        );
    }
}
