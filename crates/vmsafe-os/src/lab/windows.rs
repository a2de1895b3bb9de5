//! The lab's room on Windows: dumps, working sets, the files and memory of other processes,
//! volumes, and the registry. Swap areas, mounts and forks Windows lets no program have: they are
//! `refused`.

mod dump;
mod files;
mod memory;
mod process;
mod registry;

pub use super::refused::{
    LoopDevice, Process, advise_pageout, change_mode, copy_memory, create_private,
    create_private_dir, data_ranges, descriptor, descriptor_limit, drain_page_lists, dump_no_core,
    extents, fork_child, give_back_freed, hangup, is_own, is_root, kernel_release, lock_holder,
    mount, mount_fuse, open_plain, oversize, pseudo_filesystem, punch, read_at, read_memory,
    readable_by_all, serve_block_io, spawn_apart, status, swap_off, swap_on, sync_filesystem,
    unmount, wait, write_at,
};
pub use dump::{CORE, raise_core_limit, write_core};
pub use files::{file_system_of, identity, input, length, open_direct, open_files, open_here};
pub use memory::{flush_views, memory_of, pages_of, trim_working_set, working_set};
pub use process::{exit_signal, is_alive, kill};
pub use registry::{has_key, setting};

use std::io;
use std::os::windows::io::{FromRawHandle, OwnedHandle};
use std::sync::OnceLock;

use windows_sys::Win32::System::Threading::{OpenProcess, PROCESS_ACCESS_RIGHTS};

use crate::lab::Offer;
use crate::{Mapping, Source, native};

/// The size of a page, bytes.
pub fn page_size() -> usize {
    native().page_size()
}

/// What Windows shows of what leaves memory, to any user.
pub fn offer() -> Option<Offer> {
    static SHOWN: OnceLock<bool> = OnceLock::new();
    let unseen = (
        "this system shows no locked page as locked (Wine does not)",
        "run it on Windows",
    );
    Some(Offer {
        swap: (
            "Windows keeps its page file to itself while it runs",
            r"as administrator search the volume that holds it: vmsafe scan \\.\C:",
        ),
        swap_count: (!*SHOWN.get_or_init(shows_locks)).then_some(unseen),
        core: None,
        blocks: (
            "Windows lets no program watch a disk",
            r"as administrator search the volume afterwards: vmsafe scan \\.\C:",
        ),
        child: (
            "Windows starts no process with its parent's memory",
            "nothing needs to be shown",
        ),
    })
}

/// Whether QueryWorkingSetEx shows a page as locked that VirtualLock was granted for.
fn shows_locks() -> bool {
    let locked = || {
        let page = Mapping::new(native(), Source::Anonymous, page_size())?;
        page.lock()?;
        Ok::<_, crate::Refused>(page.facts()?.locked)
    };
    locked().unwrap_or(false)
}

fn open_process(pid: u32, rights: PROCESS_ACCESS_RIGHTS) -> io::Result<OwnedHandle> {
    // SAFETY: it takes numbers only.
    let handle = unsafe { OpenProcess(rights, 0, pid) };
    if handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this handle for us; nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Turns a BOOL into a result, with the thread's last error.
fn check(done: i32) -> io::Result<()> {
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
