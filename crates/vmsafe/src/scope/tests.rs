use std::io;
use std::thread;

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
    let caught = std::panic::catch_unwind(|| with_stack(256 << 10, || panic!("through")));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"through"));
    assert!(!is_inside());
    assert_eq!(scope(|| 7).unwrap(), 7);
}

#[test]
fn threads_have_stacks_of_their_own() {
    let address = || {
        let here = 0_u8;
        scope(|| thread::scope(|all| all.spawn(|| scope(is_inside)).join().unwrap().unwrap()))
            .map(|inside| (inside, (&raw const here).addr()))
    };
    assert!(thread::spawn(address).join().unwrap().unwrap().0);
    assert!(!is_inside());
}

/// Leaves a canary at the far end of a frame with a gap that nobody writes to.
#[inline(never)]
fn leave(deep: bool) -> usize {
    let mut frame = [std::mem::MaybeUninit::<u8>::uninit(); 12 << 10];
    let place = if deep { 0 } else { frame.len() - 64 };
    for byte in &mut frame[place..place + 64] {
        byte.write(0xA5);
    }
    std::hint::black_box(&mut frame).as_ptr().addr()
}

fn dirty(stack: &Locked) -> usize {
    stack.iter().filter(|byte| **byte != 0).count()
}

#[test]
fn leaves_the_stack_zero() {
    for deep in [false, true] {
        let mut lease = Lease(rack::take(STACK).unwrap());
        let stack = &mut *lease.0;
        stack::call_on(stack.pages(), || leave(deep));
        assert!(dirty(stack) >= 64, "the control left nothing on the stack");
        stack::wipe_used(stack.pages());
        assert_eq!(dirty(stack), 0);
    }
}

#[test]
fn every_byte_of_a_stack_is_looked_at() {
    let mut stack = Locked::new(STACK).unwrap();
    for place in (0..STACK).step_by(509).chain([STACK - 1]) {
        stack[place] = 1;
        stack::wipe_used(stack.pages());
        assert_eq!(dirty(&stack), 0, "byte {place}");
    }
}

#[test]
fn an_overflow_hits_the_guard() {
    fn descend(depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 64]);
        if frame[0] == 0 {
            0
        } else {
            descend(depth - 1) + frame[63]
        }
    }
    let run = |depth| {
        let child = vmsafe_lab::fork_lingering(|| {
            let _ = scope(|| std::hint::black_box(descend(depth))).unwrap();
        })?;
        Ok::<_, vmsafe_lab::Error>(vmsafe_lab::ended_by(child.wait()?))
    };
    let fits = match run(8) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            eprintln!("NOT RUN: {error}");
            return;
        }
        fits => fits.unwrap(),
    };
    assert_eq!(fits, None, "the control: a depth that fits");
    // Each frame holds 512 bytes.
    let deeper = run(STACK as u64 / 512 + 1).unwrap();
    assert_eq!(deeper, Some(11), "SIGSEGV");
}

#[test]
fn the_alternate_stack_of_signal_handlers_is_locked() {
    scope(|| ()).unwrap();
    let alternate = ALTERNATE.take();
    if signals::least_stack() == 0 {
        assert!(
            alternate.is_none(),
            "this system hands faults over without a stack of ours"
        );
        return;
    }
    let alternate = alternate.expect("the first scope of a thread makes it");
    assert!(alternate._stack.facts().unwrap().locked);
    assert!(signals::present_stack() >= signals::least_stack());
    ALTERNATE.set(Some(alternate));
}

#[test]
fn a_larger_alternate_stack_is_followed_by_one_as_large() {
    const LARGE: usize = 256 << 10;
    let present = thread::spawn(|| {
        if signals::least_stack() == 0 {
            return None;
        }
        let pages = Locked::options().create(LARGE).unwrap().into_pages();
        let before = AlternateStack::new(pages).unwrap();
        assert_eq!(signals::present_stack(), LARGE, "the control");
        scope(|| ()).unwrap();
        let present = signals::present_stack();
        // Its end leaves the one that came after it alone.
        drop(before);
        assert_eq!(signals::present_stack(), present);
        Some(present)
    });
    assert!(present.join().unwrap().is_none_or(|bytes| bytes >= LARGE));
}
