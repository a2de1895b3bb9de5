//! Memory: minherit(2), mlock(2), and the kernel's own record of a process's mappings.

use std::io;

use rustix::mm::MapFlags;

use super::own;
use super::unix::pages;
use crate::contract::{Advice, Answer, Facts, Span};
use crate::refused::{Call, Refused};

/// How guards are mapped, beside privately. They become pages by mprotect(2), and stay hidden.
pub(crate) const GUARDS: MapFlags = own::PAGES;
/// How pages are mapped, beside shared or privately.
pub(crate) const PAGES: MapFlags = own::PAGES;

/// A run of addresses and what the kernel records of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) facts: Facts,
}

/// # Safety
/// The span is a live mapping of the caller's.
pub(crate) unsafe fn lock(span: Span) -> Answer<()> {
    // SAFETY: the caller owns the span.
    unsafe { pages::lock(span) }.map_err(|refused| {
        let error = refused.source;
        let text = format!(
            "{error}; beside RLIMIT_MEMLOCK this limits it: {}",
            own::LOCKS
        );
        Refused::new(Call::Lock, io::Error::new(error.kind(), text))
    })?;
    #[cfg(target_os = "macos")]
    own::zero_at_end(span);
    Ok(())
}

/// # Safety
/// The span is a live mapping of the caller's.
pub(crate) unsafe fn advise(span: Span, advice: Advice) -> Answer<()> {
    match advice {
        Advice::DontDump => own::hide_from_cores(span),
        Advice::DontFork => inherit(span, own::ABSENT, Call::DontFork),
        Advice::WipeOnFork => own::wipe_on_fork(span),
        // It holds by itself: see the head of `bsd`.
        Advice::Unmergeable => Ok(()),
        Advice::PageOut if facts(span)?.locked => Err(Refused::because(
            Call::PageOut,
            io::ErrorKind::InvalidInput,
            "the pages are locked",
        )),
        Advice::PageOut => super::nothing(
            Call::PageOut,
            "this system pages out when it must, and not on request",
        ),
    }
}

/// Decides what a child has of the span.
pub(super) fn inherit(span: Span, how: i32, call: Call) -> Answer<()> {
    // SAFETY: minherit(2) changes what children get, not what this process has.
    let done = unsafe { libc::minherit(span.start.as_ptr().cast(), span.len, how) };
    if done == 0 {
        Ok(())
    } else {
        Err(Refused::new(call, io::Error::last_os_error()))
    }
}

/// What holds of every page of the span.
pub(crate) fn facts(span: Span) -> Answer<Facts> {
    let start = span.start.as_ptr().addr() as u64;
    let end = start + span.len as u64;
    let entries = own::entries(start, end).map_err(|error| Refused::new(Call::Facts, error))?;
    all_of(&entries, start, end).ok_or_else(|| {
        Refused::because(
            Call::Facts,
            io::ErrorKind::NotFound,
            "the kernel lists no such mapping",
        )
    })
}

/// What all entries from `start` to `end` have in common; `None` where one is missing.
fn all_of(entries: &[Entry], start: u64, end: u64) -> Option<Facts> {
    let (mut at, mut all) = (start, None::<Facts>);
    for entry in entries.iter().filter(|entry| entry.end > start) {
        if entry.start > at {
            return None;
        }
        let (one, before) = (entry.facts, all.unwrap_or(entry.facts));
        all = Some(Facts {
            locked: before.locked && one.locked,
            secret: false,
            dont_dump: before.dont_dump && one.dont_dump,
            dont_fork: before.dont_fork && one.dont_fork,
            wipe_on_fork: before.wipe_on_fork && one.wipe_on_fork,
        });
        at = entry.end;
        if at >= end {
            return all;
        }
    }
    None
}

/// Bytes that this process has locked.
pub(super) fn locked() -> Answer<u64> {
    let entries = own::entries(0, u64::MAX);
    let entries = entries.map_err(|error| Refused::new(Call::LockLimit, error))?;
    let locked = entries.iter().filter(|entry| entry.facts.locked);
    Ok(locked.map(|entry| entry.end - entry.start).sum())
}
