//! The subcommand `sealed`: the price of a seal beside the cipher's own.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use anyhow::Context;
use serde::Serialize;
use vmsafe::{Heap, Sealed, SealedBytes, SecretVec, scope};

use crate::row::{self, Check, Row};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a line of JSON for each result.
    #[arg(long)]
    json: bool,
    /// Rounds; each measures every line once.
    #[arg(long, default_value_t = 101)]
    rounds: usize,
    /// How many sealed secrets shall be alive at once; 0 leaves this part out.
    #[arg(long, default_value_t = 10_000_000)]
    live: usize,
}

const CIPHER: &str = "AES-256-GCM alone";
const OPEN: &str = "Sealed::open";
const OPEN_BYTES: &str = "SealedBytes::open";
const SCOPE: &str = "an empty scope";

/// Many sealed secrets at once.
#[derive(Serialize)]
struct Live {
    secrets: usize,
    bytes_each: usize,
    resident_bytes_each: f64,
    locked_bytes: usize,
    nanoseconds_to_seal: f64,
    all_open: bool,
    found_in_the_clear: usize,
    found_of_one_planted: usize,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut rows = small(arguments.rounds)?;
    rows.extend(large(arguments.rounds)?);
    row::print(&rows, arguments.json)?;
    let mut checks = of_rows(&rows);
    if arguments.live > 0 {
        let live = live(arguments.live)?;
        row::print(std::slice::from_ref(&live), arguments.json)?;
        checks.extend(of_live(&live));
    }
    if !arguments.json {
        row::print(&checks, false)?;
    }
    Ok(())
}

fn of_rows(rows: &[Row]) -> Vec<Check> {
    let find = |engine: &str| rows.iter().find(|row| row.engine == engine);
    let mut checks = Vec::new();
    if let Some(row) = find(OPEN) {
        let what = "open + use + close, 32 B, to the cipher alone";
        checks.push(Check::at_most(what, row.ratio_to_control, 3.0));
    }
    if let Some(row) = find(SCOPE) {
        checks.push(Check::at_most("an empty scope, ns", row.ns_median, 200.0));
    }
    if let Some(row) = find(OPEN_BYTES) {
        let what = "1 MiB, of the cipher's own throughput";
        checks.push(Check::at_least(what, 1.0 / row.ratio_to_control, 0.8));
    }
    checks
}

fn of_live(live: &Live) -> [Check; 4] {
    [
        Check::at_most("bytes of memory each", live.resident_bytes_each, 80.0),
        Check::at_most("found in the clear", live.found_in_the_clear as f64, 0.0),
        Check::at_least(
            "found of one that was planted",
            live.found_of_one_planted as f64,
            1.0,
        ),
        Check::at_least("all that were opened were right", live.all_open.into(), 1.0),
    ]
}

/// Nanoseconds of one of `times` calls.
fn time(times: usize, mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    for _ in 0..times {
        call()?;
    }
    Ok(start.elapsed().as_nanos() as f64 / times as f64)
}

/// One line of the table for each engine, the first being the control.
fn rows(work: &str, engines: &[&str], mut times: Vec<Vec<f64>>) -> Vec<Row> {
    let mut control = f64::NAN;
    let mut rows = Vec::new();
    for (engine, times) in engines.iter().zip(&mut times) {
        let (ns_median, ns_min) = row::median_and_min(times);
        if rows.is_empty() {
            control = ns_median;
        }
        rows.push(Row {
            engine: (*engine).to_owned(),
            work: work.to_owned(),
            threads: 1,
            ns_median,
            ns_min,
            ratio_to_control: ns_median / control,
        });
    }
    rows
}

/// The cipher alone: opens what it sealed once.
struct Cipher {
    cipher: Aes256Gcm,
    sealed: Vec<u8>,
    plain: Vec<u8>,
    tag: aes_gcm::Tag,
}

impl Cipher {
    fn new(len: usize) -> anyhow::Result<Self> {
        let cipher = Aes256Gcm::new(&[7; 32].into());
        let mut sealed = vec![5; len];
        let tag =
            cipher.encrypt_inout_detached(&Nonce::default(), b"", sealed.as_mut_slice().into());
        let tag = tag.map_err(|error| anyhow::anyhow!("{error}"))?;
        let plain = vec![0; len];
        Ok(Self {
            cipher,
            sealed,
            plain,
            tag,
        })
    }

