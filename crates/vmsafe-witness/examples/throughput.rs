//! What each engine does to bytes that lie in the second-level cache already, on one core:
//! `cargo run --release -p vmsafe-witness --example throughput`.
//!
//! Of random bytes, zeros and programs of this machine, in blocks of 256 KiB: the best of seven for
//! each block, so that other work on the machine counts little. The last column weighs them as the
//! file of `scan-speed` does: a half, a quarter, a quarter.

use std::fs::{self, File};
use std::io::Read;
use std::time::{Duration, Instant};

use vmsafe_witness::{Needles, Searcher, Wanted};

const BLOCK: usize = 256 << 10;
const BLOCKS: usize = 64;

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).expect("random bytes of the system");
    bytes
}

fn letters(len: usize) -> Vec<u8> {
    let letter = |byte: u8| b'a' + byte % 26;
    random(len).into_iter().map(letter).collect()
}

/// The programs of this machine, one behind another.
fn programs() -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir("/usr/bin").into_iter().flatten().flatten() {
        let left = BLOCKS * BLOCK - bytes.len();
        if let Ok(file) = File::open(entry.path()) {
            let _ = file.take(left as u64).read_to_end(&mut bytes);
        }
    }
    bytes
}

/// Nanoseconds for a byte.
fn time(searcher: &Searcher, hay: &[u8]) -> f64 {
    let once = |block: &[u8]| {
        let start = Instant::now();
        let mut found = 0_u64;
        searcher.search(0, block, &mut |_| found += 1);
        searcher.search_keys(0, block, &mut |_| found += 1);
        std::hint::black_box(found);
        start.elapsed()
    };
    let best = |block| (0..7).map(|_| once(block)).min().unwrap_or_default();
    let all: Duration = hay.chunks(BLOCK).map(best).sum();
    #[expect(clippy::cast_precision_loss, reason = "a rate to read")]
    let len = hay.len() as f64;
    all.as_secs_f64() * 1e9 / len
}

fn needles(count: usize, len: usize, spell: Spell) -> Needles {
    let mut needles = Needles::new();
    for _ in 0..count {
        needles.push(&spell(len)).expect("a usable needle");
    }
    needles
}

/// Makes a needle of so many bytes.
type Spell = fn(usize) -> Vec<u8>;

/// Of what needles are made.
const KINDS: [(&str, Spell); 2] = [("letters", letters), ("random bytes", random)];

fn main() {
    let hays = [random(BLOCKS * BLOCK), vec![0; BLOCKS * BLOCK], programs()];
    println!("| GB/s of a core | random | zeros | programs | weighted |");
    println!("|---|---:|---:|---:|---:|");
    let tell = |name: &str, searcher: &Searcher| {
        let [random, zeros, programs] = [0, 1, 2].map(|nth| time(searcher, &hays[nth]));
        let weighted = random / 2.0 + zeros / 4.0 + programs / 4.0;
        let [random, zeros, programs, all] =
            [random, zeros, programs, weighted].map(|time| 1.0 / time);
        println!("| {name} | {random:.1} | {zeros:.1} | {programs:.1} | {all:.1} |");
    };
    let mut encoded = Wanted::default();
    encoded.encoded = true;
    for (kind, spell) in KINDS {
        for count in [1, 100, 10_000] {
            let needles = needles(count, 32, spell);
            let name = format!("{count} of {kind}");
            tell(&name, &Searcher::new(&needles));
            let searcher = Searcher::with(&needles, &encoded);
            tell(&format!("{name}, all forms"), &searcher);
        }
    }
    // Too short to be looked for at every eighth byte.
    for len in [8, 11] {
        let searcher = Searcher::new(&needles(100, len, letters));
        tell(&format!("100 of {len} letters"), &searcher);
    }
    let mut schedules = Wanted::default();
    schedules.schedules = true;
    tell(
        "key schedules",
        &Searcher::with(&Needles::new(), &schedules),
    );
    let mut private_keys = Wanted::default();
    private_keys.private_keys = true;
    let searcher = Searcher::with(&Needles::new(), &private_keys);
    tell("private keys", &searcher);
    let everything = Wanted::everything();
    let searcher = Searcher::with(&needles(100, 32, letters), &everything);
    tell("100 of letters, all forms, and both", &searcher);
    tell_set_up();
}

/// What is done once, before the first byte is looked at; on all cores.
fn tell_set_up() {
    println!("\n| ms before the search begins | as they are | all forms |");
    println!("|---|---:|---:|");
    for (kind, spell) in KINDS {
        for count in [100, 10_000, 100_000] {
            let needles = needles(count, 32, spell);
            let ms = [false, true].map(|is_encoded| {
                let mut wanted = Wanted::default();
                wanted.encoded = is_encoded;
                let once = |_| {
                    let start = Instant::now();
                    std::hint::black_box(Searcher::with(&needles, &wanted));
                    start.elapsed().as_secs_f64() * 1e3
                };
                (0..9).map(once).fold(f64::INFINITY, f64::min)
            });
            println!("| {count} of {kind} | {:.1} | {:.1} |", ms[0], ms[1]);
        }
    }
}
