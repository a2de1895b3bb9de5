//! Which parts of a process's memory hold anything.
//!
//! Programs reserve much more memory than they use: engines of JavaScript and Java a terabyte. To
//! read a page that was never used makes the kernel note for the process that it is zeros: two
//! megabytes for each gigabyte, which stay. `/proc/PID/pagemap` tells which pages there are.

use core::ops::Range;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};

use super::Mapping;

/// What the kernel tells of a page: that it is in memory, or in swap.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;

/// The bytes that it tells that in.
const ENTRY: usize = 8;

/// Pages that are asked for at once.
const MOST_PAGES: usize = 1 << 16;

/// Where the kernel tells of each page of a process.
pub(super) struct PageMap<R> {
    file: R,
    page: u64,
    entries: Vec<u8>,
}

impl PageMap<File> {
    /// None where the system has none, or does not let us read it.
    pub(super) fn open(pid: u32) -> Option<Self> {
        let page = page_size(&fs::read("/proc/self/auxv").ok()?)?;
        let file = File::open(format!("/proc/{pid}/pagemap")).ok()?;
        Some(Self::new(file, page))
    }
}

impl<R: Read + Seek> PageMap<R> {
    fn new(file: R, page: u64) -> Self {
        Self {
            file,
            page,
            entries: vec![0; MOST_PAGES * ENTRY],
        }
    }

    /// Gives the parts of `range` whose pages there are, in order.
    fn each_part(&mut self, range: Range<u64>, part: &mut dyn FnMut(Range<u64>)) -> io::Result<()> {
        let Self {
            file,
            page,
            entries,
        } = self;
        let mut at = range.start / *page;
        let end = range.end.div_ceil(*page);
        file.seek(SeekFrom::Start(at * ENTRY as u64))?;
        while at < end {
            let count = usize::try_from(end - at).map_or(MOST_PAGES, |left| left.min(MOST_PAGES));
            let entries = &mut entries[..count * ENTRY];
            file.read_exact(entries)?;
            let pages = (at..).zip(entries.as_chunks().0);
            let exists = |(_, entry): &(u64, &[u8; ENTRY])| {
                u64::from_le_bytes(**entry) & (PRESENT | SWAPPED) != 0
            };
            for (number, _) in pages.filter(exists) {
                part(number * *page..(number + 1) * *page);
            }
            at += count as u64;
        }
        Ok(())
    }
}

/// The bytes of a page, from what the kernel tells a program when it begins: pairs of words.
fn page_size(auxiliary: &[u8]) -> Option<u64> {
    const PAGE_SIZE: usize = 6;
    let (words, _) = auxiliary.as_chunks();
    let mut pairs = words.chunks_exact(2);
    let pair = pairs.find(|pair| usize::from_ne_bytes(pair[0]) == PAGE_SIZE)?;
    let size = usize::from_ne_bytes(pair[1]);
    size.is_power_of_two().then_some(size as u64)
}

/// Gives `visit` the ranges of the `mappings` to read, in order, and how many mapped bytes before
/// each are passed over; and tells how many are in all.
///
/// Ranges that touch are joined: a secret may lie across a border that only a change of permissions
/// made. Beside each page that exists `rim` bytes are read, since a needle may end in zeros.
pub(super) fn each_range<R: Read + Seek>(
    mappings: &[Mapping],
    mut pages: Option<PageMap<R>>,
    rim: u64,
    visit: &mut dyn FnMut(Range<u64>, u64),
) -> u64 {
    let mut joined = Joined::new(visit);
    let mut mapped = 0;
    for mapping in mappings {
        let Range { start, end } = mapping.range;
        let mut push = |range: Range<u64>| {
            let before = mapped + (range.start - start);
            joined.push(range, before);
        };
        let is_told = pages.as_mut().is_some_and(|pages| {
            let mut part = |page: Range<u64>| {
                push(page.start.saturating_sub(rim).max(start)..(page.end + rim).min(end));
            };
            is_its_own(mapping) && pages.each_part(mapping.range.clone(), &mut part).is_ok()
        });
        if !is_told {
            // Perhaps after a part of it.
            let from = joined.current.end.clamp(start, end);
            joined.push(from..end, mapped + (from - start));
        }
        mapped += mapping.len();
    }
    joined.flush();
    mapped - joined.visited
}

/// Whether pages that do not exist hold zeros. Others may be of a file, or in use by somebody else.
fn is_its_own(mapping: &Mapping) -> bool {
    let is_anonymous = matches!(mapping.name.as_str(), "[anonymous]" | "[heap]" | "[stack]")
        || mapping.name.starts_with("[anon:");
    is_anonymous && mapping.permissions.ends_with('p')
}

/// Joins ranges that come in order.
struct Joined<'a> {
    visit: &'a mut dyn FnMut(Range<u64>, u64),
    current: Range<u64>,
    /// How many mapped bytes lie before the current range.
    before: u64,
    /// How many of them are in ranges that were visited.
    visited: u64,
}

