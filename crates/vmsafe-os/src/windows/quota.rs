//! The lock and what it may take: VirtualLock, SetProcessWorkingSetSizeEx.
//!
//! Windows locks as many pages as the process's *minimum* working set has, less a few. There is no
//! other limit: the minimum grows here when a lock needs it, and what Windows then refuses is told
//! with the numbers. It is not lowered again, for locks of other code may live in it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use windows_sys::Win32::Foundation::ERROR_WORKING_SET_QUOTA;
use windows_sys::Win32::System::Memory::{
    GetProcessWorkingSetSizeEx, SetProcessWorkingSetSizeEx, VirtualLock,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::memory::page_size;
use super::row::Row;
use crate::contract::{Answer, LockLimit, Span};
use crate::refused::{Call, Refused};

/// Pages that a grown minimum has beyond what is to be locked: Windows keeps a few for itself.
const SLACK: usize = 16;

/// What is locked now. While this is held nothing is taken from the program's allocator, which may
/// be a heap whose next chunk is to be locked here.
static LOCKED: Mutex<Row<Span>> = Mutex::new(Row::new());

fn locked() -> MutexGuard<'static, Row<Span>> {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a span could not be locked, to be told when nothing is held any more.
enum Failure {
    System(io::Error),
    Minimum {
        least: usize,
        want: usize,
        error: io::Error,
    },
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let error = match failure {
            Failure::System(error) => error,
            Failure::Minimum { least, want, error } => io::Error::new(
                error.kind(),
                format!(
                    "the minimum working set could not be grown from {least} to {want} bytes: \
                     {error}; lock less, or let the account increase a process working set"
                ),
            ),
        };
        Self::new(Call::Lock, error)
    }
}

/// Locks the span, and grows the minimum working set when that is too small for it.
pub(super) fn lock(span: Span) -> Answer<()> {
    Ok(lock_and_count(span)?)
}

fn lock_and_count(span: Span) -> Result<(), Failure> {
    // Held over both calls, so that two threads do not count on the same growth.
    let mut spans = locked();
    let mut outcome = try_lock(span);
    if quota(&outcome) {
        grow(span.len)?;
        outcome = try_lock(span);
    }
    outcome.map_err(Failure::System)?;
    if !spans.items().contains(&span) && !spans.push(span) {
        return Err(Failure::System(io::ErrorKind::OutOfMemory.into()));
    }
    Ok(())
}

fn quota(outcome: &io::Result<()>) -> bool {
    let quota = i32::try_from(ERROR_WORKING_SET_QUOTA).ok();
    matches!(outcome, Err(error) if error.raw_os_error() == quota)
}

fn try_lock(span: Span) -> io::Result<()> {
    let at = span.start.as_ptr().cast_const().cast();
    // SAFETY: VirtualLock changes where pages may be, not what they hold.
    if unsafe { VirtualLock(at, span.len) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn grow(by: usize) -> Result<(), Failure> {
    let (mut least, mut most, mut flags) = (0, 0, 0);
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    let (a, b, c) = (&raw mut least, &raw mut most, &raw mut flags);
    // SAFETY: each number is written to the variable that it is given.
    if unsafe { GetProcessWorkingSetSizeEx(me, a, b, c) } == 0 {
        return Err(Failure::System(io::Error::last_os_error()));
    }
    let by = by.saturating_add(SLACK * page_size());
    let (want, top) = (least.saturating_add(by), most.saturating_add(by));
    // SAFETY: it takes numbers only.
    if unsafe { SetProcessWorkingSetSizeEx(me, want, top, flags) } != 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(Failure::Minimum { least, want, error })
}

/// Ends the count for a span that is unmapped, and so unlocked.
pub(super) fn forget(span: Span) {
    locked().retain_mut(|known| *known != span);
}

/// No fixed limit: see the head of this file.
pub(super) fn limit() -> LockLimit {
    let used = locked().items().iter().map(|span| span.len as u64).sum();
    LockLimit {
        soft: None,
        hard: None,
        used,
    }
}
