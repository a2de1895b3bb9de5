//! A machine made of files: `/proc`, `/sys`, `/dev` and `/etc` below one directory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Said, arg, run, scratch};

/// A machine; at first one without any risk.
pub(crate) struct Machine(TempDir);

const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max core file size        0                    unlimited            bytes     \n\
Max locked memory         8388608              8388608              bytes     \n";

const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw\n\
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
33 27 0:40 / /pool rw,relatime - btrfs /dev/mapper/pool rw\n\
34 27 0:41 / /tank rw,relatime - zfs tank/data rw\n\
35 27 0:42 / /memory rw,relatime - tmpfs tmpfs rw\n";

impl Machine {
    pub(crate) fn sound() -> Self {
        let machine = Self(scratch());
        machine
            .with("/proc/swaps", "Filename Type Size Used Priority\n")
            .with("/proc/self/limits", LIMITS)
            .with("/proc/self/mountinfo", MOUNTS)
            .with("/proc/self/coredump_filter", "00000033\n")
            .with("/proc/sys/kernel/core_pattern", "|/bin/false\n")
            .with("/proc/sys/kernel/core_uses_pid", "0\n")
            .with("/proc/sys/kernel/yama/ptrace_scope", "1\n")
            .with("/sys/power/state", "freeze mem\n")
            .with("/sys/module/zswap/parameters/enabled", "N\n")
            .disk("sda", &["sda1", "sda2"])
            .disk("sdb", &[])
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    /// A file with this content.
    pub(crate) fn with(self, path: &str, content: &str) -> Self {
        let file = self.path(path);
        fs::create_dir_all(file.parent().expect("no file is the root"))
            .expect("scratch takes files");
        fs::write(file, content).expect("scratch takes files");
        self
    }

    /// The same machine without this file or directory.
    pub(crate) fn without(self, path: &str) -> Self {
        let place = self.path(path);
        let removed = fs::remove_file(&place).or_else(|_| fs::remove_dir_all(&place));
        removed.unwrap_or_else(|error| panic!("{path}: {error}"));
        self
    }

    /// A symbolic link.
    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        let link = self.path(path);
        fs::create_dir_all(link.parent().expect("no link is the root"))
            .expect("scratch takes files");
        let made = Command::new("ln").arg("-s").arg(target).arg(link).status();
        assert!(made.expect("ln runs").success());
        self
    }

    /// A disk with partitions, which get the numbers 8:1, 8:2 and so on.
    pub(crate) fn disk(mut self, name: &str, partitions: &[&str]) -> Self {
        let disk = format!("devices/pci/block/{name}");
        self = self.with(&format!("/sys/{disk}/size"), "1000\n");
        self = self.device(name, &disk);
        for (number, part) in (1..).zip(partitions) {
            let dir = format!("{disk}/{part}");
            self = self
                .with(&format!("/sys/{dir}/partition"), &format!("{number}\n"))
                .link(
                    &format!("/sys/dev/block/8:{number}"),
                    &format!("../../{dir}"),
                )
                .device(part, &dir);
        }
        self
    }

    /// A device that the kernel made of others.
    pub(crate) fn made_of(mut self, name: &str, slaves: &[&str]) -> Self {
        let dir = format!("devices/virtual/block/{name}");
        self = self.with(&format!("/sys/{dir}/size"), "1000\n");
        for slave in slaves {
            self = self.with(&format!("/sys/{dir}/slaves/{slave}/size"), "");
        }
        self.device(name, &dir)
    }

    /// A device of the device mapper.
    pub(crate) fn mapped(self, name: &str, uuid: &str, slaves: &[&str]) -> Self {
        let file = format!("/sys/devices/virtual/block/{name}/dm/uuid");
        self.made_of(name, slaves).with(&file, uuid)
    }

    fn device(self, name: &str, dir: &str) -> Self {
        let link = format!("/sys/class/block/{name}");
        self.with(&format!("/dev/{name}"), "")
            .link(&link, &format!("../../{dir}"))
    }

    /// The machine with these swap areas.
    pub(crate) fn swaps(self, areas: &[&str]) -> Self {
        let line = |area: &&str| format!("{area} file 1020 0 -2\n");
        let lines: String = areas.iter().map(line).collect();
        let header = "Filename Type Size Used Priority";
        self.with("/proc/swaps", &format!("{header}\n{lines}"))
    }

    pub(crate) fn doctor(&self) -> Said {
        run(["doctor", "--json", "--sysroot", arg(self.0.path())])
    }

    /// Risk and reason of the check with this name, and the exit code.
    pub(crate) fn risk(&self, check: &str) -> (String, String, Option<i32>) {
        let said = self.doctor();
        let json = said.json();
        let checks = json["checks"].as_array().expect("a list of checks");
        let found: Vec<&Value> = checks.iter().filter(|one| one["name"] == check).collect();
        let [found] = found[..] else {
            panic!("{check}: {} times in {json}", found.len());
        };
        let text = |key: &str| found[key].as_str().expect("a text").to_owned();
        let risk = text("risk");
        let mended = found["mend"].is_string();
        assert!(mended || risk != "high", "{check}: nothing mends it");
        (risk, text("because"), said.code)
    }
}
