//! Which secrets were found, whether or not all of their places are kept.

use std::collections::BTreeSet;

use super::Finding;

/// The most keys that are told apart: nobody says beforehand how many there are.
const MOST_KEYS: usize = 10_000;

/// The needles and keys that were found.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    needles: BTreeSet<usize>,
    keys: BTreeSet<String>,
    /// There may be others.
    open: bool,
}

impl Secrets {
    /// Whether this is the first place of its needle or key.
    pub(super) fn add(&mut self, finding: &Finding) -> bool {
        match (finding.needle, &finding.fingerprint) {
            (Some(needle), _) => self.needles.insert(needle),
            (_, Some(key)) if self.keys.contains(key) => false,
            (_, Some(key)) if self.keys.len() < MOST_KEYS => self.keys.insert(key.clone()),
            (_, Some(_)) => {
                self.open = true;
                false
            }
            (None, None) => false,
        }
    }

    /// Places of which is not known what stands there.
    pub(super) fn add_unknown(&mut self, places: u64) {
        self.open |= places > 0;
    }

    /// How many there are.
    pub(super) fn in_words(&self) -> String {
        let counts = [
            (self.needles.len(), "needle"),
            (self.keys.len(), "unknown key"),
        ];
        let told = counts.into_iter().filter(|(count, _)| *count > 0);
        let words: Vec<_> = told
            .map(|(count, noun)| counted(count as u64, noun))
            .collect();
        match (words.is_empty(), self.open) {
            (true, _) => "secrets".to_owned(),
            (false, true) => format!("at least {}", words.join(" and ")),
            (false, false) => words.join(" and "),
        }
    }
}

/// A number of things.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
