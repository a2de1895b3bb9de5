//! Looks for all needles at once, at a cost that hardly depends on their number.
//!
//! ```text
//! needle    s e c r e t   k e y   o f   m i n e          every half of an 8-byte window goes
//!           [-----]                                      into a small hash filter, every eighth
//!             [-----]  …                                 window into an index
//!
//! memory    . . . . . . . . s e c r e t   k e y   o f   m i n e . . .
//!           [-----]                 [-----]                 [-----]   one look-up per 12 bytes
//!                                   ^ hit: look around it in the index, compare, extend both ways
//! ```
//!
//! Wherever 15 bytes of a needle stand, one of the look-ups falls wholly inside them. Needles
//! below 15 bytes form a group of their own, looked up at a smaller stride, so that one short
//! needle does not slow the search for the others.
//!
//! That is for needles that may stand [anywhere](halves). Those that are [text] are looked for in
//! text alone, and those with four bytes of what memory is filled with by [whole] windows.
//!
//! What is written in other forms is made readable where it stands, and then looked up among the
//! same windows: backwards, or [decoded](decoder). So all forms of a needle cost no more than the
//! needle. Forms of short needles, and of those with runs, are patterns of their own.
//!
//! A window of one repeated byte (zeros, mostly) is never compared: it would match in every empty
//! page. If a needle holds such a run, the look-ups go to the *borders* of each run in memory
//! instead, since a needle that is not all alike holds a border too.

mod alphabet;
mod batch;
mod decoder;
mod encoded;
mod filter;
mod group;
mod halves;
mod index;
mod look_up;
mod matches;
mod parallel;
mod pattern;
mod repeats;
mod settle;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod whole;
mod windows;

use core::fmt;
use std::sync::Arc;

use crate::factor::{Modulus, find_factors};
use crate::forms::{Spelled, Spelling};
use crate::hit::{Form, Hit};
use crate::keys::KeyHit;
use crate::needles::Needles;
use crate::private_key::{self, find_private_keys};
use crate::schedule::{self, find_schedules};

use encoded::{Encoded, Place};
use group::Group;
use matches::{Match, Matches, Written};
use pattern::{Pattern, Patterns};
use settle::settle;
use windows::{WINDOW, load};

/// The shortest part of a needle that is reported, in bytes.
pub const SHORTEST_FRAGMENT: usize = 16;

/// The shortest part of a form that is longer than the needle, in bytes: of hexadecimal digits they
/// spell 16 bytes of it.
pub const SHORTEST_ENCODED_FRAGMENT: usize = 32;

/// How often the byte value must change within a part of a needle for it to be reported: the tail
/// of any empty page, followed by one byte of anything, would else be part of a needle with zeros.
pub const FEWEST_CHANGES: usize = 4;

/// A compiled set of needles. Cloning is cheap and shares the compiled form.
#[derive(Clone)]
pub struct Searcher {
    compiled: Arc<Compiled>,
}

/// What a searcher looks for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Wanted {
    /// Needles also reversed, in hexadecimal, base64 and UTF-16, and in fragments of these.
    pub encoded: bool,
    /// AES keys that are not known, by their key schedules.
    pub schedules: bool,
    /// Private keys that are not known, in each form of a key that [`KeyForm`](crate::KeyForm) has.
    pub private_keys: bool,
    /// The primes of RSA keys with these moduli, as numbers in memory.
    pub moduli: Vec<Modulus>,
}

impl Wanted {
    /// Everything that can be looked for without being told more.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            encoded: true,
            schedules: true,
            private_keys: true,
            moduli: Vec::new(),
        }
    }

    fn longest_prime(&self) -> usize {
        let primes = self.moduli.iter().map(Modulus::overlap);
        primes.max().unwrap_or(0)
    }
}

struct Compiled {
    patterns: Patterns,
    groups: Vec<Group>,
    /// Bytes of the longest form.
    longest: usize,
    wanted: Wanted,
}

impl Searcher {
    /// Compiles `needles`, to be found byte for byte and in fragments. The searcher is independent
    /// of them afterwards.
    #[must_use]
    pub fn new(needles: &Needles) -> Self {
        Self::with(needles, &Wanted::default())
    }

