//! The lab's room on Linux.

mod devices;
mod files;
mod foreign;
mod memory;
mod process;
mod pseudo;

pub use devices::{
    LoopDevice, mount, mount_fuse, serve_block_io, swap_off, swap_on, sync_filesystem, unmount,
};
pub use files::{
    change_mode, create_private, create_private_dir, data_ranges, descriptor, extents,
    file_system_of, identity, input, is_own, length, lock_holder, open_direct, open_files,
    open_here, open_plain, punch, read_at, readable_by_all, write_at,
};
pub use foreign::{
    CORE, flush_views, has_key, memory_of, offer, pages_of, setting, trim_working_set, working_set,
    write_core,
};
pub use memory::{
    Process, advise_pageout, copy_memory, drain_page_lists, give_back_freed, page_size, read_memory,
};
pub use process::{
    descriptor_limit, dump_no_core, exit_signal, fork_child, hangup, is_alive, is_root,
    kernel_release, kill, oversize, raise_core_limit, spawn_apart, status, wait,
};
pub use pseudo::pseudo_filesystem;

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Turns a C return value into a result, with `errno` as the error.
fn check(returned: i64) -> io::Result<i64> {
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}
