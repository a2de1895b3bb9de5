//! Recall and false alarms over a large medium: every form of every needle, key schedules and
//! private keys, at every alignment and across block borders, between random bytes, zeros and
//! programs. What is found must be what was planted, no more and no less.
#![expect(clippy::cast_possible_truncation, reason = "places within a block")]

#[path = "corpus/medium.rs"]
mod medium;
#[path = "corpus/plants.rs"]
mod plants;

use std::collections::{BTreeMap, BTreeSet};

use medium::{Corpus, Random};
use plants::Plant;
use vmsafe_witness::{
    Form, KeyForm, KeyKind, Needles, SHORTEST_FRAGMENT, Searcher, Wanted, scan_seekable,
};

/// Block borders of the scan lie at multiples of this, or of a divisor.
const BLOCK: u64 = 512 * 1024;

#[derive(Default)]
struct Planted {
    bytes: BTreeMap<u64, Vec<u8>>,
    hits: BTreeSet<(u64, u64, usize, String)>,
    keys: BTreeSet<(u64, KeyKind, KeyForm)>,
    /// What was planted so far, by form.
    forms: BTreeMap<String, Places>,
    inside: u64,
    borders: u64,
}

/// Where the plants of one form lie.
#[derive(Default)]
struct Places {
    inside: u64,
    across: u64,
    /// Places modulo 16.
    alignments: BTreeSet<u64>,
    /// How many bytes stand before a border.
    cuts: BTreeSet<u64>,
}

impl Planted {
    /// The next place for bytes of this form: every fourth across a block border of its own, cut
    /// elsewhere each time; the others far from the borders and from each other, at every
    /// alignment.
    fn plant(&mut self, form: &str, bytes: Vec<u8>) -> u64 {
        let len = bytes.len() as u64;
        let places = self.forms.entry(form.to_owned()).or_default();
        let place = if places.inside >= 3 * (places.across + 1) {
            self.borders += 1;
            let cut = 1 + places.across * 7 % (len - 1);
            places.across += 1;
            places.cuts.insert(cut);
            self.borders * BLOCK - cut
        } else {
            let place = (1 + self.inside / 16) * BLOCK
                + (1 + self.inside % 16) * 30_000
                + places.inside % ALIGNMENTS as u64;
            self.inside += 1;
            places.inside += 1;
            places.alignments.insert(place % 16);
            place
        };
        self.bytes.insert(place, bytes);
        place
    }

    /// The promise is about every alignment and about borders: both must have been tried.
    fn is_varied(&self) {
        for (form, places) in &self.forms {
            assert_eq!(
                places.alignments.len(),
                16,
                "{form} at some alignments only"
            );
            assert!(places.cuts.len() >= 5, "{form} across few borders");
        }
        assert_eq!(self.forms.len(), 8 + 6 + 1, "{:?}", self.forms.keys());
    }
}

/// Places modulo this are told apart: what is looked at together is no longer.
const ALIGNMENTS: usize = 64;

/// Each needle in every form once, and short ones, which can be missed at one place and found at
/// the next, as they are at every alignment.
fn plant_needles(planted: &mut Planted, needles: &[Vec<u8>], random: &mut Random) {
    for (number, needle) in needles.iter().enumerate() {
        let forms = plants::every_form(needle, random);
        let is_exact = |plant: &&Plant| plant.form == Form::Exact;
        let often = if needle.len() < SHORTEST_FRAGMENT {
            ALIGNMENTS
        } else {
            0
        };
        let again = forms.iter().filter(is_exact).cycle().take(often);
        for plant in forms.iter().chain(again) {
            let beside = [plants::BESIDE];
            let bytes = [&beside[..], &plant.bytes, &beside].concat();
            let form = plant.form.to_string();
            let place = planted.plant(&form, bytes) + 1 + plant.hit_from as u64;
            planted
                .hits
                .insert((place, plant.hit_len as u64, number, form));
        }
    }
}

