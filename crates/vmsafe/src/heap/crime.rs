//! Crimes: misuse that no allocator can go on after.

use std::fmt;
use std::io::Write;

/// What was done to the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crime {
    DoubleFree,
    Foreign,
    Misaligned,
    WrittenAfterFree,
    Overrun,
}

impl fmt::Display for Crime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DoubleFree => "double free",
            Self::Foreign => "free of an address that this heap does not have",
            Self::Misaligned => "free of an address inside a slot, not at its start",
            Self::WrittenAfterFree => "a free slot was written to",
            Self::Overrun => "a write beyond the end of a slot changed its canary",
        })
    }
}

/// Says what was done, where, and ends the program: a panic would run destructors over a heap of
/// which nothing is certain any more. The address is told, never a byte that stands there.
#[cold]
#[inline(never)]
pub(super) fn stop(crime: Crime, address: usize) -> ! {
    if cfg!(all(loom, test)) {
        // All interleavings are walked through in one process.
        panic!("{crime}");
    }
    // When standard error is closed there is nobody to tell; the abort tells the rest.
    let _ = writeln!(std::io::stderr(), "vmsafe: {crime}, at {address:#x}");
    std::process::abort()
}
