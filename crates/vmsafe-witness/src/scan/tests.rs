mod incoming;
mod side_by_side;

use std::io::{self, Cursor};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::block::BLOCK;
use super::workers::{MOST_AHEAD, MOST_HELD};
use super::*;
use crate::buffer::PAGE;
use crate::searcher::tests::any_case;
use crate::{Form, Hit, NeedleId, Needles};
use side_by_side::{LENGTHS, in_segments, segments_of};

fn searcher(needles: &[impl AsRef<[u8]>]) -> Searcher {
    let mut set = Needles::new();
    for needle in needles {
        set.push(needle.as_ref()).unwrap();
    }
    Searcher::new(&set)
}

fn needle(number: u8, len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * 7 + usize::from(number) * 31 + at / 64).to_le_bytes()[0])
        .collect()
}

/// A file with places that cannot be read.
#[derive(Clone)]
struct Faulty {
    inner: Cursor<Vec<u8>>,
    /// A read that touches one of these ranges fails.
    bad: Vec<Range<u64>>,
    /// The most bytes that one read gives.
    most: usize,
}

impl Read for Faulty {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = into.len().min(self.most);
        let at = self.inner.position();
        if self
            .bad
            .iter()
            .any(|bad| bad.start < at + len as u64 && at < bad.end)
        {
            return Err(io::Error::other("a bad block"));
        }
        self.inner.read(&mut into[..len])
    }
}

impl Seek for Faulty {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn offsets(report: &Report) -> Vec<(u64, usize)> {
    report
        .hits
        .iter()
        .map(|hit| (hit.offset, hit.needle.number()))
        .collect()
}

#[test]
fn empty_and_tiny_inputs() {
    let wanted = needle(1, 20);
    let searcher = searcher(&[&wanted]);
    for len in 0..=wanted.len() {
        let hay = &wanted[..len];
        let streamed = scan_stream(&searcher, &mut &*hay, &mut |_| {});
        let sought = scan_seekable(&searcher, Cursor::new(hay), None, &mut |_| {});
        for report in [&streamed, &sought] {
            assert_eq!(report.covered_bytes, len as u64);
            assert!(report.is_complete());
            assert_eq!(report.hits.len(), usize::from(len >= 16), "{len}");
        }
        assert_eq!(streamed.total_bytes, None);
        assert_eq!(sought.total_bytes, Some(len as u64));
    }
}

#[test]
fn finds_across_every_border_of_blocks_and_parts_once() {
    let wanted = needle(2, 64);
    let searcher = searcher(&[&wanted]);
    for shift in 0..=wanted.len() {
        let mut hay = vec![0xaa; BLOCK + 2 * PART + 100];
        let places = (PART..hay.len()).step_by(PART).map(|border| border - shift);
        for place in places.clone() {
            hay[place..place + wanted.len()].copy_from_slice(&wanted);
        }
        let expected: Vec<_> = places.map(|place| (place as u64, 0)).collect();
        let streamed = scan_stream(&searcher, &mut &*hay, &mut |_| {});
        assert_eq!(offsets(&streamed), expected, "{shift}");
        let sought = scan_seekable(&searcher, Cursor::new(&hay), None, &mut |_| {});
        assert_eq!(offsets(&sought), expected, "{shift}");
        assert!(sought.hits.iter().all(|hit| hit.form == Form::Exact));
    }
}

#[test]
fn a_needle_longer_than_a_page_crosses_borders_too() {
    let wanted: Vec<u8> = (0..16_000_u32)
        .map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[1])
        .collect();
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![1; 2 * BLOCK];
    let place = BLOCK - 9_000;
    hay[place..place + wanted.len()].copy_from_slice(&wanted);
    let report = scan_seekable(&searcher, Cursor::new(&hay), None, &mut |_| {});
    assert_eq!(offsets(&report), [(place as u64, 0)]);
    assert_eq!(report.hits[0].form, Form::Exact);
}

