//! Headers of swap areas: any page with the signature is read or refused, and each offset has a
//! place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::SwapHeader;

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (size, hibernated, content) = input;
    let size = 4096_usize << (size % 5);
    let mut page = vec![0; size];
    let len = content.len().min(size - 1024);
    page[1024..1024 + len].copy_from_slice(&content[..len]);
    let signature = if hibernated {
        b"S1SUSPEND\0"
    } else {
        b"SWAPSPACE2"
    };
    page[size - 10..].copy_from_slice(signature);
    if let Some(header) = SwapHeader::parse(&page) {
        for offset in [0, 1, header.page_size, 1 << 30, u64::MAX] {
            assert!(!header.place(offset).to_string().is_empty());
        }
    }
});
