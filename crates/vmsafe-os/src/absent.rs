//! A system without an implementation yet: everything compiles, every call is refused.
//!
//! Nothing is weaker in silence: a buffer that asks here for a protection gets an error.

pub(crate) mod name;
pub(crate) mod signals;
pub(crate) mod terminal;

use std::io;
use std::path::Path;

use crate::contract::{
    Access, Advice, Answer, Evidence, Facts, Fork, Hibernation, Kernel, LockLimit, Region, Source,
    Span, Store,
};
use crate::refused::{Call, Refused};

/// Refuses.
#[derive(Debug)]
pub(crate) struct Absent;

fn no<T>(call: Call) -> Answer<T> {
    let reason = "vmsafe has no implementation for this operating system";
    Err(Refused::because(call, io::ErrorKind::Unsupported, reason))
}

// SAFETY: it maps nothing.
unsafe impl Kernel for Absent {
    fn page_size(&self) -> usize {
        4096
    }

    fn map(&self, source: Source, _len: usize) -> Answer<Region> {
        match source {
            Source::Secret => no(Call::MapSecret),
            Source::Anonymous => no(Call::MapAnonymous),
        }
    }

    unsafe fn unmap(&self, _region: Region) -> Answer<()> {
        no(Call::Unmap)
    }

    unsafe fn lock(&self, _span: Span) -> Answer<()> {
        no(Call::Lock)
    }

    unsafe fn advise(&self, _span: Span, advice: Advice) -> Answer<()> {
        no(match advice {
            Advice::DontDump => Call::DontDump,
            Advice::DontFork => Call::DontFork,
            Advice::WipeOnFork => Call::WipeOnFork,
            Advice::Unmergeable => Call::Unmergeable,
            Advice::PageOut => Call::PageOut,
        })
    }

    unsafe fn protect(&self, _span: Span, _access: Access) -> Answer<()> {
        no(Call::Protect)
    }

    fn facts(&self, _span: Span) -> Answer<Facts> {
        no(Call::Facts)
    }

    fn peek(&self, _span: Span) -> Answer<bool> {
        no(Call::Peek)
    }

    fn evidence(&self) -> &'static Evidence {
        &Evidence::LINUX
    }

    unsafe fn on_fork(&self, _region: Region, _source: Source, _fork: Fork) -> Answer<()> {
        no(Call::OnFork)
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn is_inherited(&self, _region: Region) -> bool {
        false
    }

    fn lock_limit(&self) -> Answer<LockLimit> {
        no(Call::LockLimit)
    }

    fn hibernation(&self) -> Hibernation {
        Hibernation::Unknown
    }

    fn create(&self, _path: &Path) -> Answer<Box<dyn Store>> {
        no(Call::Create)
    }

    fn reopen(&self, _path: &Path) -> Answer<Box<dyn Store>> {
        no(Call::Reopen)
    }
}
