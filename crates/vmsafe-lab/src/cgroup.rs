//! A memory cgroup that can be squeezed: the page-out that also takes shared pages.
//!
//! **Promise.** After [`Cgroup::squeeze`] the kernel has reclaimed all that it can of the memory
//! that the group's processes touched first while they were in it, fork-shared pages included. A
//! page that a process keeps touching meanwhile may stay.
//!
//! **Mechanism.** Version 1: `memory.force_empty`. Version 2: `memory.reclaim`, or `memory.high`
//! pushed down and lifted where the kernel has no `memory.reclaim` (before 5.19). No hard limit is
//! lowered: under one, a process that runs meanwhile gets ENOMEM from innocent system calls, or is
//! killed, and a subject that fails shows nothing. Mount point and own group come from
//! `/proc/self/mountinfo` and `/proc/self/cgroup`.
//!
//! **Needs.** Root, or a delegated group. Add a process *before* it touches the memory in question:
//! what it touched earlier is charged to the group that it was in then, and stays so.
//!
//! **What it does not do.** It moves no process out: the group goes when it is empty, at drop or at
//! the next creation.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, OUTSIDE, Result, While};
use crate::owner;
use crate::tables::{Mount, mounts};

/// Which interface this machine's memory controller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Its own hierarchy.
    V1,
    /// The unified hierarchy.
    V2,
}

/// A memory cgroup of our own, removed when dropped if it is empty by then.
#[derive(Debug)]
pub struct Cgroup {
    version: Version,
    dir: PathBuf,
    /// The file to which `-memory` is written back, if we had to enable the controller.
    enabled_in: Option<PathBuf>,
}

/// What a squeeze did to the group's charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Squeezed {
    /// Bytes before.
    pub before: u64,
    /// Bytes after: what could not be reclaimed, for example locked pages.
    pub after: u64,
}

impl Cgroup {
    /// Makes an empty group below (version 1) or beside (version 2) the one this process is in.
    /// First removes those of killed runs.
    ///
    /// # Errors
    /// No memory controller is mounted, or this user may not make groups in it.
    pub fn create() -> Result<Self> {
        let place = Place::find()?;
        for orphan in owner::orphans(&place.dir, KIND) {
            let _ = fs::remove_dir(orphan);
        }
        let dir = place.dir.join(owner::new_name(KIND));
        fs::create_dir(&dir).map_err(|error| uncreated(&dir, error))?;
        let group = Self {
            version: place.version,
            dir,
            enabled_in: place.enabled_in,
        };
        if group.version == Version::V1 {
            // The group's own swappiness: 0 above it would keep its pages in. Some builds of the
            // kernel lack the file, and take the system's.
            let _ = group.write("memory.swappiness", "100");
        }
        Ok(group)
    }

