//! Speed of `vmsafe scan` for a thousand needles, beside `grep` for one string, on the same file.
//!
//! ```text
//! cargo run --release -p vmsafe-cli --example scan-speed
//! ```
//!
//! The file is half random bytes, a quarter zeros, a quarter programs of this machine. Each needle
//! stands in it ten times. The two take turns and read from the page cache; medians are printed. A
//! needle that was not found where it stands ends the run with an error.

use std::collections::BTreeSet;
use std::env::{consts::EXE_SUFFIX, current_exe, temp_dir};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use tempfile::NamedTempFile;

/// Bytes of a needle.
const LEN: usize = 32;
/// Places of each needle.
const COPIES: u64 = 10;

#[derive(Parser)]
struct Args {
    /// Where the file is made; it goes when this ends.
    #[arg(long, value_name = "DIR", default_value_os_t = temp_dir())]
    dir: PathBuf,
    /// Size of the file.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    size: u64,
    /// How many needles.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    needles: u64,
    /// How often each program runs.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let vmsafe = build_vmsafe()?;
    let mut haystack = NamedTempFile::new_in(&args.dir)?;
    let size = args.size << 20;
    eprintln!("writing {} MiB to {}", args.size, haystack.path().display());
    fill(haystack.as_file_mut(), size)?;
    let (needles, places) = plant(haystack.as_file_mut(), size, args.needles)?;
    let mut spelled = NamedTempFile::new()?;
    spelled.write_all(needles.spelled.as_bytes())?;

    let scan = || scan(&vmsafe, spelled.path(), haystack.path(), &places);
    let grep = || grep(&needles.text, haystack.path());
    // The first of each warms the page cache, and is not counted.
    scan()?;
    grep()?;
    let mut times = (Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        times.0.push(scan()?);
        times.1.push(grep()?);
        eprintln!("round {round} of {}", args.rounds);
    }
    let cores = std::thread::available_parallelism()?;
    let many = format!("{} needles", args.needles);
    println!("{:<28} {:>14} {:>8}", "", "looks for", "MB/s");
    for (name, wanted, mut times) in [
        (
            format!("vmsafe scan, {cores} cores"),
            many.as_str(),
            times.0,
        ),
        ("grep -c -a -F, 1 core".to_owned(), "1 needle", times.1),
    ] {
        println!(
            "{name:<28} {wanted:>14} {:>8.0}",
            speed(size, median(&mut times))
        );
    }
    Ok(())
}

/// Builds the utility as this example was built, and tells where it is.
fn build_vmsafe() -> anyhow::Result<PathBuf> {
    let example = current_exe()?;
    let profile = example.ancestors().nth(2).context("not built by cargo")?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "-q", "-p", "vmsafe-cli", "--bin", "vmsafe"]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    } else {
        eprintln!("not a release build: the figures will be too low");
    }
    let target = profile.parent().context("not built by cargo")?;
    let built = cargo.arg("--target-dir").arg(target).status()?;
    ensure!(built.success(), "the utility could not be built");
    Ok(profile.join(format!("vmsafe{EXE_SUFFIX}")))
}

fn fill(file: &mut File, size: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut block = vec![0; 1 << 20];
    for _ in 0..size / 2 / (1 << 20) {
        getrandom::fill(&mut block)?;
        out.write_all(&block)?;
    }
    io::copy(&mut io::repeat(0).take(size / 4), &mut out)?;
    let mut left = size / 4;
    while left > 0 {
        let before = left;
        for program in programs()? {
            left -= io::copy(&mut File::open(program)?.take(left), &mut out)?;
        }
        ensure!(left < before, "there are no programs in /usr/bin");
    }
    out.flush()?;
    Ok(())
}

/// Programs and libraries that can be read, in the order of their names.
fn programs() -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for dir in ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"] {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry?.path();
            if path.is_file() && File::open(&path).is_ok() {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

struct Needles {
    /// One a line, as `vmsafe scan` reads them.
    spelled: String,
    /// The first, of letters only, for `grep`.
    text: String,
}

/// Writes each needle to ten places, and tells all of them.
fn plant(
    file: &mut File,
    size: u64,
    count: u64,
) -> anyhow::Result<(Needles, BTreeSet<(u64, u64)>)> {
    let mut needles = Needles {
        spelled: String::new(),
        text: String::new(),
    };
    let mut places = BTreeSet::new();
    // One place in each stretch of the file, so that no two overlap.
    let stretch = size / (count * COPIES);
    ensure!(stretch > 2 * LEN as u64, "the file is too small");
    for number in 0..count {
        let mut needle = [0; LEN];
        getrandom::fill(&mut needle)?;
        if number == 0 {
            needle = needle.map(|byte| b'a' + byte % 26);
            needles.text = String::from_utf8(needle.to_vec())?;
        }
        let hex: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
        needles.spelled.push_str(&format!("hex:{hex}\n"));
        for copy in 0..COPIES {
            let start = (copy * count + number) * stretch;
            let place = start + getrandom::u64()? % (stretch - LEN as u64);
            file.seek(SeekFrom::Start(place))?;
            file.write_all(&needle)?;
            places.insert((place, number));
        }
    }
    file.sync_all()?;
    Ok((needles, places))
}

/// Times one scan, and checks that it found every needle wherever it stands.
fn scan(
    vmsafe: &Path,
    needles: &Path,
    haystack: &Path,
    places: &BTreeSet<(u64, u64)>,
) -> anyhow::Result<Duration> {
    let mut command = Command::new(vmsafe);
    command.args(["scan", "--json", "--needle-file"]);
    let (output, time) = timed(command.arg(needles).arg(haystack))?;
    ensure!(output.status.code() == Some(1), "vmsafe: {output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let findings = report["findings"].as_array().context("no findings")?;
    let whole = findings.iter().filter(|found| found["form"] == "exact");
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or(u64::MAX);
    let found = whole.map(|found| (number(&found["offset"]), number(&found["needle"])));
    let missed = places - &found.collect();
    ensure!(missed.is_empty(), "{} places were not found", missed.len());
    Ok(time)
}

fn grep(text: &str, haystack: &Path) -> anyhow::Result<Duration> {
    let mut command = Command::new("grep");
    // The locale in which grep is fastest.
    command.env("LC_ALL", "C").args(["-c", "-a", "-F", text]);
    let (output, time) = timed(command.arg(haystack))?;
    if !output.status.success() {
        bail!("grep found nothing: {output:?}");
    }
    Ok(time)
}

fn timed(command: &mut Command) -> anyhow::Result<(Output, Duration)> {
    let start = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    Ok((output, start.elapsed()))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Millions of bytes in a second.
fn speed(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}
