//! Where the pages of a process are: which have left memory, and which may.
//!
//! **Mechanism.** On Linux `/proc/PID/smaps` and bit 62 of `/proc/PID/pagemap`, which is right for
//! private memory; elsewhere what the system answers when it is asked about each page.
//!
//! **Needs.** The same user as the process.
//!
//! **What it does not do.** It does not look at a medium: "has left" is the system's own word. Take
//! it before anything reads the process, which brings its pages back.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use vmsafe_os::lab::{self as os, Page};

use crate::error::{Result, While};
use crate::smaps::{self, Mapping};

/// Where the pages of a process are.
#[derive(Debug)]
pub struct Residence(Kind);

#[derive(Debug)]
enum Kind {
    /// As Linux's files tell.
    Read {
        mappings: Vec<Mapping>,
        swapped: HashSet<u64>,
    },
    /// As the system answers, by the number of the page.
    Asked(HashMap<u64, Page>),
}

impl Residence {
    /// As it is now.
    ///
    /// # Errors
    /// Somebody else's process; none of that number.
    pub fn of(pid: u32) -> Result<Self> {
        if let Some(pages) = os::pages_of(pid).doing("ask about the pages of process", pid)? {
            let page = os::page_size() as u64;
            let numbered = pages.into_iter().map(|told| (told.address / page, told));
            return Ok(Self(Kind::Asked(numbered.collect())));
        }
        let mappings = smaps::mappings(pid)?;
        let swapped = swapped_pages(pid, &mappings)?;
        Ok(Self(Kind::Read { mappings, swapped }))
    }

    /// Whether the page of this address has left memory.
    #[must_use]
    pub fn is_out(&self, address: u64) -> bool {
        match &self.0 {
            Kind::Read { swapped, .. } => swapped.contains(&(address / PAGE)),
            Kind::Asked(pages) => page_at(pages, address).is_some_and(|page| !page.resident),
        }
    }

    /// Whether it may leave to where swapped memory goes.
    #[must_use]
    pub fn may_leave(&self, address: u64) -> bool {
        match &self.0 {
            Kind::Read { mappings, .. } => {
                mappings.iter().any(|mapping| may_swap(mapping, address))
            }
            Kind::Asked(pages) => {
                page_at(pages, address).is_none_or(|page| !page.locked && !page.of_file)
            }
        }
    }
}

fn page_at(pages: &HashMap<u64, Page>, address: u64) -> Option<&Page> {
    pages.get(&(address / os::page_size() as u64))
}

/// Bytes of a page as /proc/PID/pagemap counts them.
const PAGE: u64 = 4096;

/// The numbers of all pages that are swapped out.
fn swapped_pages(pid: u32, mappings: &[Mapping]) -> Result<HashSet<u64>> {
    let path = format!("/proc/{pid}/pagemap");
    let mut pagemap = File::open(&path).doing("read", &path)?;
    let mut swapped = HashSet::new();
    for mapping in mappings.iter().filter(|mapping| mapping.swapped > 0) {
        let first = mapping.range.start as u64 / PAGE;
        let mut entries = vec![0; mapping.range.len() / 4096 * 8];
        pagemap
            .seek(SeekFrom::Start(first * 8))
            .and_then(|_| pagemap.read_exact(&mut entries))
            .doing("read", &path)?;
        let entries = (first..).zip(entries.chunks_exact(8));
        let out = entries.filter(|(_, entry)| entry.get(7).is_some_and(|top| top & 0x40 != 0));
        swapped.extend(out.map(|(page, _)| page));
    }
    Ok(swapped)
}

/// Whether a byte lies in memory that the kernel may swap.
fn may_swap(mapping: &Mapping, address: u64) -> bool {
    let range = mapping.range.start as u64..mapping.range.end as u64;
    // A shared mapping of a file goes to that file; `sh` is the kernel's mark for it.
    let of_file = mapping.has("sh") && mapping.name.starts_with('/');
    range.contains(&address) && !mapping.has("lo") && !of_file
}
