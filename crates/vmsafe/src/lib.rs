//! Buffers whose contents can reach no disk.
//!
//! ```
//! use vmsafe::{Locked, Threat};
//!
//! let mut key = Locked::new(32)?;
//! key.fill(7);
//! println!("{}", key.grade().of(Threat::Swap));
//! # Ok::<(), vmsafe::Error>(())
//! ```
//!
//! "Stays in memory" and "never reaches storage" are different promises. Each buffer makes one of
//! them a type:
//!
//! | buffer | under pressure its pages are | can it vanish? | size limit |
//! |---|---|---|---|
//! | [`Locked`] | left alone, and in no dump | no | the lock limit |
//! | [`Confined`] | written to one file of yours, burned at the end | no | that file's disk |
//! | [`Evaporating`] | thrown away | yes: [`Evaporated`] | 3,568 bytes a page, one file each |
//!
//! A caller states a [`Demand`] per [`Threat`]; a buffer answers with a [`Grade`] of what the
//! system confirmed. What is required and cannot be had is an [`Error`]; what is preferred and
//! cannot be had lowers the grade. Nothing is graded by hope.
//!
//! The library prints nothing, installs no signal handler, starts no thread and changes no limit of
//! the process. It cannot protect what a program copies elsewhere: registers of a thread that is
//! stopped while it computes, a `String` that was made of a buffer's bytes, a closure's return
//! value.

#![deny(unsafe_code)]

mod aead;
pub mod buffer;
mod error;
mod grade;
mod scope;
mod threat;

pub use buffer::confined::{Burned, Confined};
pub use buffer::evaporating::{Evaporated, Evaporating, Lifetime};
pub use buffer::locked::Locked;
pub use error::Error;
pub use grade::{Grade, Verdict};
pub use threat::{Demand, Demands, Threat};
pub use vmsafe_os::{Fork, Source};