    /// Which version of the interface this group has.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Puts a process into the group. Only what it touches from now on is charged here.
    ///
    /// # Errors
    /// There is no such process, or it is another user's.
    pub fn add(&self, pid: u32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Bytes charged to the group.
    ///
    /// # Errors
    /// The group's file cannot be read.
    pub fn usage(&self) -> Result<u64> {
        let path = self.dir.join(match self.version {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        });
        let text = fs::read_to_string(&path).doing("read", path.display())?;
        text.trim()
            .parse()
            .map_err(|_| Error::refused("read", path.display(), "not a number"))
    }

    /// Makes the kernel reclaim all that it can of the group.
    ///
    /// # Errors
    /// A control file refuses for another reason than "cannot go lower".
    pub fn squeeze(&self) -> Result<Squeezed> {
        crate::pageout::drain()?;
        let before = self.usage()?;
        match self.version {
            Version::V1 => self.squeeze_v1()?,
            Version::V2 => self.squeeze_v2()?,
        }
        Ok(Squeezed {
            before,
            after: self.usage()?,
        })
    }

    /// EBUSY means that some of it cannot go. Ask until nothing more goes.
    fn squeeze_v1(&self) -> Result<()> {
        loop {
            let usage = self.usage()?;
            match self.write("memory.force_empty", "0") {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => return Err(error),
            }
            if self.usage()? >= usage {
                return Ok(());
            }
        }
    }

    /// EAGAIN means that less was reclaimed than asked for; ask until nothing more goes.
    fn squeeze_v2(&self) -> Result<()> {
        if !self.dir.join("memory.reclaim").exists() {
            let pushed = self.write("memory.high", "0");
            let lifted = self.write("memory.high", "max");
            return pushed.and(lifted);
        }
        loop {
            let usage = self.usage()?;
            if usage == 0 {
                return Ok(());
            }
            match self.write("memory.reclaim", &usage.to_string()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.usage()? >= usage {
                return Ok(());
            }
        }
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.dir.join(file);
        fs::write(&path, text).doing("write", path.display())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Busy while a process lives in it: the next creation removes it.
        let _ = fs::remove_dir(&self.dir);
        if let Some(control) = &self.enabled_in {
            let _ = fs::write(control, "-memory");
        }
    }
}

/// A group that was not made, and what would let it be.
fn uncreated(dir: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Error::needs_root("create cgroup", dir.display()),
        // The group that this process is in lies outside of what is mounted here.
        io::ErrorKind::NotFound => {
            Error::new("create cgroup", dir.display(), error).advise(OUTSIDE)
        }
        _ => Error::new("create cgroup", dir.display(), error),
    }
}

/// The version of the memory controller that this process is under, if there is one.
#[must_use]
pub(crate) fn version() -> Option<Version> {
    Own::find().ok().map(|own| own.version)
}

/// Where a new group can be made.
struct Place {
    version: Version,
    dir: PathBuf,
    enabled_in: Option<PathBuf>,
}

impl Place {
    fn find() -> Result<Self> {
        let own = Own::find()?;
        match own.version {
            Version::V1 => Ok(Self {
                version: Version::V1,
                dir: own.dir,
                enabled_in: None,
            }),
            Version::V2 => Self::in_unified(&own),
        }
    }

    /// A group that holds processes cannot have children with a controller, except the topmost. So
    /// climb to the first ancestor that already hands memory on to its children.
    fn in_unified(own: &Own) -> Result<Self> {
        let v2 = |dir: &Path, enabled_in| Self {
            version: Version::V2,
            dir: dir.into(),
            enabled_in,
        };
        let ancestors = own
            .dir
            .ancestors()
            .take_while(|dir| dir.starts_with(&own.mount));
        for dir in ancestors {
            let control = fs::read_to_string(dir.join(SUBTREE)).unwrap_or_default();
            if control.split_whitespace().any(|name| name == "memory") {
                return Ok(v2(dir, None));
            }
        }
        let control = own.mount.join(SUBTREE);
        fs::write(&control, "+memory").map_err(|error| {
            Error::new("enable the memory controller in", control.display(), error)
                .advise("run it as root outside the container, or delegate a cgroup with memory")
        })?;
        Ok(v2(&own.mount, Some(control)))
    }
}

/// The memory cgroup of this process.
struct Own {
    version: Version,
    mount: PathBuf,
    dir: PathBuf,
}

impl Own {
    fn find() -> Result<Self> {
        let path = "/proc/self/cgroup";
        let groups = fs::read_to_string(path).doing("read", path)?;
        Self::locate(&groups, &mounts()?).ok_or_else(|| {
            Error::refused("find", "a memory cgroup", "no memory controller is mounted")
                .advise("mount one, for example: mount -t cgroup2 none /sys/fs/cgroup")
        })
    }

