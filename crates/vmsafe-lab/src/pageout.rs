//! Page-out on demand.
//!
//! **Promise.** After [`page_out`] the kernel has been told, in the way that works, to write out
//! every page of a process that it is allowed to write.
//!
//! **Mechanism.** First [`drain`]: pages that wait in a per-CPU list are invisible to any reclaim,
//! and about one page-out in thirty fails for that alone. Then `process_madvise(MADV_PAGEOUT)` over
//! each mapping of the process.
//!
//! **Needs.** Root for other processes; nothing for [`page_out_self`].
//!
//! **What it does not do.** MADV_PAGEOUT returns success and does *nothing* for a page that is
//! mapped more than once (a fork-shared one), and where no swap is active. For the first, squeeze a
//! [`Cgroup`](crate::Cgroup) as well; for both, never conclude from success alone: see
//! [`smaps`](crate::smaps), and look at the medium.

use std::fs;
use std::io;
use std::ops::Range;

use vmsafe_os::lab as os;

use crate::error::{Error, Result, While};
use crate::smaps;

/// Makes every CPU put its pages where reclaim can see them. Any user may.
///
/// # Errors
/// A container's system-call filter forbids `mbind`.
pub fn drain() -> Result<()> {
    os::drain_page_lists().map_err(|error| {
        Error::new("drain the page lists of", "this machine", error)
            .advise("in a container, allow the system call mbind or add the capability SYS_NICE")
    })
}

/// What became of one process's mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagedOut {
    /// The process.
    pub pid: u32,
    /// Bytes of address space that the kernel accepted; not what it wrote.
    pub accepted: u64,
    /// The mappings that it refused with EINVAL: locked, secret, huge or the kernel's own.
    pub refused: Vec<Range<usize>>,
}

/// Pages out everything of these processes that the kernel allows.
///
/// # Errors
/// Not root, or one of the processes is gone.
pub fn page_out(pids: &[u32]) -> Result<Vec<PagedOut>> {
    if !os::is_root() {
        return Err(Error::needs_root("page out", "other processes"));
    }
    drain()?;
    pids.iter().map(|&pid| page_out_one(pid)).collect()
}

fn page_out_one(pid: u32) -> Result<PagedOut> {
    let process = os::Process::open(pid).doing("open process", pid)?;
    let mut report = PagedOut {
        pid,
        ..PagedOut::default()
    };
    for range in mapped_ranges(pid)? {
        match advise_all(&process, range.clone()) {
            Ok(bytes) => report.accepted += bytes as u64,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => report.refused.push(range),
            // Unmapped since the table was read, or the vsyscall page.
            Err(error) if !is_gone(&error) => {
                return Err(Error::new("page out process", pid, error));
            }
            Err(_) => {}
        }
    }
    Ok(report)
}

/// The kernel may take a large range in several bites.
fn advise_all(process: &os::Process, mut range: Range<usize>) -> io::Result<usize> {
    let whole = range.len();
    while !range.is_empty() {
        match process.advise_pageout(range.clone())? {
            0 => break,
            bytes => range.start += bytes,
        }
    }
    Ok(whole - range.len())
}

/// ENOMEM and EFAULT: nothing is mapped there for a process to page out.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory || error.raw_os_error() == Some(EFAULT)
}

fn mapped_ranges(pid: u32) -> Result<Vec<Range<usize>>> {
    let path = format!("/proc/{pid}/maps");
    let text = fs::read_to_string(&path).doing("read", &path)?;
    Ok(text
        .lines()
        .filter(|line| !is_special(line))
        .filter_map(parse_range)
        .collect())
}

/// Mappings of the kernel's own, which no process's data can be in.
fn is_special(line: &str) -> bool {
    ["[vvar]", "[vvar_vclock]", "[vdso]", "[vsyscall]"]
        .iter()
        .any(|name| line.ends_with(name))
}

/// The `start-end` that begins a line of maps and smaps.
pub(crate) fn parse_range(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

/// What the kernel says to an ordinary user's MADV_PAGEOUT of its own memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// EINVAL: the range holds a page that can never be paged out. The structural proof of a lock.
    /// Its absence proves nothing: kernel 6.1 takes the advice on secret memory and does nothing.
    Refused,
    /// The kernel took the advice; whether it wrote, [`smaps::swapped`](crate::smaps::swapped)
    /// tells.
    Taken {
        /// Whether [`drain`] worked before. If not, a page may have been missed by chance.
        drained: bool,
    },
}

/// Pages out a range of this process's own addresses, or shows that the kernel refuses to.
/// The start is rounded down to its page.
///
/// # Errors
/// Part of the range is not mapped.
pub fn page_out_self(range: Range<usize>) -> Result<Advice> {
    let start = range.start - range.start % os::page_size();
    let drained = drain().is_ok();
    match os::advise_pageout(start..range.end.max(start)) {
        Ok(()) => Ok(Advice::Taken { drained }),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(Advice::Refused),
        Err(error) => Err(Error::new("page out", "a range of this process", error)),
    }
}

/// Pages out all of this process's private memory, as far as an ordinary user may.
///
/// # Errors
/// The system does not say what is mapped, or refuses.
pub fn page_out_all_of_self() -> Result<()> {
    if os::trim_working_set().doing("page out", "this process")? {
        return Ok(());
    }
    for mapping in smaps::mappings(std::process::id())? {
        // The kernel's own pages ([vdso], [vvar], [vsyscall]) are nobody's to page out.
        if !mapping.name.starts_with("[v") {
            // One that is gone by now, or that the kernel will not take, stays in: the count tells.
            let _ = page_out_self(mapping.range);
        }
    }
    Ok(())
}

const EFAULT: i32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maps_line_gives_its_range() {
        assert_eq!(
            parse_range("7f00-8000 rw-p 0 00:00 0 [heap]"),
            Some(0x7f00..0x8000)
        );
        assert_eq!(parse_range("nonsense"), None);
        assert!(is_special("ff-100 r--p 0 00:00 0                  [vdso]"));
    }

    #[test]
    fn an_unmapped_range_is_an_error_and_own_memory_is_taken() {
        assert!(page_out_self(0x1000..0x2000).is_err());
        let page = vec![1_u8; 3 * os::page_size()];
        let start = page.as_ptr().addr();
        assert!(matches!(
            page_out_self(start..start + page.len()),
            Ok(Advice::Taken { .. })
        ));
    }
}