/// 60 schedules, of every size in every layout, each at four places.
fn plant_schedules(planted: &mut Planted, random: &mut Random) {
    let kinds = [
        (4, KeyKind::Aes128),
        (6, KeyKind::Aes192),
        (8, KeyKind::Aes256),
    ];
    let layouts = [
        (KeyForm::Schedule, KeyForm::ScheduleSwapped),
        (KeyForm::ReversedSchedule, KeyForm::ReversedScheduleSwapped),
        (
            KeyForm::DecryptionSchedule,
            KeyForm::DecryptionScheduleSwapped,
        ),
    ];
    for round in 0..20 {
        for (words, kind) in kinds {
            let (plain, swapped) = layouts[round / 2 % 3];
            let forward = plants::schedule(words, false, random);
            let mut bytes = match plain {
                KeyForm::Schedule => forward,
                KeyForm::ReversedSchedule => plants::reversed(&forward),
                _ => plants::decryption(&forward),
            };
            let form = if round % 2 == 0 {
                plain
            } else {
                plants::swap_words(&mut bytes);
                swapped
            };
            for _ in 0..4 {
                let place = planted.plant(form.name(), bytes.clone());
                planted.keys.insert((place, kind, form));
            }
        }
    }
}

fn plant_private_keys(planted: &mut Planted) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    let kind = |name: &str| match name {
        _ if name.contains("ed25519") => KeyKind::Ed25519,
        _ if name.contains("x25519") => KeyKind::X25519,
        _ if name.contains("ed448") => KeyKind::Ed448,
        _ if name.contains("x448") => KeyKind::X448,
        _ if name.contains("rsa") => KeyKind::Rsa,
        _ if name.starts_with("dsa") => KeyKind::Dsa,
        _ => KeyKind::Ec,
    };
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("keys beside the tests")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "pem"));
    paths.sort();
    for path in paths {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let place = planted.plant("pem", std::fs::read(&path).expect("a readable key"));
        if !name.starts_with("encrypted") {
            planted.keys.insert((place, kind(&name), KeyForm::Pem));
        }
        // The one ring among them that has a second key: where that begins in the text.
        if name == "openpgp-ed25519" {
            planted
                .keys
                .insert((place + 400, KeyKind::X25519, KeyForm::Pem));
        }
    }
}

fn everything_planted_is_found_and_nothing_else(len: u64, needles: usize) {
    let mut random = Random(len);
    let needles = plants::needles(needles, &mut random);
    let mut planted = Planted::default();
    plant_needles(&mut planted, &needles, &mut random);
    plant_schedules(&mut planted, &mut random);
    plant_private_keys(&mut planted);
    planted.is_varied();
    let last = planted.bytes.keys().next_back().copied().unwrap_or(0);
    assert!(
        last + BLOCK < len,
        "the medium is too small for what is planted: {last}"
    );

    let mut set = Needles::new();
    for needle in &needles {
        set.push(needle).expect("a usable needle");
    }
    let searcher = Searcher::with(&set, &Wanted::everything());
    let corpus = Corpus::new(len, std::mem::take(&mut planted.bytes));
    let report = scan_seekable(&searcher, corpus, None, &mut |_| {});

    assert!(report.is_complete());
    assert_eq!(report.covered_bytes, len);
    let found: BTreeSet<_> = report
        .hits
        .iter()
        .map(|hit| {
            (
                hit.offset,
                hit.len,
                hit.needle.number(),
                hit.form.to_string(),
            )
        })
        .collect();
    let missed: Vec<_> = planted.hits.difference(&found).take(5).collect();
    let false_alarms: Vec<_> = found.difference(&planted.hits).take(5).collect();
    assert!(missed.is_empty(), "missed {missed:?}");
    assert!(false_alarms.is_empty(), "not planted {false_alarms:?}");
    assert_eq!(
        report.hits.len(),
        planted.hits.len(),
        "a hit was told twice"
    );
    let found: BTreeSet<_> = report
        .keys
        .iter()
        .map(|key| (key.offset, key.kind, key.form))
        .collect();
    assert_eq!(found, planted.keys);
    assert_eq!(
        report.keys.len(),
        planted.keys.len(),
        "a key was told twice"
    );
}

#[test]
fn all_is_found_in_320_mib() {
    everything_planted_is_found_and_nothing_else(320 << 20, 90);
}

#[test]
#[ignore = "takes a minute unless optimised: cargo test --release -- --ignored"]
fn all_is_found_in_2_gib() {
    everything_planted_is_found_and_nothing_else(2 << 30, 200);
}

#[test]
#[ignore = "takes minutes unless optimised: cargo test --release -- --ignored"]
fn all_is_found_in_12_gib() {
    everything_planted_is_found_and_nothing_else(12 << 30, 200);
}
