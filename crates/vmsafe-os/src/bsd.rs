//! macOS, FreeBSD and OpenBSD, as documented. Compiled and checked, never run here.
//!
//! What the three share stands here and in the rooms below; what one does its own way in the room
//! of its name, each with the same items:
//!
//! ```text
//!   EVIDENCE  LOCKS  PAGES  ABSENT  FAULT  LINKS  HIDES_FROM_CORES  STACKS
//!   entries  hide_from_cores  wipe_on_fork  refill  is_traceable
//!   pipe  open_straight  past_cache  punch  is_local       (darwin: map_vanishing, let_vanish)
//! ```
//!
//! None has memory that its own kernel cannot reach, and none merges equal pages.

#[cfg(target_os = "macos")]
mod darwin;
pub(crate) mod disk;
pub(crate) mod frames;
#[cfg(target_os = "freebsd")]
mod freebsd;
pub(crate) mod heir;
pub(crate) mod memory;
#[cfg(target_os = "openbsd")]
mod openbsd;
pub(crate) mod place;
#[cfg(not(target_os = "macos"))]
mod steps;
#[cfg(test)]
mod tests;
#[path = "unix/shared.rs"]
pub(crate) mod unix;

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use rustix::process::{Resource, getrlimit};

#[cfg(target_os = "macos")]
use self::darwin as own;
#[cfg(target_os = "freebsd")]
use self::freebsd as own;
#[cfg(target_os = "openbsd")]
use self::openbsd as own;
use self::unix::{fork, pages, store};
pub(crate) use self::unix::{name, signals, terminal};
use crate::contract::{
    Access, Advice, Answer, AroundFork, Evidence, Facts, Fork, Hibernation, Kernel, LockLimit,
    Region, Source, Span, Store,
};
use crate::refused::{Call, Refused};

/// The running kernel.
#[derive(Debug)]
pub(crate) struct Bsd;

/// What `call` answers where the system has nothing of the kind.
fn nothing<T>(call: Call, reason: &'static str) -> Answer<T> {
    Err(Refused::because(call, io::ErrorKind::Unsupported, reason))
}

// SAFETY: mmap(2) maps what it answers where nothing was, zero and as long as asked, and `pages`
// hands on its answer; the epoch stands in a page that a child finds zeroed.
unsafe impl Kernel for Bsd {
    fn page_size(&self) -> usize {
        rustix::param::page_size()
    }

    fn map(&self, source: Source, len: usize) -> Answer<Region> {
        match source {
            Source::Secret => nothing(
                Call::MapSecret,
                "this system has no memory that its own kernel cannot reach",
            ),
            Source::Anonymous => pages::map_anonymous(len),
        }
    }

    #[cfg(target_os = "macos")]
    fn map_vanishing(&self, len: usize) -> Answer<Region> {
        own::map_vanishing(len)
    }

    #[cfg(target_os = "macos")]
    unsafe fn let_vanish(&self, span: Span, may: bool) -> Answer<()> {
        own::let_vanish(span, may)
    }

    unsafe fn unmap(&self, region: Region) -> Answer<()> {
        fork::forget(region);
        // SAFETY: the caller gives up the region.
        unsafe { pages::unmap(region) }
    }

    unsafe fn lock(&self, span: Span) -> Answer<()> {
        // SAFETY: the caller owns the span.
        unsafe { memory::lock(span) }
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
        own::is_traceable(span)
    }

    fn evidence(&self) -> &'static Evidence {
        &own::EVIDENCE
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
        let limit = getrlimit(Resource::Memlock);
        Ok(LockLimit {
            soft: limit.current,
            hard: limit.maximum,
            used: memory::locked()?,
        })
    }

    /// None tells in a way that holds: macOS keeps its mode with a daemon, FreeBSD leaves it to the
    /// firmware, OpenBSD hibernates whenever it is asked to.
    fn hibernation(&self) -> Hibernation {
        Hibernation::Unknown
    }

    fn create(&self, path: &Path) -> Answer<Box<dyn Store>> {
        Ok(Box::new(store::create(path)?))
    }

    fn reopen(&self, path: &Path) -> Answer<Box<dyn Store>> {
        Ok(Box::new(store::reopen(path)?))
    }
}
