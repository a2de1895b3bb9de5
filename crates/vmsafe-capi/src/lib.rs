//! The C interface of win32vmSafe, finished: `include/win32vmsafe.h` is its documentation.
//!
//! ```text
//!   win32vmsafe.h   what a C program sees            = win32vmsafe.map = win32vmsafe.def = exports
//!   abi             the functions: strings in, numbers out, no panic through
//!   held            the one buffer of a process: its lock, and its end in a child
//!   session         512 bytes or whole pages, and what each function means for them
//!   vmsafe          PlainPage, Confined
//! ```
//!
//! `docs/design/win32vmsafe.md` tells what the interface promised in 2001, and how each gap is
//! closed. To be linked as `libwin32vmsafe.so` or `win32vmsafe.dll`; Rust programs use `vmsafe`.

#![deny(unsafe_code)]

#[expect(
    unsafe_code,
    reason = "functions that C calls by name, one of them with a string; each block has its proof"
)]
mod abi;
mod fault;
mod held;
mod last;
mod session;

pub use abi::{
    win32vmSafeBurn, win32vmSafeError, win32vmSafeErrorText, win32vmSafeFree, win32vmSafeGrade,
    win32vmSafeInit, win32vmSafeInitAs2001, win32vmSafeLost, win32vmSafeMark,
};
