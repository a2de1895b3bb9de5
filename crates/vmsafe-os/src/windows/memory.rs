//! Memory: VirtualAlloc, VirtualProtect, MapViewOfFileEx, QueryWorkingSetEx.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_READ, FILE_MAP_WRITE, MEM_COMMIT, MEM_MAPPED, MEM_RELEASE,
    MEM_RESERVE, MEMORY_BASIC_INFORMATION, MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFileEx,
    PAGE_NOACCESS, PAGE_PROTECTION_FLAGS, PAGE_READONLY, PAGE_READWRITE, UnmapViewOfFile,
    VIRTUAL_ALLOCATION_TYPE, VirtualAlloc, VirtualFree, VirtualProtect, VirtualQuery,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32QueryWorkingSetEx, PSAPI_WORKING_SET_EX_INFORMATION,
};
use windows_sys::Win32::System::SystemInformation::{GetSystemInfo, SYSTEM_INFO};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::last;
use crate::contract::{Access, Answer, Region, Span};
use crate::refused::{Call, Refused};

/// The bit that QueryWorkingSetEx sets for a page that is valid (PSAPI_WORKING_SET_EX_BLOCK).
const VALID: usize = 1;
/// The bit that it sets for a locked page: behind Valid 1, ShareCount 3, Win32Protection 11,
/// Shared 1 and Node 6.
const LOCKED: usize = 1 << 22;

/// How often another thread may take the room between two guards before this gives up.
const TRIES: usize = 32;

struct Sizes {
    page: usize,
    granule: usize,
}

fn sizes() -> &'static Sizes {
    static SIZES: OnceLock<Sizes> = OnceLock::new();
    SIZES.get_or_init(|| {
        // SAFETY: all fields are numbers or pointers, for which zero is a value.
        let mut info: SYSTEM_INFO = unsafe { std::mem::zeroed() };
        // SAFETY: GetSystemInfo fills the structure that it is given.
        unsafe { GetSystemInfo(&raw mut info) };
        Sizes {
            page: info.dwPageSize as usize,
            granule: info.dwAllocationGranularity as usize,
        }
    })
}

pub(super) fn page_size() -> usize {
    sizes().page
}

fn whole_pages(len: usize, call: Call) -> Answer<()> {
    if len > 0 && len.is_multiple_of(page_size()) && isize::try_from(len).is_ok() {
        return Ok(());
    }
    Err(Refused::because(
        call,
        io::ErrorKind::InvalidInput,
        "a length that is no multiple of the page size",
    ))
}

fn allocate(
    at: *const c_void,
    len: usize,
    how: VIRTUAL_ALLOCATION_TYPE,
    access: PAGE_PROTECTION_FLAGS,
    call: Call,
) -> Answer<NonNull<u8>> {
    // SAFETY: VirtualAlloc takes free addresses, or commits pages of a reservation of ours.
    let start = unsafe { VirtualAlloc(at, len, how, access) };
    NonNull::new(start.cast::<u8>()).ok_or_else(|| last(call))
}

/// Private zero pages between guards: reserved pages, which fault.
pub(super) fn map_anonymous(len: usize) -> Answer<Region> {
    let call = Call::MapAnonymous;
    whole_pages(len, call)?;
    let whole = len + 2 * page_size();
    let start = allocate(ptr::null(), whole, MEM_RESERVE, PAGE_NOACCESS, call)?;
    // SAFETY: one page into a reservation of at least three.
    let inner = unsafe { start.add(page_size()) };
    let committed = allocate(inner.as_ptr().cast(), len, MEM_COMMIT, PAGE_READWRITE, call);
    if let Err(refused) = committed {
        free(start);
        return Err(refused);
    }
    Ok(Region {
        outer: Span { start, len: whole },
        inner: Span { start: inner, len },
    })
}

