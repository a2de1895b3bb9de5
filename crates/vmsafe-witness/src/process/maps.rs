//! Reads `/proc/PID/maps`.

use core::ops::Range;
use std::fs;
use std::io;

/// A stretch of a process's memory: one line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapping {
    /// Its addresses.
    pub range: Range<u64>,
    /// As the kernel prints them, such as `rw-p`.
    pub permissions: String,
    /// A path, `[heap]`, `[stack]`, `[anon:NAME]` where a program named it, or `[anonymous]`.
    pub name: String,
}

/// The mappings of a process, by rising address.
///
/// # Errors
///
/// If there is no such process, or its file of mappings is another user's or cannot be understood.
pub fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    // A path in it may be any bytes.
    let text = fs::read(format!("/proc/{pid}/maps"))?;
    let text = String::from_utf8_lossy(&text);
    let broken = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "unreadable line in the maps file",
        )
    };
    text.lines()
        .map(|line| Mapping::parse(line).ok_or_else(broken))
        .collect()
}

impl Mapping {
    /// One that is known otherwise than by `/proc`.
    #[must_use]
    pub fn new(range: Range<u64>, permissions: String, name: String) -> Self {
        Self {
            range,
            permissions,
            name,
        }
    }

    /// Reads a line: `start-end perms offset dev inode   name`, the numbers in hexadecimal.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (start, end) = fields.next()?.split_once('-')?;
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        let range = number(start)?..number(end)?;
        let permissions = fields.next()?.to_owned();
        let name = fields.nth(3).unwrap_or_default().trim_start();
        let name = if name.is_empty() { "[anonymous]" } else { name }.to_owned();
        (range.start < range.end).then_some(Self {
            range,
            permissions,
            name,
        })
    }

    /// The one of the `mappings`, by rising address, that `address` belongs to.
    #[must_use]
    pub fn of(mappings: &[Self], address: u64) -> Option<&Self> {
        let after = mappings.partition_point(|mapping| mapping.range.start <= address);
        let last = mappings.get(..after)?.last()?;
        last.range.contains(&address).then_some(last)
    }

    pub(super) fn len(&self) -> u64 {
        self.range.end - self.range.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_every_kind() {
        let line = "7f00-7fff rw-p 00000000 00:00 0                          [heap]";
        let heap = Mapping::parse(line).unwrap();
        assert_eq!((heap.range, heap.name.as_str()), (0x7f00..0x7fff, "[heap]"));
        let file =
            Mapping::parse("1000-2000 r-xp 00001000 fe:00 1234   /opt/a b (deleted)").unwrap();
        assert_eq!(
            (file.permissions.as_str(), file.name.as_str()),
            ("r-xp", "/opt/a b (deleted)")
        );
        assert_eq!(
            Mapping::parse("1000-2000 ---p 00000000 00:00 0 ")
                .unwrap()
                .name,
            "[anonymous]"
        );
        assert_eq!(
            Mapping::parse("1000-2000 ---p 00000000 00:00 0")
                .unwrap()
                .name,
            "[anonymous]"
        );
        for broken in [
            "what is this",
            "2000-1000 rw-p 0 00:00 0",
            "1000-1000 rw-p 0 00:00 0",
        ] {
            assert_eq!(Mapping::parse(broken), None);
        }
    }

    #[test]
    fn an_address_belongs_to_one_mapping_or_to_none() {
        let lines = [
            "1000-2000 r--p 0 00:00 0 a",
            "2000-3000 rw-p 0 00:00 0",
            "5000-6000 rw-p 0 00:00 0 [anon:x]",
        ];
        let all: Vec<_> = lines
            .iter()
            .filter_map(|line| Mapping::parse(line))
            .collect();
        let name = |address| Mapping::of(&all, address).map(|mapping| mapping.name.as_str());
        assert_eq!([name(0xfff), name(0x3000), name(0x6000)], [None; 3]);
        assert_eq!(
            (name(0x1fff), name(0x2000)),
            (Some("a"), Some("[anonymous]"))
        );
        assert_eq!(name(0x5000), Some("[anon:x]"));
    }
}