#[test]
fn a_bad_page_is_a_gap_and_the_scan_goes_on() {
    let wanted = [needle(3, 32), needle(4, 32), needle(5, 32)];
    let searcher = searcher(&wanted);
    let bad = BLOCK + 3 * PAGE;
    let mut hay = vec![0; 3 * BLOCK + 77];
    let end = hay.len();
    hay[bad - 32..bad].copy_from_slice(&wanted[0]);
    hay[bad + 10..bad + 42].copy_from_slice(&wanted[1]);
    hay[bad + 2 * PAGE..bad + 2 * PAGE + 32].copy_from_slice(&wanted[2]);
    // Half a needle before the gap is a fragment of its own.
    hay[bad - 60..bad - 40].copy_from_slice(&wanted[1][..20]);
    hay[end - 32..].copy_from_slice(&wanted[0]);
    let bad_bytes = bad as u64 + 5..bad as u64 + PAGE as u64 + 9;
    let faulty = Faulty {
        inner: Cursor::new(hay),
        bad: vec![bad_bytes],
        most: usize::MAX,
    };
    let report = scan_seekable(&searcher, faulty.clone(), None, &mut |_| {});
    for len in LENGTHS {
        let same = in_segments(&searcher, &|| faulty.clone(), len);
        assert_eq!(same, report, "in segments of {len}");
    }
    let expected = [
        (bad - 60, 1),
        (bad - 32, 0),
        (bad + 2 * PAGE, 2),
        (end - 32, 0),
    ]
    .map(|(o, n)| (o as u64, n));
    assert_eq!(offsets(&report), expected);
    let gap = Gap {
        offset: bad as u64,
        len: 2 * PAGE as u64,
        because: "reading failed: a bad block".into(),
    };
    assert_eq!(report.gaps, [gap]);
    assert_eq!(report.covered_bytes, (end - 2 * PAGE) as u64);
    assert!(!report.is_complete());
}

#[test]
fn a_fragment_cut_by_a_gap_is_reported() {
    let wanted = needle(6, 40);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![0; 4 * PAGE];
    hay[PAGE - 25..PAGE + 15].copy_from_slice(&wanted);
    let bad = PAGE as u64..PAGE as u64 + 1;
    let faulty = Faulty {
        inner: Cursor::new(hay),
        bad: vec![bad],
        most: usize::MAX,
    };
    let report = scan_seekable(&searcher, faulty.clone(), None, &mut |_| {});
    // The gap begins where a segment does.
    assert_eq!(in_segments(&searcher, &|| faulty.clone(), PAGE), report);
    assert_eq!(offsets(&report), [(PAGE as u64 - 25, 0)]);
    assert_eq!(
        (report.hits[0].len, report.hits[0].form),
        (25, Form::Fragment)
    );
}

#[test]
fn short_reads_lose_nothing() {
    let wanted = needle(7, 50);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![9; BLOCK + 1234];
    let places = [0, 4070, BLOCK - 20, BLOCK + 1184];
    for place in places {
        hay[place..place + 50].copy_from_slice(&wanted);
    }
    let expected = places.map(|place| (place as u64, 0));
    for most in [5000, 4096, 700] {
        let faulty = Faulty {
            inner: Cursor::new(hay.clone()),
            bad: Vec::new(),
            most,
        };
        let report = scan_seekable(&searcher, faulty.clone(), None, &mut |_| {});
        assert_eq!(in_segments(&searcher, &|| faulty.clone(), BLOCK), report);
        assert_eq!(offsets(&report), expected, "reads of {most}");
        assert!(report.is_complete());
    }
}

