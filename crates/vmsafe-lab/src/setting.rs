//! A kernel setting that is changed for a while and always put back.
//!
//! The old value is written to `/run/vmsafe-lab/` before the change, so that the next run restores
//! what a killed run could not.

use std::fs;
use std::path::{Path, PathBuf};

use vmsafe_os::lab as os;

use crate::error::{Error, Result, While};
use crate::owner;

/// Puts the setting's old value back when dropped.
#[derive(Debug)]
pub(crate) struct Setting {
    path: PathBuf,
    old: String,
    record: PathBuf,
}

impl Setting {
    /// Changes the setting, or returns `None` if it has this value already.
    ///
    /// # Errors
    /// The file cannot be read or written, or the old value not recorded.
    pub(crate) fn change(path: &str, value: &str) -> Result<Option<Self>> {
        let old = fs::read_to_string(path).doing("read", path)?;
        let old = old.trim_end_matches('\n').to_owned();
        if old == value {
            return Ok(None);
        }
        let record = record(path, &old)?;
        let setting = Self {
            path: path.into(),
            old,
            record,
        };
        fs::write(path, value).doing("write", path)?;
        Ok(Some(setting))
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        // A record whose setting could not be put back stays for the next run.
        if fs::write(&self.path, &self.old).is_ok() {
            let _ = fs::remove_file(&self.record);
        }
    }
}

/// Puts back what killed runs left changed.
pub(crate) fn restore_orphans() {
    for record in owner::orphans(Path::new(RECORDS), KIND) {
        let Ok(text) = fs::read_to_string(&record) else {
            continue;
        };
        let Some((path, old)) = text.split_once('\n') else {
            continue;
        };
        if fs::write(path, old).is_ok() {
            let _ = fs::remove_file(&record);
        }
    }
}

/// Only `/run` will do: root believes what stands there, so nobody else may write it.
fn record(path: &str, old: &str) -> Result<PathBuf> {
    let dir = Path::new(RECORDS);
    if !dir.is_dir() {
        os::create_private_dir(dir, 0o700).map_err(|error| {
            Error::new("create", dir.display(), error)
                .advise("the laboratory keeps there what it must put back")
        })?;
    }
    let record = dir.join(owner::new_name(KIND));
    fs::write(&record, format!("{path}\n{old}")).doing("write", record.display())?;
    Ok(record)
}

const RECORDS: &str = "/run/vmsafe-lab";
const KIND: &str = "setting";
