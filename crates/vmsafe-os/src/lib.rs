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
mod name;
mod refused;
pub mod registers;
pub mod signals;
pub mod stack;
pub mod terminal;

#[cfg(any(vmsafe_absent, not(any(target_os = "linux", windows))))]
mod absent;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
mod linux;
#[cfg(all(windows, not(vmsafe_absent)))]
mod windows;

#[cfg(any(vmsafe_absent, not(any(target_os = "linux", windows))))]
use absent::Absent as Native;
#[cfg(all(target_os = "linux", not(vmsafe_absent)))]
use linux::Linux as Native;
#[cfg(all(windows, not(vmsafe_absent)))]
use windows::Windows as Native;

pub use contract::{
    Access, Advice, Answer, AroundFork, Facts, Fork, Hibernation, Kernel, LockLimit, ReadBack,
    Region, Source, Span, Store,
};
pub use evidence::{Evidence, Proof};
pub use filesystem::{FileSystem, FsKind, Upper};
pub use mapping::Mapping;
pub use name::path_of;
pub use refused::{Call, Refused};

/// The kernel that this program runs on.
#[must_use]
pub fn native() -> &'static dyn Kernel {
    &Native
}
