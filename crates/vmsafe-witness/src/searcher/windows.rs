//! The tables of 8-byte windows: filters that say "perhaps" fast, and an index behind them that
//! says where.

use core::ops::Range;

use super::filter::Filter;
use super::index::{Entries, Index};
use crate::masked::{MaskStream, Masked};

/// The bytes of a window.
pub(super) const WINDOW: usize = 8;

/// The windows of many patterns.
///
/// All of them are in a filter, but only each `stride`-th of a pattern is in the index: who finds
/// a part of a pattern by one window finds an indexed one less than `stride` bytes beside it.
pub(super) struct Windows {
    /// Most encoded forms are ASCII and most memory is not: each has a filter of its own, so that
    /// the one that is asked most stays small.
    pub(super) binary: Filter,
    pub(super) text: Filter,
    pub(super) index: Index,
    /// For which byte values a pattern holds a window of that byte alone.
    runs: [bool; 256],
}

/// Whether a window is ASCII.
#[inline(always)]
pub(super) fn is_text(window: u64) -> bool {
    window & 0x8080_8080_8080_8080 == 0
}

/// The window that begins at the start of `bytes`.
#[inline(always)]
pub(super) fn load(bytes: &[u8]) -> u64 {
    let mut window = [0; WINDOW];
    window.copy_from_slice(&bytes[..WINDOW]);
    u64::from_le_bytes(window)
}

/// The byte that `window` repeats, if it repeats one.
#[inline]
pub(super) fn repeated_byte(window: u64) -> Option<u8> {
    (window == window.rotate_left(8)).then(|| window.to_le_bytes()[0])
}

impl Windows {
    /// Builds the tables of all windows in the `spans` of `store`.
    pub(super) fn build(
        store: &Masked,
        spans: &[Range<usize>],
        stride: usize,
        masks: &mut MaskStream,
    ) -> Self {
        let (mut all, mut text) = (0, 0);
        for span in spans {
            each_window(store, span, |window, _| {
                all += 1;
                text += usize::from(is_text(window));
            });
        }
        loop {
            let mut entries = Entries::with_room(all / stride + spans.len(), masks);
            let mut filters = [all - text, text].map(|count| Filter::with_room(count, masks));
            let mut runs = [false; 256];
            for span in spans {
                insert(store, span, stride, &mut filters, &mut runs, &mut entries);
            }
            // Zeros and ones fill much of any disk: they must not pass by an accident of hashing.
            let passes = |byte: u8| {
                let window = u64::from_le_bytes([byte; WINDOW]);
                filters.iter().any(|filter| filter.passes(window) != 0)
            };
            if [0, 0xff]
                .iter()
                .all(|&byte| runs[usize::from(byte)] || !passes(byte))
            {
                let [binary, text] = filters;
                return Self {
                    binary,
                    text,
                    index: entries.index(),
                    runs,
                };
            }
        }
    }

    /// Whether a pattern may hold `window`.
    pub(super) fn may_hold(&self, window: u64) -> bool {
        if is_text(window) {
            self.text.passes_all(window)
        } else {
            self.binary.passes_all(window)
        }
    }

    /// Whether a pattern holds a window of `byte` alone.
    pub(super) fn has_run_of(&self, byte: u8) -> bool {
        self.runs[usize::from(byte)]
    }
}

/// Takes in one pattern. One that holds a run is indexed in full: it is also sought from the
/// borders of runs, where any window may be the one that is asked for.
fn insert(
    store: &Masked,
    span: &Range<usize>,
    stride: usize,
    filters: &mut [Filter; 2],
    runs: &mut [bool; 256],
    entries: &mut Entries,
) {
    let mut has_run = false;
    let is_sample = |at: usize| (at - span.start).is_multiple_of(stride);
    each_window(store, span, |window, at| {
        filters[usize::from(is_text(window))].insert(window);
        if let Some(byte) = repeated_byte(window) {
            runs[usize::from(byte)] = true;
            has_run = true;
        } else if is_sample(at) {
            entries.push(window, at);
        }
    });
    if has_run {
        each_window(store, span, |window, at| {
            if repeated_byte(window).is_none() && !is_sample(at) {
                entries.push(window, at);
            }
        });
    }
}

/// Calls `visit` with each window of the span and its position.
#[inline(always)]
fn each_window(store: &Masked, span: &Range<usize>, mut visit: impl FnMut(u64, usize)) {
    for at in span.start..(span.end + 1).saturating_sub(WINDOW) {
        visit(store.word(at), at);
    }
}
