//! Speed of `vmsafe scan` beside the tools of the field, on the same file in one run.
//!
//! ```text
//! cargo run --release -p vmsafe-cli --example scan-speed
//! ```
//!
//! The end of what it prints is a table of what is asked for: ratios, and whether they hold.
//!
//! The file is half random bytes, a quarter zeros, a quarter programs of this machine. The engines
//! take turns in any order, and read from the page cache; medians are told, for wall time and for
//! processor time.
//! An engine that does not find what stands there ends the run with an error; one that is not on
//! this machine is named. The slowest tools read a smaller file of the same make.

mod engine;
mod haystack;
mod verdict;

use std::env::{consts::EXE_SUFFIX, current_exe, temp_dir};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::json;
use tempfile::NamedTempFile;

use engine::Engine;

#[derive(Parser)]
struct Args {
    /// Where the files are made; they go when this ends.
    #[arg(long, value_name = "DIR", default_value_os_t = temp_dir())]
    dir: PathBuf,
    /// Size of the file.
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    size: u64,
    /// Size of the file for the slowest tools.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    small: u64,
    /// How often each program runs.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Run these programs alone, by name: vmsafe, cat, rg, …
    #[arg(long, value_name = "PROGRAM")]
    only: Vec<String>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let vmsafe = build_vmsafe()?;
    let stage = Stage::set(&args)?;
    let mut engines = stage.engines(&vmsafe.display().to_string());
    engines.retain(|engine| {
        if !args.only.is_empty() && !args.only.iter().any(|name| engine.is(name)) {
            return false;
        }
        let there = engine.is_there();
        if !there {
            eprintln!("{} is not on this machine", engine.name);
        }
        there
    });
    for round in 0..=args.rounds {
        // What ran just before has warmed the processor, or its caches.
        for nth in shuffled(engines.len())? {
            // The first round warms the page cache, and is not counted.
            engines[nth].run(round > 0)?;
        }
        eprintln!("round {round} of {}", args.rounds);
    }
    tell(&engines, args.json);
    verdict::tell(&engines, args.json);
    Ok(())
}

/// The numbers below `count` in any order.
fn shuffled(count: usize) -> anyhow::Result<Vec<usize>> {
    let keyed = (0..count).map(|nth| Ok((getrandom::u64()?, nth)));
    let mut keyed = keyed.collect::<anyhow::Result<Vec<_>>>()?;
    keyed.sort_unstable();
    Ok(keyed.into_iter().map(|(_, nth)| nth).collect())
}

/// The files that are searched, and those that hold what is sought.
struct Stage {
    large: NamedTempFile,
    small: NamedTempFile,
    page: NamedTempFile,
    sizes: (u64, u64),
    dir: tempfile::TempDir,
}

/// How many needles each work is done with.
const COUNTS: [usize; 4] = [1, 100, 1_000, 10_000];
const WORKS: [&str; 4] = ["1 needle", "100 needles", "1000 needles", "10000 needles"];
/// With needles of random bytes, which no tool takes that reads one a line.
const BYTE_WORKS: [(usize, &str); 2] = [
    (100, "100 needles of bytes"),
    (10_000, "10000 needles of bytes"),
];
const PAGE: u64 = 4096;
/// Needles that stand in the file.
const PLANTED: usize = 100;

impl Stage {
    fn set(args: &Args) -> anyhow::Result<Self> {
        let sizes = (args.size << 20, args.small << 20);
        eprintln!("writing {} MiB to {}", args.size, args.dir.display());
        let mut large = haystack::make(&args.dir, sizes.0)?;
        let small = haystack::make(&args.dir, sizes.1)?;
        let page = NamedTempFile::new_in(&args.dir)?;
        page.as_file().set_len(PAGE)?;
        let dir = tempfile::tempdir()?;
        let needles = haystack::needles(COUNTS[3] as u64)?;
        let bytes = haystack::byte_needles(COUNTS[3])?;
        haystack::plant(large.as_file_mut(), &needles[..PLANTED], &bytes[..PLANTED])?;
        for (count, _) in BYTE_WORKS {
            let some = bytes[..count].iter();
            let spelled: String = some.map(|needle| spell(needle)).collect();
            fs::write(dir.path().join(format!("bytes-{count}")), spelled)?;
        }
        for count in COUNTS {
            let some = &needles[..count];
            let spelled: String = some.iter().map(|text| format!("text:{text}\n")).collect();
            fs::write(dir.path().join(format!("needles-{count}")), spelled)?;
            fs::write(dir.path().join(format!("lines-{count}")), some.join("\n"))?;
            let mut rules = fs::File::create(dir.path().join(format!("rules-{count}")))?;
            for (nth, text) in some.iter().enumerate() {
                writeln!(
                    rules,
                    "rule n{nth} {{ strings: $a = \"{text}\" condition: $a }}"
                )?;
            }
        }
        Ok(Self {
            large,
            small,
            page,
            sizes,
            dir,
        })
    }

    fn file(&self, name: &str, count: usize) -> String {
        let path = self.dir.path().join(format!("{name}-{count}"));
        path.display().to_string()
    }

