//! The memory of processes: VirtualQueryEx, ReadProcessMemory, QueryWorkingSetEx, EmptyWorkingSet.

use core::ops::Range;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Memory::{
    FlushViewOfFile, GetProcessWorkingSetSizeEx, MEM_COMMIT, MEM_IMAGE, MEM_MAPPED, MEM_PRIVATE,
    MEMORY_BASIC_INFORMATION, PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE,
    PAGE_EXECUTE_WRITECOPY, PAGE_GUARD, PAGE_NOACCESS, PAGE_READWRITE, PAGE_WRITECOPY,
    QUOTA_LIMITS_HARDWS_MAX_ENABLE, VirtualQueryEx,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32EmptyWorkingSet, K32GetMappedFileNameW, K32QueryWorkingSetEx,
    PSAPI_WORKING_SET_EX_INFORMATION,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, PROCESS_QUERY_INFORMATION, PROCESS_VM_READ,
};

use super::{check, open_process, page_size};
use crate::lab::{Mapped, Memory, Page, WorkingSet};

/// Pages that are asked about in one call.
const BATCH: usize = 4096;

/// A process, its ranges one after the other.
struct Ranges<'a> {
    process: &'a OwnedHandle,
    at: usize,
}

impl Iterator for Ranges<'_> {
    type Item = MEMORY_BASIC_INFORMATION;

    fn next(&mut self) -> Option<Self::Item> {
        let mut info = MEMORY_BASIC_INFORMATION::default();
        let (process, size) = (self.process.as_raw_handle(), size_of_val(&info));
        let at = ptr::without_provenance(self.at);
        // SAFETY: VirtualQueryEx fills the structure whose size it is told; it takes any address.
        let told = unsafe { VirtualQueryEx(process, at, &raw mut info, size) };
        self.at = info.BaseAddress.addr().checked_add(info.RegionSize)?;
        (told != 0).then_some(info)
    }
}

/// What of a process can be read.
fn readable(process: &OwnedHandle) -> impl Iterator<Item = MEMORY_BASIC_INFORMATION> {
    let closed = PAGE_NOACCESS | PAGE_GUARD | PAGE_EXECUTE;
    let all = Ranges { process, at: 0 };
    all.filter(move |info| info.State == MEM_COMMIT && info.Protect & closed == 0)
}

fn range(info: &MEMORY_BASIC_INFORMATION) -> Range<u64> {
    let start = info.BaseAddress.addr() as u64;
    start..start + info.RegionSize as u64
}

/// Another process's memory; the place is the address that is read next.
#[derive(Debug)]
struct Foreign {
    process: OwnedHandle,
    at: u64,
}

/// The memory of a process of this user, or of any for an administrator.
///
/// # Errors
/// Somebody else's process, a protected one, or none of that number.
pub fn memory_of(pid: u32) -> io::Result<Option<Box<dyn Memory>>> {
    let process = open_process(pid, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)?;
    Ok(Some(Box::new(Foreign { process, at: 0 })))
}