    /// Compiles `needles`, to be found as `wanted` says.
    #[must_use]
    pub fn with(needles: &Needles, wanted: &Wanted) -> Self {
        let mut patterns = Patterns::new(needles, wanted);
        let groups = Group::split(&mut patterns);
        let len = |pattern: &Pattern| pattern.len().max(pattern.decoded_len());
        let longest = patterns.all.iter().map(len).max().unwrap_or(0);
        Self {
            compiled: Arc::new(Compiled {
                patterns,
                groups,
                longest,
                wanted: wanted.clone(),
            }),
        }
    }

    /// Reports each place in `bytes` where a needle stands, by rising offset. `base_offset` is
    /// added to the offsets.
    ///
    /// A fragment that lies within another hit is not reported.
    pub fn search(&self, base_offset: u64, bytes: &[u8], found: &mut dyn FnMut(Hit)) {
        self.hits(base_offset, bytes, bytes.len())
            .into_iter()
            .for_each(found);
    }

    /// Reports each place in `bytes` where a key that was not known beforehand is recognised, by
    /// rising offset; of the kinds that the searcher was told to look for.
    pub fn search_keys(&self, base_offset: u64, bytes: &[u8], found: &mut dyn FnMut(KeyHit)) {
        self.keys(base_offset, bytes, bytes.len())
            .into_iter()
            .for_each(found);
    }

    /// What stands in `bytes` and ends in the last `fresh` of them. Of what ends before, some may
    /// be given too.
    pub(crate) fn hits(&self, base_offset: u64, bytes: &[u8], fresh: usize) -> Vec<Hit> {
        let compiled = &*self.compiled;
        let (base_offset, bytes) = with_overlap(base_offset, bytes, fresh, compiled.longest);
        let mut matches = Matches::default();
        for group in &compiled.groups {
            group.search(compiled, bytes, &mut matches);
        }
        let to_hit = |found: &Match| found.to_hit(compiled, base_offset);
        settle(matches.iter().map(to_hit).collect())
    }

    /// As [`Self::hits`], for keys.
    pub(crate) fn keys(&self, base_offset: u64, bytes: &[u8], fresh: usize) -> Vec<KeyHit> {
        let part = |overlap| with_overlap(base_offset, bytes, fresh, overlap);
        let wanted = &self.compiled.wanted;
        let mut keys = Vec::new();
        if wanted.schedules {
            let (base, bytes) = part(schedule::OVERLAP);
            keys.extend(find_schedules(base, bytes));
        }
        if wanted.private_keys {
            let (base, bytes) = part(private_key::OVERLAP);
            keys.extend(find_private_keys(base, bytes));
        }
        let (base, bytes) = part(wanted.longest_prime());
        keys.extend(find_factors(&wanted.moduli, base, bytes));
        keys.sort_unstable();
        keys
    }

    /// Bytes of the largest table that is looked up all the time.
    pub(crate) fn table_size(&self) -> usize {
        let tables = self.compiled.groups.iter().map(Group::table_size);
        tables.max().unwrap_or(0)
    }

    /// How many bytes two adjacent pieces must share so that no hit is lost between them: no less
    /// than the longest that there can be.
    #[must_use]
    pub fn overlap(&self) -> usize {
        let wanted = &self.compiled.wanted;
        let schedule = if wanted.schedules {
            schedule::OVERLAP
        } else {
            0
        };
        let private_key = if wanted.private_keys {
            private_key::OVERLAP
        } else {
            0
        };
        let needle = self.compiled.longest;
        needle
            .max(schedule)
            .max(private_key)
            .max(wanted.longest_prime())
    }
}

/// The last `fresh` of the `bytes` and `overlap` more before them; and where that begins.
fn with_overlap(base: u64, bytes: &[u8], fresh: usize, overlap: usize) -> (u64, &[u8]) {
    let skip = bytes.len().saturating_sub(fresh + overlap);
    (base + skip as u64, &bytes[skip..])
}

impl fmt::Debug for Searcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns = self.compiled.patterns.all.len();
        f.debug_struct("Searcher")
            .field("patterns", &patterns)
            .finish_non_exhaustive()
    }
}

