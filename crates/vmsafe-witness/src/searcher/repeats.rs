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
//! found as two: there one of them is kept. Windows that repeat one byte are never indexed, so none
//! of them can be the one that is kept: what they say of a distance counts for those beside them.

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

/// Which windows of a pattern that could be indexed need not be.
pub(super) struct Repeats {
    start: usize,
    step: usize,
    /// None at all for a pattern that is short.
    left_out: Vec<bool>,
}

/// A window that could be indexed.
struct Window {
    /// How far before it the same stands; zero where it does nowhere.
    distance: usize,
    /// Whether it repeats one byte, and so is not indexed.
    is_run: bool,
}

impl Repeats {
    pub(super) fn of(pattern: &Pattern, store: &Masked) -> Self {
        let (start, step) = (pattern.start(), pattern.index_step());
        let mut repeats = Self {
            start,
            step,
            left_out: Vec::new(),
        };
        if pattern.len() >= SHORTEST {
            repeats.left_out = left_out(&repeats.windows(pattern, store));
        }
        repeats
    }

    fn windows(&self, pattern: &Pattern, store: &Masked) -> Vec<Window> {
        let (start, step) = (self.start, self.step);
        let mut windows = Vec::new();
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
            let window = store.word(at);
            let is_run = repeated_byte(window).is_some();
            if !is_same(last) {
                last = 0;
                // What repeats a byte would be the same at any distance.
                if at >= sought_from && !is_run {
                    sought_from = at + SOUGHT_EVERY;
                    let stands = |distance: &usize| {
                        at >= start + distance && store.word(at - distance) == window
                    };
                    let mut all = (step..=FURTHEST).step_by(step).filter(stands);
                    last = all.find(|distance| is_same(*distance)).unwrap_or(0);
                }
            }
            windows.push(Window {
                distance: last,
                is_run,
            });
        }
        windows
    }

    /// Whether the index can do without the window at `at`.
    pub(super) fn hold(&self, at: usize) -> bool {
        let nth = (at - self.start) / self.step;
        self.left_out.get(nth).copied().unwrap_or(false)
    }
}

/// Which of the windows of a pattern are found by others, whatever part of the pattern they are
/// met in.
fn left_out(windows: &[Window]) -> Vec<bool> {
    let mut left_out: Vec<bool> = windows.iter().map(|window| window.distance > 0).collect();
    let is_run = |nth: &usize| windows[*nth].is_run;
    let mut indexed = (0..windows.len()).filter(|nth| !is_run(nth));
    let mut last = indexed.next();
    while let Some(here) = last {
        let next = indexed.next();
        let runs = &windows[here + 1..next.unwrap_or(windows.len())];
        let is_same_as = |nth: usize| {
            let distance = windows[nth].distance;
            runs.iter().all(|run| run.distance == distance)
        };
        left_out[here] &= is_same_as(here);
        if let Some(next) = next {
            let (distance, behind) = (windows[here].distance, windows[next].distance);
            left_out[here] &= behind == distance || behind == 0;
            left_out[next] &= is_same_as(next);
        }
        last = next;
    }
    left_out
}
