//! What a search must find, by definition.

use super::{Form, Hit, hit};
use crate::{FEWEST_CHANGES, SHORTEST_FRAGMENT};

/// Every hit by definition: on each diagonal of needle and hay the longest equal stretches, less
/// what lies within another hit.
pub(super) fn oracle(needles: &[Vec<u8>], hay: &[u8]) -> Vec<Hit> {
    let mut all = Vec::new();
    for (number, needle) in needles.iter().enumerate() {
        for diagonal in 0..hay.len() + needle.len() {
            stretches(needle, hay, diagonal, &mut |offset, len| {
                let part = &hay[offset..offset + len];
                if len == needle.len() {
                    all.push(hit(offset, len, number, Form::Exact));
                } else if len >= SHORTEST_FRAGMENT && changes(part) >= FEWEST_CHANGES {
                    all.push(hit(offset, len, number, Form::Fragment));
                }
            });
        }
    }
    let inside = |small: &Hit, large: &Hit| {
        let tie = (large.form, large.needle) < (small.form, small.needle);
        large.offset <= small.offset && large.end() >= small.end() && (large.len > small.len || tie)
    };
    let covered = |small: &Hit| all.iter().any(|large| inside(small, large));
    let mut kept: Vec<Hit> = all
        .iter()
        .filter(|hit| hit.form == Form::Exact || !covered(hit))
        .copied()
        .collect();
    kept.sort();
    // A needle that repeats itself holds a part more than once.
    kept.dedup();
    kept
}

pub(super) fn changes(part: &[u8]) -> usize {
    (1..part.len())
        .filter(|&at| part[at] != part[at - 1])
        .count()
}

/// The longest equal stretches where needle byte 0 would lie at `diagonal - needle.len()`.
fn stretches(needle: &[u8], hay: &[u8], diagonal: usize, found: &mut dyn FnMut(usize, usize)) {
    let mut len = 0;
    for at in 0..=needle.len() {
        let place = (diagonal + at).checked_sub(needle.len());
        let equal =
            at < needle.len() && place.is_some_and(|at_hay| hay.get(at_hay) == Some(&needle[at]));
        if equal {
            len += 1;
        } else if len > 0 {
            found(diagonal + at - needle.len() - len, len);
            len = 0;
        }
    }
}
