//! Names of files as C programs pass them: bytes.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The path that a C string names: its bytes.
///
/// # Errors
/// None here; its twin on Windows can refuse a name.
pub fn path_of(name: &CStr) -> io::Result<PathBuf> {
    Ok(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_itself() {
        assert_eq!(
            path_of(c"dir/key.tmp").unwrap(),
            PathBuf::from("dir/key.tmp")
        );
        assert_eq!(path_of(c"").unwrap(), PathBuf::new());
    }

    #[test]
    fn any_bytes_are_a_name() {
        let path = path_of(c"\xff\xfe").unwrap();
        assert_eq!(path.as_os_str().as_bytes(), b"\xff\xfe");
    }
}
