//! File systems that the kernel makes up as they are read.

use std::io;
use std::path::Path;

use rustix::fs::statfs;

use crate::linux::place::magic_of;

/// Their numbers in statfs(2), and their names. Those that store something (pstore, efivarfs) or
/// keep files in memory (tmpfs, hugetlbfs) are none.
const MADE_UP: [(u32, &str); 21] = [
    (0x9FA0, "proc"),
    (0x6265_6572, "sysfs"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0x0027_E0EB, "cgroup"),
    (0x6367_7270, "cgroup2"),
    (0xCAFE_4A11, "bpf"),
    (0x6265_6570, "configfs"),
    (0x6573_5543, "fusectl"),
    (0x4249_4E4D, "binfmt_misc"),
    (0x6E73_6673, "nsfs"),
    // To list one mounts what it has.
    (0x0187, "autofs"),
    (0xF97C_FF8C, "selinuxfs"),
    (0x4341_5D53, "smackfs"),
    (0x5A3C_69F0, "apparmorfs"),
    (0x6759_6969, "rpc_pipefs"),
    (0x6E66_7364, "nfsd"),
    (0x0765_5821, "resctrl"),
    (0xABBA_1974, "xenfs"),
    (0x1980_0202, "mqueue"),
];

/// The name of the file system that `path` lies on, if the kernel makes it up.
///
/// # Errors
/// There is no such path, or no way to it.
pub fn pseudo_filesystem(path: &Path) -> io::Result<Option<&'static str>> {
    let kind = magic_of(statfs(path)?.f_type);
    let known = MADE_UP
        .iter()
        .find(|(number, _)| i64::from(*number) == kind);
    Ok(known.map(|(_, name)| *name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_makes_up_is_told_from_what_is_stored() {
        let kind = |path: &str| pseudo_filesystem(Path::new(path)).unwrap();
        assert_eq!(kind("/proc/self"), Some("proc"));
        assert_eq!(kind("/sys"), Some("sysfs"));
        assert_eq!(kind("/"), None);
        assert!(pseudo_filesystem(Path::new("/absent")).is_err());
    }
}
