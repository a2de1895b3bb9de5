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
use vmsafe_witness::{KeyForm, KeyKind, Needles, Searcher, Wanted, scan_seekable};

/// Block borders of the scan lie at multiples of this, or of a divisor.
const BLOCK: u64 = 512 * 1024;

#[derive(Default)]
struct Planted {
    bytes: BTreeMap<u64, Vec<u8>>,
    hits: BTreeSet<(u64, u64, usize, String)>,
    keys: BTreeSet<(u64, KeyKind, KeyForm)>,
    count: u64,
}

impl Planted {
    /// The next place: every second one across a block border, at every distance from it.
    fn next_place(&mut self, len: usize) -> u64 {
        self.count += 1;
        let block = 1 + self.count / 16;
        let slot = self.count % 16;
        if slot == 0 {
            block * BLOCK - (self.count / 16) % (len as u64 + 1)
        } else {
            // Far from the borders and from each other, at every alignment.
            block * BLOCK + slot * 30_000 + self.count % 64
        }
    }

    fn plant(&mut self, bytes: Vec<u8>) -> u64 {
        let place = self.next_place(bytes.len());
        self.bytes.insert(place, bytes);
        place
    }
}

fn plant_needles(planted: &mut Planted, needles: &[Vec<u8>], random: &mut Random) {
    for (number, needle) in needles.iter().enumerate() {
        for plant in plants::every_form(needle, random) {
            // An end that continues no form by chance.
            let bytes = [&[1][..], &plant.bytes, &[1]].concat();
            let place = planted.plant(bytes) + 1 + plant.hit_from as u64;
            planted
                .hits
                .insert((place, plant.hit_len as u64, number, plant.form.to_string()));
        }
    }
}

fn plant_schedules(planted: &mut Planted, random: &mut Random) {
    let kinds = [
        (4, KeyKind::Aes128),
        (6, KeyKind::Aes192),
        (8, KeyKind::Aes256),
    ];
    for round in 0..20 {
        for (words, kind) in kinds {
            let schedule = plants::schedule(words, round % 4 == 1, random);
            let (bytes, form) = match round % 4 {
                0 => (schedule, KeyForm::Schedule),
                1 => (schedule, KeyForm::ScheduleSwapped),
                2 => (plants::decryption(&schedule), KeyForm::DecryptionSchedule),
                _ => {
                    let mut bytes = plants::decryption(&schedule);
                    bytes
                        .as_chunks_mut::<4>()
                        .0
                        .iter_mut()
                        .for_each(|word| word.reverse());
                    (bytes, KeyForm::DecryptionScheduleSwapped)
                }
            };
            let place = planted.plant(bytes);
            planted.keys.insert((place, kind, form));
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
        let place = planted.plant(std::fs::read(&path).expect("a readable key"));
        if !name.starts_with("encrypted") {
            planted.keys.insert((place, kind(&name), KeyForm::Pem));
        }
    }
}

fn everything_planted_is_found_and_nothing_else(len: u64) {
    let mut random = Random(len);
    let needles = plants::needles(200, &mut random);
    let mut planted = Planted::default();
    plant_needles(&mut planted, &needles, &mut random);
    plant_schedules(&mut planted, &mut random);
    plant_private_keys(&mut planted);
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
fn all_is_found_in_128_mib() {
    everything_planted_is_found_and_nothing_else(128 << 20);
}

#[test]
#[ignore = "takes a minute unless optimised: cargo test --release -- --ignored"]
fn all_is_found_in_2_gib() {
    everything_planted_is_found_and_nothing_else(2 << 30);
}

#[test]
#[ignore = "takes minutes unless optimised: cargo test --release -- --ignored"]
fn all_is_found_in_12_gib() {
    everything_planted_is_found_and_nothing_else(12 << 30);
}
