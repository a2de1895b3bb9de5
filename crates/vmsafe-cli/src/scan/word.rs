//! What is said of something while it is searched, by whoever searches it.

use super::finding::{Finding, Gap};
use super::name::Name;

/// Something to be told, or shown.
pub(super) enum Word {
    /// Its search begins; how many bytes there are to search, if that is known.
    Begun(Name, Option<u64>),
    /// Its search came so far.
    Reached {
        /// Bytes that were searched.
        covered: u64,
        /// Places that were found.
        found: u64,
    },
    /// Its search ended, and so many bytes of it were searched.
    Covered(u64),
    /// A place where something stands.
    Found(Box<Finding>),
    /// Places that were counted, and are not known one by one.
    FoundMore(u64),
    /// What was not searched.
    NotSearched(Gap),
    /// What a reader must know of it.
    Note(Name, String),
}
