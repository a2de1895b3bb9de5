//! Needles that repeat themselves, in memory that does so too.

use super::*;
use crate::searcher::matches::Matches;

/// A unit again and again, `len` bytes in all.
fn repeated(unit: &[u8], len: usize) -> Vec<u8> {
    unit.iter().copied().cycle().take(len).collect()
}

fn spaced(zeros: usize) -> Vec<u8> {
    [vec![0; zeros], vec![1]].concat()
}

/// How often a search asked about a window, and how often it compared further.
fn cost(needle: &[u8], hay: &[u8]) -> (usize, usize) {
    let searcher = Searcher::with(&needles_of(&[needle]), &encoded());
    let mut matches = Matches::default();
    for group in &searcher.compiled.groups {
        group.search(&searcher.compiled, hay, &mut matches);
    }
    (matches.asked, matches.compared)
}

#[test]
fn what_is_compared_does_not_grow_with_a_needle_that_repeats_itself() {
    const LEN: usize = 1 << 15;
    let noise: Vec<u8> = (0..64_u32)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect();
    let cases = [
        (spaced(8), spaced(8)),
        (spaced(15), spaced(15)),
        (spaced(15), spaced(20)),
        (spaced(20), spaced(15)),
        (b"abcdefgh".to_vec(), b"abcdefgh".to_vec()),
        (b"abcdefghi".to_vec(), b"abcdefghi".to_vec()),
        (b"ab".to_vec(), b"ab".to_vec()),
        (noise.clone(), noise),
    ];
    for (unit, memory) in cases {
        for len in [100, 256, 1024, 4096] {
            let (asked, compared) = cost(&repeated(&unit, len), &repeated(&memory, LEN));
            let told = format!("{len} bytes of {unit:?}: {asked} asked, {compared} compared");
            assert!(asked <= 40 * LEN, "{told}");
            assert!(compared <= 20 * LEN, "{told}");
        }
    }
}

/// Whether a search of memory full of `beside` tells of `part` what stands there, if anything
/// must be told.
fn is_told(searcher: &Searcher, part: &[u8], before: usize, beside: u8) -> bool {
    let hay = [&vec![beside; before][..], part, &[beside; 40]].concat();
    let mut is_told = changes(part) < FEWEST_CHANGES;
    searcher.search(0, &hay, &mut |hit| {
        is_told |= hit.offset <= before as u64 && hit.end() >= (before + part.len()) as u64;
    });
    is_told
}

/// Parts that each repeat a unit, with some bytes changed.
fn any_periodic() -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![
        2 => vec(0..3_u8, 1..20),
        1 => vec(any::<u8>(), 2..80),
        4 => (3..40_usize).prop_map(spaced),
    ];
    let part = (unit, 100..500_usize).prop_map(|(unit, len)| repeated(&unit, len));
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (vec(part, 1..4), changes)
        .prop_map(|(parts, changes)| {
            let mut needle = parts.concat();
            for (at, byte) in changes {
                let at = at.index(needle.len());
                needle[at] = byte;
            }
            needle
        })
        .prop_filter("too simple", |needle| {
            needle.iter().any(|byte| *byte != needle[0])
        })
}

#[test]
fn finds_each_part_of_a_needle_of_several_periods() {
    // Between the periods lie runs of zeros, whose windows are not indexed.
    for (first, second, third) in [(19, 31, 27), (12, 40, 13), (33, 9, 20)] {
        let parts = [(first, 400), (second, 60), (third, 300)];
        let needle = parts.map(|(zeros, len)| repeated(&spaced(zeros), len));
        let needles = needles_of(&[needle.concat()]);
        let searcher = Searcher::with(&needles, &encoded());
        let mut forms = Vec::new();
        each_form(needles.plain(0), &mut forms);
        for (form, bytes) in forms {
            for len in [70, 153] {
                for (from, part) in bytes.windows(len).enumerate().step_by(9) {
                    let told = format!("{len} bytes of {form} from {from} of {}", bytes.len());
                    assert!(is_told(&searcher, part, 0, b'#'), "{told}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_the_oracle_about_needles_that_repeat_themselves(
        needle in any_periodic(),
        cuts in vec((any::<u16>(), any::<u16>(), 0..4_u8), 1..6),
    ) {
        let mut hay = Vec::new();
        for (from, len, kind) in cuts {
            let from = usize::from(from) % needle.len();
            let len = usize::from(len) % (needle.len() - from + 1);
            match kind {
                0 => hay.extend(repeated(&needle[from..(from + 9).min(needle.len())], len)),
                1 => hay.extend(repeated(&needle[from..(from + 16).min(needle.len())], len)),
                _ => hay.extend_from_slice(&needle[from..from + len]),
            }
        }
        let needles = [needle];
        prop_assert_eq!(sorted(find(&needles, &hay)), oracle(&needles, &hay));
    }

    #[test]
    fn finds_parts_of_forms_of_needles_that_repeat_themselves(
        needle in any_periodic(),
        from in any::<prop::sample::Index>(),
        len in SHORTEST_ENCODED_FRAGMENT..300,
        before in 0..50_usize,
        beside in prop_oneof![Just(b'#'), Just(b'A'), Just(b'0'), Just(0)],
    ) {
        let needles = needles_of(&[needle]);
        let searcher = Searcher::with(&needles, &encoded());
        let mut forms = Vec::new();
        each_form(needles.plain(0), &mut forms);
        for (form, bytes) in forms {
            let from = from.index(bytes.len() - len.min(bytes.len()) + 1);
            let part = &bytes[from..bytes.len().min(from + len)];
            let is_told = is_told(&searcher, part, before, beside);
            prop_assert!(is_told, "{form} from {from} of {}", bytes.len());
        }
    }
}
