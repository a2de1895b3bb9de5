//! Several workers, each with a reader of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Lengths of segments: of a page, with borders between the blocks' and at them.
pub(super) const LENGTHS: [usize; 3] = [PAGE, 3 * PAGE, BLOCK];

const WHOLE: Range<u64> = 0..u64::MAX;

/// What workers find that read segments of `len` bytes side by side.
pub(super) fn in_segments<R: Read + Seek + Send>(
    searcher: &Searcher,
    open: &dyn Fn() -> R,
    len: usize,
) -> Report {
    let from = Checkpoint::default();
    segments_of(searcher, open, len, &[WHOLE], from, &mut |_| {})
}

pub(super) fn segments_of<R: Read + Seek + Send>(
    searcher: &Searcher,
    open: &dyn Fn() -> R,
    len: usize,
    ranges: &[Range<u64>],
    from: Checkpoint,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Report {
    let end = open().seek(SeekFrom::End(0)).unwrap();
    let plan = Plan::new(searcher, ranges, end, from);
    let sources = (0..3).map(|_| Seekable::new(open(), end)).collect();
    scan_segments(searcher, sources, plan, len as u64, progress)
}

#[test]
fn what_is_read_side_by_side_stops_at_one_place() {
    let wanted = needle(11, 16);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![0; 40 * BLOCK];
    hay[100..116].copy_from_slice(&wanted);
    let told = AtomicBool::new(false);
    let open = || Patient(Cursor::new(&hay), &told);
    let from = Checkpoint::default();
    let report = segments_of(
        &searcher,
        &open,
        2 * BLOCK,
        &[WHOLE],
        from,
        &mut |progress| {
            progress.stop();
            told.store(true, Ordering::Relaxed);
        },
    );
    assert_eq!(offsets(&report), [(100, 0)]);
    assert_stopped_at_one_place(&report, hay.len());
}

#[test]
fn a_panic_ends_what_is_read_side_by_side() {
    struct Bomb(Cursor<Vec<u8>>);
    impl Read for Bomb {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            assert!(self.0.position() != PAGE as u64, "a reader that panics");
            self.0.read(block)
        }
    }
    impl Seek for Bomb {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let searcher = searcher(&[needle(17, 40)]);
    // So many segments that others would wait for the one that never comes.
    let hay = vec![7; 2 * clamp(MOST_AHEAD) * PAGE];
    let scan = |progress: &mut dyn FnMut(&Progress<'_>)| {
        let from = Checkpoint::default();
        let open = || Cursor::new(&hay);
        segments_of(&searcher, &open, PAGE, &[WHOLE], from, progress)
    };
    let caller = AssertUnwindSafe(|| scan(&mut |_| panic!("a caller that panics")));
    assert!(catch_unwind(caller).is_err());
    let bomb = || in_segments(&searcher, &|| Bomb(Cursor::new(hay.clone())), PAGE);
    assert!(catch_unwind(AssertUnwindSafe(bomb)).is_err());
}

/// Its first bytes come when nobody else has read any for a while.
struct Late<'a> {
    bytes: Cursor<&'a [u8]>,
    /// What all have read.
    read: &'a AtomicU64,
    /// What all had read when the first bytes came.
    ahead: &'a AtomicU64,
}

impl Read for Late<'_> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let read = || self.read.load(Ordering::Relaxed);
        if self.bytes.position() == 0 {
            let mut before = u64::MAX;
            while before != read() {
                before = read();
                thread::sleep(Duration::from_millis(200));
            }
            self.ahead.store(read(), Ordering::Relaxed);
        }
        let count = self.bytes.read(block)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Late<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

#[test]
fn where_much_is_found_little_is_read_ahead() {
    const LEN: usize = 16 * PAGE;
    let wanted = needle(18, 8);
    let searcher = searcher(&[&wanted]);
    let ahead = |hay: &[u8], expected: u64| {
        let (read, ahead) = (AtomicU64::new(0), AtomicU64::new(0));
        let open = || Late {
            bytes: Cursor::new(hay),
            read: &read,
            ahead: &ahead,
        };
        let report = in_segments(&searcher, &open, LEN);
        assert_eq!(report.hit_count, expected);
        assert_eq!(report.covered_bytes, hay.len() as u64);
        clamp(ahead.into_inner()) / LEN
    };
    let places = 150 * LEN / wanted.len();
    let crowded = ahead(&wanted.repeat(places), places as u64);
    let held = MOST_HELD * wanted.len() / LEN;
    let side_by_side = held..=held + 2 * MOST_WORKERS;
    assert!(side_by_side.contains(&crowded), "{crowded} segments");
    let sparse = ahead(&vec![7; 150 * LEN], 0);
    assert!(
        sparse >= clamp(MOST_AHEAD),
        "the control: {sparse} segments"
    );
}

#[test]
fn a_file_is_read_side_by_side() {
    let wanted = needle(16, 40);
    let searcher = searcher(&[&wanted]);
    let segment = clamp(SEGMENT);
    let mut hay = vec![7; 3 * segment + 100];
    let places = [1, 2, 3].map(|nth| nth * segment - 20);
    for place in places {
        hay[place..place + 40].copy_from_slice(&wanted);
    }
    let path = std::env::temp_dir().join(format!("vmsafe-segments-{}", std::process::id()));
    std::fs::write(&path, &hay).unwrap();
    let files = vec![File::open(&path).unwrap(), File::open(&path).unwrap()];
    std::fs::remove_file(&path).unwrap();
    let from = Checkpoint::default();
    let report = scan_side_by_side(&searcher, files, &[WHOLE], from, &mut |_| {});
    assert_eq!(offsets(&report), places.map(|place| (place as u64, 0)));
    assert!(report.is_complete());
}
