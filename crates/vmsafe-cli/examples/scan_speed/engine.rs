//! One program doing one piece of work, and what it took.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use wait4::Wait4;

/// A program with its arguments, and what it should tell.
pub(crate) struct Engine {
    pub(crate) work: &'static str,
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    /// Bytes that it reads.
    pub(crate) bytes: u64,
    /// The findings that its output must hold.
    pub(crate) expected: Option<u64>,
    pub(crate) runs: Vec<Run>,
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) wall: Duration,
    /// Of all cores together.
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u64,
}

impl Engine {
    /// The same work on another file of `bytes`.
    pub(crate) fn on(mut self, file: &Path, bytes: u64) -> Self {
        self.command.pop();
        self.command.push(file.display().to_string());
        self.bytes = bytes;
        self
    }

    /// Whether its program has this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        Path::new(&self.command[0]).ends_with(name)
    }

    /// Whether its program is on this machine.
    pub(crate) fn is_there(&self) -> bool {
        let found = Command::new("which").arg(&self.command[0]).output();
        found.is_ok_and(|found| found.status.success())
    }

    /// Runs it once, and checks what it found.
    pub(crate) fn run(&mut self, count: bool) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut command = Command::new(&self.command[0]);
        // The locale in which grep is fastest.
        command.env("LC_ALL", "C").args(&self.command[1..]);
        let mut child = command
            // Who tells nothing must not be slowed down by a reader.
            .stdout(self.expected.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", self.name))?;
        let pid = child.id();
        let watcher = thread::spawn(move || peak_of(pid));
        let mut told = Vec::new();
        if let Some(output) = &mut child.stdout {
            output.read_to_end(&mut told)?;
        }
        let used = child.wait4()?.rusage;
        let wall = start.elapsed();
        let peak_kib = watcher.join().unwrap_or(0);
        self.check(&String::from_utf8_lossy(&told))?;
        if count {
            self.runs.push(Run {
                wall,
                cpu: used.utime + used.stime,
                peak_kib,
            });
        }
        Ok(())
    }

    fn check(&self, told: &str) -> anyhow::Result<()> {
        let Some(expected) = self.expected else {
            return Ok(());
        };
        let found = match serde_json::from_str::<serde_json::Value>(told.trim()) {
            Ok(json) if json.is_object() => json["finding_count"].as_u64().unwrap_or(0),
            // A count, or a line for each place.
            _ => told
                .trim()
                .parse()
                .unwrap_or_else(|_| told.lines().count() as u64),
        };
        let name = &self.name;
        ensure!(found >= expected, "{name}: {found} of {expected} found");
        Ok(())
    }

    /// The medians of wall time and of processor time.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        let median = |time: fn(&Run) -> Duration| {
            let mut times: Vec<Duration> = self.runs.iter().map(time).collect();
            times.sort_unstable();
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        (median(|run| run.wall), median(|run| run.cpu))
    }

    /// Millions of bytes in a second of `time`.
    pub(crate) fn speed(&self, time: Duration) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate to read")]
        let bytes = self.bytes as f64;
        bytes / 1e6 / time.as_secs_f64()
    }

    pub(crate) fn peak_mib(&self) -> f64 {
        let peak = self.runs.iter().map(|run| run.peak_kib).max().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "an amount to read")]
        let kib = peak as f64;
        kib / 1024.0
    }
}

/// The most memory that a process ever held, asked again and again until it is gone.
fn peak_of(pid: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        // A process that has ended and was not waited for has no such line.
        let Some(amount) = line else { break };
        let kib = amount.trim().trim_end_matches(" kB").parse();
        peak = peak.max(kib.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    peak
}
