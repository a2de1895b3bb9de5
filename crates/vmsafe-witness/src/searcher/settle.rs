//! Makes of all matches the list that is reported.

use core::cmp::Reverse;

use crate::hit::Hit;

/// Sorts by offset, and drops repeated hits and fragments that lie within another hit.
///
/// Of two forms that read the same only one is kept: the digits `00112233` are both kinds of hex.
pub(crate) fn settle(mut hits: Vec<Hit>) -> Vec<Hit> {
    // Of hits that begin together the longest comes first, of equal places the whole needle:
    // whatever contains a fragment stands before it.
    hits.sort_unstable_by_key(|hit| {
        (
            hit.offset,
            Reverse(hit.len),
            !hit.whole,
            hit.needle,
            hit.form,
        )
    });
    let mut reached = 0;
    let mut last_whole: Option<Hit> = None;
    hits.retain(|hit| {
        let again =
            |last: Hit| (last.offset, last.len, last.needle) == (hit.offset, hit.len, hit.needle);
        let kept = if hit.whole {
            !last_whole.is_some_and(again)
        } else {
            hit.end() > reached
        };
        reached = reached.max(hit.end());
        if hit.whole {
            last_whole = Some(*hit);
        }
        kept
    });
    hits
}
