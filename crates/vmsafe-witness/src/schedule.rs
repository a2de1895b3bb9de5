//! Finds AES keys that nobody named, by their key schedules.
//!
//! A program that uses AES keeps the round keys in memory, and these obey linear relations that
//! random bytes do not. A fast [sieve] tests the relations; where one holds, the step between two
//! key groups tells which round it is, the whole schedule is computed from one key's length of it,
//! and memory is compared with that.

mod aes;
mod layout;
mod sieve;
#[cfg(test)]
mod tests;

use core::cmp::Reverse;

use crate::keys::{Fingerprint, KeyHit, KeyKind};

use aes::Schedule;
use layout::{Layout, MOST_BYTES};
use sieve::{Relation, sweep};

/// How many bytes two adjacent pieces must share so that no schedule is lost between them.
pub(crate) const OVERLAP: usize = MOST_BYTES;

/// The key schedules in `hay`, of AES-128, 192 and 256, at any byte offset.
///
/// A schedule is reported if at least half of it is in place, with all bytes of one key's length
/// in a row and the start of the next group among them. It may begin before `hay` (then only the
/// part inside counts) or end behind it.
pub(crate) fn find_schedules(base_offset: u64, hay: &[u8]) -> Vec<KeyHit> {
    let mut found = Vec::new();
    sweep(
        hay,
        &mut |relation, at| match relation.run_around(hay, at) {
            Ok(run) => {
                for start in run.start..=run.end - relation.run {
                    try_run(hay, start, relation, base_offset, &mut found);
                }
                run.end
            }
            Err(end) => end,
        },
    );
    best_of_each_place(found)
}

/// Of the schedules that begin at one place the one that memory agrees with best: a schedule with
/// a damaged byte also agrees, less well, with what follows from the damaged part.
fn best_of_each_place(mut found: Vec<KeyHit>) -> Vec<KeyHit> {
    found.sort_unstable_by_key(|hit| (hit.offset, hit.kind, hit.form, Reverse(hit.matching)));
    found.dedup_by_key(|hit| (hit.offset, hit.kind, hit.form));
    found
}

/// Tries every schedule that a run of zero sums from `start` on can belong to.
fn try_run(hay: &[u8], start: usize, relation: &Relation, base: u64, found: &mut Vec<KeyHit>) {
    for layout in Layout::all(relation.order, relation.key_words) {
        for &distance in relation.group_at {
            let Some(first) = start.checked_add_signed(distance) else {
                continue;
            };
            if let Some((schedule, at)) = layout.schedule_around(hay, first) {
                found.extend(confirm(hay, &layout, &schedule, at, base));
            }
        }
    }
}

/// Compares memory with the whole schedule.
fn confirm(
    hay: &[u8],
    layout: &Layout,
    schedule: &Schedule,
    at: isize,
    base: u64,
) -> Option<KeyHit> {
    let cut = usize::try_from(-at).unwrap_or(0);
    let start = usize::try_from(at).unwrap_or(0);
    let image = layout.image(schedule);
    let stored = hay[start..].iter().zip(&image[cut..]);
    let matching = stored
        .filter(|(stored, expected)| stored == expected)
        .count();
    if 2 * matching < layout.len() {
        return None;
    }
    let kind = match layout.key_words {
        4 => KeyKind::Aes128,
        6 => KeyKind::Aes192,
        _ => KeyKind::Aes256,
    };
    Some(KeyHit {
        offset: base + start as u64,
        len: (layout.len() - cut) as u64,
        kind,
        form: layout.form(),
        matching: matching as u64,
        fingerprint: Fingerprint::of(schedule.key()),
    })
}
