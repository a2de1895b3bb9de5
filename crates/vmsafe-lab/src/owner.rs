//! Names that tell which process made a thing, so that the next run cleans up after a killed one.
//!
//! A name is `vmsafe-KIND-PID-START-SERIAL`. START is the process's start time in clock ticks since
//! boot: with it, a recycled process id is not mistaken for the owner.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use vmsafe_os::lab as os;

use crate::process::SIGKILL;

/// A fresh name for something of this process.
pub(crate) fn new_name(kind: &str) -> String {
    static SERIAL: AtomicU64 = AtomicU64::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let pid = process::id();
    format!(
        "vmsafe-{kind}-{pid}-{}-{serial}",
        start_time(pid).unwrap_or(0)
    )
}

/// Whether `name` is a thing of this kind whose owner is gone, or runs no more.
pub(crate) fn is_orphan(name: &str, kind: &str) -> bool {
    let rest = name
        .strip_prefix("vmsafe-")
        .and_then(|n| n.strip_prefix(kind));
    let Some(rest) = rest.and_then(|n| n.strip_prefix('-')) else {
        return false;
    };
    let mut fields = rest.split('-').map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(start)), Some(Ok(_)), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    u32::try_from(pid).is_ok_and(|pid| start_time(pid) != Some(start) || runs_no_more(pid))
}

/// Whether a process that still has its number will never run a line of its own again: it waits to
/// be collected, or was killed while it waits for a device. What it holds goes only when that wait
/// ends, and it may be the next run that ends it.
pub(crate) fn runs_no_more(pid: u32) -> bool {
    os::status(pid).is_some_and(|status| tells_an_end(&status))
}

fn tells_an_end(status: &str) -> bool {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let killed = |name| {
        let pending = field(name).and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        pending.is_some_and(|set| set & (1 << (SIGKILL - 1)) != 0)
    };
    match field("State:").and_then(|state| state.trim().chars().next()) {
        Some('Z' | 'X') => true,
        Some('D') => killed("SigPnd:") || killed("ShdPnd:"),
        _ => false,
    }
}

/// The orphans of a kind in a directory; none if it cannot be read. In a directory where others may
/// write too, such a name can be a trap: only what belongs to this very user counts, no link.
pub(crate) fn orphans(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| is_orphan(name, kind))
        })
        .map(|entry| entry.path())
        .filter(|path| os::is_own(path).unwrap_or(false))
        .collect()
}

/// Field 22 of `/proc/PID/stat`; the second field, the command, may hold spaces and parentheses.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_command) = stat.rsplit_once(") ")?;
    after_command.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_things_are_no_orphans_and_foreign_names_never_are() {
        assert!(!is_orphan(&new_name("swap"), "swap"));
        for name in [
            "vmsafe-swap-x-1-2",
            "vmsafe-swap-1",
            "swap-999999-1-1",
            "vmsafe-core-1-0-0",
        ] {
            assert!(!is_orphan(name, "swap"), "{name}");
        }
    }

    #[test]
    fn a_link_with_an_orphans_name_is_a_trap() {
        let room = std::env::temp_dir().join(new_name("room"));
        fs::create_dir(&room).expect("test directory");
        let precious = room.join("precious");
        fs::write(&precious, "kept").expect("written");
        let name = |serial| room.join(format!("vmsafe-swap-4194304-1-{serial}"));
        fs::write(name(0), "left over").expect("written");
        assert_eq!(orphans(&room, "swap"), [name(0)]);
        fs::hard_link(&precious, name(1)).expect("linked");
        assert_eq!(orphans(&room, "swap"), [name(0)]);
        fs::remove_dir_all(&room).expect("removed");
    }

    #[test]
    fn a_dead_owner_and_a_recycled_pid_make_orphans() {
        assert!(
            is_orphan("vmsafe-swap-4194304-1-0", "swap"),
            "above the largest pid"
        );
        let recycled = format!("vmsafe-swap-{}-1-0", process::id());
        assert!(is_orphan(&recycled, "swap"));
    }

    #[test]
    fn an_owner_that_was_killed_while_it_waits_for_a_device_is_gone() {
        let status = |state: &str, own: &str, shared: &str| {
            tells_an_end(&format!(
                "Name:\tx\nState:\t{state}\nSigPnd:\t{own}\nShdPnd:\t{shared}\n"
            ))
        };
        let (none, kill) = ("0000000000000000", "0000000000000100");
        assert!(status("D (disk sleep)", kill, none));
        assert!(status("D (disk sleep)", none, kill));
        assert!(status("Z (zombie)", none, none));
        assert!(!status("D (disk sleep)", none, none), "it will go on");
        assert!(
            !status("D (disk sleep)", none, "0000000000004000"),
            "SIGTERM"
        );
        assert!(!status("S (sleeping)", none, none));
    }

    #[test]
    fn an_owner_that_waits_to_be_collected_is_gone() {
        let mut child = process::Command::new("cat")
            .stdin(process::Stdio::piped())
            .spawn()
            .expect("cat runs");
        let pid = child.id();
        let name = format!("vmsafe-swap-{pid}-{}-0", start_time(pid).expect("alive"));
        assert!(!is_orphan(&name, "swap"), "the control: alive");
        child.kill().expect("killed");
        while !runs_no_more(pid) {
            std::thread::yield_now();
        }
        assert!(is_orphan(&name, "swap"));
        child.wait().expect("collected");
    }
}
