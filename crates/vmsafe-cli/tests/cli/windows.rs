//! `vmsafe doctor` on Windows machines made of a record of their registry.

use std::fs;

use serde_json::{Map, Value, json};

use crate::run::{Said, arg, run, scratch};

const CONTROL: &str = r"HKLM\SYSTEM\CurrentControlSet\Control";
const WER: &str = r"HKLM\SOFTWARE\Microsoft\Windows\Windows Error Reporting";
const DEBUGGER: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\AeDebug";

/// A Windows machine, set so that nothing reaches a disk in the clear.
struct Registry(Map<String, Value>);

impl Registry {
    fn sound() -> Self {
        Self(Map::new())
            .control(
                r"Session Manager\Memory Management",
                "PagingFiles",
                r"C:\pagefile.sys 0 0",
            )
            .control("FileSystem", "NtfsEncryptPagingFile", 1)
            .control("BitLockerStatus", "BootStatus", 1)
            .control("Power", "HibernateEnabled", 0)
            .control("CrashControl", "CrashDumpEnabled", 3)
            .with(WER, "Disabled", 1)
    }

    fn with(mut self, key: &str, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(format!(r"{key}\{name}"), value.into());
        self
    }

    fn control(self, key: &str, name: &str, value: impl Into<Value>) -> Self {
        self.with(&format!(r"{CONTROL}\{key}"), name, value)
    }

    fn doctor(&self) -> Said {
        let dir = scratch();
        let record = dir.path().join("registry.json");
        fs::write(&record, json!(self.0).to_string()).expect("a record");
        run(["doctor", "--json", "--registry", arg(&record)])
    }

    /// The check of this name, with its risk, reason and remedy.
    #[track_caller]
    fn expect(&self, name: &str, risk: &str, because: &str, mend: Option<&str>) {
        let report = self.doctor().json();
        let checks = report["checks"].as_array().expect("a list of checks");
        let check = checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no {name}: {report:#}"));
        assert_eq!(check["risk"], risk, "{check:#}");
        let says = |field: &str, text: &str| {
            check[field]
                .as_str()
                .is_some_and(|said| said.contains(text))
        };
        assert!(says("because", because), "{check:#}");
        match mend {
            Some(mend) => assert!(says("mend", mend), "{check:#}"),
            None => assert!(check["mend"].is_null(), "{check:#}"),
        }
    }
}

#[test]
fn a_sound_windows_has_no_risk() {
    let report = Registry::sound().doctor().json();
    let names = [
        "page file",
        "page file at shutdown",
        "system drive",
        "hibernation",
        "fast start-up",
        "crash dump",
        "error reports",
        "debugger",
    ];
    for name in names {
        Registry::sound().expect(name, "none", "", None);
    }
    // What is read of the running machine: it has no working set that this test could set.
    assert!(report["checks"].to_string().contains("working set"));
}

#[test]
fn the_page_file_is_as_safe_as_its_encryption() {
    let clear = || Registry::sound().control("FileSystem", "NtfsEncryptPagingFile", 0);
    let mend = Some("fsutil behavior set EncryptPagingFile 1");
    clear().expect("page file", "low", "BitLocker alone", mend);
    let open = clear().control("BitLockerStatus", "BootStatus", 0);
    open.expect(
        "page file",
        "high",
        r"in the clear to C:\pagefile.sys",
        mend,
    );
    open.expect(
        "system drive",
        "low",
        "does not protect it",
        Some("manage-bde -on"),
    );
    let memory = r"Session Manager\Memory Management";
    let many = clear().control(
        memory,
        "PagingFiles",
        "C:\\a b\\pagefile.sys 0 0\n?:\\pagefile.sys",
    );
    many.expect(
        "page file",
        "low",
        r"C:\a b\pagefile.sys, ?:\pagefile.sys",
        mend,
    );
    let none = clear().control(memory, "PagingFiles", "");
    none.expect("page file", "none", "no page file", None);
    let name = "page file at shutdown";
    clear().expect(name, "low", "leaves in it", Some("ClearPageFileAtShutdown"));
    let cleared = clear().control(memory, "ClearPageFileAtShutdown", 1);
    cleared.expect(name, "none", "overwritten", None);
    let hidden = clear().control(memory, "PagingFiles", Value::Null);
    hidden.expect("page file", "unknown", "access is denied", mend);
}

#[test]
fn hibernation_and_fast_start_up_write_memory() {
    let on = || Registry::sound().control("Power", "HibernateEnabled", 1);
    let off = Some("powercfg /hibernate off");
    on().expect("hibernation", "low", "BitLocker alone", off);
    let clear = on().control("BitLockerStatus", "BootStatus", 0);
    clear.expect("hibernation", "high", "hiberfil.sys in the clear", off);
    let fast = on().control(r"Session Manager\Power", "HiberbootEnabled", 1);
    fast.expect(
        "fast start-up",
        "low",
        "the kernel's memory",
        Some("HiberbootEnabled"),
    );
    let idle = Registry::sound().control(r"Session Manager\Power", "HiberbootEnabled", 1);
    idle.expect("fast start-up", "none", "writes no memory", None);
}

#[test]
fn dumps_are_judged_by_what_they_hold() {
    let crash = |kind: u32| Registry::sound().control("CrashControl", "CrashDumpEnabled", kind);
    let small = Some("/v CrashDumpEnabled /t REG_DWORD /d 3");
    crash(0).expect("crash dump", "none", "stores no memory", None);
    crash(1).expect("crash dump", "high", "all memory", small);
    crash(7).expect("crash dump", "low", "the kernel's memory", small);
    let told = |kind: u32| {
        let key = format!(r"{WER}\LocalDumps");
        Registry::sound().with(&key, "DumpType", kind)
    };
    told(2).expect(
        "error reports",
        "high",
        "all of a program's memory",
        Some("DumpType"),
    );
    told(1).expect(
        "error reports",
        "low",
        "stacks and data",
        Some("reg delete"),
    );
    let sent = Registry::sound().with(WER, "Disabled", 0);
    sent.expect("error reports", "low", "be sent", Some("/v Disabled"));
    let debugger = Registry::sound()
        .with(DEBUGGER, "Debugger", "dbg.exe -p %ld")
        .with(DEBUGGER, "Auto", "1");
    debugger.expect("debugger", "low", "dbg.exe", Some("/v Auto"));
    let asks = debugger.with(DEBUGGER, "Auto", "0");
    asks.expect("debugger", "none", "without being asked", None);
}

#[test]
fn a_high_risk_is_exit_code_1() {
    let clear = Registry::sound()
        .control("FileSystem", "NtfsEncryptPagingFile", 0)
        .control("BitLockerStatus", "BootStatus", 0);
    let said = clear.doctor();
    assert_eq!(said.json()["verdict"], "at-risk");
    assert_eq!(said.code, Some(1));
    let nothing = run(["doctor", "--registry", "/no/such/record"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}
