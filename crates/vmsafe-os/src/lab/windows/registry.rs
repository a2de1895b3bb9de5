//! The registry: what the machine is set to.

use std::io;

use windows_registry::{CURRENT_USER, Key, LOCAL_MACHINE, Type, Value};

use crate::lab::Setting;

/// HRESULT of ERROR_FILE_NOT_FOUND: there is no such key or value.
const MISSING: i32 = 0x8007_0002_u32.cast_signed();

/// `HKLM\…` or `HKCU\…`, opened; `None` where there is none.
fn open(key: &str) -> io::Result<Option<Key>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "no root of the registry");
    let (root, path) = key.split_once('\\').ok_or_else(bad)?;
    let root = match root {
        "HKLM" => LOCAL_MACHINE,
        "HKCU" => CURRENT_USER,
        _ => return Err(bad()),
    };
    present(root.open(path))
}

fn present<T>(answer: windows_registry::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.code().0 == MISSING => Ok(None),
        Err(error) => Err(io::Error::from(error)),
    }
}

/// Whether there is a key of this name.
///
/// # Errors
/// It is there, and this user may not read it.
pub fn has_key(key: &str) -> io::Result<bool> {
    open(key).map(|key| key.is_some())
}

/// The value of this name below a key; `None` where there is none.
///
/// # Errors
/// This user may not read it; it is neither number nor text.
pub fn setting(key: &str, name: &str) -> io::Result<Option<Setting>> {
    let Some(key) = open(key)? else {
        return Ok(None);
    };
    let value = present(key.get_value(name))?;
    value
        .map(|value| of(value).map_err(io::Error::from))
        .transpose()
}

fn of(value: Value) -> windows_registry::Result<Setting> {
    Ok(match value.ty() {
        Type::U32 => Setting::Number(u32::try_from(value)?.into()),
        Type::U64 => Setting::Number(u64::try_from(value)?),
        Type::MultiString => Setting::Text(Vec::<String>::try_from(value)?.join("\n")),
        _ => Setting::Text(String::try_from(value)?),
    })
}