    /// A line is `id:controllers:path`; the unified hierarchy has id 0 and no controllers.
    fn locate(groups: &str, mounts: &[Mount]) -> Option<Self> {
        let lines = || {
            groups
                .lines()
                .filter_map(|line| line.split_once(':')?.1.split_once(':'))
        };
        let v1 = lines().find(|(names, _)| names.split(',').any(|name| name == "memory"));
        let (version, path) = match v1 {
            Some((_, path)) => (Version::V1, path),
            None => (Version::V2, lines().find(|(names, _)| names.is_empty())?.1),
        };
        let mount = mounts.iter().rfind(|mount| match version {
            Version::V1 => {
                mount.kind == "cgroup" && mount.options.split(',').any(|o| o == "memory")
            }
            Version::V2 => mount.kind == "cgroup2",
        })?;
        // Outside the part that is mounted here (a container), the mount point is all we can see.
        let below = Path::new(path)
            .strip_prefix(&mount.root)
            .unwrap_or(Path::new(""));
        Some(Self {
            version,
            mount: mount.point.clone(),
            dir: mount.point.join(below),
        })
    }
}

const KIND: &str = "cgroup";
const SUBTREE: &str = "cgroup.subtree_control";

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(kind: &str, root: &str, point: &str, options: &str) -> Mount {
        let (kind, options) = (kind.to_owned(), options.to_owned());
        Mount {
            root: root.to_owned(),
            point: point.into(),
            kind,
            options,
        }
    }

    #[test]
    fn version_1_beside_a_unified_hierarchy_without_memory() {
        let mounts = [
            mount("cgroup", "/", "/cg/cpu", "rw,cpu"),
            mount("cgroup", "/", "/cg/memory", "rw,memory"),
            mount("cgroup2", "/", "/cg/unified", "rw"),
        ];
        let own = Own::locate("4:memory:/a/b\n1:cpu:/\n0::/\n", &mounts).expect("found");
        assert_eq!(
            (own.version, own.dir),
            (Version::V1, PathBuf::from("/cg/memory/a/b"))
        );
    }

    /// A directory that looks like a version 2 group; what is written to it stays to be read.
    fn fake(name: &str, files: &[(&str, &str)]) -> Cgroup {
        let dir = std::env::temp_dir().join(owner::new_name(name));
        fs::create_dir(&dir).expect("test directory");
        for (file, text) in files {
            fs::write(dir.join(file), text).expect("written");
        }
        Cgroup {
            version: Version::V2,
            dir,
            enabled_in: None,
        }
    }

    #[test]
    fn version_2_asks_for_all_that_is_charged_and_stops_when_nothing_goes() {
        let group = fake(
            "reclaim",
            &[("memory.current", "8192\n"), ("memory.reclaim", "")],
        );
        group.squeeze_v2().expect("squeezed");
        assert_eq!(
            fs::read_to_string(group.dir.join("memory.reclaim")).expect("asked"),
            "8192"
        );
        fs::remove_dir_all(&group.dir).expect("removed");
    }

    #[test]
    fn version_2_without_reclaim_pushes_the_high_mark_and_lifts_it() {
        let group = fake("high", &[("memory.current", "8192\n"), ("memory.high", "")]);
        group.squeeze_v2().expect("squeezed");
        assert_eq!(
            fs::read_to_string(group.dir.join("memory.high")).expect("set"),
            "max"
        );
        fs::remove_dir_all(&group.dir).expect("removed");
    }

    #[test]
    fn a_group_that_cannot_be_made_comes_with_advice() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied] {
            let error = uncreated(Path::new("/cg/x"), kind.into());
            assert!(error.advice().is_some(), "{error}");
        }
    }

    #[test]
    fn version_2_whole_in_a_container_and_absent() {
        let whole = [mount("cgroup2", "/", "/sys/fs/cgroup", "rw")];
        let own = Own::locate("0::/user.slice/x\n", &whole).expect("found");
        assert_eq!(own.version, Version::V2);
        assert_eq!(own.dir, PathBuf::from("/sys/fs/cgroup/user.slice/x"));
        let part = [mount("cgroup2", "/docker/7", "/sys/fs/cgroup", "rw")];
        let own = Own::locate("0::/docker/7/y\n", &part).expect("found");
        assert_eq!(own.dir, PathBuf::from("/sys/fs/cgroup/y"));
        assert!(Own::locate("0::/x\n", &[]).is_none());
    }
}