/// Bytes, one error, and bytes again.
struct Once(Vec<io::Result<&'static [u8]>>);

impl Read for Once {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.pop().unwrap_or(Ok(b""))?;
        block[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn an_error_that_a_stream_does_not_repeat_is_told() {
    let part: &[u8] = b"ten bytes.";
    let error = || Err(io::Error::other("said once"));
    let scan = |reads| {
        let report = scan_stream(&searcher(&[b"abcdefgh"]), &mut Once(reads), &mut |_| ());
        (report.covered_bytes, report.is_complete())
    };
    assert_eq!(scan(vec![Ok(part), error(), Ok(part)]), (10, false));
    assert_eq!(scan(vec![Ok(part), Ok(part)]), (20, true));
}

#[test]
fn a_stream_that_fails_keeps_what_it_gave() {
    let wanted = needle(8, 32);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![0; 2 * BLOCK];
    hay[BLOCK - 20..BLOCK + 12].copy_from_slice(&wanted);
    let bad = BLOCK as u64 + 4096..u64::MAX;
    let mut faulty = Faulty {
        inner: Cursor::new(hay),
        bad: vec![bad],
        most: 4096,
    };
    let report = scan_stream(&searcher, &mut faulty, &mut |_| {});
    assert_eq!(offsets(&report), [(BLOCK as u64 - 20, 0)]);
    assert_eq!(report.covered_bytes, BLOCK as u64 + 4096);
    assert_eq!(
        (report.gaps[0].offset, report.gaps[0].len),
        (BLOCK as u64 + 4096, 0)
    );
}

/// Seeks to an end that lies this far behind what reads reach.
#[derive(Clone)]
struct Shrunk(Cursor<Vec<u8>>, u64);

impl Read for Shrunk {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Seek for Shrunk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.0.seek(to)?;
        let is_end = matches!(to, SeekFrom::End(_));
        Ok(if is_end { at + self.1 } else { at })
    }
}

#[test]
fn a_file_that_shrinks_is_not_called_complete() {
    let wanted = needle(9, 40);
    let searcher = searcher(&[&wanted]);
    let pages = 5 * PAGE;
    // In a page, at its beginning, and so close behind that, that it is context of the next one.
    for len in [pages - 3000, pages, pages + 1, pages + 20, pages + 39] {
        for lost in [1, 100, 7 * PAGE, 20 * PAGE] {
            let mut hay = vec![0; len];
            hay[len - 30..].copy_from_slice(&wanted[..30]);
            let shrunk = Shrunk(Cursor::new(hay), lost as u64);
            let alone = scan_seekable(&searcher, shrunk.clone(), None, &mut |_| {});
            let reports =
                LENGTHS.map(|segment| in_segments(&searcher, &|| shrunk.clone(), segment));
            for report in reports.into_iter().chain([alone]) {
                let told: Vec<_> = report
                    .gaps
                    .iter()
                    .map(|gap| (gap.offset, gap.len))
                    .collect();
                assert_eq!(told, [(len as u64, lost as u64)]);
                assert_eq!(report.covered_bytes, len as u64);
                assert!(!report.is_complete());
                assert!(offsets(&report).contains(&(len as u64 - 30, 0)));
            }
        }
    }
}

#[test]
fn a_range_limits_what_is_searched() {
    let wanted = needle(10, 32);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![0; 3 * PAGE];
    for place in [0, 5000, 8000] {
        hay[place..place + 32].copy_from_slice(&wanted);
    }
    let scan =
        |range: Range<u64>| scan_seekable(&searcher, Cursor::new(&hay), Some(range), &mut |_| {});
    assert_eq!(offsets(&scan(5000..5032)), [(5000, 0)]);
    assert_eq!(scan(5000..5032).covered_bytes, 32);
    assert_eq!(offsets(&scan(1..8032)), [(1, 0), (5000, 0), (8000, 0)]);
    assert_eq!(scan(1..8032).hits[0].form, Form::Fragment);
    assert_eq!(offsets(&scan(8001..u64::MAX)), [(8001, 0)]);
    assert_eq!(scan(20_000..30_000).covered_bytes, 0);
}

/// Gives what is behind its first blocks after something was told, and then slowly.
struct Patient<'a>(Cursor<&'a Vec<u8>>, &'a AtomicBool);

impl Read for Patient<'_> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        if self.0.position() > 10 * BLOCK as u64 {
            while !self.1.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.0.read(block)
    }
}

impl Seek for Patient<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// All before the gap was searched, and the gap is all of the rest.
fn assert_stopped_at_one_place(report: &Report, len: usize) {
    assert_eq!(report.gaps.len(), 1);
    assert_eq!(report.gaps[0].because, "the scan was stopped");
    assert_eq!(report.gaps[0].offset + report.gaps[0].len, len as u64);
    assert_eq!(report.covered_bytes, report.gaps[0].offset);
}

#[test]
fn progress_counts_up_and_can_stop() {
    let wanted = needle(11, 16);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![0; 40 * BLOCK];
    hay[100..116].copy_from_slice(&wanted);
    let mut covered = Vec::new();
    let mut fresh = 0;
    scan_seekable(&searcher, Cursor::new(&hay), None, &mut |progress| {
        assert_eq!(progress.total, Some(hay.len() as u64));
        covered.push(progress.covered);
        fresh += progress.fresh.len();
    });
    assert!(covered.is_sorted());
    assert_eq!((covered.last(), fresh), (Some(&(hay.len() as u64)), 1));

    let told = AtomicBool::new(false);
    let medium = Patient(Cursor::new(&hay), &told);
    let report = scan_seekable(&searcher, medium, None, &mut |progress| {
        progress.stop();
        told.store(true, Ordering::Relaxed);
    });
    assert_eq!(report.hits[0].needle, NeedleId::new(0));
    assert_stopped_at_one_place(&report, hay.len());
}

#[test]
fn a_report_stays_bounded_and_counts_on() {
    let searcher = searcher(&[b"abcdefgh"]);
    let hay = b"abcdefgh".repeat(Report::MOST_HITS + 5);
    let mut fresh = 0;
    let report = scan_stream(&searcher, &mut &*hay, &mut |p| fresh += p.fresh.len());
    assert_eq!(report.hits.len(), Report::MOST_HITS);
    assert_eq!(report.hit_count, Report::MOST_HITS as u64 + 5);
    assert_eq!(fresh, Report::MOST_HITS + 5);
}