    fn engines(&self, vmsafe: &str) -> Vec<Engine> {
        let mut engines = vec![self.engine("read", "cat", "cat", None)];
        for (count, work) in COUNTS.into_iter().zip(WORKS) {
            let planted = count.min(PLANTED) as u64;
            let places = planted * haystack::COPIES;
            let needles = self.file("needles", count);
            let plain = format!("{vmsafe} scan --json --needle-file {needles}");
            let encoded = format!("{vmsafe} scan --json --encoded --needle-file {needles}");
            engines.push(self.engine(work, "vmsafe", &plain, Some(places)));
            engines.push(self.engine(work, "vmsafe, all forms", &encoded, Some(places)));
            if count == COUNTS[3] {
                for (name, command) in [("vmsafe", &plain), ("vmsafe, all forms", &encoded)] {
                    engines.push(self.set_up(name, command));
                }
            }
            if count > PLANTED {
                continue;
            }
            let lines = self.file("lines", count);
            let rg = format!("rg -a --mmap -c -F -f {lines}");
            engines.push(self.engine(work, "ripgrep", &rg, Some(planted)));
            let grep = format!("grep -a -c -F -f {lines}");
            engines.push(self.engine(work, "grep", &grep, Some(planted)));
            let yara = format!("yara {}", self.file("rules", count));
            engines.push(self.engine(work, "yara", &yara, Some(planted)));
            let yara_x = format!("yr scan {}", self.file("rules", count));
            engines.push(self.engine(work, "yara-x", &yara_x, Some(planted)));
        }
        let places = PLANTED as u64 * haystack::COPIES;
        for (count, work) in BYTE_WORKS {
            let needles = self.file("bytes", count);
            let plain = format!("{vmsafe} scan --json --needle-file {needles}");
            let encoded = format!("{vmsafe} scan --json --encoded --needle-file {needles}");
            engines.push(self.engine(work, "vmsafe", &plain, Some(places)));
            engines.push(self.engine(work, "vmsafe, all forms", &encoded, Some(places)));
        }
        for (work, kinds) in [
            ("key schedules", "=aes"),
            ("private keys", "=private"),
            ("unknown keys", ""),
        ] {
            let keys = format!("{vmsafe} scan --json --keys{kinds}");
            engines.push(self.engine(work, "vmsafe", &keys, None));
        }
        let needles = self.file("needles", 100);
        for (work, keys) in [
            ("needles and schedules", "--keys=aes"),
            ("all at once", "--keys"),
        ] {
            let all = format!("{vmsafe} scan --json {keys} --encoded --needle-file {needles}");
            engines.push(self.engine(work, "vmsafe", &all, Some(1000)));
        }
        for (work, tool) in [
            ("key schedules", "aeskeyfind"),
            ("key schedules", "findaes"),
            ("private keys", "rsakeyfind"),
        ] {
            let engine = self.engine(work, tool, tool, None);
            engines.push(engine.on(self.small.path(), self.sizes.1));
        }
        engines.push(self.bulk_extractor());
        engines
    }

    fn engine(
        &self,
        work: &'static str,
        name: &str,
        command: &str,
        expected: Option<u64>,
    ) -> Engine {
        let mut command: Vec<String> = command.split(' ').map(str::to_owned).collect();
        command.push(self.large.path().display().to_string());
        Engine {
            work,
            name: name.to_owned(),
            command,
            bytes: self.sizes.0,
            expected,
            runs: Vec::new(),
        }
    }

    /// The same on a file of a page: what reading the needles and building the tables takes.
    fn set_up(&self, name: &str, command: &str) -> Engine {
        let engine = self.engine(verdict::SET_UP, name, command, None);
        engine.on(self.page.path(), PAGE)
    }

    fn bulk_extractor(&self) -> Engine {
        let out = self.dir.path().join("bulk").display().to_string();
        let command = format!("bulk_extractor -q -Z -x all -e aes -o {out}");
        let engine = self.engine("key schedules", "bulk_extractor", &command, None);
        engine.on(self.small.path(), self.sizes.1)
    }
}

/// A needle as a line of a needle file.
fn spell(needle: &[u8]) -> String {
    let digits: String = needle.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hex:{digits}\n")
}

fn tell(engines: &[Engine], as_json: bool) {
    if !as_json {
        println!(
            "{:<22} {:<18} {:>10} {:>14} {:>9}",
            "work", "engine", "MB/s", "MB/s of core", "peak MiB"
        );
    }
    for engine in engines {
        let (wall, cpu) = engine.times();
        if engine.work == verdict::SET_UP {
            tell_set_up(&engine.name, wall, as_json);
            continue;
        }
        let (wall, cpu, peak) = (engine.speed(wall), engine.speed(cpu), engine.peak_mib());
        let (work, name) = (engine.work, &engine.name);
        if as_json {
            let row = json!({
                "work": work, "engine": name, "bytes": engine.bytes,
                "mb_per_s": wall, "mb_per_core_s": cpu, "peak_mib": peak,
            });
            println!("{row}");
        } else {
            println!("{work:<22} {name:<18} {wall:>10.0} {cpu:>14.0} {peak:>9.1}");
        }
    }
}

fn tell_set_up(name: &str, wall: Duration, as_json: bool) {
    let (work, ms) = (verdict::SET_UP, wall.as_millis());
    if as_json {
        println!("{}", json!({ "work": work, "engine": name, "ms": ms }));
    } else {
        println!("{work}, {name}: {ms} ms");
    }
}

/// Builds the utility as this example was built, and tells where it is.
fn build_vmsafe() -> anyhow::Result<PathBuf> {
    let example = current_exe()?;
    let profile: &Path = example.ancestors().nth(2).context("not built by cargo")?;
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
