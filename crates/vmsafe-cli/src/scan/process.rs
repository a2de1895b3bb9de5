//! The memory of a live process.

use std::fs::File;
use std::io;

use vmsafe_witness::{
    Gap, Mapping, Progress, Report, Searcher, mappings, scan_mappings, scan_memory,
};

/// Pages of the kernel's own that every process has and that nothing of a program's can reach.
const KERNEL_PAGES: [&str; 4] = ["[vvar]", "[vvar_vclock]", "[vsyscall]", "[vdso]"];

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

/// Where a finding is, in words.
pub(super) fn place(mappings: &[Mapping], address: u64) -> Option<String> {
    let mapping = Mapping::of(mappings, address)?;
    Some(format!("{} {}", mapping.name, mapping.permissions))
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
        assert_eq!(place(&mappings(), 0x3fff).as_deref(), Some("[heap] rw-p"));
        assert_eq!(place(&mappings(), 0x4000), None);
    }
}
