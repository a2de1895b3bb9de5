//! What was found so far, and where nothing new can be found.

use core::ops::Range;
use std::collections::HashMap;

use super::Compiled;
use crate::forms::Spelling;
use crate::hit::{Form, Hit};

/// Adjacent bytes that equal a part of a pattern, or of a form of it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    /// In the searched bytes.
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) written: Written,
    /// Where in what is written the part begins.
    pub(super) from: usize,
}

/// What is matched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Written {
    /// The number of a pattern.
    pub(super) pattern: usize,
    /// How it is spelled, if it is not matched byte for byte.
    pub(super) spelling: Option<Spelling>,
}

impl Match {
    /// Whether the byte at `at` of the searched bytes, taken as byte `from` of what is written, is
    /// part of this match.
    fn covers(&self, written: Written, at: usize, from: usize) -> bool {
        self.written == written
            && at >= self.start
            && at - self.start < self.len
            && from == self.from + (at - self.start)
    }

    pub(super) fn to_hit(&self, compiled: &Compiled, base_offset: u64) -> Hit {
        let pattern = compiled.patterns.all[self.written.pattern];
        let whole = self.len == compiled.len(self.written);
        let form = match compiled.form(self.written) {
            Form::Exact if !whole => Form::Fragment,
            form => form,
        };
        Hit {
            offset: base_offset + self.start as u64,
            len: self.len as u64,
            needle: pattern.needle(),
            form,
            whole,
        }
    }
}

/// Matches beyond this number are first freed of repetitions (a periodic needle matches itself).
const MANY_MATCHES: usize = 1 << 16;

/// How many of the last matches are looked through: most windows that are compared in vain lie in
/// the match that was just found.
const LAST: usize = 8;

/// To compare fewer bytes again costs less than to remember that they were compared.
const LONG: usize = 64;

/// So many long stretches are remembered before those that lie behind are forgotten.
const MANY_STRETCHES: usize = 1 << 14;

/// All matches in one piece of memory.
#[derive(Default)]
pub(super) struct Matches {
    all: Vec<Match>,
    /// Where long equal stretches lie that were compared last, by what is written and where that
    /// would begin. In memory that repeats itself a needle that does so stands at many places at
    /// once, and each is met again and again.
    stretches: HashMap<(Written, usize), Range<usize>>,
    /// When to forget some.
    most_stretches: usize,
    /// How often a window that stands in a pattern was asked about, and compared further.
    #[cfg(test)]
    pub(super) asked: usize,
    #[cfg(test)]
    pub(super) compared: usize,
}

impl Matches {
    /// Whether what was compared covers the byte at `at`, taken as byte `from` of what is written.
    pub(super) fn is_covered(&mut self, written: Written, at: usize, from: usize) -> bool {
        #[cfg(test)]
        {
            self.asked += 1;
        }
        let mut last = self.all.iter().rev().take(LAST);
        last.any(|earlier| earlier.covers(written, at, from))
            || !self.stretches.is_empty() && {
                let stretch = self.stretches.get(&(written, at.wrapping_sub(from)));
                stretch.is_some_and(|stretch| stretch.contains(&at))
            }
    }

    /// Takes note of a stretch that was compared, whether it is evidence or not.
    pub(super) fn note(&mut self, found: &Match) {
        #[cfg(test)]
        {
            self.compared += 1;
        }
        if found.len < LONG {
            return;
        }
        let start = found.start;
        if self.stretches.len() >= self.most_stretches {
            self.stretches.retain(|_, stretch| stretch.end > start);
            self.most_stretches = MANY_STRETCHES.max(2 * self.stretches.len());
        }
        let begin = start.wrapping_sub(found.from);
        let stretch = start..start + found.len;
        self.stretches.insert((found.written, begin), stretch);
    }

    pub(super) fn push(&mut self, found: Match) {
        self.all.push(found);
        if self.all.len().is_multiple_of(MANY_MATCHES) {
            self.all.sort_unstable();
            self.all.dedup();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Match> {
        self.all.iter()
    }
}