/// Whether a part of a needle is long and varied enough to be more than chance.
fn is_evidence(part: &[u8], form: Form) -> bool {
    let changes = part.windows(2).filter(|pair| pair[0] != pair[1]);
    let shortest = match form {
        Form::Exact | Form::Fragment | Form::Reversed => SHORTEST_FRAGMENT,
        _ => SHORTEST_ENCODED_FRAGMENT,
    };
    part.len() >= shortest && changes.take(FEWEST_CHANGES).count() == FEWEST_CHANGES
}

impl Compiled {
    /// The pattern that holds the byte `at` of the store.
    fn pattern_at(&self, at: usize) -> usize {
        let is_before = |pattern: &Pattern| pattern.end() <= at;
        self.patterns.all.partition_point(is_before)
    }

    fn len(&self, written: Written) -> usize {
        let len = self.patterns.all[written.pattern].len();
        written.spelling.map_or(len, |spelling| spelling.len(len))
    }

    fn form(&self, written: Written) -> Form {
        let form = self.patterns.all[written.pattern].form;
        written.spelling.map_or(form, Spelling::form)
    }

    /// If the window at `at` of `hay` stands at `stored` too, extends this equality both ways, and
    /// keeps it if it is long enough.
    fn extend(&self, hay: &[u8], at: usize, stored: usize, matches: &mut Matches) {
        let store = &self.patterns.store;
        if store.word(stored) != load(&hay[at..]) {
            return;
        }
        let number = self.pattern_at(stored);
        let pattern = self.patterns.all[number];
        let written = Written {
            pattern: number,
            spelling: None,
        };
        let from = stored - pattern.start();
        if matches.is_covered(written, at, from) {
            return;
        }
        let after = store.matches_forward(stored, pattern.end(), &hay[at..]);
        let before = store.matches_backward(pattern.start(), stored, &hay[..at]);
        let found = Match {
            start: at - before,
            len: before + after,
            written,
            from: from - before,
        };
        self.keep(hay, found, matches);
    }

    /// As [`Self::extend`], if the `window` that byte `nth` of `encoded` begins stands at `stored`.
    fn extend_encoded(
        &self,
        hay: &[u8],
        (encoded, nth, window): (&Encoded<'_>, isize, u64),
        stored: usize,
        matches: &mut Matches,
    ) {
        if self.patterns.store.word(stored) != window {
            return;
        }
        let number = self.pattern_at(stored);
        let from = stored - self.patterns.all[number].start();
        for place in encoded.places(nth, from) {
            self.extend_spelled(hay, number, &place, matches);
        }
    }

    /// As [`Self::extend`], if the window at `at` stands at `stored` backwards.
    fn extend_reversed(&self, hay: &[u8], at: usize, stored: usize, matches: &mut Matches) {
        if self.patterns.store.word(stored).swap_bytes() != load(&hay[at..]) {
            return;
        }
        let number = self.pattern_at(stored);
        let place = Place {
            at,
            from: self.patterns.all[number].end() - WINDOW - stored,
            spelling: Spelling::Reversed,
        };
        self.extend_spelled(hay, number, &place, matches);
    }

    /// As [`Self::extend`], of a form of a pattern that may stand at a place.
    fn extend_spelled(&self, hay: &[u8], number: usize, place: &Place, matches: &mut Matches) {
        let Place { at, from, spelling } = *place;
        let pattern = self.patterns.all[number];
        let plain = self.patterns.plain(&pattern);
        let written = Written {
            pattern: number,
            spelling: Some(spelling),
        };
        if !pattern.decoded.holds(spelling)
            || matches.is_covered(written, at, from)
            || !spelling.is_own(plain)
        {
            return;
        }
        let spelled = Spelled::new(plain, spelling);
        let before = spelled.matches_backward(from, &hay[..at]);
        let found = Match {
            start: at - before,
            len: before + spelled.matches_forward(from, &hay[at..]),
            written,
            from: from - before,
        };
        self.keep(hay, found, matches);
    }

    fn keep(&self, hay: &[u8], found: Match, matches: &mut Matches) {
        matches.note(&found);
        let part = &hay[found.start..found.start + found.len];
        if found.len == self.len(found.written) || is_evidence(part, self.form(found.written)) {
            matches.push(found);
        }
    }
}
