//! The buffers: answers to what may happen to a page under pressure.

pub mod confined;
pub mod evaporating;
pub mod locked;
mod place;
pub mod sealed;

use vmsafe_os::Kernel;

use crate::error::Error;

/// `len` rounded up to whole pages of a mapping. `nothing` says what a length of 0 means.
fn whole_pages(kernel: &dyn Kernel, len: usize, nothing: &'static str) -> Result<usize, Error> {
    let no = |because| Error::Size { len, because };
    if len == 0 {
        return Err(no(nothing));
    }
    len.checked_next_multiple_of(kernel.page_size())
        .filter(|pages| isize::try_from(*pages).is_ok())
        .ok_or_else(|| no("it exceeds the address space"))
}
