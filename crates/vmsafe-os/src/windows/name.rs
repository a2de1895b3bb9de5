//! Names of files as C programs pass them: text in the process's ANSI code page.

use std::ffi::{CStr, OsString};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;

use windows_sys::Win32::Globalization::{CP_ACP, MB_ERR_INVALID_CHARS, MultiByteToWideChar};

/// The path that a C string names: what the process's ANSI code page makes of it, as `CreateFileA`
/// does.
///
/// # Errors
/// The bytes are no text in that code page.
pub fn path_of(name: &CStr) -> io::Result<PathBuf> {
    let bytes = name.to_bytes();
    let len = i32::try_from(bytes.len()).map_err(io::Error::other)?;
    if len == 0 {
        return Ok(PathBuf::new());
    }
    // No code page makes more units than there are bytes.
    let mut units = vec![0_u16; bytes.len()];
    let (from, into) = (bytes.as_ptr(), units.as_mut_ptr());
    // SAFETY: both buffers are `len` long, and the call reads and writes no more.
    let made = unsafe { MultiByteToWideChar(CP_ACP, MB_ERR_INVALID_CHARS, from, len, into, len) };
    if made == 0 {
        return Err(io::Error::last_os_error());
    }
    units.truncate(usize::try_from(made).unwrap_or(0));
    Ok(PathBuf::from(OsString::from_wide(&units)))
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
}
