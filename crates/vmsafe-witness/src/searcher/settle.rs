//! Makes of all matches the list that is reported.

use crate::hit::{Form, Hit};

/// Sorts by offset, and drops repeated hits and fragments that lie within another hit.
pub(crate) fn settle(mut hits: Vec<Hit>) -> Vec<Hit> {
    // Of hits that begin together the longest comes first, of equal places the whole needle:
    // whatever contains a fragment stands before it.
    hits.sort_unstable_by_key(|hit| {
        (
            hit.offset,
            core::cmp::Reverse(hit.len),
            hit.form,
            hit.needle,
        )
    });
    let mut reached = 0;
    let mut last_whole: Option<Hit> = None;
    hits.retain(|hit| {
        let kept = match hit.form {
            Form::Fragment => hit.end() > reached,
            Form::Exact => last_whole != Some(*hit),
        };
        reached = reached.max(hit.end());
        if hit.form == Form::Exact {
            last_whole = Some(*hit);
        }
        kept
    });
    hits
}
