//! Core dumps in ELF: any program headers and notes behind a header that is right are told apart or
//! refused, each offset has a place, and all of it is searched.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::{CoreDump, Medium, Needles, Searcher};

/// The header of a core dump of 64 bits whose program headers follow it.
fn header(count: u16, machine: u16) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    header.extend([4, machine].map(u16::to_le_bytes).concat());
    header.extend(1_u32.to_le_bytes());
    header.extend([0_u64, 64, 0].map(u64::to_le_bytes).concat());
    header.extend(0_u32.to_le_bytes());
    header.extend([64, 56, count, 64, 0, 0].map(u16::to_le_bytes).concat());
    header
}

fuzz_target!(|input: (u16, bool, Vec<[u16; 4]>, &[u8])| {
    let (count, arm, parts, rest) = input;
    let count = if count % 4 == 0 {
        count
    } else {
        parts.len() as u16
    };
    let mut file = header(count, if arm { 183 } else { 62 });
    for [kind, offset, len, address] in parts {
        // A segment of notes or of memory, mostly within the file; else a huge one.
        let kind = [1_u32, 4, 4, u32::from(kind)][usize::from(kind) % 4];
        let wide = |number: u16| match number % 16 {
            15 => u64::MAX - u64::from(number),
            _ => u64::from(number) % 4096,
        };
        file.extend([kind, 6].map(u32::to_le_bytes).concat());
        let fields = [wide(offset), wide(address), 0, wide(len), wide(len), 4096];
        file.extend(fields.map(u64::to_le_bytes).concat());
    }
    file.extend(rest);
    let Ok(medium) = Medium::detect(Cursor::new(&file)) else {
        return;
    };
    for offset in (0..file.len() as u64 + 100).step_by(61).chain([u64::MAX]) {
        let place = medium.place(offset);
        assert!(place.is_none_or(|place| !place.to_string().is_empty()));
    }
    let searcher = Searcher::new(&Needles::new());
    let report = medium.scan(&searcher, Cursor::new(&file), None, &mut |_| {});
    assert!(report.is_complete());
    assert!(CoreDump::read(Cursor::new(&file)).is_ok());
});
