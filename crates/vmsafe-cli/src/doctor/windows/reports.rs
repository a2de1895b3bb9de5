//! Dumps: of the system's crashes, and of programs'.

use super::{CONTROL, control, number, set};
use crate::doctor::check::Check;
use crate::doctor::registry::Registry;
use crate::doctor::sysroot::Fact;

const WER: &str = r"HKLM\SOFTWARE\Microsoft\Windows\Windows Error Reporting";
const LOCAL: &str = r"HKLM\SOFTWARE\Microsoft\Windows\Windows Error Reporting\LocalDumps";
const DEBUGGER: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\AeDebug";

/// Memory that the system writes when it crashes itself.
pub(super) fn crash_dump(registry: &Registry) -> Check {
    const NAME: &str = "crash dump";
    const KEY: &str = "CrashControl";
    const VALUE: &str = "CrashDumpEnabled";
    let small = set(&format!(r"{CONTROL}\{KEY}"), VALUE, 3);
    match control(registry, KEY, VALUE) {
        Err(because) => Check::unknown(NAME, because).mend(small),
        Ok(0) => Check::none(NAME, "a crash of the system stores no memory"),
        Ok(3) => Check::none(
            NAME,
            "a crash of the system stores 256 KiB of the kernel's memory",
        ),
        Ok(1) => Check::high(
            NAME,
            "a crash of the system writes all memory to its dump file",
        )
        .mend(small),
        Ok(_) => Check::low(
            NAME,
            "a crash of the system writes the kernel's memory, and what passed through it",
        )
        .mend(small),
    }
}

/// Memory that Windows Error Reporting keeps of a program that crashed.
pub(super) fn error_reports(registry: &Registry) -> Check {
    const NAME: &str = "error reports";
    let off = set(WER, "Disabled", 1);
    let told = || {
        let disabled = number(registry, WER, "Disabled")? != 0;
        Ok::<_, String>((disabled, number(registry, LOCAL, "DumpType")?))
    };
    match (told(), registry.has(LOCAL)) {
        (Err(because), _) => Check::unknown(NAME, because).mend(off),
        (Ok((_, 2)), true) => Check::high(
            NAME,
            format!(
                "a crash writes all of a program's memory to {}",
                folder(registry)
            ),
        )
        .mend(set(LOCAL, "DumpType", 1)),
        (Ok(_), true) => Check::low(
            NAME,
            format!("a crash writes stacks and data to {}", folder(registry)),
        )
        .mend(format!(r#"reg delete "{LOCAL}" /f, as administrator"#)),
        (Ok((true, _)), false) => Check::none(NAME, "Windows Error Reporting is off"),
        (Ok((false, _)), false) => Check::low(
            NAME,
            "a report of a crash may hold stacks and data of the program, and be sent",
        )
        .mend(off),
    }
}

fn folder(registry: &Registry) -> String {
    match registry.read(LOCAL, "DumpFolder") {
        Fact::Says(folder) => folder,
        Fact::Absent | Fact::Hidden(_) => r"%LOCALAPPDATA%\CrashDumps".to_owned(),
    }
}

/// The program that takes over one that crashed.
pub(super) fn debugger(registry: &Registry) -> Check {
    const NAME: &str = "debugger";
    match (
        registry.read(DEBUGGER, "Debugger"),
        registry.read(DEBUGGER, "Auto"),
    ) {
        (Fact::Hidden(because), _) | (_, Fact::Hidden(because)) => Check::unknown(NAME, because),
        (Fact::Says(debugger), Fact::Says(auto)) if auto != "0" && !debugger.is_empty() => {
            Check::low(
                NAME,
                format!("a crash hands the program to {debugger}, which may store its memory"),
            )
            .mend(format!(
                r#"reg add "{DEBUGGER}" /v Auto /t REG_SZ /d 0 /f, as administrator"#
            ))
        }
        _ => Check::none(NAME, "a crash starts none without being asked"),
    }
}
