//! Linux, as measured on 6.1 to 6.18.

pub(crate) mod disk;
pub(crate) mod frames;
pub(crate) mod heir;
mod limits;
pub(crate) mod memory;
pub(crate) mod place;
pub(crate) mod record;
#[path = "unix/shared.rs"]
pub(crate) mod unix;

use std::path::Path;
use std::sync::atomic::AtomicU64;

use self::unix::{fork, pages, store};
pub(crate) use self::unix::{name, signals, terminal};
use crate::contract::{
    Access, Advice, Answer, AroundFork, Evidence, Facts, Fork, Hibernation, Kernel, LockLimit,
    Region, Source, Span, Store,
};

/// The running Linux kernel.
#[derive(Debug)]
pub(crate) struct Linux;

// SAFETY: mmap(2) maps what it answers where nothing was, zero and as long as asked, and `pages`
// and `memory` hand on its answer; the epoch stands in a page that the kernel zeroes in a child.
unsafe impl Kernel for Linux {
    fn page_size(&self) -> usize {
        rustix::param::page_size()
    }

    fn map(&self, source: Source, len: usize) -> Answer<Region> {
        match source {
            Source::Secret => memory::map_secret(len),
            Source::Anonymous => pages::map_anonymous(len),
        }
    }

    unsafe fn unmap(&self, region: Region) -> Answer<()> {
        fork::forget(region);
        // SAFETY: the caller gives up the region.
        unsafe { pages::unmap(region) }
    }

    unsafe fn lock(&self, span: Span) -> Answer<()> {
        // SAFETY: the caller owns the span.
        unsafe { pages::lock(span) }
    }

    unsafe fn advise(&self, span: Span, advice: Advice) -> Answer<()> {
        // SAFETY: the caller owns the span.
        unsafe { memory::advise(span, advice) }
    }

    unsafe fn protect(&self, span: Span, access: Access) -> Answer<()> {
        // SAFETY: the caller owns the span and lends no reference that needs the old access.
        unsafe { pages::protect(span, access) }
    }

    fn facts(&self, span: Span) -> Answer<Facts> {
        memory::facts(span)
    }

    fn peek(&self, span: Span) -> Answer<bool> {
        memory::peek(span)
    }

    fn evidence(&self) -> &'static Evidence {
        &Evidence::LINUX
    }

    unsafe fn on_fork(&self, region: Region, source: Source, fork: Fork) -> Answer<()> {
        fork::remember(region, source, fork)
    }

    fn epoch(&self) -> u64 {
        fork::epoch()
    }

    fn is_inherited(&self, region: Region) -> bool {
        fork::is_inherited(region)
    }

    fn epoch_cell(&self) -> Option<&'static AtomicU64> {
        fork::epoch_cell()
    }

    fn around_fork(&self, hook: &'static dyn AroundFork) -> Answer<bool> {
        fork::hook(hook)
    }

    fn lock_limit(&self) -> Answer<LockLimit> {
        limits::lock_limit()
    }

    fn hibernation(&self) -> Hibernation {
        limits::hibernation()
    }

    fn create(&self, path: &Path) -> Answer<Box<dyn Store>> {
        Ok(Box::new(store::create(path)?))
    }

    fn reopen(&self, path: &Path) -> Answer<Box<dyn Store>> {
        Ok(Box::new(store::reopen(path)?))
    }
}
