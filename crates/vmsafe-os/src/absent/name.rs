//! Names of files as C programs pass them: text.

use std::ffi::CStr;
use std::io;
use std::path::PathBuf;

/// The path that a C string names.
///
/// # Errors
/// The bytes are no text.
pub fn path_of(name: &CStr) -> io::Result<PathBuf> {
    let name = name.to_str().map_err(io::Error::other)?;
    Ok(PathBuf::from(name))
}
