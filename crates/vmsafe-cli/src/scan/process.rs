//! The memory of a live process.

use core::ops::Range;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::sync::Arc;

use vmsafe_witness::{
    Gap, Mapping, Progress, Report, Searcher, mappings, scan_mappings, scan_memory,
};

/// Pages of the kernel's own that every process has and that nothing of a program's can reach.
const KERNEL_PAGES: [&str; 4] = ["[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]"];

/// Bytes of a mapping's name that are told.
const LONGEST_NAME: usize = 256;

/// What process `pid` has mapped, and a file of its memory for a look beside a finding, where the
/// system has one.
pub(super) fn open(pid: u32) -> io::Result<(Vec<Mapping>, Option<File>)> {
    let Some(memory) = vmsafe_lab::memory_of(pid)? else {
        // Before the scan: a process that ends meanwhile must not make gaps look harmless.
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        return Ok((mappings(pid)?, Some(memory)));
    };
    let mapped = memory.mapped()?.into_iter();
    let mapped = mapped.map(|told| Mapping::new(told.range, told.permissions, told.name));
    Ok((mapped.collect(), None))
}

/// Searches that, however the system shows it.
pub(super) fn scan(
    searcher: &Searcher,
    pid: u32,
    mappings: &[Mapping],
    progress: &mut dyn FnMut(&Progress<'_>),
) -> io::Result<Report> {
    match vmsafe_lab::memory_of(pid)? {
        None => scan_mappings(searcher, pid, mappings, progress),
        Some(memory) => Ok(scan_memory(searcher, pid, memory, mappings, progress)),
    }
}

/// Searches all memory of a process.
pub(crate) fn scan_all(searcher: &Searcher, pid: u32) -> io::Result<Report> {
    let (mappings, _) = open(pid)?;
    scan(searcher, pid, &mappings, &mut |_| ())
}

/// Tells where findings are, in words that those in one mapping share.
pub(super) struct Places<'a> {
    mappings: &'a [Mapping],
    last: Option<(Range<u64>, Arc<str>)>,
}

impl<'a> Places<'a> {
    pub(super) fn new(mappings: &'a [Mapping]) -> Self {
        let last = None;
        Self { mappings, last }
    }

    pub(super) fn of(&mut self, address: u64) -> Option<Arc<str>> {
        if let Some((range, words)) = &self.last
            && range.contains(&address)
        {
            return Some(Arc::clone(words));
        }
        let mapping = Mapping::of(self.mappings, address)?;
        let name = end_of(&mapping.name);
        let words: Arc<str> = format!("{name} {}", mapping.permissions).into();
        self.last = Some((mapping.range.clone(), Arc::clone(&words)));
        Some(words)
    }
}

/// A name, of a long one the end, which names the file.
fn end_of(name: &str) -> Cow<'_, str> {
    match name.len().checked_sub(LONGEST_NAME) {
        None | Some(0) => name.into(),
        Some(cut) => format!("…{}", &name[name.ceil_char_boundary(cut)..]).into(),
    }
}

/// Whether a gap lies in pages of the kernel's own, without a hole.
pub(super) fn is_the_kernels(mappings: &[Mapping], gap: &Gap) -> bool {
    let end = gap.offset.saturating_add(gap.len);
    let mut at = gap.offset;
    for mapping in mappings {
        if mapping.range.contains(&at) && KERNEL_PAGES.contains(&mapping.name.as_str()) {
            at = mapping.range.end;
        }
    }
    gap.len > 0 && at >= end
}

#[cfg(test)]
mod tests {
    use vmsafe_witness::{Needles, scan_stream};

    use super::*;

    fn mappings() -> Vec<Mapping> {
        let lines = [
            "1000-2000 r--p 00000000 00:00 0          [vvar]",
            "2000-3000 r-xp 00000000 00:00 0          [vdso]",
            "3000-4000 rw-p 00000000 00:00 0          [heap]",
        ];
        lines
            .iter()
            .filter_map(|line| Mapping::parse(line))
            .collect()
    }

    /// A gap of the scanner's own making, moved.
    fn gap(offset: u64, len: u64) -> Gap {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::Other.into())
            }
        }
        let searcher = Searcher::new(&Needles::new());
        let mut gap = scan_stream(&searcher, &mut Broken, &mut |_| {})
            .gaps
            .remove(0);
        (gap.offset, gap.len) = (offset, len);
        gap
    }

    #[test]
    fn a_gap_counts_unless_kernel_pages_cover_all_of_it() {
        let covered = |offset, len| is_the_kernels(&mappings(), &gap(offset, len));
        assert!(covered(0x1000, 0x2000));
        assert!(covered(0x1800, 0x100));
        assert!(!covered(0x1800, 0x1900));
        assert!(!covered(0x3000, 0x1000));
        assert!(!covered(0x800, 0x1000));
        assert!(!covered(0x1000, 0));
    }

    #[test]
    fn a_place_is_told_by_its_mapping() {
        let mappings = mappings();
        let mut places = Places::new(&mappings);
        let (one, other) = (places.of(0x3fff).unwrap(), places.of(0x3000).unwrap());
        assert_eq!(&*one, "[heap] rw-p");
        assert!(Arc::ptr_eq(&one, &other));
        assert_eq!(places.of(0x4000), None);
        assert_eq!(places.of(0x1000).as_deref(), Some("[vvar] r--p"));
    }

    #[test]
    fn of_a_long_name_the_end_is_told() {
        let long = format!("/{}/victim", "ü".repeat(2000));
        let end = end_of(&long);
        assert!(end.starts_with("…ü") && end.ends_with("/victim"), "{end}");
        assert!(end.len() <= "…".len() + LONGEST_NAME);
        assert_eq!(end_of("[heap]"), "[heap]");
    }
}
