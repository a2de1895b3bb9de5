//! What a reader must know of memory that only looks like a disk: zram and zswap.

use std::fs;
use std::path::Path;

use vmsafe_witness::{Medium, SwapState};

/// Why a path is nothing that a scan could read.
pub(super) fn not_to_be_searched(path: &Path) -> Option<String> {
    let is_zswap = path.starts_with("/sys/module/zswap")
        || path.starts_with("/sys/kernel/debug/zswap")
        || path.as_os_str() == "zswap" && !path.exists();
    is_zswap.then(|| {
        "zswap is no medium: it keeps paged-out memory compressed inside the kernel, where no \
         program can read it; write it to its swap area (echo 0 > \
         /sys/module/zswap/parameters/max_pool_percent, then page out more), and scan that"
            .to_owned()
    })
}

/// Why a path could not be opened, and what to do about it.
pub(super) fn closed(path: &Path, error: &std::io::Error) -> String {
    let because = format!("it cannot be opened: {error}");
    match error.kind() {
        std::io::ErrorKind::NotFound => because,
        _ => advised(path, because),
    }
}

/// The reason, and what to do about it where the path tells.
fn advised(path: &Path, because: String) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase());
    let text = path.to_string_lossy();
    match name.as_deref() {
        Some("pagefile.sys" | "hiberfil.sys" | "swapfile.sys") => format!(
            "{because}; Windows keeps it to itself while it runs: as administrator search the \
             volume that holds it, \\\\.\\C:, or the file from another system"
        ),
        _ if text.starts_with(r"\\.\") => format!("{because}; run it as administrator"),
        _ => because,
    }
}

/// What the result of a scan of this means and what it does not.
pub(super) fn notes(path: &Path, is_file: bool, medium: &Medium) -> Vec<String> {
    let mut notes = Vec::new();
    // Of a file not every folder above it need be asked where it leads.
    if !is_file && is_zram(path) {
        notes.push(
            "zram is compressed memory: what is found here is lost at power-off, unless the \
             device has a backing_dev, which is a disk of its own to scan"
                .to_owned(),
        );
    }
    if let Medium::Swap(header) = medium {
        if header.state == SwapState::Hibernated {
            notes.push(
                "it holds the image of a hibernated system, which is compressed: what stands in \
                 the image is not found"
                    .to_owned(),
            );
        }
        notes.extend(fs::read_to_string("/proc/meminfo").ok().and_then(in_zswap));
    }
    if let Medium::Compressed(compression) = medium {
        let name = compression.name();
        notes.push(format!(
            "it is compressed by {name}: its content was searched, and offsets count in that; \
             names and comments in it and what decoders skip are searched with --decompress never"
        ));
    }
    notes
}

/// How many of the first bytes tell what a file is: whether it is a core dump takes most.
pub(super) const MAGIC_LEN: usize = 18;

/// Why the content of a stream or an archive that begins so is not searched.
pub(super) fn unopened(start: &[u8]) -> Option<String> {
    const KINDS: [(&[u8], &str, &str); 4] = [
        (b"BZh", "bzip2", "bzip2 -dc"),
        (b"7z\xbc\xaf\x27\x1c", "7z", "7z x -so"),
        (b"PK\x03\x04", "zip", "unzip -p"),
        (b"QFI\xfb", "qcow2", "qemu-img dd -O raw"),
    ];
    let is_this = |(magic, ..): &&(&[u8], &str, &str)| start.starts_with(magic);
    let (_, name, command) = KINDS.iter().find(is_this)?;
    Some(format!(
        "it is {name}, which is not opened: what its content holds was not searched; unpack it \
         ({command}) and scan what comes out, or search its bytes with --decompress never"
    ))
}

/// `/dev/zram0`, by whatever name.
fn is_zram(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else {
        return false;
    };
    let name = path.file_name().and_then(|name| name.to_str());
    path.starts_with("/dev") && name.is_some_and(|name| name.starts_with("zram"))
}

/// What zswap holds back, if it holds anything.
fn in_zswap(meminfo: String) -> Option<String> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("Zswapped:"))?;
    let amount = line.trim();
    (!amount.starts_with("0 ")).then(|| {
        format!(
            "zswap keeps {amount} of paged-out memory, of all swap areas, compressed in RAM: it is \
             not on this medium yet, and was not searched"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_zswap_holds_is_told() {
        let meminfo =
            |amount: &str| format!("Zswap:  12 kB\nZswapped:      {amount}\nDirty: 0 kB\n");
        let told = in_zswap(meminfo("5120 kB")).unwrap_or_default();
        assert!(told.starts_with("zswap keeps 5120 kB"), "{told}");
        assert_eq!(in_zswap(meminfo("0 kB")), None);
        assert_eq!(in_zswap("Dirty: 0 kB\n".to_owned()), None);
    }

    #[test]
    fn what_is_not_opened_is_told() {
        for (start, name) in [(&b"BZh91"[..], "bzip2"), (b"PK\x03\x04", "zip")] {
            let told = unopened(start).unwrap_or_default();
            assert!(
                told.starts_with(&format!("it is {name}, which is not opened")),
                "{told}"
            );
        }
        assert_eq!(unopened(b"BZ"), None);
        assert_eq!(unopened(b"text"), None);
    }

    #[test]
    fn what_windows_keeps_to_itself_is_explained() {
        let error = || std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let told = |path: &str| closed(Path::new(path), &error());
        assert!(told("/mnt/PageFile.sys").contains("the volume that holds it"));
        assert!(told(r"\\.\C:").ends_with("; run it as administrator"));
        assert!(!told("/mnt/other.sys").contains(';'));
        let absent = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert!(!closed(Path::new("pagefile.sys"), &absent).contains(';'));
    }

    #[test]
    fn zswap_is_explained() {
        for path in ["/sys/module/zswap/parameters", "/sys/kernel/debug/zswap"] {
            assert!(not_to_be_searched(Path::new(path)).is_some());
        }
        assert_eq!(not_to_be_searched(Path::new("/swapfile")), None);
    }
}
