use std::io::{Cursor, Write};

use super::*;
use crate::Needles;

const NEEDLE: &[u8] = b"the needle that was compressed";

fn searcher() -> Searcher {
    let mut needles = Needles::new();
    needles.push(NEEDLE).unwrap();
    Searcher::new(&needles)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn scan(bytes: &[u8]) -> Report {
    let medium = Medium::detect(Cursor::new(bytes)).unwrap();
    medium.scan(&searcher(), Cursor::new(bytes), None, &mut |_| {})
}

#[test]
fn a_plain_file_is_scanned_as_it_is() {
    for bytes in [&b""[..], b"x", NEEDLE, &[0x1f]] {
        let medium = Medium::detect(Cursor::new(bytes)).unwrap();
        assert!(matches!(medium, Medium::Plain));
        assert_eq!(medium.place(0), None);
        assert!(scan(bytes).is_complete());
    }
    assert_eq!(scan(NEEDLE).hits.len(), 1);
}

#[test]
fn the_content_of_a_compressed_stream_is_scanned() {
    let content = [&vec![b'.'; 2_000_000][..], NEEDLE, &vec![b'.'; 100_000]].concat();
    let report = scan(&gzip(&content));
    assert_eq!(
        report.hits.iter().map(|hit| hit.offset).collect::<Vec<_>>(),
        [2_000_000]
    );
    assert_eq!(report.covered_bytes, content.len() as u64);
    assert!(report.is_complete());
}

#[test]
fn what_a_cut_stream_gave_is_kept_and_the_rest_is_a_gap() {
    let content = [NEEDLE, &vec![b'.'; 3_000_000]].concat();
    let compressed = gzip(&content);
    let report = scan(&compressed[..compressed.len() / 2]);
    assert_eq!(report.hits.len(), 1);
    assert!(!report.is_complete());
    assert!(
        report.gaps[0].because.starts_with("reading failed: "),
        "{:?}",
        report.gaps
    );
}

#[test]
fn a_swap_area_is_scanned_and_its_slots_named() {
    let mut area = vec![0; 5 * 4096];
    area[1024] = 1;
    area[1028] = 4;
    area[4086..4096].copy_from_slice(b"SWAPSPACE2");
    area[3 * 4096 + 5..][..NEEDLE.len()].copy_from_slice(NEEDLE);
    let medium = Medium::detect(Cursor::new(&area)).unwrap();
    let report = medium.scan(&searcher(), Cursor::new(&area), None, &mut |_| {});
    let place = medium.place(report.hits[0].offset).unwrap();
    assert_eq!(place, Place::Swap(SwapPlace::Slot { slot: 3, offset: 5 }));
    assert_eq!(place.to_string(), "swap slot 3+0x5");
}
