//! Which windows of a pattern that repeats itself the index can do without.
//!
//! ```text
//! pattern     . x a b c d a b c d a b c d a b c d a b c d y .
//!                         |<------[-----]------>|        all of this stands 4 bytes before, too
//! ```
//!
//! Without this the index would give hundreds of places for each window of such memory. Who finds
//! a part of the pattern by a window that is left out, would find the same stretch by the window
//! before it: it ends at the same bytes, for the byte behind either end is also the same.
//!
//! A part in which one window is left out for a certain distance and the next for another would be
//! found as two: there one of them is kept.

use super::pattern::Pattern;
use super::windows::{WINDOW, repeated_byte};
use crate::masked::Masked;

/// Bytes of a pattern below which its windows are all kept: there are few.
const SHORTEST: usize = 256;

/// What must be the same on both sides of a window. In a part of a form in digits, the windows that
/// are looked at may begin 11 bytes from its beginning and 23 from its end.
const AROUND: usize = 32;

/// The furthest distance at which windows are compared.
const FURTHEST: usize = 256;

/// How far apart the windows are for which a distance is sought, unless the last one serves.
const SOUGHT_EVERY: usize = 64;

/// For each window of a pattern that could be indexed, how far before it the same stands.
pub(super) struct Repeats {
    start: usize,
    step: usize,
    /// Zero where it stands nowhere; none at all for a pattern that is short.
    distances: Vec<usize>,
}

impl Repeats {
    pub(super) fn of(pattern: &Pattern, store: &Masked) -> Self {
        let (start, step) = (pattern.start(), pattern.index_step());
        let mut repeats = Self {
            start,
            step,
            distances: Vec::new(),
        };
        if pattern.len() < SHORTEST {
            return repeats;
        }
        let mut sought_from = start;
        let mut last = 0;
        for at in (start..pattern.end() + 1 - WINDOW).step_by(step) {
            let is_same = |distance: usize| {
                distance > 0
                    && at >= start + AROUND + distance
                    && at + WINDOW + AROUND <= pattern.end()
                    && (at - AROUND..=at + AROUND)
                        .step_by(WINDOW)
                        .all(|at| store.word(at) == store.word(at - distance))
            };
            if !is_same(last) {
                last = 0;
                // What repeats a byte is not indexed, and would be the same at any distance.
                let window = store.word(at);
                if at >= sought_from && repeated_byte(window).is_none() {
                    sought_from = at + SOUGHT_EVERY;
                    let stands = |distance: &usize| {
                        at >= start + distance && store.word(at - distance) == window
                    };
                    let mut all = (step..=FURTHEST).step_by(step).filter(stands);
                    last = all.find(|distance| is_same(*distance)).unwrap_or(0);
                }
            }
            repeats.distances.push(last);
        }
        repeats
    }

    /// Whether the index can do without the window at `at`.
    pub(super) fn hold(&self, at: usize) -> bool {
        let nth = (at - self.start) / self.step;
        let distance = |nth: usize| self.distances.get(nth).copied().unwrap_or(0);
        let (here, next) = (distance(nth), distance(nth + 1));
        here > 0 && (next == here || next == 0)
    }
}
