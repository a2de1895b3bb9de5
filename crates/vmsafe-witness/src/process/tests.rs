use super::*;
use crate::Needles;
use crate::hit::Form;

/// A secret that no constant of this program holds: it is made at run time, from a seed.
fn made_up(seed: u64) -> Vec<u8> {
    // Hidden from the compiler, which would else work the bytes out.
    let mut state = std::hint::black_box(seed);
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[1]
    };
    (0..48).map(|_| next()).collect()
}

/// Wipes the plain copy by which the needle came in.
fn take_in(needles: &mut Needles, mut plain: Vec<u8>) {
    needles.push(&plain).unwrap();
    plain.fill(0);
    std::hint::black_box(&plain);
}

/// Memory of processes is read through /proc of Linux alone. Wine shows that too, where it tells of
/// the system below.
fn is_offered() -> bool {
    let told = std::fs::read_link("/proc/self/exe").ok();
    let is_ours = told == std::env::current_exe().ok();
    if !is_ours {
        eprintln!("NOT RUN: no file of this system shows the memory of this process");
    }
    is_ours
}

#[test]
fn we_hold_no_plain_needle_ourselves() {
    if !is_offered() {
        return;
    }
    let mut needles = Needles::new();
    for seed in 0..50 {
        take_in(&mut needles, made_up(seed + 1000));
    }
    let control = std::hint::black_box(made_up(1049));
    let searcher = Searcher::new(&needles);
    // Twice: the second scan would find what the first one left behind.
    for _ in 0..2 {
        let report = scan_process(&searcher, std::process::id()).unwrap();
        let control_at = control.as_ptr().addr() as u64;
        let found: Vec<_> = report.hits.iter().map(|found| found.hit).collect();
        let whole = found
            .iter()
            .find(|hit| hit.offset == control_at)
            .expect("the control is found");
        assert_eq!((whole.needle.number(), whole.form), (49, Form::Exact));
        assert_eq!(found.len(), 1, "{:?}", report.hits);
        assert!(report.covered_bytes > 1 << 20);
        let own = report
            .gaps
            .iter()
            .filter(|gap| gap.because.contains("own read buffer"));
        assert!(own.count() >= 1);
    }
    drop(control);
}

#[test]
fn names_the_mapping_of_another_process() {
    if !is_offered() {
        return;
    }
    let mut child = std::process::Command::new("sleep")
        .arg("1000")
        .env("VMSAFE_TEST_CANARY", "b7Kq0 canary in the environment")
        .spawn()
        .unwrap();
    let mut needles = Needles::new();
    needles.push(b"b7Kq0 canary in the environment").unwrap();
    let report = scan_process(&Searcher::new(&needles), child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    let report = report.unwrap();
    let hit = report
        .hits
        .iter()
        .find(|found| found.mapping == "[stack]")
        .unwrap();
    assert_eq!(hit.hit.form, Form::Exact);
    assert_eq!(hit.permissions, "rw-p");
}

#[test]
fn a_process_that_does_not_exist_is_an_error() {
    let searcher = Searcher::new(&Needles::new());
    assert!(scan_process(&searcher, u32::MAX).is_err());
}

#[test]
fn of_memory_that_calls_show_no_file_tells_what_there_is() {
    // Files tell of the process of this number that nothing was ever there.
    let pid = std::process::id();
    let mapping = Mapping::new(0..16 * 4096, "rw-p".to_owned(), "[anonymous]".to_owned());
    let mut memory = vec![0; 16 * 4096];
    let secret = made_up(79);
    memory[20_000..][..secret.len()].copy_from_slice(&secret);
    let mut needles = Needles::new();
    take_in(&mut needles, secret);
    let searcher = Searcher::new(&needles);
    let memory = io::Cursor::new(memory);
    let report = scan_memory(&searcher, pid, memory, &[mapping], &mut |_| {});
    let offsets: Vec<u64> = report.hits.iter().map(|hit| hit.offset).collect();
    assert_eq!(offsets, [20_000]);
    assert_eq!(report.covered_bytes, 16 * 4096);
    assert!(report.is_complete());
}

#[test]
fn own_ranges_are_cut_out() {
    let parts = without(10..100, &[50..60, 0..20, 90..200, 300..400]);
    let expected = [
        (10..20, true),
        (20..50, false),
        (50..60, true),
        (60..90, false),
        (90..100, true),
    ];
    assert_eq!(parts, expected);
    assert_eq!(without(10..20, &[]), [(10..20, false)]);
    assert_eq!(
        without(10..20, &[0..12, 11..30]),
        [(10..12, true), (12..20, true)]
    );
}

/// What the kernel keeps to itself of our memory for the tables of its pages, in kilobytes.
fn page_tables() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let told = lines.find_map(|line| line.strip_prefix("VmPTE:")).unwrap();
    told.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn memory_that_was_never_used_is_passed_over_and_stays_so() {
    const RESERVED: usize = 2 << 30;
    if !is_offered() {
        return;
    }
    let mut reserved: Vec<u8> = Vec::with_capacity(RESERVED);
    let control = made_up(77);
    let middle = RESERVED / 2 + 123;
    // Across the border of a page that is used and one that is not, by zeros that end it.
    let ends_in_zeros = [&made_up(78)[..20], &[0; 12]].concat();
    let border = RESERVED / 4;
    let room = reserved.spare_capacity_mut();
    let page = room.as_ptr().addr() % PAGE;
    let places = [middle, border - page - 20];
    for (place, needle) in places.into_iter().zip([&control[..], &ends_in_zeros[..20]]) {
        for (room, byte) in room[place..].iter_mut().zip(needle) {
            room.write(*byte);
        }
    }
    let mut needles = Needles::new();
    needles.push(&control).unwrap();
    needles.push(&ends_in_zeros).unwrap();
    let tables = page_tables();
    let report = scan_process(&Searcher::new(&needles), std::process::id()).unwrap();
    let grown = page_tables().saturating_sub(tables);
    // Four megabytes of tables for two gigabytes.
    assert!(grown < 1024, "the tables grew by {grown} kB");
    assert!(report.total_bytes < RESERVED as u64);
    for (place, number) in places.into_iter().zip([0, 1]) {
        let address = (reserved.as_ptr().addr() + place) as u64;
        let stands = |found: &&ProcessHit| found.hit.offset == address && found.hit.whole;
        let found = report
            .hits
            .iter()
            .find(stands)
            .expect("the needle is found");
        assert_eq!(found.hit.needle.number(), number);
    }
    let gaps: u64 = report.gaps.iter().map(|gap| gap.len).sum();
    assert_eq!(report.covered_bytes + gaps, report.total_bytes);
}
