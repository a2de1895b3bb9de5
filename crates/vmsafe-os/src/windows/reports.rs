//! Error reports: WerRegisterExcludedMemoryBlock, which Windows has since 10.1703 and Wine has not.

use std::ffi::c_void;
use std::io;

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::core::{HRESULT, PCSTR, w};

use crate::contract::{Answer, Span};
use crate::refused::{Call, Refused};

type Exclude = unsafe extern "system" fn(*const c_void, u32) -> HRESULT;
type Include = unsafe extern "system" fn(*const c_void) -> HRESULT;
type Function = unsafe extern "system" fn() -> isize;

fn find(name: PCSTR) -> Option<Function> {
    // SAFETY: the name is a constant, ended by zero; every process has this library.
    let library = unsafe { GetModuleHandleW(w!("kernel32.dll")) };
    // SAFETY: the library stays loaded, and the name is a constant ended by zero.
    unsafe { GetProcAddress(library, name) }
}

/// Leaves the span out of the reports that Windows makes when this process crashes.
pub(super) fn exclude(span: Span) -> Answer<()> {
    let no = |reason| {
        let kind = io::ErrorKind::Unsupported;
        Err(Refused::because(Call::DontDump, kind, reason))
    };
    let Some(found) = find(windows_sys::s!("WerRegisterExcludedMemoryBlock")) else {
        return no("this system cannot leave memory out of error reports");
    };
    let Ok(len) = u32::try_from(span.len) else {
        return no("error reports leave out 4 GiB at most");
    };
    // SAFETY: the documented signature of the function of this name (werapi.h).
    let exclude: Exclude = unsafe { std::mem::transmute::<Function, Exclude>(found) };
    // SAFETY: it notes the address and the length; the span is a live mapping.
    let answer = unsafe { exclude(span.start.as_ptr().cast_const().cast(), len) };
    if answer == 0 {
        return Ok(());
    }
    // An HRESULT of a Win32 error carries its number in the low half.
    Err(Refused::new(
        Call::DontDump,
        io::Error::from_raw_os_error(answer & 0xFFFF),
    ))
}

/// Ends the exclusion: Windows keeps 512 of them for a process.
pub(super) fn include(span: Span) {
    let Some(found) = find(windows_sys::s!("WerUnregisterExcludedMemoryBlock")) else {
        return;
    };
    // SAFETY: the documented signature of the function of this name (werapi.h).
    let include: Include = unsafe { std::mem::transmute::<Function, Include>(found) };
    // SAFETY: it forgets an address; one that it does not know is an error that changes nothing.
    unsafe { include(span.start.as_ptr().cast_const().cast()) };
}
