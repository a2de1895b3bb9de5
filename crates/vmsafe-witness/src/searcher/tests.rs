mod oracle;
mod periodic;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::forms::each_form;
use crate::masked::MaskStream;
use crate::needles::NeedleId;
use oracle::{changes, oracle};

fn needles_of(bytes: &[impl AsRef<[u8]>]) -> Needles {
    let mut needles = Needles::new();
    for needle in bytes {
        needles.push(needle.as_ref()).unwrap();
    }
    needles
}

fn find(needles: &[impl AsRef<[u8]>], hay: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    Searcher::new(&needles_of(needles)).search(0, hay, &mut |hit| hits.push(hit));
    hits
}

fn hit(offset: usize, len: usize, needle: usize, form: Form) -> Hit {
    let (offset, len, whole) = (offset as u64, len as u64, form == Form::Exact);
    Hit {
        offset,
        len,
        needle: NeedleId(needle),
        form,
        whole,
    }
}

fn sorted(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort();
    hits
}

/// Makes a needle of so many bytes.
type Spell = fn(u8) -> Vec<u8>;

#[test]
fn finds_a_needle_of_any_length_at_any_place() {
    let bytes: Spell = |len| (0..len).map(|at| 200 - 3 * at).collect();
    let letters: Spell = |len| (0..len).map(|at| b'a' + at % 26 * 7 % 26).collect();
    let noise: Vec<u8> = (0..500_u32)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect();
    for (spell, len) in [bytes, letters]
        .into_iter()
        .flat_map(|spell| (8..40).map(move |len| (spell, len)))
    {
        let needle = spell(len);
        let searcher = Searcher::new(&needles_of(&[&needle]));
        for (memory, offset) in [&noise, &vec![0; 500]]
            .into_iter()
            .flat_map(|memory| (0..420).map(move |at| (memory, at)))
        {
            let mut hay = memory.clone();
            hay.splice(offset..offset, needle.iter().copied());
            let mut found = Vec::new();
            searcher.search(0, &hay, &mut |hit| found.push(hit));
            let expected = [hit(offset, needle.len(), 0, Form::Exact)];
            assert_eq!(found, expected, "{needle:?} at {offset}");
        }
    }
}

#[test]
fn finds_needles_at_start_and_end_and_side_by_side() {
    let needles = [b"first needle here".to_vec(), b"second!!".to_vec()];
    let hay = [
        &needles[0][..],
        &needles[1],
        &needles[1],
        b"..",
        &needles[0],
    ]
    .concat();
    let exact = |offset, len, needle| hit(offset, len, needle, Form::Exact);
    let expected = [
        exact(0, 17, 0),
        exact(17, 8, 1),
        exact(25, 8, 1),
        exact(35, 17, 0),
    ];
    assert_eq!(find(&needles, &hay), expected);
    assert_eq!(find(&needles, &needles[1]), [exact(0, 8, 1)]);
    assert_eq!(find(&needles, b""), []);
    assert_eq!(find(&needles, b"second!"), []);
}

#[test]
fn offsets_count_from_the_base() {
    let searcher = Searcher::new(&needles_of(&[b"0123456789"]));
    let mut offsets = Vec::new();
    searcher.search(1 << 40, b"..0123456789", &mut |hit| {
        offsets.push(hit.offset)
    });
    assert_eq!(offsets, [(1 << 40) + 2]);
}

#[test]
fn reports_the_largest_fragment_and_none_below_sixteen_bytes() {
    let needle: Vec<u8> = (100..164).collect();
    for len in 8..64 {
        for from in [0, 1, 64 - len] {
            let len = len.min(64 - from);
            let hay = [b"XYZ", &needle[from..from + len], b"ZYX"].concat();
            let expected: &[Hit] = if len < 16 {
                &[]
            } else {
                &[hit(3, len, 0, Form::Fragment)]
            };
            assert_eq!(find(&[&needle], &hay), expected, "{len} bytes from {from}");
        }
    }
}

#[test]
fn a_needle_pushed_twice_is_reported_twice_and_its_fragment_once() {
    let needle: Vec<u8> = (1..33).collect();
    let twice = [needle.clone(), needle.clone()];
    let expected = [hit(0, 32, 0, Form::Exact), hit(0, 32, 1, Form::Exact)];
    assert_eq!(find(&twice, &needle), expected);
    assert_eq!(find(&twice, &needle[..31]), [hit(0, 31, 0, Form::Fragment)]);
}

