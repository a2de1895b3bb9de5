//! Gives the shared object's symbols their version, where the linker can.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=win32vmsafe.map");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(symbol_versions)");
    if variable("CARGO_CFG_TARGET_OS") == "linux" && takes_a_version_script() {
        let map = Path::new(&variable("CARGO_MANIFEST_DIR")).join("win32vmsafe.map");
        let script = format!("-Wl,--version-script={}", map.display());
        println!("cargo::rustc-cdylib-link-arg={script}");
        println!("cargo::rustc-cfg=symbol_versions");
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// rustc hands the linker a script of its own, which keeps other symbols in. LLD, which rustc
/// brings along on x86-64, takes a second one; GNU ld does not.
fn takes_a_version_script() -> bool {
    let out = variable("OUT_DIR");
    let (source, script) = (format!("{out}/probe.rs"), format!("{out}/probe.map"));
    let written =
        fs::write(&source, PROBE).and_then(|()| fs::write(&script, "PROBE_1 { probe; };"));
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--edition=2024", "--crate-type=cdylib", &source])
        .args(["--target", &variable("TARGET"), "--out-dir", &out])
        .arg(format!("-Clink-arg=-Wl,--version-script={script}"))
        .args(
            variable("CARGO_ENCODED_RUSTFLAGS")
                .split('\x1f')
                .filter(|flag| !flag.is_empty()),
        );
    let linker = variable("RUSTC_LINKER");
    if !linker.is_empty() {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let linked = rustc.stdout(Stdio::null()).stderr(Stdio::null()).status();
    written.is_ok() && linked.is_ok_and(|status| status.success())
}

const PROBE: &str = r#"
core::arch::global_asm!(".symver probe, probe@@PROBE_1");
#[unsafe(no_mangle)]
pub extern "C" fn probe() {}
"#;