impl<'a> Joined<'a> {
    fn new(visit: &'a mut dyn FnMut(Range<u64>, u64)) -> Self {
        Self {
            visit,
            current: 0..0,
            before: 0,
            visited: 0,
        }
    }

    /// Takes a range with so many mapped bytes before it.
    fn push(&mut self, range: Range<u64>, before: u64) {
        if self.current.end < range.start || self.current.is_empty() {
            self.flush();
            self.current = range;
            self.before = before;
        } else {
            self.current.end = self.current.end.max(range.end);
        }
    }

    fn flush(&mut self) {
        if !self.current.is_empty() {
            (self.visit)(self.current.clone(), self.before - self.visited);
            self.visited += self.current.end - self.current.start;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const PAGE: u64 = 4096;

    /// A file that tells of these pages.
    fn pages(len: u64, exist: &[(u64, u64)]) -> Cursor<Vec<u8>> {
        let mut entries = vec![0; usize::try_from(len).unwrap()];
        for (number, entry) in exist {
            entries[usize::try_from(*number).unwrap()] = *entry;
        }
        Cursor::new(entries.into_iter().flat_map(u64::to_le_bytes).collect())
    }

    fn mapping(pages: Range<u64>, permissions: &str, name: &str) -> Mapping {
        let range = pages.start * PAGE..pages.end * PAGE;
        Mapping::new(range, permissions.to_owned(), name.to_owned())
    }

    /// The ranges in pages, each with how many before it are passed over; and that of the end.
    fn visited(
        mappings: &[Mapping],
        file: Option<Cursor<Vec<u8>>>,
        rim: u64,
    ) -> (Vec<(Range<u64>, u64)>, u64) {
        let mut ranges = Vec::new();
        let pages = file.map(|file| PageMap::new(file, PAGE));
        let passed_over = each_range(mappings, pages, rim, &mut |range, before| {
            ranges.push((range.start / PAGE..range.end.div_ceil(PAGE), before / PAGE));
        });
        (ranges, passed_over / PAGE)
    }

    #[test]
    fn pages_that_do_not_exist_are_passed_over() {
        let far = MOST_PAGES as u64;
        let mappings = [
            mapping(10..30, "rw-p", "[anonymous]"),
            mapping(30..40, "r--p", "/a/file"),
            mapping(40..50, "rw-p", "[heap]"),
            mapping(60..70, "rw-s", "[anonymous]"),
            mapping(100..3 * far, "---p", "[anon:reserved]"),
            mapping(4 * far..4 * far + 10, "rw-p", "[stack]"),
        ];
        let exist = [
            (3, PRESENT),
            (12, PRESENT),
            (13, SWAPPED | 5),
            (15, PRESENT | 1),
            // Known of, and nowhere.
            (17, 1 << 61),
            (29, PRESENT),
            (41, PRESENT),
            (100 + far - 1, PRESENT),
            (100 + far, PRESENT),
            (3 * far - 1, SWAPPED),
        ];
        let file = pages(4 * far + 10, &exist);
        let expected = [
            (12..14, 2),
            (15..16, 3),
            (29..40, 16),
            (41..42, 17),
            (60..70, 25),
            (100 + far - 1..100 + far + 1, 25 + far - 1),
            (3 * far - 1..3 * far, 3 * far - 100 + 25 - 3),
        ];
        let (ranges, passed_over) = visited(&mappings, Some(file.clone()), 0);
        assert_eq!(ranges, expected);
        assert_eq!(passed_over, 3 * far - 100 + 25 - 3 + 10);

        // With a rim, what comes close is joined, and no mapping is left.
        let (ranges, _) = visited(&mappings, Some(file), PAGE);
        assert_eq!(ranges[..2], [(11..17, 1), (28..43, 12)]);
        assert_eq!(ranges.last().unwrap().0, 3 * far - 2..3 * far);
    }

    #[test]
    fn what_is_not_told_is_read() {
        let mappings = [
            mapping(10..30, "rw-p", "[anonymous]"),
            mapping(30..40, "rw-p", "[heap]"),
            mapping(50..60, "rw-p", "[stack]"),
        ];
        let all = [(10..40, 0), (50..60, 0)];
        assert_eq!(visited(&mappings, None, 0), (all.to_vec(), 0));
        // The file ends in the second mapping.
        let file = pages(35, &[(12, PRESENT)]);
        let expected = [(12..13, 2), (30..40, 19), (50..60, 19)];
        assert_eq!(visited(&mappings, Some(file), 0), (expected.to_vec(), 19));
    }

    #[test]
    fn the_size_of_a_page_is_what_the_kernel_tells() {
        let pairs = |pairs: &[[usize; 2]]| -> Vec<u8> {
            pairs
                .iter()
                .flatten()
                .flat_map(|word| word.to_ne_bytes())
                .collect()
        };
        let told = pairs(&[[33, 6], [6, 16384], [0, 0]]);
        assert_eq!(page_size(&told), Some(16384));
        assert_eq!(page_size(&pairs(&[[33, 6], [6, 0]])), None);
        assert_eq!(page_size(&pairs(&[[33, 6], [0, 0]])), None);
        assert_eq!(page_size(&[]), None);
    }
}