#[test]
fn a_run_inside_a_needle_hides_nothing() {
    for run in 0..40 {
        for head in 0..10 {
            for tail in 0..10 {
                let head_bytes: Vec<u8> = (1..=head).collect();
                let tail_bytes: Vec<u8> = (101..=100 + tail).collect();
                let needle = [head_bytes, vec![0; run], tail_bytes].concat();
                if needle.len() < 8 || needle.iter().all(|byte| *byte == needle[0]) {
                    continue;
                }
                for offset in 0..9 {
                    let hay = [&vec![0; offset][..], &needle, &[0; 30]].concat();
                    let found = sorted(find(&[&needle], &hay));
                    assert_eq!(
                        found,
                        oracle(core::slice::from_ref(&needle), &hay),
                        "{needle:?} at {offset}"
                    );
                }
            }
        }
    }
}

#[test]
fn long_runs_neither_match_nor_hide() {
    let needle = [&[7_u8; 60][..], b"end"].concat();
    let mut hay = vec![7; 1 << 20];
    assert_eq!(find(&[&needle], &hay), []);
    hay.extend_from_slice(b"end and on");
    assert_eq!(
        find(&[&needle], &hay),
        [hit((1 << 20) - 60, 63, 0, Form::Exact)]
    );
}

#[test]
fn a_periodic_needle_in_periodic_memory_stays_bounded() {
    let needle: Vec<u8> = b"ab".repeat(300);
    let hay = b"ab".repeat(5_000);
    let hits = find(&[&needle], &hay);
    assert_eq!(hits.len(), (10_000 - 600) / 2 + 1);
    assert!(hits.iter().all(|hit| hit.form == Form::Exact));
}

#[test]
fn ten_thousand_needles_are_told_apart() {
    let mut masks = MaskStream::new(99);
    let random: Vec<Vec<u8>> = (0..10_000)
        .map(|_| {
            (0..4)
                .flat_map(|_| masks.next_word().to_le_bytes())
                .collect()
        })
        .collect();
    let hay: Vec<u8> = random
        .iter()
        .rev()
        .flat_map(|needle| [needle, &b"-"[..]].concat())
        .collect();
    let hits = find(&random, &hay);
    let expected: Vec<Hit> = (0..10_000)
        .map(|nth| hit(nth * 33, 32, 9_999 - nth, Form::Exact))
        .collect();
    assert_eq!(hits, expected);
}

/// Needles of few symbols with runs, so that they resemble themselves and each other.
fn any_needles() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let run = (0..3_u8, 1..14_usize).prop_map(|(byte, len)| vec![byte; len]);
    let mixed = vec(0..3_u8, 1..30);
    let part = prop_oneof![run, mixed];
    let needle = vec(part, 1..5).prop_map(|parts| parts.concat());
    let useful = needle.prop_filter("too simple", |needle| {
        needle.len() >= SHORTEST && needle.iter().any(|byte| *byte != needle[0])
    });
    vec(useful, 1..6)
}

const SHORTEST: usize = crate::SHORTEST_NEEDLE;

