//! Searches the memory of a program, and the swap file.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use vmsafe_lab::{Opened, open_direct, smaps};
use vmsafe_witness::{Form, Hit, KeyForm, KeyHit, KeyKind, Medium, Searcher, scan_process};

/// How often a secret stands in a form, and where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) whole: u64,
    pub(crate) parts: u64,
    /// How many of the whole ones lie in memory that is locked.
    pub(crate) locked: u64,
    /// Names of mappings, or slots of swap.
    pub(crate) at: Vec<String>,
}

/// A place, and whether it is locked.
type At = (String, bool);

/// All that was found at one door.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sight {
    /// By number and form of needle.
    pub(crate) needles: BTreeMap<(usize, &'static str), Places>,
    /// By kind, form and fingerprint of key.
    pub(crate) keys: BTreeMap<(&'static str, &'static str, String), Places>,
}

impl Sight {
    fn needle(&mut self, hit: &Hit, at: At) {
        let places = self
            .needles
            .entry((hit.needle.number(), hit.form.name()))
            .or_default();
        places.add(hit.whole && hit.form != Form::Fragment, at);
    }

    fn key(&mut self, key: &KeyHit, at: At) {
        let (kind, form): (KeyKind, KeyForm) = (key.kind, key.form);
        let print = key.fingerprint.to_string();
        let places = self
            .keys
            .entry((kind.name(), form.name(), print))
            .or_default();
        places.add(key.matching == key.len, at);
    }

    /// How often a needle stands there as a whole, in any form: in all, and in locked memory.
    pub(crate) fn whole(&self, number: usize) -> (u64, u64) {
        let of_it = self
            .needles
            .iter()
            .filter(|((needle, _), _)| *needle == number);
        of_it.fold((0, 0), |(all, locked), (_, places)| {
            (all + places.whole, locked + places.locked)
        })
    }
}

impl Places {
    fn add(&mut self, whole: bool, (at, locked): At) {
        if whole {
            self.whole += 1;
            self.locked += u64::from(locked);
        } else {
            self.parts += 1;
        }
        if !self.at.contains(&at) {
            self.at.push(at);
        }
    }
}

pub(crate) fn memory(searcher: &Searcher, pid: u32) -> anyhow::Result<Sight> {
    let report = scan_process(searcher, pid).with_context(|| format!("process {pid}"))?;
    let mappings = smaps::mappings(pid)?;
    let at = |name: String, address: u64| {
        let address = usize::try_from(address).unwrap_or(usize::MAX);
        let here = mappings
            .iter()
            .find(|mapping| mapping.range.contains(&address));
        let locked = here.is_some_and(|mapping| mapping.has("lo"));
        (
            if locked {
                format!("{name}, locked")
            } else {
                name
            },
            locked,
        )
    };
    let mut sight = Sight::default();
    for hit in report.hits {
        sight.needle(&hit.hit, at(hit.mapping, hit.hit.offset));
    }
    for key in report.keys {
        sight.key(&key.key, at(key.mapping, key.key.offset));
    }
    Ok(sight)
}

pub(crate) fn swap(searcher: &Searcher, area: &Path) -> anyhow::Result<Sight> {
    let medium = Medium::detect(File::open(area)?)?;
    ensure!(
        matches!(medium, Medium::Swap(_)),
        "{} is no swap area",
        area.display()
    );
    let Opened::Direct(file) = open_direct(area)? else {
        bail!("{} cannot be read directly", area.display());
    };
    let report = medium.scan(searcher, file, None, &mut |_| {});
    ensure!(
        report.is_complete(),
        "not all of it was read: {:?}",
        report.gaps
    );
    let at = |offset| {
        medium
            .place(offset)
            .map(|place| place.to_string())
            .unwrap_or_default()
    };
    let mut sight = Sight::default();
    for hit in &report.hits {
        sight.needle(hit, (at(hit.offset), false));
    }
    for key in &report.keys {
        sight.key(key, (at(key.offset), false));
    }
    Ok(sight)
}

/// Bytes that the program locked, as the kernel counts them.
pub(crate) fn locked(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(1024
        * kib
            .context("no VmLck in the status of a process")?
            .parse::<u64>()?)
}