impl Read for Foreign {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (process, mut read) = (self.process.as_raw_handle(), 0);
        let at = usize::try_from(self.at).map_err(io::Error::other)?;
        let (from, to) = (ptr::without_provenance(at), into.as_mut_ptr().cast());
        // SAFETY: it writes `into.len()` bytes to `into` at most; what cannot be read over there is
        // an error.
        let done = unsafe { ReadProcessMemory(process, from, to, into.len(), &raw mut read) };
        if read == 0 {
            check(done)?;
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Foreign {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(at) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.at = at;
        Ok(at)
    }
}

impl Memory for Foreign {
    fn mapped(&self) -> io::Result<Vec<Mapped>> {
        let mapped = readable(&self.process).map(|info| Mapped {
            range: range(&info),
            name: name(&self.process, &info),
            permissions: permissions(&info),
        });
        Ok(mapped.collect())
    }
}

fn permissions(info: &MEMORY_BASIC_INFORMATION) -> String {
    let executable = PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    let writable =
        PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    let letter = |bits, letter| {
        if info.Protect & bits == 0 {
            '-'
        } else {
            letter
        }
    };
    let shared = if info.Type == MEM_MAPPED { 's' } else { 'p' };
    ['r', letter(writable, 'w'), letter(executable, 'x'), shared]
        .iter()
        .collect()
}

/// The file that a range maps, as the kernel's namespace has it.
fn name(process: &OwnedHandle, info: &MEMORY_BASIC_INFORMATION) -> String {
    if info.Type == MEM_PRIVATE {
        return "[anonymous]".to_owned();
    }
    let mut path = [0_u16; 1024];
    let (handle, at) = (process.as_raw_handle(), info.BaseAddress.cast_const());
    let into = path.as_mut_ptr();
    // SAFETY: the buffer is 1024 units long.
    let len = unsafe { K32GetMappedFileNameW(handle, at, into, 1024) };
    match path.get(..len as usize) {
        Some(path) if !path.is_empty() => String::from_utf16_lossy(path),
        _ => "[section]".to_owned(),
    }
}

/// The used pages of a process, by rising address.
///
/// # Errors
/// As [`memory_of`].
pub fn pages_of(pid: u32) -> io::Result<Option<Vec<Page>>> {
    let process = open_process(pid, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)?;
    let mut pages = Vec::new();
    for info in readable(&process) {
        // A section without a file has the page file below it.
        let mapped = info.Type == MEM_IMAGE || info.Type == MEM_MAPPED;
        let of_file = mapped && name(&process, &info) != "[section]";
        let addresses: Vec<u64> = range(&info).step_by(page_size()).collect();
        for batch in addresses.chunks(BATCH) {
            let asked = ask(&process, batch)?;
            pages.extend(asked.iter().map(|(address, flags)| Page {
                address: *address,
                resident: flags & VALID != 0,
                locked: flags & (VALID | LOCKED) == VALID | LOCKED,
                of_file,
            }));
        }
    }
    Ok(Some(pages))
}

/// As in PSAPI_WORKING_SET_EX_BLOCK.
const VALID: usize = 1;
const LOCKED: usize = 1 << 22;

fn ask(process: &OwnedHandle, addresses: &[u64]) -> io::Result<Vec<(u64, usize)>> {
    let entry = |address: &u64| PSAPI_WORKING_SET_EX_INFORMATION {
        VirtualAddress: ptr::without_provenance_mut(usize::try_from(*address).unwrap_or(0)),
        ..Default::default()
    };
    let mut asked: Vec<_> = addresses.iter().map(entry).collect();
    let bytes = u32::try_from(size_of_val(asked.as_slice())).map_err(io::Error::other)?;
    let (handle, into) = (process.as_raw_handle(), asked.as_mut_ptr().cast());
    // SAFETY: the array is `bytes` long; each entry is filled by the address it holds.
    check(unsafe { K32QueryWorkingSetEx(handle, into, bytes) })?;
    let flags = asked.iter().map(|entry| {
        // SAFETY: the union is one word, seen as a number or as its bits.
        unsafe { entry.VirtualAttributes.Flags }
    });
    Ok(addresses.iter().copied().zip(flags).collect())
}

/// Takes every page from this process that is not locked; each comes back when it is used.
///
/// # Errors
/// The system's refusal.
pub fn trim_working_set() -> io::Result<bool> {
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    // SAFETY: pages leave and come back as they were.
    check(unsafe { K32EmptyWorkingSet(me) })?;
    Ok(true)
}

/// Hands what this process stored into mapped files to those files.
///
/// # Errors
/// The medium's.
pub fn flush_views() -> io::Result<()> {
    let me = open_process(std::process::id(), PROCESS_QUERY_INFORMATION)?;
    let all = Ranges {
        process: &me,
        at: 0,
    };
    let views = all.filter(|info| info.State == MEM_COMMIT && info.Type == MEM_MAPPED);
    for view in views.filter(|view| view.Protect == PAGE_READWRITE) {
        // A view that another thread ends meanwhile, or of no file, has nothing to hand over.
        // SAFETY: it reads a view, and an address without one is an error.
        unsafe { FlushViewOfFile(view.BaseAddress.cast_const(), view.RegionSize) };
    }
    Ok(())
}

/// The bounds of this process's working set.
///
/// # Errors
/// The system's refusal.
pub fn working_set() -> io::Result<WorkingSet> {
    let (mut least, mut most, mut flags) = (0, 0, 0);
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    let (a, b, c) = (&raw mut least, &raw mut most, &raw mut flags);
    // SAFETY: each number is written to the variable that it is given.
    check(unsafe { GetProcessWorkingSetSizeEx(me, a, b, c) })?;
    Ok(WorkingSet {
        least: least as u64,
        most: most as u64,
        is_capped: flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE != 0,
    })
}
