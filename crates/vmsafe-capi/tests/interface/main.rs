//! The interface as C meets it: its symbols, its answers, a program of 2001.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod drive;
mod exports;
mod program;
