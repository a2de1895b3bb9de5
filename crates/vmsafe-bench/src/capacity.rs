//! The subcommand `capacity`: how many live 32-byte secrets fit, each engine in a process of its
//! own under an ordinary user's limit.

use std::fs;
use std::process::Command;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::engine::{self, Engine};
use crate::row::{self, Check};

/// How long one engine may take.
const PATIENCE: Duration = Duration::from_secs(6);

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print a line of JSON for each result.
    #[arg(long)]
    json: bool,
    /// Lock limit in bytes.
    #[arg(long, default_value_t = 8 << 20)]
    limit: u64,
    /// Stop after so many secrets.
    #[arg(long, default_value_t = 300_000)]
    most: usize,
    /// Measure this engine, here, under whatever limit this process has.
    #[arg(long, hide = true)]
    engine: Option<String>,
}

/// What one engine could hold.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    engine: String,
    secrets: usize,
    locked_bytes_each: f64,
    locked_bytes_each_at_2000: f64,
    mappings_at_100000: Option<usize>,
    mappings: usize,
    then: String,
    /// Of as many as were freed at random, half of all, how many could be lent again.
    again_of_half: f64,
    locked_bytes_when_all_are_freed: f64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(name) = &arguments.engine {
        let held = fill(name, arguments.most)?;
        println!("{}", serde_json::to_string(&held)?);
        return Ok(());
    }
    let mut all = Vec::new();
    for entry in engine::all() {
        match elsewhere(entry.name, arguments) {
            Ok(held) => all.push(held),
            Err(reason) => eprintln!("{}: left out: {reason:#}", entry.name),
        }
    }
    row::print(&all, arguments.json)?;
    let subject = all.iter().find(|held| held.engine == "vmsafe heap");
    if let (Some(held), false) = (subject, arguments.json) {
        row::print(&checks(held), false)?;
    }
    Ok(())
}

fn checks(held: &Held) -> Vec<Check> {
    let mut checks = vec![
        Check::at_least("live 32 B secrets", held.secrets as f64, 200_000.0),
        Check::at_most(
            "locked bytes each, 2,000 live",
            held.locked_bytes_each_at_2000,
            40.0,
        ),
        Check::at_least(
            "lent again, of the half that was freed at random",
            held.again_of_half,
            1.0,
        ),
        // One empty chunk is kept, of at most 2 MiB, and that of the slab that the thread has.
        Check::at_most(
            "locked bytes when all are freed",
            held.locked_bytes_when_all_are_freed,
            f64::from(3 << 20),
        ),
    ];
    let mappings = held
        .mappings_at_100000
        .map(|mappings| Check::at_most("mappings, 100,000 live", mappings as f64, 200.0));
    checks.extend(mappings);
    checks
}

/// Runs this program again as nobody, with the limit.
fn elsewhere(name: &str, arguments: &Arguments) -> anyhow::Result<Held> {
    let own = std::env::current_exe()?;
    let limit = format!("--memlock={0}:{0}", arguments.limit);
    let user = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let mut command = Command::new("prlimit");
    command
        .arg(limit)
        .args(if is_root()? { &user[..] } else { &[] })
        .arg(own);
    command.args([
        "capacity",
        "--most",
        &arguments.most.to_string(),
        "--engine",
        name,
    ]);
    let done = command
        .output()
        .context("prlimit and setpriv are in util-linux")?;
    let said = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "{}: {}", done.status, said.trim());
    Ok(serde_json::from_slice(&done.stdout)?)
}

fn is_root() -> anyhow::Result<bool> {
    Ok(field("Uid:")?.starts_with('0'))
}

/// A field of /proc/self/status.
fn field(name: &str) -> anyhow::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    Ok(line
        .context("a field of /proc/self/status")?
        .trim()
        .to_owned())
}

fn locked() -> anyhow::Result<f64> {
    let kilobytes: f64 = field("VmLck:")?.trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0)
}

