//! What Windows is set to, as its registry has it.

mod limits;
mod paging;
mod reports;
mod sleep;

use super::check::Check;
use super::registry::Registry;
use super::sysroot::Fact;

/// Below this key stands what the kernel is set to.
const CONTROL: &str = r"HKLM\SYSTEM\CurrentControlSet\Control";

pub(super) fn examine(registry: &Registry) -> Vec<Check> {
    vec![
        paging::page_file(registry),
        paging::at_shutdown(registry),
        paging::drive(registry),
        sleep::hibernation(registry),
        sleep::fast_start(registry),
        reports::crash_dump(registry),
        reports::error_reports(registry),
        reports::debugger(registry),
        limits::working_set(),
    ]
}

/// A number of the kernel's settings; 0 where there is none.
fn number(registry: &Registry, key: &str, name: &str) -> Result<u64, String> {
    match registry.read(key, name) {
        Fact::Says(text) => text
            .parse()
            .map_err(|_| format!("{name} says {text:?}, which is no number")),
        Fact::Absent => Ok(0),
        Fact::Hidden(because) => Err(because),
    }
}

/// A value below the kernel's settings.
fn control(registry: &Registry, key: &str, name: &str) -> Result<u64, String> {
    number(registry, &format!(r"{CONTROL}\{key}"), name)
}

/// The command that sets a number.
fn set(key: &str, name: &str, value: u64) -> String {
    format!(r#"reg add "{key}" /v {name} /t REG_DWORD /d {value} /f, as administrator"#)
}
