//! Scope: a closure on a locked stack that is wiped.
//!
//! **Promise.** What the closure keeps on its stack or in vector registers reaches no disk and is
//! zero when `scope` returns, also after a panic.
//!
//! ```text
//!   ordinary stack          locked stack, from a pool
//!   ─ caller ─ scope ──►    guard │ ....... closure's frames │      (Locked: absent in children)
//!            ◄── result ──  wiped whole, vector registers cleared, back to the pool
//! ```
//!
//! **Why.** Most ciphers leave their key in dead stack frames, and a dead frame is ordinary memory:
//! it swaps and it is dumped. So every cryptographic call of this crate runs here.
//!
//! **Needs.** [`STACK`] bytes of lock quota for each thread that is inside at one time.
//! **Does not cover.** What the closure returns or puts on the heap; a `fork` inside it, whose
//! child has no stack to go on with and faults.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use vmsafe_os::{registers, stack};

use crate::buffer::locked::Locked;
use crate::error::Error;

/// Bytes of a locked stack. A panic inside prints its message there, backtrace and all.
pub(crate) const STACK: usize = 128 << 10;

/// Stacks that wait for the next scope; more than these are given back.
const SPARE: usize = 4;

static POOL: Mutex<Vec<Locked>> = Mutex::new(Vec::new());

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` on a locked stack. Nested calls stay on the stack that they are on.
///
/// # Errors
/// When no locked stack could be had: as [`Locked::new`]. `f` has not run then.
///
/// # Panics
/// When `f` does.
pub(crate) fn scope<R>(f: impl FnOnce() -> R) -> Result<R, Error> {
    if INSIDE.get() {
        return Ok(f());
    }
    let mut lease = Lease::take()?;
    let stack = lease
        .0
        .as_mut()
        .expect("a lease holds its stack until it is dropped");
    Ok(stack::call_on(stack.pages(), f))
}

/// A stack on loan. Wiped and handed back however the closure ends.
struct Lease(Option<Locked>);

impl Lease {
    fn take() -> Result<Self, Error> {
        let stack = spare().map_or_else(|| Locked::new(STACK), Ok)?;
        INSIDE.set(true);
        Ok(Self(Some(stack)))
    }
}

/// A stack from the pool that this process has; a child has none of its parent's.
fn spare() -> Option<Locked> {
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    std::iter::from_fn(|| pool.pop()).find(Locked::is_present)
}

impl Drop for Lease {
    fn drop(&mut self) {
        INSIDE.set(false);
        registers::clear_vectors();
        let Some(mut stack) = self.0.take() else {
            return;
        };
        stack.wipe();
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < SPARE {
            pool.push(stack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_on_another_stack_and_returns() {
        let here = 0_u8;
        let far = scope(|| {
            let there = 0_u8;
            (&raw const there).addr().abs_diff((&raw const here).addr())
        });
        assert!(
            far.unwrap() > STACK,
            "the closure ran on the caller's stack"
        );
    }

    #[test]
    fn nested_scopes_stay_where_they_are() {
        let near = scope(|| {
            let outer = 0_u8;
            scope(|| {
                let inner = 0_u8;
                (&raw const inner)
                    .addr()
                    .abs_diff((&raw const outer).addr())
            })
        });
        assert!(near.unwrap().unwrap() < STACK);
    }

    #[test]
    fn a_panic_travels_through_and_the_next_scope_works() {
        let caught = std::panic::catch_unwind(|| scope(|| panic!("through")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"through"));
        assert_eq!(scope(|| 7).unwrap(), 7);
    }

    #[test]
    fn an_overflow_hits_the_guard() {
        fn descend(depth: u64) -> u64 {
            let frame = std::hint::black_box([depth; 512]);
            if frame[0] == 0 {
                0
            } else {
                descend(depth - 1) + frame[511]
            }
        }
        let run = |depth| {
            let child = vmsafe_lab::fork_lingering(|| {
                let _ = scope(|| std::hint::black_box(descend(depth))).unwrap();
            })?;
            Ok::<_, vmsafe_lab::Error>(vmsafe_lab::ended_by(child.wait()?))
        };
        let fits = match run(4) {
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                eprintln!("NOT RUN: {error}");
                return;
            }
            fits => fits.unwrap(),
        };
        assert_eq!(fits, None, "the control: a depth that fits");
        // Each frame holds 4 KiB.
        let deeper = run(STACK as u64 / 4096 + 1).unwrap();
        assert_eq!(deeper, Some(11), "SIGSEGV");
    }

    #[test]
    fn leaves_the_stack_zero() {
        let canary = [0xA5_u8; 64];
        let mut lease = Lease::take().unwrap();
        let stack = lease.0.as_mut().unwrap();
        stack::call_on(stack.pages(), || std::hint::black_box([canary[0]; 4096]));
        let dirty = |stack: &Locked| stack.windows(64).filter(|bytes| **bytes == canary).count();
        assert!(dirty(stack) > 0, "the control left nothing on the stack");
        let mut stack = lease.0.take().unwrap();
        stack.wipe();
        assert_eq!(dirty(&stack), 0);
        drop(lease);
    }
}
