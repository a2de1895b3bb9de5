//! The promises on the kernel that runs the tests: forks, memory, files, crimes, crashes.
//!
//! Each test holds [`stage::alone`], for limits, mappings and descriptors belong to the process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod crimes;
mod files;
mod fork;
mod limits;
mod memory;
mod places;
mod stage;
mod steps;
