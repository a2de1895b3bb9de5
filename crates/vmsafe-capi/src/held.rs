//! The one buffer of a process, between Init and Free.

use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vmsafe_os::{AroundFork, native};

use crate::fault::{Code, Fault};
use crate::session::{Places, Session};

/// What the process holds.
#[derive(Debug)]
enum Slot {
    Empty,
    Held(Session),
    /// A child's: what its parent held stayed there.
    Parents,
}

static SLOT: Mutex<Slot> = Mutex::new(Slot::Empty);

fn slot() -> MutexGuard<'static, Slot> {
    SLOT.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn init(
    name: Option<&CStr>,
    mapsize: c_int,
    places: Places,
) -> Result<NonNull<u8>, Fault> {
    native().around_fork(&HOOK).map_err(vmsafe::Error::from)?;
    let mut slot = slot();
    disown(&mut slot);
    if matches!(*slot, Slot::Held(_)) {
        let text = "a buffer is held already; call win32vmSafeFree before another Init";
        return Err(Fault::new(Code::Held, text));
    }
    let mut session = Session::open(native(), name, mapsize, places)?;
    let start = session.start();
    *slot = Slot::Held(session);
    Ok(start)
}

pub(crate) fn free() -> Result<(), Fault> {
    let mut slot = slot();
    with(&mut slot, |_| Ok(()))?;
    match std::mem::replace(&mut *slot, Slot::Empty) {
        Slot::Held(session) => session.burn(),
        Slot::Empty | Slot::Parents => unreachable!("looked at a moment ago, under one lock"),
    }
}

/// Lends the buffer.
pub(crate) fn lend<T>(act: impl FnOnce(&mut Session) -> Result<T, Fault>) -> Result<T, Fault> {
    with(&mut slot(), act)
}

/// A child that was made by a bare clone ran no hook: what it holds by name is its parent's too.
fn disown(slot: &mut Slot) {
    if let Slot::Held(session) = slot
        && !session.is_present()
    {
        *slot = Slot::Parents;
    }
}

fn with<T>(
    slot: &mut Slot,
    act: impl FnOnce(&mut Session) -> Result<T, Fault>,
) -> Result<T, Fault> {
    disown(slot);
    match slot {
        Slot::Held(session) => act(session),
        Slot::Empty => Err(Fault::new(
            Code::None,
            "there is no buffer; call win32vmSafeInit first",
        )),
        Slot::Parents => Err(vmsafe::Error::Elsewhere.into()),
    }
}

thread_local! {
    /// From before to after: what the forking thread holds.
    static HELD: RefCell<Option<MutexGuard<'static, Slot>>> = const { RefCell::new(None) };
}

/// Not without a size: it is known by its address.
#[derive(Debug)]
struct Hook(#[expect(dead_code, reason = "gives the hook a size")] u8);

static HOOK: Hook = Hook(0);

impl AroundFork for Hook {
    fn before(&self) {
        let slot = slot();
        // A thread whose locals are gone forks with the lock open, for it holds none.
        let _ = HELD.try_with(|held| *held.borrow_mut() = Some(slot));
    }

    fn after(&self, child: bool) {
        let held = HELD.try_with(|held| held.borrow_mut().take());
        if let Ok(Some(mut slot)) = held
            && child
            && matches!(*slot, Slot::Held(_))
        {
            // Ends the child's knowledge of it; neither pages nor file are touched there.
            *slot = Slot::Parents;
        }
    }
}

#[cfg(test)]
mod tests {
    use vmsafe_os::model::Model;

    use super::*;

    #[test]
    fn what_a_child_without_hooks_holds_is_its_parents() {
        for mapsize in [512, 8192] {
            let kernel = Model::leak();
            let name = Some(c"/disk/key");
            let session = Session::open(kernel, name, mapsize, Places::Any).unwrap();
            let mut slot = Slot::Held(session);
            assert!(with(&mut slot, |_| Ok(())).is_ok(), "the control");
            kernel.fork();
            let fault = with(&mut slot, |_| Ok(())).unwrap_err();
            assert_eq!(fault.code, Code::Child);
            assert!(matches!(slot, Slot::Parents), "another Init is welcome");
            assert_eq!(kernel.named(), 1, "the parent's file is left alone");
        }
    }
}
