//! Whether what is written to a device, or to a file on it, is encrypted before it gets there.

use std::path::Path;

use super::sysroot::{Fact, Sysroot};

/// Devices on devices on devices: more than this is a circle.
const DEEPEST: usize = 16;

/// What becomes of bytes that are written to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// They stay in memory.
    Memory,
    /// They are encrypted on their way.
    Encrypted,
    /// They are written in the clear, to this device.
    Clear(String),
    /// It could not be told.
    Unknown(String),
}

/// Below a file or a device, named by a path.
pub(super) fn below_path(root: &Sysroot, path: &str) -> Medium {
    path_at(root, path, 0)
}

/// Below a device, named by its numbers as `major:minor`.
pub(super) fn below_numbers(root: &Sysroot, numbers: &str) -> Medium {
    numbers_at(root, numbers, 0)
}

fn path_at(root: &Sysroot, path: &str, depth: usize) -> Medium {
    let real = root.resolve(Path::new(path));
    match real.strip_prefix("/dev") {
        // The kernel writes `cciss!c0d0` for `cciss/c0d0`.
        Ok(name) => device_at(root, &name.to_string_lossy().replace('/', "!"), depth),
        Err(_) => file_at(root, &real, depth),
    }
}

fn numbers_at(root: &Sysroot, numbers: &str, depth: usize) -> Medium {
    let link = format!("/sys/dev/block/{numbers}");
    if !root.exists(&link) {
        return Medium::Unknown(format!("no block device has the numbers {numbers}"));
    }
    let real = root.resolve(Path::new(&link));
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    device_at(root, &name, depth)
}

fn device_at(root: &Sysroot, name: &str, depth: usize) -> Medium {
    let sys = format!("/sys/class/block/{name}");
    if depth > DEEPEST || !root.exists(&sys) {
        return Medium::Unknown(format!("the kernel tells nothing of the device {name}"));
    }
    let sys = root.resolve(Path::new(&sys)).to_string_lossy().into_owned();
    let says = |file: &str| match root.read(&format!("{sys}/{file}")) {
        Fact::Says(text) => Some(text),
        Fact::Absent | Fact::Hidden(_) => None,
    };
    if says("dm/uuid").is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return Medium::Encrypted;
    }
    if name.starts_with("zram") {
        return match says("backing_dev").filter(|backing| backing != "none") {
            Some(backing) => path_at(root, &backing, depth + 1),
            None => Medium::Memory,
        };
    }
    if let Some(file) = says("loop/backing_file") {
        return path_at(root, &file, depth + 1);
    }
    if says("partition").is_some() {
        let disk = Path::new(&sys).parent().and_then(Path::file_name);
        let disk = disk.unwrap_or_default().to_string_lossy();
        return device_at(root, &disk, depth + 1);
    }
    let slaves = root.names(&format!("{sys}/slaves"));
    let below = slaves
        .iter()
        .map(|slave| device_at(root, slave, depth + 1))
        .reduce(worse);
    below.unwrap_or_else(|| Medium::Clear(name.to_owned()))
}

/// A device of several is as safe as the worst of them.
fn worse(one: Medium, other: Medium) -> Medium {
    let rank = |medium: &Medium| match medium {
        Medium::Clear(_) => 3,
        Medium::Unknown(_) => 2,
        Medium::Encrypted => 1,
        Medium::Memory => 0,
    };
    if rank(&one) >= rank(&other) {
        one
    } else {
        other
    }
}

fn file_at(root: &Sysroot, file: &Path, depth: usize) -> Medium {
    let Fact::Says(mounts) = root.read("/proc/self/mountinfo") else {
        return Medium::Unknown("the table of mounts cannot be read".to_owned());
    };
    // The longest mount point holds the file; of equal ones the last hides the others.
    let mount = mounts
        .lines()
        .filter_map(Mount::parse)
        .filter(|mount| file.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.len());
    match mount {
        None => Medium::Unknown(format!("no mount holds {}", file.display())),
        Some(mount) if mount.kind == "tmpfs" || mount.kind == "ramfs" => Medium::Memory,
        // btrfs and its like have numbers of no device, and name one as their source.
        Some(mount) if mount.numbers.starts_with("0:") && mount.source.starts_with("/dev/") => {
            path_at(root, &mount.source, depth + 1)
        }
        Some(mount) if mount.numbers.starts_with("0:") => {
            Medium::Unknown(format!("it lies on {}, which names no device", mount.kind))
        }
        Some(mount) => numbers_at(root, &mount.numbers, depth + 1),
    }
}

struct Mount {
    numbers: String,
    point: String,
    kind: String,
    source: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let (numbers, _root, point) = (left.next()?, left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, source) = (right.next()?, right.next()?);
        Some(Self {
            numbers: numbers.to_owned(),
            point: unescaped(point),
            kind: kind.to_owned(),
            source: unescaped(source),
        })
    }
}

/// The kernel's tables write blank, tab, newline and backslash as three octal digits.
pub(super) fn unescaped(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    escapes.iter().fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}
