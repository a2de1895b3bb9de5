//! A laboratory that *provokes* what moves memory to disk: swap, core dumps, write-back, forks.
//!
//! It judges nothing. It makes the machine do its worst, in a way that is certain, and tells where
//! to look; a witness looks. Everything it changes on the machine it puts back, also after a panic,
//! and after a `kill -9` at the next run.
//!
//! ```no_run
//! use vmsafe_lab::{Cgroup, PrivateSwap, page_out};
//!
//! let swap = PrivateSwap::create_in("/var/tmp", 64 << 20)?;
//! let group = Cgroup::create()?;
//! let mut subject = std::process::Command::new("/usr/bin/my-subject").spawn().unwrap();
//! group.add(subject.id())?; // before it fills its memory
//! // … wait until the subject says that its canary stands …
//! page_out(&[subject.id()])?; // takes what one process maps
//! group.squeeze()?; // takes what is shared too
//! println!("now scan {}", swap.path().display());
//! # Ok::<(), vmsafe_lab::Error>(())
//! ```
//!
//! | door | opens it | needs |
//! |---|---|---|
//! | swap | [`PrivateSwap`], [`page_out`], [`Cgroup::squeeze`] | root |
//! | one's own pages | [`page_out_self`], [`smaps`] | nothing; swap for a positive |
//! | core | [`allow`], [`CorePattern`] | nothing, or root for a foreign pattern |
//! | disk | [`Scratch::create`], [`extents`], [`open_direct`] | root, `mkfs` |
//! | written blocks | [`Scratch::create_watched`] | root, `mkfs`, FUSE |
//! | child | [`fork_lingering`], [`readable_copy`] | nothing |
//!
//! Swap, zswap and the core pattern belong to the whole machine, so one laboratory at a time holds
//! the [`Lab`]. [`doors`] tells beforehand what this user can open, and what would open the rest.
//!
//! What it is not: a sandbox. Other programs' pages go to the private swap too while it is active,
//! and a control that does not leak makes a result "inconclusive", which is the caller's to say.
#![forbid(unsafe_code)]

mod cgroup;
mod coredump;
mod disk;
mod error;
mod fuse;
mod gate;
mod lock;
mod machine;
mod medium;
mod mkfs;
mod owner;
mod pageout;
mod process;
mod residence;
mod setting;
mod settings;
pub mod smaps;
mod swap;
mod tables;
mod watched;

pub use cgroup::{Cgroup, Squeezed, Version};
pub use coredump::{CorePattern, Lands, allow};
pub use disk::{Scratch, ScratchOptions};
pub use error::{Error, Result};
pub use gate::{not_run, require_root};
pub use lock::Lab;
pub use machine::{Door, Machine, Opening, doors, machine};
pub use medium::{
    Extent, Opened, data_ranges, extents, file_system_of, flush_views, identity, length,
    open_direct, open_here, pseudo_filesystem, readable_by_all,
};
pub use mkfs::FsKind;
pub use pageout::{Advice, PagedOut, drain, page_out, page_out_all_of_self, page_out_self};
pub use process::{
    Copied, Lingering, Memory, SIGABRT, SIGKILL, abort_with_core, descriptor, descriptor_limit,
    ended_by, fork_lingering, give_back_freed, hangup, input, is_alive, is_root, kill, memory_of,
    open_files, oversize, readable_copy, readable_copy_to,
};
pub use residence::Residence;
pub use settings::{Setting, WorkingSet, has_key, setting, working_set};
pub use swap::{PrivateSwap, clean_up};
pub use tables::{SwapArea, swap_areas};
pub use watched::{Callback, Watch};
