//! The operating system, and nothing else.
//!
//! Everything that vmsafe asks of a system stands on one page, [`contract`]. [`native`] is this
//! machine's implementation; [`model`] is a kernel in a struct that refuses, runs out and loses
//! pages when told to. [`Mapping`] is the one place where an address becomes a slice.
//!
//! ```
//! use vmsafe_os::{Mapping, Source, native};
//!
//! let kernel = native();
//! let mut page = Mapping::new(kernel, Source::Anonymous, kernel.page_size())?;
//! page.as_mut_slice()[0] = 1;
//! assert_eq!(page.as_slice()[0], 1);
//! # Ok::<(), vmsafe_os::Refused>(())
//! ```
//!
//! This crate does not know what a secret is. It owns the only `cfg(target_os)` of the project and
//! nearly all of its `unsafe`. Features: `lab` adds the system calls of the laboratory (swapon,
//! mounts, forced page-out), which no program that merely protects something needs.

pub mod contract;
mod evidence;
mod filesystem;
#[cfg(feature = "lab")]
pub mod lab;
mod mapping;
pub mod model;
mod refused;
pub mod registers;
pub mod signals;
pub mod stack;
pub mod terminal;

#[cfg(not(any(windows, all(target_os = "linux", not(vmsafe_absent)))))]
#[cfg(not(any(target_os = "macos", target_os = "freebsd", target_os = "openbsd")))]
mod absent;
#[cfg(any(target_os = "macos", target_os = "freebsd", target_os = "openbsd"))]
mod bsd;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(not(any(windows, all(target_os = "linux", not(vmsafe_absent)))))]
#[cfg(not(any(target_os = "macos", target_os = "freebsd", target_os = "openbsd")))]
use absent::{self as system, Absent as Native};
#[cfg(any(target_os = "macos", target_os = "freebsd", target_os = "openbsd"))]
use bsd::{self as system, Bsd as Native};
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
use linux::{self as system, Linux as Native};
#[cfg(windows)]
use windows::{self as system, Windows as Native};

pub use contract::{
    Access, Advice, Answer, AroundFork, Facts, Fork, Hibernation, Kernel, LockLimit, ReadBack,
    Region, Source, Span, Store,
};
pub use evidence::{Evidence, Proof};
pub use filesystem::{FileSystem, FsKind, Upper};
pub use mapping::Mapping;
pub use refused::{Call, Refused};
pub use system::name::path_of;

/// The kernel that this program runs on.
#[must_use]
pub fn native() -> &'static dyn Kernel {
    &Native
}
