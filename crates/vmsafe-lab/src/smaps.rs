//! What the kernel says of a process's mappings: the checks that an ordinary user can make.
//!
//! `/proc/PID/smaps` counts what is swapped rightly for every kind of memory. Two other tellers are
//! wrong: `mincore` says "resident" while the swap cache still holds the page, and pagemap's swap
//! bit is 0 for a swapped page of shared memory. All three call a page in zswap swapped.
//!
//! **Needs.** The same user as the process, or root.

use std::fs;
use std::ops::Range;

use crate::error::{Result, While};
use crate::pageout::parse_range;

/// One mapping, as `/proc/PID/smaps` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its addresses.
    pub range: Range<usize>,
    /// The file's path, or a name such as `[heap]`; empty for anonymous memory.
    pub name: String,
    /// Resident, bytes.
    pub resident: u64,
    /// Swapped out, bytes.
    pub swapped: u64,
    /// Locked, bytes.
    pub locked: u64,
    /// The two-letter flags: `lo` locked, `dd` in no dump, `dc` not in a child, `wf` wiped in one.
    pub flags: Vec<String>,
}

impl Mapping {
    /// Whether the kernel shows this two-letter flag.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|shown| shown == flag)
    }
}

/// All mappings of a process.
///
/// # Errors
/// There is no such process, or it is another user's.
pub fn mappings(pid: u32) -> Result<Vec<Mapping>> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).doing("read", &path)?;
    Ok(parse(&text))
}

/// The mappings of this process that a range of addresses touches.
///
/// # Errors
/// As [`mappings`].
pub fn mappings_of_self(range: &Range<usize>) -> Result<Vec<Mapping>> {
    let mut found = mappings(std::process::id())?;
    found.retain(|mapping| mapping.range.start < range.end && range.start < mapping.range.end);
    Ok(found)
}

/// Bytes of this process that are swapped out in the mappings that a range touches. A mapping is
/// the smallest unit that the kernel counts: pages beside the range in the same one count too.
///
/// # Errors
/// As [`mappings`].
pub fn swapped(range: &Range<usize>) -> Result<u64> {
    Ok(mappings_of_self(range)?
        .iter()
        .map(|mapping| mapping.swapped)
        .sum())
}

/// Bytes of a whole process that are swapped out.
///
/// # Errors
/// As [`mappings`].
pub fn swapped_in_all(pid: u32) -> Result<u64> {
    Ok(mappings(pid)?.iter().map(|mapping| mapping.swapped).sum())
}

fn parse(text: &str) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        match line
            .split_once(':')
            .filter(|(key, _)| !key.contains([' ', '-']))
        {
            Some((key, value)) => {
                if let Some(mapping) = found.last_mut() {
                    set(mapping, key, value);
                }
            }
            None => found.extend(parse_range(line).map(|range| {
                let name = line
                    .splitn(6, ' ')
                    .nth(5)
                    .unwrap_or_default()
                    .trim_start()
                    .to_owned();
                Mapping {
                    range,
                    name,
                    ..Mapping::default()
                }
            })),
        }
    }
    found
}

fn set(mapping: &mut Mapping, key: &str, value: &str) {
    let bytes = || {
        let kib = value.trim().trim_end_matches(" kB").parse::<u64>();
        kib.unwrap_or(0).saturating_mul(1024)
    };
    match key {
        "Rss" => mapping.resident = bytes(),
        "Swap" => mapping.swapped = bytes(),
        "Locked" => mapping.locked = bytes(),
        "VmFlags" => mapping.flags = value.split_whitespace().map(str::to_owned).collect(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_with_their_counts_names_and_flags() {
        let text = "\
00400000-00401000 r-xp 00000000 fd:00 7   /bin/a b: c
Size:                  4 kB
Rss:                   4 kB
Swap:                  0 kB
VmFlags: rd ex mr
7f0000000000-7f0000002000 rw-p 00000000 00:00 0
Rss:                   0 kB
Swap:                  8 kB
Locked:                4 kB
VmFlags: rd wr lo dd
";
        let found = parse(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "/bin/a b: c");
        assert!(!found[0].has("lo"));
        assert_eq!(found[1].range, 0x7f00_0000_0000..0x7f00_0000_2000);
        assert_eq!((found[1].swapped, found[1].locked), (8192, 4096));
        assert!(found[1].has("lo") && found[1].has("dd"));
    }

    #[test]
    fn this_process_sees_its_own_stack() {
        let here = 0_u8;
        let at = (&raw const here).addr();
        let found = mappings_of_self(&(at..at + 1)).expect("own smaps");
        assert_eq!(found.len(), 1);
        assert!(found[0].resident > 0);
    }
}