/// Needles, and memory made of parts of them, runs and noise.
pub(crate) fn any_case() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
    let cuts = vec(
        (
            any::<prop::sample::Index>(),
            any::<u16>(),
            any::<u16>(),
            0..5_u8,
        ),
        0..12,
    );
    (any_needles(), cuts).prop_map(|(needles, cuts)| {
        let mut hay = Vec::new();
        for (which, from, len, kind) in cuts {
            let needle = which.get(&needles);
            let from = usize::from(from) % needle.len();
            let len = usize::from(len) % (needle.len() - from + 1);
            match kind {
                0 => hay.extend(core::iter::repeat_n(u8::from(len > 9), len * 2)),
                1 => hay.extend((0..len).map(|at| (at * from % 5).to_le_bytes()[0])),
                2 => hay.extend_from_slice(needle),
                _ => hay.extend_from_slice(&needle[from..from + len]),
            }
        }
        (needles, hay)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn agrees_with_the_oracle((needles, hay) in any_case()) {
        prop_assert_eq!(sorted(find(&needles, &hay)), oracle(&needles, &hay));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// The same with symbols of other classes: text, text with what is none, and pairs with zeros.
    #[test]
    fn agrees_with_the_oracle_about_text(
        (needles, hay) in any_case(),
        symbols in prop_oneof![
            Just(*b"abcde"),
            Just(*b"ab9Z_"),
            Just(*b"a\0bcd"),
            Just(*b"\0abcd"),
            Just(*b"a\xc3b\x80c"),
        ],
    ) {
        let spell = |bytes: &Vec<u8>| -> Vec<u8> {
            bytes.iter().map(|byte| symbols[usize::from(*byte)]).collect()
        };
        let (needles, hay): (Vec<_>, _) = (needles.iter().map(spell).collect(), spell(&hay));
        prop_assert_eq!(sorted(find(&needles, &hay)), oracle(&needles, &hay));
    }
}

fn encoded() -> Wanted {
    Wanted {
        encoded: true,
        ..Wanted::default()
    }
}

#[test]
fn finds_any_part_of_an_encoded_form_that_is_long_enough() {
    let needles = needles_of(&[b"a needle of forty bytes: ?>!?~ and <+/_>"]);
    let searcher = Searcher::with(&needles, &encoded());
    let mut forms = Vec::new();
    each_form(needles.plain(0), &mut forms);
    let is_encoded = |form: &Form| !matches!(form, Form::Exact | Form::Reversed);
    for (form, bytes) in forms.iter().filter(|(form, _)| is_encoded(form)) {
        for from in 0..=bytes.len() - SHORTEST_ENCODED_FRAGMENT {
            let part = &bytes[from..from + SHORTEST_ENCODED_FRAGMENT];
            for beside in [b'#', b'A', 0] {
                for before in 9..90 {
                    let hay = [&vec![beside; before], part, &[beside; 20]].concat();
                    let mut found = false;
                    searcher.search(0, &hay, &mut |hit| {
                        found |= hit.offset <= before as u64
                            && hit.end() >= (before + part.len()) as u64;
                    });
                    assert!(found, "{form} from {from} at {before} in {beside}");
                }
            }
        }
    }
}

#[test]
fn tables_that_several_cores_made_hold_all_forms() {
    // As many as two cores share.
    const MANY: usize = 20_000;
    let mut masks = MaskStream::new(5);
    let mut random = || -> Vec<u8> {
        (0..4)
            .flat_map(|_| masks.next_word().to_le_bytes())
            .collect()
    };
    let letters = |bytes: Vec<u8>| bytes.into_iter().map(|byte| b'a' + byte % 26).collect();
    let all: Vec<Vec<u8>> = (0..MANY)
        .map(|nth| {
            if nth % 2 == 0 {
                random()
            } else {
                letters(random())
            }
        })
        .collect();
    let needles = needles_of(&all);
    let searcher = Searcher::with(&needles, &encoded());
    for number in (0..MANY).step_by(997) {
        let mut forms = Vec::new();
        each_form(needles.plain(number), &mut forms);
        for (form, bytes) in forms {
            let hay = [&[0xee; 21][..], &bytes, &[0xee; 21]].concat();
            let mut hits = Vec::new();
            searcher.search(0, &hay, &mut |hit| hits.push(hit));
            let expected = Hit {
                form,
                ..hit(21, bytes.len(), number, Form::Exact)
            };
            assert_eq!(hits, [expected], "{form} of {number}");
        }
    }
}

#[test]
fn finds_every_form_and_its_parts() {
    let needles = needles_of(&[
        b"correct horse battery staple?>",
        b"another secret of the set?>!!?",
    ]);
    let searcher = Searcher::with(&needles, &encoded());
    let mut forms = Vec::new();
    each_form(needles.plain(0), &mut forms);
    for (form, bytes) in forms {
        for offset in 0..17 {
            for cut in [0, 1, 3] {
                let hay = [
                    &vec![b'#'; offset],
                    &bytes[..bytes.len() - cut],
                    &b"#####"[..],
                ]
                .concat();
                let mut hits = Vec::new();
                searcher.search(0, &hay, &mut |hit| hits.push(hit));
                let form = if form == Form::Exact && cut > 0 {
                    Form::Fragment
                } else {
                    form
                };
                let len = (bytes.len() - cut) as u64;
                let found = |hit: &Hit| {
                    hit.offset == offset as u64
                        && hit.len == len
                        && hit.needle == NeedleId(0)
                        && hit.whole == (cut == 0)
                        && (hit.form == form || (cut > 0 && form == Form::Base64Url))
                };
                assert!(
                    hits.iter().any(found),
                    "{form} at {offset} less {cut}: {hits:?}"
                );
                assert_eq!(hits.len(), 1, "{form} at {offset} less {cut}");
            }
        }
    }
    let plain_only = Searcher::new(&needles);
    let mut hits = 0;
    plain_only.search(
        0,
        &needles.plain(0).bytes().rev().collect::<Vec<u8>>(),
        &mut |_| hits += 1,
    );
    assert_eq!(hits, 0);
}

/// Needles of every kind: short and long, text or not, with runs or without.
fn any_needle() -> impl Strategy<Value = Vec<u8>> {
    let run = (any::<u8>(), 1..20_usize).prop_map(|(byte, len)| vec![byte; len]);
    let bytes = vec(any::<u8>(), 1..40);
    let text = "[ -~]{1,40}".prop_map(String::into_bytes);
    let wide = "[a-z]{1,20}".prop_map(|text| text.bytes().flat_map(|byte| [byte, 0]).collect());
    let accents = "[a-zäé€😀]{1,20}".prop_map(String::into_bytes);
    let part = prop_oneof![2 => run, 4 => bytes, 4 => text, 1 => wide, 1 => accents];
    let needle = vec(part, 1..4).prop_map(|parts| parts.concat());
    needle.prop_filter("too simple", |needle| {
        needle.len() >= SHORTEST && needle.iter().any(|byte| *byte != needle[0])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Wherever a form stands, whatever stands beside it and however few bytes that are.
    #[test]
    fn finds_each_form_of_any_needle(
        needle in any_needle(),
        other in any_needle(),
        before in 0..200_usize,
        behind in 0..100_usize,
        beside in prop_oneof![Just(b'#'), Just(b'A'), Just(b'0'), Just(0), Just(0xff)],
    ) {
        let needles = needles_of(&[needle, other]);
        let searcher = Searcher::with(&needles, &encoded());
        let mut forms = Vec::new();
        each_form(needles.plain(0), &mut forms);
        for (form, bytes) in forms.into_iter().filter(|(_, bytes)| bytes.len() >= SHORTEST) {
            let hay = [&vec![beside; before][..], &bytes, &vec![beside; behind]].concat();
            let mut hits = Vec::new();
            searcher.search(0, &hay, &mut |hit| hits.push(hit));
            let stands = |hit: &Hit| {
                let (offset, len) = (before as u64, bytes.len() as u64);
                hit.whole && (hit.offset, hit.len, hit.needle) == (offset, len, NeedleId(0))
            };
            prop_assert!(hits.iter().any(stands), "{form} of {} bytes: {hits:?}", bytes.len());
        }
    }

    /// And nothing else is told: what a hit says stands there.
    #[test]
    fn tells_of_forms_what_stands_there(
        needles in vec(any_needle(), 1..4),
        cuts in vec((any::<prop::sample::Index>(), any::<u16>(), any::<u16>(), any::<u8>()), 1..8),
    ) {
        let needles = needles_of(&needles);
        let searcher = Searcher::with(&needles, &encoded());
        let forms: Vec<Vec<(Form, Vec<u8>)>> = (0..needles.len()).map(|number| {
            let mut forms = Vec::new();
            each_form(needles.plain(number), &mut forms);
            forms
        }).collect();
        let all: Vec<&(Form, Vec<u8>)> = forms.iter().flatten().collect();
        let mut hay = Vec::new();
        for (which, from, len, noise) in cuts {
            let form = &which.get(&all).1;
            let from = usize::from(from) % form.len();
            let len = usize::from(len) % (form.len() - from + 1);
            hay.extend_from_slice(&form[from..from + len]);
            hay.extend(core::iter::repeat_n(noise, usize::from(noise % 4)));
        }
        let mut hits = Vec::new();
        searcher.search(0, &hay, &mut |hit| hits.push(hit));
        for hit in hits {
            let at = usize::try_from(hit.offset).unwrap();
            let part = &hay[at..at + usize::try_from(hit.len).unwrap()];
            let is_told = |(form, bytes): &(Form, Vec<u8>)| {
                let is_fragment = *form == Form::Exact && hit.form == Form::Fragment;
                let is_whole = bytes.len() == part.len();
                (*form == hit.form || is_fragment)
                    && hit.whole == is_whole
                    && bytes.windows(part.len()).any(|other| other == part)
            };
            prop_assert!(forms[hit.needle.number()].iter().any(is_told), "{hit:?}");
        }
    }

    /// Of a part of 32 characters or 16 bytes, some hit tells, if the part is not too simple.
    #[test]
    fn finds_parts_of_forms_of_any_needle(
        needle in any_needle(),
        from in any::<prop::sample::Index>(),
        before in 0..200_usize,
        behind in 0..100_usize,
        beside in prop_oneof![Just(b'#'), Just(b'A'), Just(b'0'), Just(0), Just(0xff)],
    ) {
        let needles = needles_of(&[needle]);
        let searcher = Searcher::with(&needles, &encoded());
        let mut forms = Vec::new();
        each_form(needles.plain(0), &mut forms);
        for (form, bytes) in forms {
            let shortest = match form {
                Form::Exact | Form::Reversed => SHORTEST_FRAGMENT,
                _ => SHORTEST_ENCODED_FRAGMENT,
            };
            if bytes.len() < shortest {
                continue;
            }
            let from = from.index(bytes.len() - shortest + 1);
            let part = &bytes[from..from + shortest];
            let hay = [&vec![beside; before][..], part, &vec![beside; behind]].concat();
            let mut is_told = changes(part) < FEWEST_CHANGES;
            searcher.search(0, &hay, &mut |hit| {
                is_told |= hit.offset <= before as u64
                    && hit.end() >= (before + part.len()) as u64;
            });
            prop_assert!(is_told, "{form} from {from} of {}", bytes.len());
        }
    }
}