fn hits_in_blocks(searcher: &Searcher, mut hay: &[u8], block: usize) -> Vec<Hit> {
    scan_in_blocks(searcher, &mut hay, block, &mut |_| {}).hits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn blocks_of_any_size_find_what_one_piece_holds(
        (needles, hay) in any_case(),
        block in 1..80_usize,
    ) {
        let searcher = searcher(&needles);
        let mut whole = Vec::new();
        searcher.search(0, &hay, &mut |hit| whole.push(hit));
        whole.sort();
        prop_assert_eq!(hits_in_blocks(&searcher, &hay, block), &whole[..]);
        let report = in_segments(&searcher, &|| Cursor::new(&hay), block);
        prop_assert_eq!(report.hits, whole);
    }
}

#[test]
fn ranges_of_a_sparse_file_are_searched_with_the_zeros_between() {
    // It ends in zeros that no range holds.
    let wanted = [needle(12, 30), vec![0; 12]].concat();
    let searcher = searcher(&[&wanted, &needle(13, 32)]);
    let mut hay = vec![0; 400 * PAGE];
    hay[10 * PAGE - 30..10 * PAGE].copy_from_slice(&wanted[..30]);
    hay[300 * PAGE..300 * PAGE + 32].copy_from_slice(&needle(13, 32));
    let ranges = [
        300 * PAGE as u64..301 * PAGE as u64,
        8 * PAGE as u64..10 * PAGE as u64,
    ];
    let scan = |ranges: &[Range<u64>]| {
        scan_ranges(
            &searcher,
            Cursor::new(&hay),
            ranges,
            Checkpoint::default(),
            &mut |_| {},
        )
    };
    let report = scan(&ranges);
    let expected = [(10 * PAGE as u64 - 30, 0), (300 * PAGE as u64, 1)];
    assert_eq!(offsets(&report), expected);
    assert!(report.hits.iter().all(|hit| hit.whole));
    assert!(report.covered_bytes < 4 * PAGE as u64 && report.is_complete());
    assert_eq!(scan(&[]).covered_bytes, 0);
    let bounds = [0..5000, 4000..9000, 0..u64::MAX];
    assert_eq!(offsets(&scan(&bounds)), expected);
}

#[test]
fn a_stopped_scan_goes_on_where_it_was_and_tells_nothing_twice() {
    let wanted = [needle(14, 64), needle(15, 64)];
    let searcher = searcher(&wanted);
    let mut hay = vec![3; 9 * BLOCK + 777];
    // Across each block border, so that a stop there cuts a needle.
    for border in 1..=9 {
        let place = border * BLOCK - 7 * border;
        hay[place..place + 64].copy_from_slice(&wanted[border % 2]);
    }
    let bad = 4 * BLOCK as u64 + 9000..4 * BLOCK as u64 + 9001;
    let open = || {
        let bad = vec![bad.clone()];
        Faulty {
            inner: Cursor::new(hay.clone()),
            bad,
            most: usize::MAX,
        }
    };
    let everything = [0..5 * BLOCK as u64 + 99, 5 * BLOCK as u64 + 90..u64::MAX];
    goes_on(&|from, progress| scan_ranges(&searcher, open(), &everything, from, progress));
    goes_on(&|from, progress| segments_of(&searcher, &open, BLOCK, &everything, from, progress));
}

type Scan<'a> = dyn Fn(Checkpoint, &mut dyn FnMut(&Progress<'_>)) -> Report + 'a;

/// Stops a scan after each of its steps, and goes on.
fn goes_on(scan: &Scan<'_>) {
    let uninterrupted = scan(Checkpoint::default(), &mut |_| {});
    assert_eq!((uninterrupted.hits.len(), uninterrupted.gaps.len()), (9, 1));

    let mut records = Vec::new();
    scan(Checkpoint::default(), &mut |progress| {
        records.push(progress.checkpoint())
    });
    for record in records {
        let position = record.position;
        let reread: Checkpoint = record.to_string().parse().unwrap();
        let resumed = scan(reread, &mut |_| {});
        assert_eq!(resumed, uninterrupted, "from {position}");
    }

    // Stopped for good after some blocks: the record made last goes on.
    for blocks in 1..9 {
        let (mut last, mut seen) = (Checkpoint::default(), 0);
        let stopped = scan(Checkpoint::default(), &mut |progress| {
            last = progress.checkpoint();
            seen += 1;
            if seen >= blocks {
                progress.stop();
            }
        });
        assert!(blocks > 4 || !stopped.is_complete());
        assert_eq!(
            scan(last, &mut |_| {}),
            uninterrupted,
            "stopped after {blocks}"
        );
    }
}
