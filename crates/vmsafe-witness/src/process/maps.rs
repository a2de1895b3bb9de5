//! Reads `/proc/PID/maps`.

use core::ops::Range;
use std::fs;
use std::io;

/// One line of `/proc/PID/maps`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) range: Range<u64>,
    pub(super) permissions: String,
    pub(super) name: String,
}

/// The mappings of a process, by rising address.
pub(super) fn read_maps(pid: u32) -> io::Result<Vec<Mapping>> {
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
        .map(|line| parse(line).ok_or_else(broken))
        .collect()
}

/// `start-end perms offset dev inode   name`, the numbers in hexadecimal.
fn parse(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    let range = number(start)?..number(end)?;
    let permissions = fields.next()?.to_owned();
    let name = fields.nth(3).unwrap_or_default().trim_start();
    let name = if name.is_empty() { "[anonymous]" } else { name }.to_owned();
    Some(Mapping {
        range,
        permissions,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines_of_every_kind() {
        let line = "7f00-7fff rw-p 00000000 00:00 0                          [heap]";
        let heap = parse(line).unwrap();
        assert_eq!((heap.range, heap.name.as_str()), (0x7f00..0x7fff, "[heap]"));
        let file = parse("1000-2000 r-xp 00001000 fe:00 1234   /opt/a b (deleted)").unwrap();
        assert_eq!(
            (file.permissions.as_str(), file.name.as_str()),
            ("r-xp", "/opt/a b (deleted)")
        );
        assert_eq!(
            parse("1000-2000 ---p 00000000 00:00 0 ").unwrap().name,
            "[anonymous]"
        );
        assert_eq!(
            parse("1000-2000 ---p 00000000 00:00 0").unwrap().name,
            "[anonymous]"
        );
        assert_eq!(parse("what is this"), None);
    }
}
