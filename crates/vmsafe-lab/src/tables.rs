//! The kernel's tables of swap areas and mounts, parsed.

use std::fs;
use std::path::PathBuf;

use crate::error::{Result, While};

/// An active swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwapArea {
    /// Its file or device.
    pub path: PathBuf,
    /// Its size, bytes.
    pub bytes: u64,
    /// What is used of it, bytes.
    pub used: u64,
    /// The highest is used first.
    pub priority: i32,
}

/// The active swap areas of this machine, from `/proc/swaps`.
///
/// # Errors
/// The table cannot be read: no `/proc`.
pub fn swap_areas() -> Result<Vec<SwapArea>> {
    let text = fs::read_to_string("/proc/swaps").doing("read", "/proc/swaps")?;
    Ok(text.lines().skip(1).filter_map(parse_swap).collect())
}

fn parse_swap(line: &str) -> Option<SwapArea> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [path, _kind, size, used, priority] = fields[..] else {
        return None;
    };
    Some(SwapArea {
        path: unescape(path).into(),
        bytes: size.parse::<u64>().ok()?.checked_mul(1024)?,
        used: used.parse::<u64>().ok()?.checked_mul(1024)?,
        priority: priority.parse().ok()?,
    })
}

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The directory of the file system that is mounted.
    pub(crate) root: String,
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
    pub(crate) options: String,
}

pub(crate) fn mounts() -> Result<Vec<Mount>> {
    let path = "/proc/self/mountinfo";
    let text = fs::read_to_string(path).doing("read", path)?;
    Ok(text.lines().filter_map(parse_mount).collect())
}

fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, _source, options) = (right.next()?, right.next()?, right.next()?);
    Some(Mount {
        root: unescape(root),
        point: unescape(point).into(),
        kind: kind.to_owned(),
        options: options.to_owned(),
    })
}

/// The kernel writes blank, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escaped, character) in [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ] {
        plain = plain.replace(escaped, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_line_with_a_blank_in_its_path() {
        let area = parse_swap("/a\\040b\\134x   file\t\t1020\t\t8\t\t-2").expect("parsed");
        let wanted = SwapArea {
            path: "/a b\\x".into(),
            bytes: 1020 * 1024,
            used: 8192,
            priority: -2,
        };
        assert_eq!(area, wanted);
        assert_eq!(parse_swap("Filename Type"), None);
    }

    #[test]
    fn a_mount_line_with_and_without_optional_fields() {
        for optional in ["", "shared:3 master:1 "] {
            let line =
                format!("35 31 0:32 /x /sys/fs/my\\040cg rw {optional}- cgroup cg rw,memory");
            let mount = parse_mount(&line).expect("parsed");
            assert_eq!(mount.root, "/x");
            assert_eq!(mount.point, PathBuf::from("/sys/fs/my cg"));
            assert_eq!(
                (mount.kind.as_str(), mount.options.as_str()),
                ("cgroup", "rw,memory")
            );
        }
    }
}
