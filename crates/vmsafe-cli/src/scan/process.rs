//! The memory of a live process.

use std::fs::{self, File};
use std::ops::Range;
use std::rc::Rc;

use vmsafe_witness::{Searcher, scan_process};

use super::finding::{Finding, Gap};
use super::findings::Findings;
use super::reveal::Reveal;
use crate::output::Output;

/// Pages of the kernel's own that every process has and that nothing of a program's can reach.
const KERNEL_PAGES: [&str; 4] = ["[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]"];

pub(super) fn scan(
    target: &Rc<str>,
    pid: u32,
    searcher: &Searcher,
    reveal: bool,
    findings: &mut Findings,
    out: &Output,
) {
    // Before the scan: a process that ends meanwhile must not make gaps look harmless.
    let kernel = kernel_pages(pid);
    let report = match scan_process(searcher, pid) {
        Ok(report) => report,
        Err(error) => {
            let because = format!("it cannot be traced: {error}");
            return findings.not_searched(Gap::of_unknown_size(target, because), out);
        }
    };
    findings.covered(report.covered_bytes);
    let memory = File::open(format!("/proc/{pid}/mem")).ok();
    let mut reveal = memory.filter(|_| reveal).map(Reveal);
    let hits = report.hits.iter().map(|hit| {
        let place = format!("{} {}", hit.mapping, hit.permissions);
        (Finding::of_hit(target, &hit.hit), place)
    });
    let keys = report.keys.iter().map(|key| {
        let place = format!("{} {}", key.mapping, key.permissions);
        (Finding::of_key(target, &key.key), place)
    });
    for (mut finding, place) in hits.chain(keys) {
        finding.mapping = Some(place);
        let around = |reveal: &mut Reveal| reveal.around(finding.offset, finding.length);
        finding.context = reveal.as_mut().and_then(around);
        findings.found(finding, out);
    }
    findings.found_more(report.hit_count - report.hits.len() as u64);
    let counts = |gap: &&vmsafe_witness::Gap| !lies_in(&kernel, gap.offset, gap.len);
    for gap in report.gaps.iter().filter(counts) {
        findings.not_searched(Gap::of(target, gap), out);
    }
}

fn kernel_pages(pid: u32) -> Vec<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().filter_map(kernel_range).collect()
}

fn kernel_range(line: &str) -> Option<Range<u64>> {
    let name = line.split_ascii_whitespace().nth(5)?;
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    KERNEL_PAGES
        .contains(&name)
        .then_some(address(start)?..address(end)?)
}

/// Whether `ranges`, by rising start, cover the gap without a hole.
fn lies_in(ranges: &[Range<u64>], offset: u64, len: u64) -> bool {
    let end = offset.saturating_add(len);
    let reached = ranges.iter().fold(
        offset,
        |at, range| {
            if range.contains(&at) { range.end } else { at }
        },
    );
    len > 0 && reached >= end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_unless_kernel_pages_cover_all_of_it() {
        let ranges = [10..20, 20..30, 40..50];
        assert!(lies_in(&ranges, 10, 20));
        assert!(lies_in(&ranges, 12, 5));
        assert!(!lies_in(&ranges, 12, 19));
        assert!(!lies_in(&ranges, 25, 20));
        assert!(!lies_in(&ranges, 10, 0));
    }

    #[test]
    fn kernel_pages_are_told_by_name() {
        let vvar = "7ffe1000-7ffe5000 r--p 00000000 00:00 0          [vvar]";
        assert_eq!(kernel_range(vvar), Some(0x7ffe_1000..0x7ffe_5000));
        let heap = "7ffe1000-7ffe5000 rw-p 00000000 00:00 0          [heap]";
        assert_eq!(kernel_range(heap), None);
        assert_eq!(
            kernel_range("7ffe1000-7ffe5000 rw-p 00000000 00:00 0 "),
            None
        );
    }
}
