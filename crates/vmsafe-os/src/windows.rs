//! Windows, as documented and as seen under Wine 10.
//!
//! Where the two differ, the documented behaviour is relied upon and Wine's is coped with. Windows
//! has no fork: a new process gets no memory of its parent's, so every fork policy holds by itself.

mod memory;
pub(crate) mod name;
mod owner;
mod place;
mod quota;
mod reports;
#[path = "unix/row.rs"]
mod row;
#[path = "absent/signals.rs"]
pub(crate) mod signals;
mod store;
mod straight;
#[path = "absent/terminal.rs"]
pub(crate) mod terminal;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use windows_sys::Win32::System::Power::{GetPwrCapabilities, SYSTEM_POWER_CAPABILITIES};

use crate::contract::{
    Access, Advice, Answer, Evidence, Facts, Fork, Hibernation, Kernel, LockLimit, Proof, Region,
    Source, Span, Store,
};
use crate::refused::{Call, Refused};

const NO_FORK: Proof = Proof::of(
    "windows starts no process with its parent's memory",
    "windows starts no process with its parent's memory",
);

const EVIDENCE: Evidence = Evidence {
    locked: Proof::one_way(
        "QueryWorkingSetEx shows every page locked",
        "VirtualLock granted it, and QueryWorkingSetEx does not show every page locked",
    ),
    dont_dump: Proof::one_way(
        "error reports leave it out",
        "error reports leave it out as far as windows tells; a complete memory dump holds it",
    ),
    absent: NO_FORK,
    moved: NO_FORK,
    wiped: NO_FORK,
    unread: Proof::of(
        "ReadProcessMemory cannot read it",
        "ReadProcessMemory reads it",
    ),
};

/// The running Windows kernel.
#[derive(Debug)]
pub(crate) struct Windows;

/// What `call` answers where Windows has nothing of the kind.
fn nothing<T>(call: Call, reason: &'static str) -> Answer<T> {
    Err(Refused::because(call, io::ErrorKind::Unsupported, reason))
}

/// The reason that the last call of this thread left.
fn last(call: Call) -> Refused {
    Refused::new(call, io::Error::last_os_error())
}

// SAFETY: VirtualAlloc commits zero pages where nothing was, as many as asked, and `memory` hands
// on its answer; no process has the memory of another.
unsafe impl Kernel for Windows {
    fn page_size(&self) -> usize {
        memory::page_size()
    }

    fn map(&self, source: Source, len: usize) -> Answer<Region> {
        match source {
            Source::Secret => nothing(
                Call::MapSecret,
                "windows has no memory that its own kernel cannot reach",
            ),
            Source::Anonymous => memory::map_anonymous(len),
        }
    }

    unsafe fn unmap(&self, region: Region) -> Answer<()> {
        reports::include(region.inner);
        // SAFETY: the caller gives up the region.
        unsafe { memory::unmap(region) }?;
        quota::forget(region.inner);
        Ok(())
    }

    unsafe fn lock(&self, span: Span) -> Answer<()> {
        quota::lock(span)
    }

    unsafe fn advise(&self, span: Span, advice: Advice) -> Answer<()> {
        match advice {
            Advice::DontDump => reports::exclude(span),
            // It holds by itself: see the head of this file.
            Advice::DontFork | Advice::WipeOnFork => Ok(()),
            Advice::Unmergeable => nothing(
                Call::Unmergeable,
                "windows combines pages without asking; locked ones stay",
            ),
            Advice::PageOut if memory::is_locked(span)? => Err(Refused::because(
                Call::PageOut,
                io::ErrorKind::InvalidInput,
                "the pages are locked",
            )),
            // VirtualUnlock would, but it takes away a lock that does not show as well.
            Advice::PageOut => nothing(
                Call::PageOut,
                "windows has no such request that leaves a lock alone",
            ),
        }
    }

    unsafe fn protect(&self, span: Span, access: Access) -> Answer<()> {
        // SAFETY: the caller owns the span and lends no reference that needs the old access.
        unsafe { memory::protect(span, access) }
    }

    fn facts(&self, span: Span) -> Answer<Facts> {
        Ok(Facts {
            locked: memory::is_locked(span)?,
            secret: false,
            // WER keeps its list to itself.
            dont_dump: false,
            dont_fork: true,
            wipe_on_fork: true,
        })
    }

    fn peek(&self, span: Span) -> Answer<bool> {
        Ok(memory::peek(span))
    }

    fn evidence(&self) -> &'static Evidence {
        &EVIDENCE
    }

    unsafe fn on_fork(&self, _region: Region, _source: Source, _fork: Fork) -> Answer<()> {
        Ok(())
    }

    fn epoch(&self) -> u64 {
        1
    }

    fn is_inherited(&self, _region: Region) -> bool {
        false
    }

    fn lock_limit(&self) -> Answer<LockLimit> {
        Ok(quota::limit())
    }

    fn hibernation(&self) -> Hibernation {
        // SAFETY: all fields are numbers, for which zero is a value.
        let mut power: SYSTEM_POWER_CAPABILITIES = unsafe { std::mem::zeroed() };
        // SAFETY: GetPwrCapabilities fills the structure that it is given.
        let told = unsafe { GetPwrCapabilities(&raw mut power) };
        match (told, power.HiberFilePresent) {
            (false, _) => Hibernation::Unknown,
            (true, true) => Hibernation::Offered,
            (true, false) => Hibernation::Refused,
        }
    }

    fn create(&self, path: &Path) -> Answer<Box<dyn Store>> {
        Ok(Box::new(store::create(path)?))
    }

    fn reopen(&self, path: &Path) -> Answer<Box<dyn Store>> {
        Ok(Box::new(store::reopen(path)?))
    }
}