/// A shared view of a file's first `len` bytes between guards.
///
/// A view starts at a granule, so each guard is one. Nothing can hold the room for a view while the
/// view is made; another thread may be faster, and then the next room is tried.
pub(super) fn map_file(file: BorrowedHandle<'_>, len: usize) -> Answer<Region> {
    let call = Call::MapFile;
    whole_pages(len, call)?;
    let section = section_of(file)?;
    let granule = sizes().granule;
    let room = len.next_multiple_of(granule);
    let mut refused = None;
    for _ in 0..TRIES {
        let start = allocate(
            ptr::null(),
            room + 2 * granule,
            MEM_RESERVE,
            PAGE_NOACCESS,
            call,
        )?;
        free(start);
        match between_guards(&section, start, len, room) {
            Ok(region) => return Ok(region),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.expect("tried at least once"))
}

fn between_guards(
    section: &OwnedHandle,
    start: NonNull<u8>,
    len: usize,
    room: usize,
) -> Answer<Region> {
    let call = Call::MapFile;
    let granule = sizes().granule;
    let guard = |at: NonNull<u8>| {
        let at = at.as_ptr().cast_const().cast();
        allocate(at, granule, MEM_RESERVE, PAGE_NOACCESS, call)
    };
    let inner = start.as_ptr().wrapping_add(granule);
    let behind = inner.wrapping_add(room);
    let before = guard(start)?;
    let access = FILE_MAP_READ | FILE_MAP_WRITE;
    let at = inner.cast_const().cast();
    // SAFETY: a view at free addresses touches nothing of ours; at taken ones the call fails.
    let view = unsafe { MapViewOfFileEx(section.as_raw_handle(), access, 0, 0, 0, at) };
    let Some(inner) = NonNull::new(view.Value.cast::<u8>()) else {
        let refused = last(call);
        free(before);
        return Err(refused);
    };
    let span = Span { start: inner, len };
    let enough = view_len(inner) >= len;
    let after = NonNull::new(behind).map_or_else(|| Err(last(call)), guard);
    if enough && after.is_ok() {
        let outer = Span {
            start: before,
            len: room + 2 * granule,
        };
        return Ok(Region { outer, inner: span });
    }
    drop_view(inner);
    free(before);
    after.map(free)?;
    Err(Refused::because(
        call,
        io::ErrorKind::InvalidInput,
        "the file is shorter than what is to be mapped",
    ))
}

/// A section as long as the file: a longer one would make the file longer.
fn section_of(file: BorrowedHandle<'_>) -> Answer<OwnedHandle> {
    let (handle, none) = (file.as_raw_handle(), ptr::null());
    // SAFETY: the file is open; size zero asks for its own length, no name for a private section.
    let section = unsafe { CreateFileMappingW(handle, none, PAGE_READWRITE, 0, 0, ptr::null()) };
    if section.is_null() {
        return Err(last(Call::MapFile));
    }
    // SAFETY: the kernel just made this handle for us; nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(section) })
}

fn query(start: NonNull<u8>) -> MEMORY_BASIC_INFORMATION {
    // SAFETY: all fields are numbers or pointers, for which zero is a value.
    let mut info: MEMORY_BASIC_INFORMATION = unsafe { std::mem::zeroed() };
    let at = start.as_ptr().cast_const().cast();
    // SAFETY: VirtualQuery fills the structure whose size it is told; it takes any address.
    unsafe { VirtualQuery(at, &raw mut info, size_of::<MEMORY_BASIC_INFORMATION>()) };
    info
}

fn view_len(start: NonNull<u8>) -> usize {
    query(start).RegionSize
}

fn drop_view(start: NonNull<u8>) -> bool {
    let view = MEMORY_MAPPED_VIEW_ADDRESS {
        Value: start.as_ptr().cast(),
    };
    // SAFETY: a view of ours that nobody uses any more.
    unsafe { UnmapViewOfFile(view) != 0 }
}

fn free(start: NonNull<u8>) {
    // SAFETY: a reservation of ours that nobody uses any more. It cannot fail for such a one, and
    // leaking addresses harms nobody.
    unsafe { VirtualFree(start.as_ptr().cast(), 0, MEM_RELEASE) };
}

/// # Safety
/// The region is a live mapping that nobody uses any more.
pub(super) unsafe fn unmap(region: Region) -> Answer<()> {
    let Region { outer, inner } = region;
    if query(inner.start).Type != MEM_MAPPED {
        // SAFETY: the caller gives up the region, which is one reservation.
        let freed = unsafe { VirtualFree(outer.start.as_ptr().cast(), 0, MEM_RELEASE) };
        return if freed == 0 {
            Err(last(Call::Unmap))
        } else {
            Ok(())
        };
    }
    if !drop_view(inner.start) {
        return Err(last(Call::Unmap));
    }
    free(outer.start);
    let behind = outer
        .start
        .as_ptr()
        .wrapping_add(outer.len - sizes().granule);
    if let Some(behind) = NonNull::new(behind) {
        free(behind);
    }
    Ok(())
}

/// # Safety
/// The span is a live mapping of the caller's, and no reference into it needs more access.
pub(super) unsafe fn protect(span: Span, access: Access) -> Answer<()> {
    let flags = match access {
        Access::None => PAGE_NOACCESS,
        Access::Read => PAGE_READONLY,
        Access::ReadWrite => PAGE_READWRITE,
    };
    let mut old = 0;
    let at = span.start.as_ptr().cast_const().cast();
    // SAFETY: the caller lends nothing that the new access would break.
    let done = unsafe { VirtualProtect(at, span.len, flags, &raw mut old) };
    if done == 0 {
        return Err(last(Call::Protect));
    }
    Ok(())
}

/// Whether the kernel shows every page of the span valid and locked. Wine shows none so.
pub(super) fn is_locked(span: Span) -> Answer<bool> {
    let page = page_size();
    let mut pages: Vec<PSAPI_WORKING_SET_EX_INFORMATION> = (0..span.len)
        .step_by(page)
        .map(|offset| PSAPI_WORKING_SET_EX_INFORMATION {
            VirtualAddress: span.start.as_ptr().wrapping_add(offset).cast(),
            ..Default::default()
        })
        .collect();
    let bytes = u32::try_from(size_of_val(pages.as_slice()));
    let Ok(bytes) = bytes else {
        return super::nothing(Call::Facts, "the span is too long to be asked about");
    };
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    // SAFETY: the array is `bytes` long; each entry is filled by the address it holds.
    let told = unsafe { K32QueryWorkingSetEx(me, pages.as_mut_ptr().cast(), bytes) };
    if told == 0 {
        return Err(last(Call::Facts));
    }
    Ok(pages.iter().all(|page| {
        // SAFETY: the union is one word, seen as a number or as its bits.
        let flags = unsafe { page.VirtualAttributes.Flags };
        flags & (VALID | LOCKED) == VALID | LOCKED
    }))
}

/// Reads one byte as a debugger of the same user would.
pub(super) fn peek(span: Span) -> bool {
    let mut byte = 0_u8;
    let at = span.start.as_ptr().cast_const().cast();
    let into = (&raw mut byte).cast();
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    // SAFETY: it writes one byte to `byte` at most; a page without access is an error.
    unsafe { ReadProcessMemory(me, at, into, 1, ptr::null_mut()) != 0 }
}
