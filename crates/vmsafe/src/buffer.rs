//! The buffers: answers to what may happen to a page under pressure.

pub mod confined;
pub mod evaporating;
pub mod locked;
pub mod sealed;
