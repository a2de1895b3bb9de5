//! What a scan covered, what it found, and what it could not read.

use core::cell::Cell;

use crate::checkpoint::Checkpoint;
use crate::hit::Hit;
use crate::keys::KeyHit;

/// What one piece of memory held.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) hits: Vec<Hit>,
    pub(crate) keys: Vec<KeyHit>,
}

impl Found {
    /// Adds what stands behind it.
    pub(crate) fn append(&mut self, mut behind: Self) {
        self.hits.append(&mut behind.hits);
        self.keys.append(&mut behind.keys);
    }
}

/// How far a scan has come.
#[derive(Debug)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Bytes read and searched so far.
    pub covered: u64,
    /// Bytes in all, if known beforehand.
    pub total: Option<u64>,
    /// Hits so far, of needles and of keys.
    pub hits: u64,
    /// The hits since the last call, so that they can be shown, or kept, before the scan ends.
    pub fresh: &'a [Hit],
    /// The same for keys that were recognised.
    pub fresh_keys: &'a [KeyHit],
    pub(crate) position: u64,
    pub(crate) report: &'a Report,
    pub(crate) stop: &'a Cell<bool>,
}

impl Progress<'_> {
    /// A record to go on from, should the scan end here. It holds all hits so far: making one after
    /// every block is wasteful.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position,
            report: self.report.clone(),
        }
    }

    /// Ends the scan soon. What was found is kept; what was not read becomes a gap.
    pub fn stop(&self) {
        self.stop.set(true);
    }
}

/// Bytes that were not searched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Where they begin.
    pub offset: u64,
    /// How many there are; 0 if that is not known.
    pub len: u64,
    /// Why they were not searched, as a clause in plain words.
    pub because: String,
}

impl Gap {
    /// Why what a scan that was stopped had not reached is a gap.
    pub const STOPPED: &str = "the scan was stopped";

    /// Why a medium is a gap of which less was searched than there is, for no reason that is known.
    pub const UNFINISHED: &str = "it was not read to its end";
}

/// The result of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Bytes that were read and searched.
    pub covered_bytes: u64,
    /// Bytes that there were to search, if known.
    pub total_bytes: Option<u64>,
    /// What was found, by rising offset, at most [`Report::MOST_HITS`].
    pub hits: Vec<Hit>,
    /// How many hits there were, also those beyond [`Report::MOST_HITS`].
    pub hit_count: u64,
    /// Keys that were recognised, by rising offset, at most [`Report::MOST_HITS`].
    pub keys: Vec<KeyHit>,
    /// How many keys there were.
    pub key_count: u64,
    /// What was not searched, by rising offset.
    pub gaps: Vec<Gap>,
}

impl Report {
    /// The most hits that a report holds: memory stays bounded whatever is scanned. Each hit, also
    /// one beyond this number, passes through [`Progress::fresh`].
    pub const MOST_HITS: usize = 100_000;

    /// The most gaps that are told apart: on a medium that is bad at every other page, further ones
    /// make the last one longer.
    pub const MOST_GAPS: usize = 10_000;

    /// Whether every byte was searched. Without that, no hit does not mean clean.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
            && self
                .total_bytes
                .is_none_or(|total| total == self.covered_bytes)
    }

    /// The report on what could not be read at all.
    #[must_use]
    pub fn unread(error: &std::io::Error) -> Self {
        let gap = Gap {
            offset: 0,
            len: 0,
            because: format!("reading failed: {error}"),
        };
        Self {
            gaps: vec![gap],
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, found: &Found) {
        self.hit_count += found.hits.len() as u64;
        self.key_count += found.keys.len() as u64;
        let room = Self::MOST_HITS - self.hits.len();
        self.hits.extend(found.hits.iter().take(room));
        let room = Self::MOST_HITS - self.keys.len();
        self.keys.extend(found.keys.iter().take(room));
    }

    /// Puts the hits in order: those of adjacent pieces can overlap.
    pub(crate) fn sort(&mut self) {
        self.hits.sort_unstable();
        self.keys.sort_unstable();
    }

    /// Adds a gap; one that continues the last for the same reason makes it longer, and so does any
    /// beyond the most that are told apart: it then covers what was searched between them too.
    pub(crate) fn add_gap(&mut self, gap: Gap) {
        if let Some(last) = self.gaps.last_mut()
            && last.offset + last.len == gap.offset
            && last.because == gap.because
        {
            last.len += gap.len;
            return;
        }
        let full = self.gaps.len() >= Self::MOST_GAPS;
        match self.gaps.last_mut() {
            Some(last) if full => {
                last.len = (gap.offset + gap.len)
                    .saturating_sub(last.offset)
                    .max(last.len);
                "there are too many gaps to tell them apart".clone_into(&mut last.because);
            }
            _ => self.gaps.push(gap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_beyond_the_most_make_the_last_longer() {
        let mut report = Report::default();
        let most = Report::MOST_GAPS as u64;
        for nth in 0..most + 5 {
            let because = "reading failed".to_owned();
            report.add_gap(Gap {
                offset: nth * 8192,
                len: 4096,
                because,
            });
        }
        assert_eq!(report.gaps.len(), Report::MOST_GAPS);
        let last = &report.gaps[Report::MOST_GAPS - 1];
        assert_eq!(
            (last.offset, last.len),
            ((most - 1) * 8192, 5 * 8192 + 4096)
        );
        assert!(last.because.contains("too many"));
    }
}
