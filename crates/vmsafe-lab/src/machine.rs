//! What this machine is, and which doors its user can open.
//!
//! A demonstration that could not open a door must say so, with the reason and the command that
//! would: [`doors`] lists them before anything is provoked.

use std::fs;
use std::path::Path;

use vmsafe_os::lab::{self as os, Lack, Offer};

use crate::cgroup::{self, Version};
use crate::coredump::{CorePattern, Lands, PATTERN};
use crate::error::{OUTSIDE, Result};
use crate::swap::{SWAPPINESS, ZSWAP};
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
    /// `vm.swappiness`; at 0 a version 2 cgroup keeps its pages in, so a private swap lifts it.
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
    if os::offer().is_some() {
        return Ok(Machine {
            kernel: os::kernel_release(),
            root: os::is_root(),
            swap_areas: Vec::new(),
            zswap: None,
            swappiness: None,
            cgroup: None,
            core_pattern: os::CORE.name.unwrap_or_default().to_owned(),
        });
    }
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
        swappiness: setting(SWAPPINESS).and_then(|value| value.parse().ok()),
        cgroup: cgroup::version(),
        core_pattern: setting(PATTERN).unwrap_or_default(),
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
    if let Some(offer) = os::offer() {
        return Ok(offered(offer));
    }
    let about = machine()?;
    let sudo = format!("run: sudo {command}");
    let root = |first: Option<(&str, &str)>| match (about.root, contained().or(first)) {
        (false, _) => closed("only root may", &sudo),
        (true, Some((because, remedy))) => closed(because, remedy),
        (true, None) => Opening::Open,
    };
    let loops = (!Path::new("/dev/loop-control").exists())
        .then_some(("there is no /dev/loop-control", "run: modprobe loop"));
    let fuse = (!Path::new("/dev/fuse").exists())
        .then_some(("there is no /dev/fuse", "run: modprobe fuse"))
        .or(loops);
    let no_group = about.cgroup.is_none().then_some((
        "no memory controller is mounted",
        "run: mount -t cgroup2 none /sys/fs/cgroup",
    ));
    let swap = root(None);
    let swap_count = match &swap {
        Opening::Closed { remedy, .. } if about.swap_areas.is_empty() => {
            closed("this machine has no active swap area", remedy)
        }
        _ => Opening::Open,
    };
    Ok(vec![
        (Door::Swap, swap),
        (Door::SwapCount, swap_count),
        (Door::SharedPageOut, root(no_group)),
        (Door::Core, core(&about, &sudo)?),
        (Door::Disk, root(loops)),
        (Door::WrittenBlocks, root(fuse)),
        (Door::Child, Opening::Open),
    ])
}

/// The doors of a system that shows the same to everybody.
fn offered(offer: Offer) -> Vec<(Door, Opening)> {
    let unless = |lack: Option<Lack>| lack.map_or(Opening::Open, |(why, how)| closed(why, how));
    vec![
        (Door::Swap, unless(Some(offer.swap))),
        (Door::SwapCount, unless(offer.swap_count)),
        (Door::SharedPageOut, unless(Some(offer.swap))),
        (Door::Core, unless(offer.core)),
        (Door::Disk, unless(Some(offer.blocks))),
        (Door::WrittenBlocks, unless(Some(offer.blocks))),
        (Door::Child, unless(Some(offer.child))),
    ]
}

/// Root of a container is not root of the machine: without CAP_SYS_ADMIN there is neither swapon
/// nor mount, and in a user namespace that capability counts for nothing here.
fn contained() -> Option<(&'static str, &'static str)> {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if is_part(&map) {
        return Some(("this root is that of a user namespace", OUTSIDE));
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let capable = effective.is_some_and(|set| set & (1 << CAP_SYS_ADMIN) != 0);
    (!capable).then_some((
        "this root lacks the capability SYS_ADMIN, as in a container",
        "run it outside, or start the container with --privileged",
    ))
}

/// Whether users are mapped otherwise than all to themselves, as outside of every user namespace.
/// A kernel without such namespaces has no map.
fn is_part(map: &str) -> bool {
    let whole = ["0", "0", "4294967295"];
    !map.is_empty() && !map.split_whitespace().eq(whole)
}

fn core(about: &Machine, sudo: &str) -> Result<Opening> {
    let pattern = CorePattern::read()?;
    let because = match pattern.lands() {
        Lands::RunDirectory => return Ok(core_limit()),
        Lands::Fixed(path) => format!("cores go to {}", path.display()),
        Lands::Handler(handler) => format!("cores go to a handler: {handler}"),
    };
    if !about.root {
        return Ok(closed(&because, sudo));
    }
    // Opened and closed, nothing written: a container often has it read-only.
    if fs::OpenOptions::new().write(true).open(PATTERN).is_err() {
        let remedy = "run it outside the container, or start the container with --privileged";
        return Ok(closed(&because, remedy));
    }
    Ok(core_limit())
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

fn closed(because: &str, remedy: &str) -> Opening {
    Opening::Closed {
        because: because.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// `linux/capability.h`.
const CAP_SYS_ADMIN: u32 = 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_namespace_is_told_by_its_map() {
        assert!(is_part("         0       1000          1\n"));
        assert!(is_part("         0          0          1\n"));
        assert!(!is_part("         0          0 4294967295\n"));
        assert!(!is_part(""), "this kernel has no user namespaces");
    }
}
