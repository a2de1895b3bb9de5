//! The page file, and the drive below it.

use super::{CONTROL, control, set};
use crate::doctor::check::Check;
use crate::doctor::registry::Registry;
use crate::doctor::sysroot::Fact;

const MEMORY: &str = r"Session Manager\Memory Management";
const ENCRYPT: &str = "fsutil behavior set EncryptPagingFile 1, as administrator; then restart";

/// Whether what is paged out is encrypted with a key that ends with this run of Windows.
fn is_encrypted(registry: &Registry) -> Result<bool, String> {
    let setting = control(registry, "FileSystem", "NtfsEncryptPagingFile")?;
    Ok(setting != 0)
}

/// Whether BitLocker protects the system's drive.
pub(super) fn has_bitlocker(registry: &Registry) -> Result<bool, String> {
    let status = control(registry, "BitLockerStatus", "BootStatus")?;
    Ok(status != 0)
}

/// The page files, without their sizes; none if there are none.
fn files(registry: &Registry) -> Result<Vec<String>, String> {
    let key = format!(r"{CONTROL}\{MEMORY}");
    let text = match registry.read(&key, "PagingFiles") {
        Fact::Says(text) => text,
        Fact::Absent => return Ok(Vec::new()),
        Fact::Hidden(because) => return Err(because),
    };
    let path = |line: &str| {
        let sizes = |word: &&str| !word.chars().all(|letter| letter.is_ascii_digit());
        let words: Vec<&str> = line.split(' ').filter(sizes).collect();
        words.join(" ")
    };
    let paths = text.lines().map(path).filter(|path| !path.is_empty());
    Ok(paths.collect())
}

pub(super) fn page_file(registry: &Registry) -> Check {
    const NAME: &str = "page file";
    let told = || {
        Ok::<_, String>((
            files(registry)?,
            is_encrypted(registry)?,
            has_bitlocker(registry)?,
        ))
    };
    let (files, encrypted, bitlocker) = match told() {
        Ok(told) => told,
        Err(because) => return Check::unknown(NAME, because).mend(ENCRYPT),
    };
    let list = files.join(", ");
    match (files.is_empty(), encrypted, bitlocker) {
        (true, ..) => Check::none(NAME, "no page file is set up"),
        (_, true, _) => Check::none(
            NAME,
            format!("what is paged out to {list} is encrypted with a key of one start"),
        ),
        (.., true) => Check::low(
            NAME,
            format!(
                "memory is paged out to {list} behind BitLocker alone: whoever may unlock the \
                 drive reads it, also after a shutdown"
            ),
        )
        .mend(ENCRYPT),
        _ => Check::high(
            NAME,
            format!("memory is paged out in the clear to {list}, and stays there after a shutdown"),
        )
        .mend(ENCRYPT),
    }
}

pub(super) fn at_shutdown(registry: &Registry) -> Check {
    const NAME: &str = "page file at shutdown";
    const VALUE: &str = "ClearPageFileAtShutdown";
    let told = || {
        let cleared = control(registry, MEMORY, VALUE)? != 0;
        Ok::<_, String>((
            files(registry)?.is_empty(),
            is_encrypted(registry)?,
            cleared,
        ))
    };
    match told() {
        Err(because) => Check::unknown(NAME, because),
        Ok((true, ..)) => Check::none(NAME, "no page file is set up"),
        Ok((_, true, _)) => Check::none(NAME, "its key is gone when the machine is off"),
        Ok((.., true)) => Check::none(NAME, "it is overwritten; not by a crash or a loss of power"),
        Ok(_) => Check::low(NAME, "a shutdown leaves in it what was paged out").mend(set(
            &format!(r"{CONTROL}\{MEMORY}"),
            VALUE,
            1,
        )),
    }
}

pub(super) fn drive(registry: &Registry) -> Check {
    const NAME: &str = "system drive";
    match has_bitlocker(registry) {
        Err(because) => Check::unknown(NAME, because),
        Ok(true) => Check::none(
            NAME,
            "BitLocker encrypts it: its key stays while the machine runs",
        ),
        Ok(false) => Check::low(
            NAME,
            "BitLocker does not protect it: whoever takes the disk reads all that reached it",
        )
        .mend("manage-bde -on C:, as administrator"),
    }
}
