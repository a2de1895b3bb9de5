//! What /proc records, as bytes: a path, an option or a thread's name there need not be UTF-8.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

/// A mount, as a line of /proc/self/mountinfo tells it (proc_pid_mountinfo(5)).
#[derive(Debug)]
pub(crate) struct Mount {
    /// Numbers of its device: `8:1`.
    pub(crate) device: String,
    pub(crate) fs_type: String,
    /// Of the file system, not of this mount of it: `discard`, `data=journal`.
    options: Vec<Vec<u8>>,
}

impl Mount {
    /// The value of an option, empty for a word without one; `None` when it is not there.
    pub(crate) fn option(&self, name: &str) -> Option<&[u8]> {
        self.options.iter().find_map(|option| {
            let rest = option.strip_prefix(name.as_bytes())?;
            match rest {
                [] => Some(rest),
                [b'=', value @ ..] => Some(value),
                _ => None,
            }
        })
    }

    /// Whether an option begins so.
    pub(crate) fn has_like(&self, start: &str) -> bool {
        let mut options = self.options.iter();
        options.any(|option| option.starts_with(start.as_bytes()))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let device = words.by_ref().nth(2)?;
        // Optional words stand between the mount's own and a dash.
        words.by_ref().find(|word| *word == b"-")?;
        let fs_type = words.next()?;
        let options = words.nth(1).unwrap_or_default();
        Some(Self {
            device: String::from_utf8_lossy(device).into_owned(),
            fs_type: String::from_utf8_lossy(fs_type).into_owned(),
            options: options.split(|byte| *byte == b',').map(plain).collect(),
        })
    }
}

/// The mount of this number in this process's namespace.
pub(crate) fn mount(number: u64) -> io::Result<Option<Mount>> {
    let number = number.to_string();
    find("/proc/self/mountinfo", |line| {
        let own = line.split(|byte| *byte == b' ').next()?;
        (own == number.as_bytes()).then(|| Mount::parse(line))?
    })
}

/// The number behind a name in a line like `VmLck: 4 kB`.
pub(crate) fn number(line: &[u8], name: &str, radix: u32) -> Option<u64> {
    let value = std::str::from_utf8(line.strip_prefix(name.as_bytes())?).ok()?;
    u64::from_str_radix(value.split_whitespace().next()?, radix).ok()
}

/// Reads a file line by line, until `look` finds what it looks for.
pub(crate) fn find<T>(
    path: &str,
    mut look: impl FnMut(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        if let Some(found) = look(line.strip_suffix(b"\n").unwrap_or(&line)) {
            return Ok(Some(found));
        }
        line.clear();
    }
    Ok(None)
}

/// The kernel writes what would part words as a backslash and three octal digits.
fn plain(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, behind @ ..] = rest {
        let digits = behind
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let byte = byte.filter(|_| *first == b'\\');
        plain.push(byte.unwrap_or(*first));
        rest = byte.map_or(behind, |_| &behind[3..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_whatever_its_names_are() {
        let own = b"36 35 98:0 / /mnt/\xFF rw shared:1 master:2";
        let of_all = b" - ext4 /dev/\xFF rw,discard,data=journal,upperdir=/a\\040b\\054\xFF";
        let mount = Mount::parse(&[&own[..], of_all].concat()).unwrap();
        assert_eq!(
            (mount.device.as_str(), mount.fs_type.as_str()),
            ("98:0", "ext4")
        );
        assert_eq!(mount.option("discard"), Some(&b""[..]));
        assert_eq!(mount.option("data"), Some(&b"journal"[..]));
        assert_eq!(mount.option("upperdir"), Some(&b"/a b,\xFF"[..]));
        assert_eq!((mount.option("dis"), mount.has_like("dis")), (None, true));
        assert!(Mount::parse(b"36 35 98:0 / /mnt rw").is_none());
    }

    #[test]
    fn numbers_are_read_in_their_line() {
        assert_eq!(number(b"VmLck:\t    64 kB", "VmLck:", 10), Some(64));
        assert_eq!(
            number(b"CapEff:\t00000000004000", "CapEff:", 16),
            Some(1 << 14)
        );
        assert_eq!(number(b"Name:\t\xFF", "VmLck:", 10), None);
    }
}
