//! Signals, where they are left alone.

use std::io;

use crate::Mapping;

pub(crate) fn use_stack(_stack: &mut Mapping) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

pub(crate) fn leave_stack(_stack: &mut Mapping) -> io::Result<()> {
    Ok(())
}

pub(crate) fn present_stack() -> usize {
    0
}

pub(crate) fn least_stack() -> usize {
    0
}

pub(crate) fn explain_faults(_: fn(usize) -> Option<&'static str>) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}
