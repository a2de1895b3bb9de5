//! What the descendants of Unix share. What each does its own way stands in its own room, under the
//! same names: `memory`, `heir`, `disk`, `place`, `frames`. Each takes this room into its own.

pub(crate) mod fork;
pub(crate) mod name;
pub(crate) mod pages;
mod row;
pub(crate) mod signals;
pub(crate) mod store;
pub(crate) mod terminal;

use super as system;
