//! One laboratory at a time per machine.
//!
//! Swap areas, zswap and the core pattern belong to the whole machine; two runs at once would each
//! find the other's pages. The lock is advisory and dies with the process that holds it.

use std::env;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use vmsafe_os::lab as os;

use crate::disk;
use crate::error::{Error, Result, While};

/// The machine's laboratory, held. Within one process it may be taken again, by any thread: it is
/// released when the last of its holders is dropped.
#[derive(Clone, Debug)]
pub struct Lab {
    _held: Arc<Held>,
}

impl Lab {
    /// Waits until no other process has the laboratory, then holds it. One that was killed and
    /// waits for a watched disk of its own is not waited for: the disk is ended.
    ///
    /// # Errors
    /// Neither `/run/lock` nor the directory for temporary files takes a lock file.
    pub fn lock() -> Result<Self> {
        take(|file| match try_or_free(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => file.lock(),
            tried => tried,
        })
    }

    /// Holds the laboratory if no other process does.
    ///
    /// # Errors
    /// As [`Lab::lock`]; `WouldBlock` if another process has it, which [`Lab::holder`] names.
    pub fn try_lock() -> Result<Self> {
        take(try_or_free)
    }

    /// The process that has the laboratory, if the system tells.
    #[must_use]
    pub fn holder() -> Option<u32> {
        let (_, file) = open_lock_file().ok()?;
        os::lock_holder(&file).ok()?
    }
}

/// Where another process has the lock, ends what killed ones wait for, so that they let it go.
fn try_or_free(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|refusal| match refusal {
        TryLockError::WouldBlock => {
            disk::end_dead_servers();
            io::ErrorKind::WouldBlock.into()
        }
        TryLockError::Error(error) => error,
    })
}

fn take(lock: impl FnOnce(&File) -> io::Result<()>) -> Result<Lab> {
    static HOLDER: Mutex<Weak<Held>> = Mutex::new(Weak::new());
    let mut holder = HOLDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = holder.upgrade() {
        return Ok(Lab { _held: held });
    }
    let (path, file) = open_lock_file()?;
    lock(&file).doing("lock", path.display())?;
    let held = Arc::new(Held(file));
    *holder = Arc::downgrade(&held);
    Ok(Lab { _held: held })
}

#[derive(Debug)]
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        // Closing would not do: a forked child that lingers shares the open file and its lock.
        // A refusal leaves it to the end of this process, which is safe.
        let _ = self.0.unlock();
    }
}

fn open_lock_file() -> Result<(PathBuf, File)> {
    let places = [PathBuf::from("/run/lock"), env::temp_dir()];
    let mut refusal = None;
    for path in places.map(|dir| dir.join("vmsafe-lab.lock")) {
        match open_or_create(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) => refusal = Some(Error::new("open lock file", path.display(), error)),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::refused("open", "a lock file", "no place to try")))
}

/// An existing file is opened without O_CREAT and for reading only: another user may own it, and in
/// a sticky directory the kernel forbids even root to open such a file with O_CREAT.
fn open_or_create(path: &Path) -> io::Result<File> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_process_enters_again_from_any_thread() {
        let Ok(first) = Lab::lock() else {
            panic!("no lock file")
        };
        let again = std::thread::spawn(Lab::lock)
            .join()
            .expect("no panic")
            .expect("re-entered");
        drop(first);
        let (_, file) = open_lock_file().expect("lock file");
        assert!(
            matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
            "still held"
        );
        assert_eq!(Lab::holder(), Some(std::process::id()));
        drop(again);
    }
}
