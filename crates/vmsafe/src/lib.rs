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
//! | [`Sealed`] | written as ciphertext only, its key in locked memory | no | none |
//!
//! On top of [`Locked`]: [`Heap`] lends locked memory for any number of secrets, [`Secret`],
//! [`SecretVec`] and [`SecretString`] are values in it, and [`scope()`] runs a closure on a locked
//! stack that is wiped.
//!
//! A caller states a [`Demand`] per [`Threat`]; a buffer answers with a [`Grade`] of what the
//! system confirmed. What is required and cannot be had is an [`Error`]; what is preferred and
//! cannot be had lowers the grade. Nothing is graded by hope.
//!
//! The library prints nothing but the reason when a wrong free ends the program, installs no signal
//! handler unless asked, starts no thread and changes no limit of the process. It cannot protect
//! what a program copies elsewhere: registers of a thread that is stopped while it computes, a
//! `String` that was made of a buffer's bytes, a closure's return value.

#![deny(unsafe_code)]

mod aead;
pub mod buffer;
mod error;
#[expect(
    unsafe_code,
    reason = "who explains faults runs in a signal handler, and must say that it may"
)]
mod faults;
mod grade;
#[expect(
    unsafe_code,
    reason = "an allocator lends raw memory; each block is one operation and says why it is right"
)]
pub mod heap;
#[expect(
    unsafe_code,
    reason = "that any bytes are a value is an unsafe promise; four casts rest on it"
)]
mod plain;
pub mod scope;
#[expect(
    unsafe_code,
    reason = "a value in the heap's raw memory; each block is one operation with its proof"
)]
mod secret;
mod threat;

pub use buffer::confined::{Burned, Confined};
pub use buffer::evaporating::{Evaporated, Evaporating, Lifetime};
pub use buffer::locked::Locked;
pub use buffer::sealed::{Sealed, SealedBytes};
pub use error::Error;
pub use faults::explain_faults;
pub use grade::{Grade, Verdict};
pub use heap::Heap;
pub use plain::Plain;
pub use scope::scope;
pub use secret::{Guarded, NotUtf8, Secret, SecretString, SecretVec};
pub use threat::{Demand, Demands, Threat};
pub use vmsafe_os::{Fork, Source};