fn mappings() -> anyhow::Result<usize> {
    Ok(fs::read_to_string("/proc/self/maps")?.lines().count())
}

/// True when the kernel keeps the page at this address in memory.
fn is_locked(at: NonNull<u8>) -> anyhow::Result<bool> {
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let mut within = false;
    for line in smaps.lines() {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if first == "VmFlags:" && within {
            return Ok(rest.split_whitespace().any(|flag| flag == "lo"));
        }
        if let Some((start, end)) = first.split_once('-') {
            let ends = usize::from_str_radix(start, 16).ok();
            let ends = ends.zip(usize::from_str_radix(end, 16).ok());
            within = ends.is_some_and(|(start, end)| (start..end).contains(&at.addr().get()));
        }
    }
    anyhow::bail!("an address that is not mapped")
}

/// Lends until the engine has no more, or stops locking without a word; then frees.
fn fill(name: &str, most: usize) -> anyhow::Result<Held> {
    let bare = (locked()?, mappings()?);
    let entry = engine::all().into_iter().find(|entry| entry.name == name);
    let engine = (entry.context("no such engine")?.open)().map_err(anyhow::Error::msg)?;
    let engine = engine.as_engine();
    let mut held = Held {
        engine: name.to_owned(),
        secrets: 0,
        locked_bytes_each: 0.0,
        locked_bytes_each_at_2000: 0.0,
        mappings_at_100000: None,
        mappings: 0,
        then: "stopped by the bench".to_owned(),
        again_of_half: 0.0,
        locked_bytes_when_all_are_freed: 0.0,
    };
    let step = if engine.is_a_page_each() { 64 } else { 4096 };
    let mut all = Vec::with_capacity(most);
    let start = Instant::now();
    while all.len() < most {
        if all.len().is_multiple_of(64) && start.elapsed() > PATIENCE {
            held.then = "stopped by the bench: each takes longer than the last".to_owned();
            break;
        }
        let Some(at) = lend(engine) else {
            held.then = engine.refusal();
            break;
        };
        all.push(at);
        match all.len() {
            2000 => held.locked_bytes_each_at_2000 = (locked()? - bare.0) / 2000.0,
            100_000 => held.mappings_at_100000 = Some(mappings()? - bare.1),
            _ => {}
        }
        if all.len().is_multiple_of(step) && !is_locked(at)? {
            let unlocked = all.split_off(all.len() - step);
            let unlocked = unlocked.into_iter();
            // SAFETY: lent above, and used no more.
            unlocked.for_each(|at| unsafe { engine.free(at, 32) });
            held.then = "hands out unlocked memory without a word".to_owned();
            break;
        }
    }
    held.secrets = all.len();
    held.locked_bytes_each = (locked()? - bare.0) / held.secrets.max(1) as f64;
    held.mappings = mappings()? - bare.1;
    held.again_of_half = again(engine, &mut all);
    for at in all {
        // SAFETY: lent above, and used no more.
        unsafe { engine.free(at, 32) };
    }
    held.locked_bytes_when_all_are_freed = locked()? - bare.0;
    Ok(held)
}

fn lend(engine: &dyn Engine) -> Option<NonNull<u8>> {
    let at = engine.lend(32)?;
    // SAFETY: lent for 32 bytes.
    unsafe { at.write_bytes(1, 32) };
    Some(at)
}

/// Frees half of them at random, lends as many, and says which part of them there was.
fn again(engine: &dyn Engine, all: &mut Vec<NonNull<u8>>) -> f64 {
    let half = all.len() / 2;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..half {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let which = (random >> 32) as usize % all.len();
        // SAFETY: lent before, and used no more.
        unsafe { engine.free(all.swap_remove(which), 32) };
    }
    let start = Instant::now();
    let mut lent = 0;
    while lent < half && start.elapsed() < PATIENCE / 2 {
        let Some(at) = lend(engine) else { break };
        all.push(at);
        lent += 1;
    }
    lent as f64 / half.max(1) as f64
}
