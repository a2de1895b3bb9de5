//! The subcommand `capacity`: how many live 32-byte secrets fit, each engine in a process of its
//! own under an ordinary user's limit.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::engine;
use crate::row;

/// How long one engine may take.
const PATIENCE: Duration = Duration::from_secs(20);

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
    row::print(&all, arguments.json)
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

/// Lends until the engine has no more, or stops locking without a word.
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
    };
    let mut before = locked()?;
    let step = if engine.is_a_page_each() { 16 } else { 4096 };
    let start = Instant::now();
    while held.secrets < most {
        if held.secrets.is_multiple_of(1024) && start.elapsed() > PATIENCE {
            held.then = "stopped after 20 s: it takes longer for each further secret".to_owned();
            break;
        }
        let Some(at) = engine.lend(32) else {
            held.then = engine.refusal();
            break;
        };
        // SAFETY: lent for 32 bytes.
        unsafe { at.write_bytes(1, 32) };
        held.secrets += 1;
        match held.secrets {
            2000 => held.locked_bytes_each_at_2000 = (locked()? - bare.0) / 2000.0,
            100_000 => held.mappings_at_100000 = Some(mappings()? - bare.1),
            _ => {}
        }
        if held.secrets.is_multiple_of(step) {
            let now = locked()?;
            if now <= before && engine.is_a_page_each() {
                held.secrets -= step;
                held.then = "hands out unlocked memory without a word".to_owned();
                break;
            }
            before = now;
        }
    }
    held.locked_bytes_each = (locked()? - bare.0) / held.secrets.max(1) as f64;
    held.mappings = mappings()? - bare.1;
    Ok(held)
}