    fn open(&mut self) -> anyhow::Result<()> {
        let buffers = aes_gcm::aead::inout::InOutBuf::new(&self.sealed, &mut self.plain);
        let buffers = buffers.ok().context("two buffers of one length")?;
        let nonce = Nonce::default();
        let opened = self
            .cipher
            .decrypt_inout_detached(&nonce, b"", buffers, &self.tag);
        opened.map_err(|error| anyhow::anyhow!("{error}"))?;
        black_box(&self.plain);
        Ok(())
    }
}

fn small(rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut cipher = Cipher::new(32)?;
    let sealed = Sealed::<[u8; 32]>::random()?;
    let mut times = vec![Vec::new(); 3];
    for _ in 0..rounds {
        times[0].push(time(500, || cipher.open())?);
        times[1].push(time(500, || {
            sealed.open(|key| {
                black_box(key);
            })?;
            Ok(())
        })?);
        times[2].push(time(500, || {
            scope(|| black_box(()))?;
            Ok(())
        })?);
    }
    let engines = [CIPHER, OPEN, SCOPE];
    Ok(rows("open + use + close 32 B", &engines, times))
}

fn large(rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut cipher = Cipher::new(1 << 20)?;
    let mut secret = SecretVec::new()?;
    secret.resize(1 << 20)?;
    let sealed = SealedBytes::seal(&secret)?;
    drop(secret);
    let mut times = vec![Vec::new(); 2];
    for _ in 0..rounds {
        times[0].push(time(1, || cipher.open())?);
        times[1].push(time(1, || {
            sealed.open(|bytes| {
                black_box(bytes);
            })?;
            Ok(())
        })?);
    }
    let engines = [CIPHER, OPEN_BYTES];
    Ok(rows("open + use + close 1 MiB", &engines, times))
}

/// Bytes of this process that are in memory.
fn resident() -> anyhow::Result<usize> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .context("the second field of statm")?
        .parse()?;
    Ok(pages * 4096)
}

fn live(count: usize) -> anyhow::Result<Live> {
    let value = |number: usize| {
        let mut key = [0xA5; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    };
    let before = resident()?;
    let start = Instant::now();
    let mut all = Vec::with_capacity(count);
    for number in 0..count {
        all.push(Sealed::<[u8; 32]>::init_with(|key| *key = value(number))?);
    }
    let nanoseconds_to_seal = start.elapsed().as_nanos() as f64 / count as f64;
    let resident = resident()?.saturating_sub(before);
    let mut all_open = true;
    for (number, sealed) in all.iter().enumerate().step_by(997) {
        all_open &= sealed.open(|key| *key == value(number))?;
    }
    let found_in_the_clear = in_the_clear()?;
    // The positive control: one key in the clear, in a mapping as large as those that are searched.
    let mut planted = vec![[0_u8; 32]; 1 << 20];
    planted[77] = value(77);
    let found_of_one_planted = in_the_clear()? - found_in_the_clear;
    black_box(&planted);
    Ok(Live {
        secrets: count,
        bytes_each: size_of::<Sealed<[u8; 32]>>(),
        resident_bytes_each: resident as f64 / count as f64,
        locked_bytes: Heap::global()?.stats().locked,
        nanoseconds_to_seal,
        all_open,
        found_in_the_clear,
        found_of_one_planted,
    })
}

/// How often what all secrets share, 24 equal bytes, stands in writable memory that can be read
/// from outside: the large mappings, where the sealed ones lie.
fn in_the_clear() -> anyhow::Result<usize> {
    use std::io::{Read, Seek, SeekFrom};
    let mut memory = fs::File::open("/proc/self/mem")?;
    let mut found = 0;
    for line in fs::read_to_string("/proc/self/maps")?.lines() {
        let (range, rest) = line.split_once(' ').context("a line of maps")?;
        let (start, end) = range.split_once('-').context("a range of maps")?;
        let (start, end) = (
            u64::from_str_radix(start, 16)?,
            u64::from_str_radix(end, 16)?,
        );
        if !rest.starts_with("rw") || end - start < 16 << 20 {
            continue;
        }
        memory.seek(SeekFrom::Start(start))?;
        let mut rest = memory.by_ref().take(end - start);
        let mut block = vec![0; 1 << 20];
        loop {
            let read = rest.read(&mut block)?;
            if read == 0 {
                break;
            }
            let (words, _) = block[..read].as_chunks::<8>();
            let is_plain = |three: &&[[u8; 8]]| three.iter().all(|word| *word == [0xA5; 8]);
            found += words.windows(3).filter(is_plain).count();
        }
    }
    Ok(found)
}
