//! Swap areas, zram and zswap.

use super::check::Check;
use super::device::{Medium, below_path, unescaped};
use super::sysroot::{Fact, Sysroot};

/// One check for each active swap area, or one that says there is none.
pub(super) fn areas(root: &Sysroot) -> Vec<Check> {
    let areas = match paths(root) {
        Ok(areas) => areas,
        Err(because) => return vec![Check::unknown("swap", because)],
    };
    if areas.is_empty() {
        return vec![Check::none("swap", "no swap area is active")];
    }
    areas.iter().map(|area| judge(root, area)).collect()
}

/// The active swap areas.
fn paths(root: &Sysroot) -> Result<Vec<String>, String> {
    let table = match root.read("/proc/swaps") {
        Fact::Says(table) => table,
        // A kernel without swap has no such table.
        Fact::Absent => return Ok(Vec::new()),
        Fact::Hidden(because) => return Err(because),
    };
    let path = |line: &str| line.split_ascii_whitespace().next().map(unescaped);
    Ok(table.lines().skip(1).filter_map(path).collect())
}

fn judge(root: &Sysroot, path: &str) -> Check {
    let name = format!("swap {path}");
    match below_path(root, path) {
        Medium::Memory => Check::none(name, "it is compressed memory, which no disk sees"),
        Medium::Encrypted => Check::none(name, "what is paged out is encrypted by dm-crypt"),
        Medium::Clear(device) => Check::high(
            name,
            format!(
                "memory is paged out in the clear to {device}, and stays there after a shutdown"
            ),
        )
        .mend(format!(
            "swapoff {path}; or encrypt it with a key of one boot, in /etc/crypttab: \
             cryptswap DEVICE /dev/urandom swap,cipher=aes-xts-plain64,size=512"
        )),
        Medium::Unknown(because) => Check::unknown(
            name,
            format!("whether it is encrypted cannot be told: {because}"),
        )
        .mend(format!("swapoff {path}")),
    }
}

/// Compressed memory as a block device, which may have a disk behind it.
pub(super) fn zram(root: &Sysroot) -> Check {
    let mut devices = root.names("/sys/class/block");
    devices.retain(|name| name.starts_with("zram"));
    let in_use = |name: &&String| {
        let size = root.read(&format!("/sys/class/block/{name}/disksize"));
        !matches!(size, Fact::Says(size) if size == "0")
    };
    let in_use: Vec<&String> = devices.iter().filter(in_use).collect();
    if in_use.is_empty() {
        return Check::none("zram", "no zram device is in use");
    }
    for name in in_use {
        match below_path(root, &format!("/dev/{name}")) {
            Medium::Memory | Medium::Encrypted => {}
            Medium::Clear(device) => {
                let because = format!("{name} writes idle pages back to {device} in the clear");
                return Check::high("zram", because).mend(format!(
                    "swapoff /dev/{name}; set it up again without a backing_dev"
                ));
            }
            Medium::Unknown(because) => {
                let because = format!("{name} writes idle pages back: {because}");
                return Check::unknown("zram", because);
            }
        }
    }
    Check::none("zram", "it writes nothing back to a disk in the clear")
}

/// A cache of compressed pages before the swap areas.
pub(super) fn zswap(root: &Sysroot) -> Check {
    match root.read("/sys/module/zswap/parameters/enabled") {
        Fact::Absent => Check::none("zswap", "the kernel has none"),
        Fact::Hidden(because) => Check::unknown("zswap", because),
        Fact::Says(enabled) if enabled != "Y" => Check::none("zswap", "it is off"),
        Fact::Says(_) if paths(root).is_ok_and(|areas| areas.is_empty()) => {
            Check::none("zswap", "it is on, and has no swap area to write to")
        }
        Fact::Says(_) => Check::low(
            "zswap",
            "it keeps paged-out memory for a while, so that a scan of swap finds less than will be \
             written there",
        )
        .mend("echo N > /sys/module/zswap/parameters/enabled"),
    }
}
