//! What this machine is, and which doors its user can open.
//!
//! A demonstration that could not open a door must say so, with the reason and the command that
//! would: [`doors`] lists them before anything is provoked.

use std::fs;
use std::path::Path;

use vmsafe_os::lab as os;

use crate::cgroup::{self, Version};
use crate::coredump::{CorePattern, Lands};
use crate::error::Result;
use crate::swap::ZSWAP;
use crate::tables::{SwapArea, swap_areas};

/// The facts that decide what a result of this machine means.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// Whether this process runs as root.
    pub root: bool,
    /// The active swap areas.
    pub swap_areas: Vec<SwapArea>,
    /// Whether zswap is on: it keeps "swapped" pages in memory. `None` where there is none.
    pub zswap: Option<bool>,
    /// `vm.swappiness`; at 0 a version 2 cgroup keeps its pages in.
    pub swappiness: Option<u32>,
    /// The memory controller's interface, if there is one.
    pub cgroup: Option<Version>,
    /// `kernel.core_pattern`.
    pub core_pattern: String,
}

/// Reads the facts. Any user may.
///
/// # Errors
/// There is no `/proc`.
pub fn machine() -> Result<Machine> {
    let setting = |path: &str| {
        fs::read_to_string(path)
            .ok()
            .map(|text| text.trim().to_owned())
    };
    Ok(Machine {
        kernel: os::kernel_release(),
        root: os::is_root(),
        swap_areas: swap_areas()?,
        zswap: setting(ZSWAP).map(|value| value == "Y"),
        swappiness: setting("/proc/sys/vm/swappiness").and_then(|value| value.parse().ok()),
        cgroup: cgroup::version(),
        core_pattern: setting("/proc/sys/kernel/core_pattern").unwrap_or_default(),
    })
}

/// A way that leads out of memory, which the laboratory can open and watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// A private swap area, scanned raw.
    Swap,
    /// The swap count of one's own process, where the machine has swap of its own.
    SwapCount,
    /// The page-out of pages that two processes share.
    SharedPageOut,
    /// A core file.
    Core,
    /// A scratch file system, scanned raw.
    Disk,
    /// Every block written to a scratch file system, while it is written.
    WrittenBlocks,
    /// A forked child that outlives what its parent wiped.
    Child,
}

/// Whether this user, here and now, can open a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Yes.
    Open,
    /// No.
    Closed {
        /// Why not.
        because: String,
        /// What would open it.
        remedy: String,
    },
}

/// Each door, and whether this user can open it. `command` is the command line that the remedy
/// names after `sudo`, for example `vmsafe demo`.
///
/// # Errors
/// There is no `/proc`.
pub fn doors(command: &str) -> Result<Vec<(Door, Opening)>> {
    let about = machine()?;
    let sudo = format!("run: sudo {command}");
    let root = |first: Option<(&str, &str)>| match (about.root, first) {
        (false, _) => closed("only root may", &sudo),
        (true, Some((because, remedy))) => closed(because, remedy),
        (true, None) => Opening::Open,
    };
    let loops = missing("/dev/loop-control", "modprobe loop");
    let fuse = missing("/dev/fuse", "modprobe fuse").or(loops);
    let no_group = about.cgroup.is_none().then_some((
        "no memory controller is mounted",
        "run: mount -t cgroup2 none /sys/fs/cgroup",
    ));
    Ok(vec![
        (Door::Swap, root(None)),
        (Door::SwapCount, swap_count(&about, &sudo)),
        (Door::SharedPageOut, root(no_group)),
        (Door::Core, core(&about, &sudo)?),
        (Door::Disk, root(loops)),
        (Door::WrittenBlocks, root(fuse)),
        (Door::Child, Opening::Open),
    ])
}

fn swap_count(about: &Machine, sudo: &str) -> Opening {
    if about.root || !about.swap_areas.is_empty() {
        Opening::Open
    } else {
        closed("this machine has no active swap area", sudo)
    }
}

fn core(about: &Machine, sudo: &str) -> Result<Opening> {
    Ok(match CorePattern::read()?.lands() {
        Lands::RunDirectory => core_limit(),
        _ if about.root => core_limit(),
        Lands::Fixed(path) => closed(&format!("cores go to {}", path.display()), sudo),
        Lands::Handler(handler) => closed(&format!("cores go to a handler: {handler}"), sudo),
    })
}

fn core_limit() -> Opening {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    match line.and_then(|line| line.split_whitespace().nth(1)) {
        Some("0") => closed(
            "the hard limit on core files is 0",
            "raise it: ulimit -H -c unlimited",
        ),
        _ => Opening::Open,
    }
}

fn missing<'a>(device: &'a str, load: &'a str) -> Option<(&'a str, &'a str)> {
    (!Path::new(device).exists()).then_some((device, load))
}

fn closed(because: &str, remedy: &str) -> Opening {
    Opening::Closed {
        because: because.to_owned(),
        remedy: remedy.to_owned(),
    }
}
