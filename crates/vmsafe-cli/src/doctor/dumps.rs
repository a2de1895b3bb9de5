//! Core dumps: where they go, what they hold, and what keeps them.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::Check;
use super::limits::{Limit, soft_limit};
use super::sysroot::{Fact, Sysroot};

const NO_CORES: &str = "sysctl -w kernel.core_pattern='|/bin/false'";
/// Bits of the filter that put mapped files into a core.
const FILE_MAPPINGS: u32 = 0xC;

/// Where a core goes.
enum Destination {
    Nowhere,
    File(String),
    Systemd,
    Handler(String),
}

fn destination(root: &Sysroot) -> Result<Destination, String> {
    let pattern = match root.read("/proc/sys/kernel/core_pattern") {
        Fact::Says(pattern) => pattern,
        Fact::Absent => return Ok(Destination::Nowhere),
        Fact::Hidden(because) => return Err(because),
    };
    let names_by_pid = root.read("/proc/sys/kernel/core_uses_pid") != Fact::Says("0".to_owned());
    if let Some(handler) = pattern.strip_prefix('|') {
        let program = handler.split_whitespace().next().unwrap_or_default();
        return Ok(match Path::new(program).file_name() {
            Some(name) if name == "false" || name == "true" => Destination::Nowhere,
            Some(name) if name == "systemd-coredump" => Destination::Systemd,
            _ => Destination::Handler(program.to_owned()),
        });
    }
    Ok(match pattern.strip_prefix('@') {
        Some(socket) => Destination::Handler(format!("the server of {socket}")),
        None if pattern.is_empty() && !names_by_pid => Destination::Nowhere,
        None => Destination::File(pattern),
    })
}

pub(super) fn pattern(root: &Sysroot) -> Check {
    const NAME: &str = "core pattern";
    let destination = match destination(root) {
        Ok(destination) => destination,
        Err(because) => return Check::unknown(NAME, because),
    };
    match destination {
        Destination::Nowhere => Check::none(NAME, "a crash stores no memory"),
        Destination::Systemd => Check::none(NAME, "a crash hands the memory to systemd-coredump"),
        Destination::Handler(handler) => Check::high(
            NAME,
            format!("a crash hands the memory to {handler}, which may store it"),
        )
        .mend(NO_CORES),
        Destination::File(pattern) => {
            let file = if pattern.starts_with('/') {
                pattern
            } else {
                format!("{pattern:?} in the directory of the process")
            };
            match soft_limit(root, "Max core file size") {
                Ok(Limit::At(0)) => Check::low(
                    NAME,
                    format!("a process that raises its core limit writes its memory to {file}"),
                )
                .mend(NO_CORES),
                Ok(_) => {
                    Check::high(NAME, format!("a crash writes the memory to {file}")).mend(NO_CORES)
                }
                Err(because) => Check::unknown(NAME, because).mend(NO_CORES),
            }
        }
    }
}

/// What systemd-coredump does with the cores that it gets.
pub(super) fn systemd(root: &Sysroot) -> Check {
    const NAME: &str = "systemd-coredump";
    const MEND: &str = "mkdir -p /etc/systemd/coredump.conf.d; printf '[Coredump]\\nStorage=none\\n\
                        ProcessSizeMax=0\\n' > /etc/systemd/coredump.conf.d/none.conf";
    match destination(root) {
        Ok(Destination::Systemd) => {}
        Ok(_) => return Check::none(NAME, "it gets no cores"),
        Err(because) => return Check::unknown(NAME, because),
    }
    let storage = storage(root);
    if storage == "none" {
        return Check::none(NAME, "its Storage=none: it keeps no cores");
    }
    let place = match storage.as_str() {
        "journal" => "the journal",
        _ => "/var/lib/systemd/coredump",
    };
    match soft_limit(root, "Max core file size") {
        Ok(Limit::At(0)) => Check::low(
            NAME,
            format!("it stores cores in {place}, of processes whose core limit is not 0"),
        )
        .mend(MEND),
        _ => Check::high(NAME, format!("it stores the core of each crash in {place}")).mend(MEND),
    }
}

/// `Storage=` of coredump.conf(5): the main file, then the drop-ins by name, of which one in `/etc`
/// hides its namesake in `/run`, and that one the one in `/usr/lib`.
fn storage(root: &Sysroot) -> String {
    const TREES: [&str; 4] = ["/usr/lib", "/usr/local/lib", "/run", "/etc"];
    let main = TREES
        .iter()
        .rev()
        .map(|tree| format!("{tree}/systemd/coredump.conf"));
    let mut files: Vec<String> = main.filter(|file| root.exists(file)).take(1).collect();
    let mut drop_ins = BTreeMap::new();
    for tree in TREES {
        let dir = format!("{tree}/systemd/coredump.conf.d");
        for name in root.names(&dir) {
            if name.ends_with(".conf") {
                drop_ins.insert(name.clone(), format!("{dir}/{name}"));
            }
        }
    }
    files.extend(drop_ins.into_values());
    let mut storage = "external".to_owned();
    for file in files {
        if let Fact::Says(text) = root.read(&file) {
            storage = storage_in(&text).unwrap_or(storage);
        }
    }
    storage
}

fn storage_in(text: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "Storage").then(|| value.trim().to_owned())
    });
    values.rev().find(|value| !value.is_empty())
}

pub(super) fn limit(root: &Sysroot) -> Check {
    const NAME: &str = "core limit";
    match soft_limit(root, "Max core file size") {
        Err(because) => Check::unknown(NAME, because),
        Ok(Limit::At(0)) => Check::none(NAME, "it is 0: the kernel writes no core files"),
        Ok(_) => Check::low(
            NAME,
            "the kernel writes core files where the pattern says so",
        )
        .mend("ulimit -c 0; for a service LimitCORE=0 in its unit"),
    }
}

pub(super) fn filter(root: &Sysroot) -> Check {
    const NAME: &str = "core filter";
    let text = match root.read("/proc/self/coredump_filter") {
        Fact::Says(text) => text,
        Fact::Absent => return Check::none(NAME, "the kernel writes no cores"),
        Fact::Hidden(because) => return Check::unknown(NAME, because),
    };
    match u32::from_str_radix(text.trim_start_matches("0x"), 16) {
        Err(_) => Check::unknown(NAME, format!("it says {text:?}, which is no number")),
        Ok(0) => Check::none(NAME, "cores hold registers only"),
        Ok(bits) if bits & FILE_MAPPINGS != 0 => Check::low(
            NAME,
            "cores hold mapped files too, unless they are marked otherwise",
        )
        .mend("echo 0x33 > /proc/self/coredump_filter, in the shell that starts the program"),
        Ok(_) => Check::none(NAME, "cores hold no mapped files"),
    }
}
