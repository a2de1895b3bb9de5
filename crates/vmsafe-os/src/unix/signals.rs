//! Signals: sigaltstack(2), sigaction(2).

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use super::system::frames;
use crate::Mapping;

pub(crate) fn least_stack() -> usize {
    // Room for the frame, and for a handler that formats a message.
    frames::least_frame() + (8 << 10)
}

pub(crate) fn use_stack(stack: &mut Mapping) -> io::Result<()> {
    frames::STACKS.map_err(|reason| io::Error::new(io::ErrorKind::Unsupported, reason))?;
    let bytes = stack.as_mut_slice();
    let new = libc::stack_t {
        ss_sp: bytes.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: bytes.len(),
    };
    // SAFETY: sigaltstack(2) keeps the address; the caller owns the mapping until `leave_stack` has
    // ended its use, and leaks it if that fails.
    let done = unsafe { libc::sigaltstack(&raw const new, ptr::null_mut()) };
    answer(done)
}

/// What this thread's alternate stack is now.
fn present() -> io::Result<libc::stack_t> {
    let mut now = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: sigaltstack(2) fills the structure and changes nothing.
    let asked = unsafe { libc::sigaltstack(ptr::null(), now.as_mut_ptr()) };
    answer(asked)?;
    // SAFETY: filled, as the call succeeded.
    Ok(unsafe { now.assume_init() })
}

pub(crate) fn present_stack() -> usize {
    let there = |now: &libc::stack_t| now.ss_flags & libc::SS_DISABLE == 0;
    present().ok().filter(there).map_or(0, |now| now.ss_size)
}

pub(crate) fn leave_stack(stack: &mut Mapping) -> io::Result<()> {
    let mut now = present()?;
    if now.ss_sp.addr() != stack.address() {
        return Ok(());
    }
    // Switched off, not put back: whose stack was there before may have given it up since.
    now.ss_flags = libc::SS_DISABLE;
    // SAFETY: as above; nothing is kept.
    let done = unsafe { libc::sigaltstack(&raw const now, ptr::null_mut()) };
    answer(done)
}

fn answer(done: i32) -> io::Result<()> {
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What `explain_faults` was told, and who handled the signal before.
struct Explained {
    explain: fn(usize) -> Option<&'static str>,
    before: libc::sigaction,
}

static EXPLAINED: OnceLock<Explained> = OnceLock::new();

pub(crate) fn explain_faults(explain: fn(usize) -> Option<&'static str>) -> io::Result<()> {
    let mut before = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sigaction(2) fills the structure and changes nothing.
    let asked = unsafe { libc::sigaction(frames::FAULT, ptr::null(), before.as_mut_ptr()) };
    answer(asked)?;
    // SAFETY: filled, as the call succeeded.
    let before = unsafe { before.assume_init() };
    if EXPLAINED.set(Explained { explain, before }).is_err() {
        return Ok(());
    }
    let mut action = before;
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler is a function of this program, and makes async-signal-safe calls only.
    let done = unsafe { libc::sigaction(frames::FAULT, &raw const action, ptr::null_mut()) };
    answer(done)
}

extern "C" fn on_fault(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let Some(explained) = EXPLAINED.get() else {
        return;
    };
    // SAFETY: SA_SIGINFO: the kernel passes a whole siginfo_t.
    let info = unsafe { &*info };
    // SAFETY: for such a signal the address is set.
    let address = unsafe { info.si_addr() }.addr();
    if let Some(words) = (explained.explain)(address) {
        for part in ["vmsafe: ", words, "\n"] {
            // SAFETY: write(2) reads that many bytes of a string; it is async-signal-safe.
            unsafe { libc::write(2, part.as_ptr().cast(), part.len()) };
        }
    }
    // The fault happens again at once, and goes where it would have gone.
    // SAFETY: what sigaction(2) gave when it was asked.
    unsafe { libc::sigaction(frames::FAULT, &raw const explained.before, ptr::null_mut()) };
}
