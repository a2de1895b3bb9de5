//! Lines of /proc/PID/maps: any text is a mapping or none, and each address has one at most.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmsafe_witness::Mapping;

fuzz_target!(|text: &str| {
    let mut all: Vec<_> = text.lines().filter_map(Mapping::parse).collect();
    all.sort_by_key(|mapping| mapping.range.start);
    for mapping in &all {
        assert!(!mapping.range.is_empty() && !mapping.name.is_empty());
        for address in [
            mapping.range.start,
            mapping.range.end - 1,
            mapping.range.end,
        ] {
            let found = Mapping::of(&all, address);
            assert!(found.is_none_or(|found| found.range.contains(&address)));
        }
    }
});
