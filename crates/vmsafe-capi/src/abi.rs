//! The functions that C calls, by the names of the header.
#![expect(non_snake_case, reason = "the names of 2001")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use crate::fault::{Code, Fault};
use crate::session::Places;
use crate::{held, last};

/// See the header.
///
/// # Safety
/// `fName` is NULL or a string that ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn win32vmSafeInit(fName: *const c_char, mapsize: c_int) -> *mut c_void {
    // SAFETY: the caller's promise, word for word.
    let name = unsafe { string(fName) };
    pointer(last::boundary(|| held::init(name, mapsize, Places::Judged)))
}

/// See the header.
///
/// # Safety
/// `fName` is NULL or a string that ends in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn win32vmSafeInitAs2001(
    fName: *const c_char,
    mapsize: c_int,
) -> *mut c_void {
    // SAFETY: the caller's promise, word for word.
    let name = unsafe { string(fName) };
    pointer(last::boundary(|| held::init(name, mapsize, Places::Any)))
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeFree() -> c_int {
    burned(held::free)
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeMark() -> c_int {
    answer(last::boundary(|| held::lend(|session| session.mark())))
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeLost() -> c_int {
    answer(last::boundary(|| held::lend(|session| session.is_lost())))
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeBurn() -> c_int {
    burned(|| held::lend(|session| session.wipe()))
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeGrade() -> *const c_char {
    let words = last::boundary(|| held::lend(|session| Ok(session.grade().to_string())));
    words.map_or(ptr::null(), last::grade)
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeError() -> c_int {
    last::code()
}

/// See the header.
#[unsafe(no_mangle)]
pub extern "C" fn win32vmSafeErrorText() -> *const c_char {
    last::text()
}

/// # Safety
/// `name` is NULL or a string that ends in a zero byte and stays as it is meanwhile.
unsafe fn string<'a>(name: *const c_char) -> Option<&'a CStr> {
    // SAFETY: not NULL, and so a string that ends in zero, as the caller promised.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })
}

fn pointer(start: Result<NonNull<u8>, Code>) -> *mut c_void {
    start.map_or(ptr::null_mut(), |start| start.as_ptr().cast())
}

fn answer(yes: Result<bool, Code>) -> c_int {
    yes.map_or(-1, c_int::from)
}

fn burned(body: impl FnOnce() -> Result<(), Fault>) -> c_int {
    match last::boundary(body) {
        Ok(()) => 0,
        Err(Code::Unconfirmed) => 1,
        Err(_) => -1,
    }
}

#[cfg(symbol_versions)]
core::arch::global_asm!(
    ".symver win32vmSafeInit, win32vmSafeInit@@WIN32VMSAFE_1",
    ".symver win32vmSafeInitAs2001, win32vmSafeInitAs2001@@WIN32VMSAFE_1",
    ".symver win32vmSafeFree, win32vmSafeFree@@WIN32VMSAFE_1",
    ".symver win32vmSafeMark, win32vmSafeMark@@WIN32VMSAFE_1",
    ".symver win32vmSafeLost, win32vmSafeLost@@WIN32VMSAFE_1",
    ".symver win32vmSafeBurn, win32vmSafeBurn@@WIN32VMSAFE_1",
    ".symver win32vmSafeGrade, win32vmSafeGrade@@WIN32VMSAFE_1",
    ".symver win32vmSafeError, win32vmSafeError@@WIN32VMSAFE_1",
    ".symver win32vmSafeErrorText, win32vmSafeErrorText@@WIN32VMSAFE_1",
);
