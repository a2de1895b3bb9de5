//! Places: where the guarded values of this process stand, for the handler of faults, which reads
//! them without a lock.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::heap::busy;

/// Some places, and where there are more: never given back, for a handler may be looking.
#[derive(Debug)]
struct Places {
    all: [Place; 16],
    more: OnceLock<Box<Self>>,
}

/// A range of addresses. One that starts at zero is nobody's.
#[derive(Debug)]
struct Place {
    start: AtomicUsize,
    len: AtomicUsize,
}

static FIRST: Places = Places::new();

impl Places {
    const fn new() -> Self {
        let all = [const {
            Place {
                start: AtomicUsize::new(0),
                len: AtomicUsize::new(0),
            }
        }; 16];
        Self {
            all,
            more: OnceLock::new(),
        }
    }
}

/// A range that is known until this is dropped.
#[derive(Debug)]
pub(super) struct Known(&'static Place);

impl Known {
    pub(super) fn new(range: Range<usize>) -> Self {
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let mut places = &FIRST;
        loop {
            let claim = |place: &&Place| {
                let claimed = place
                    .start
                    .compare_exchange(0, range.start, acquire, relaxed);
                claimed.is_ok()
            };
            if let Some(place) = places.all.iter().find(claim) {
                place.len.store(range.len(), Ordering::Release);
                return Self(place);
            }
            // A book, not a secret: what a scope allocates may be kept from children.
            let _busy = busy::enter();
            places = places.more.get_or_init(|| Box::new(Places::new()));
        }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.0.len.store(0, Ordering::Relaxed);
        self.0.start.store(0, Ordering::Release);
    }
}

/// What a fault at an address has to do with a guarded value. For a signal handler.
pub(crate) fn explain(address: usize) -> Option<&'static str> {
    let mut places = Some(&FIRST);
    while let Some(some) = places {
        let holds = |place: &Place| {
            let offset = address.wrapping_sub(place.start.load(Ordering::Relaxed));
            offset < place.len.load(Ordering::Acquire)
        };
        if some.all.iter().any(holds) {
            return Some(
                "a Guarded value was used outside its closure, or changed in Guarded::expose",
            );
        }
        places = some.more.get().map(Box::as_ref);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_explained_until_it_is_dropped() {
        // Addresses that no other test's values have.
        let ranges = (1..=40).map(|number| number * 16..number * 16 + 8);
        let known: Vec<_> = ranges.map(Known::new).collect();
        for address in 16..41 * 16 {
            assert_eq!(explain(address).is_some(), address % 16 < 8, "{address}");
        }
        drop(known);
        assert!((16..41 * 16).all(|address| explain(address).is_none()));
    }
}
