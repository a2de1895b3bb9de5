//! Files that are ours alone: openat(2), flock(2), fsync(2). What each system does its own way
//! stands in its room `disk`.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::mm::{self, MsyncFlags};
use rustix::process::{Resource, getrlimit};
use zeroize::Zeroizing;

use super::system::{disk, place};
use super::{fork, pages};
use crate::contract::{Answer, FileSystem, ReadBack, Region, Span, Store};
use crate::refused::{Call, Refused};

/// The unit of direct reads: a multiple of every page and sector size in use.
const DIRECT: usize = 1 << 16;

/// A file, the directory that it stands in, and its name there. The directory is held open, so
/// that a renamed path cannot send the removal elsewhere.
#[derive(Debug)]
pub(crate) struct UnixStore {
    file: File,
    dir: OwnedFd,
    name: OsString,
}

pub(crate) fn create(path: &Path) -> Answer<UnixStore> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
    let store = open(path, flags, Call::Create)?;
    if let Err(refused) = store.claim(Call::Create) {
        // It was made a moment ago and is empty; the first reason is the one to tell.
        let _ = store.unlink();
        return Err(refused);
    }
    Ok(store)
}

pub(crate) fn reopen(path: &Path) -> Answer<UnixStore> {
    // NONBLOCK: a pipe or a device under that name must not hang us before we have seen what it is.
    let store = open(path, OFlags::RDWR | OFlags::NONBLOCK, Call::Reopen)?;
    let stat = fs::fstat(&store.file).map_err(|errno| Refused::new(Call::Reopen, errno))?;
    let no = |reason| {
        Err(Refused::because(
            Call::Reopen,
            io::ErrorKind::InvalidInput,
            reason,
        ))
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return no("not a regular file");
    }
    if stat.st_nlink > 1 {
        return no("the file has another name (a hard link): its content would stay reachable");
    }
    store.claim(Call::Reopen)?;
    Ok(store)
}

fn open(path: &Path, flags: OFlags, call: Call) -> Answer<UnixStore> {
    let refused = |errno: rustix::io::Errno| refused_path(call, errno);
    let Some(name) = path.file_name() else {
        return Err(Refused::because(
            call,
            io::ErrorKind::InvalidInput,
            "the path names no file",
        ));
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let dir = disk::open_straight(parent).map_err(refused)?;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::openat(&dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(refused)?;
    Ok(UnixStore {
        file: File::from(file),
        dir,
        name: name.to_owned(),
    })
}

/// The kernel answers growth beyond RLIMIT_FSIZE with a signal that ends the program (SIGXFSZ,
/// setrlimit(2)), so the limit is looked at first. A sandbox often sets it to 0.
pub(crate) fn within_limit(end: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if end > limit => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is beyond the limit on the size of files; raise RLIMIT_FSIZE: `ulimit -f` in a \
             shell, LimitFSIZE= in a systemd unit",
        )),
        _ => Ok(()),
    }
}

fn refused_path(call: Call, errno: rustix::io::Errno) -> Refused {
    if disk::LINK.contains(&errno) {
        let reason = "the path goes through a symbolic link; give the path that it stands for";
        return Refused::because(call, io::ErrorKind::InvalidInput, reason);
    }
    Refused::new(call, errno)
}

impl UnixStore {
    /// Takes the lock by which a second opener of ours is refused. It ends with the last
    /// descriptor, so a killed owner leaves none behind.
    fn claim(&self, call: Call) -> Answer<()> {
        let claimed = fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive);
        claimed.map_err(|errno| match errno {
            rustix::io::Errno::WOULDBLOCK => Refused::because(
                call,
                io::ErrorKind::ResourceBusy,
                "the file's owner is alive; let it finish, or end it first",
            ),
            other => Refused::new(call, other),
        })?;
        fork::remember_file(self.file.as_fd())
    }

    fn is(&self, other: &Stat) -> Answer<bool> {
        let own = fs::fstat(&self.file).map_err(|errno| Refused::new(Call::Unlink, errno))?;
        Ok((own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
    }

    /// The limit binds growth alone: what the file has already is not taken from it.
    fn may_be(&self, len: u64) -> io::Result<()> {
        match len > self.file.metadata()?.len() {
            true => within_limit(len),
            false => Ok(()),
        }
    }

    /// Writes zeros behind what the file holds, up to `len`.
    fn write_zeros(&self, len: u64) -> io::Result<()> {
        let zeros = vec![0_u8; DIRECT];
        let mut at = self.file.metadata()?.len();
        while at < len {
            let size = usize::try_from(len - at).unwrap_or(DIRECT).min(DIRECT);
            self.file.write_all_at(&zeros[..size], at)?;
            at += size as u64;
        }
        Ok(())
    }

    fn read_directly(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut bounce = Zeroizing::new(vec![0_u8; 2 * DIRECT]);
        let start = bounce.as_ptr().align_offset(DIRECT);
        let mut done = 0;
        while done < into.len() {
            let read = self
                .file
                .read_at(&mut bounce[start..start + DIRECT], offset + done as u64)?;
            let wanted = read.min(into.len() - done);
            into[done..done + wanted].copy_from_slice(&bounce[start..start + wanted]);
            done += wanted;
            if read < DIRECT {
                break;
            }
        }
        Ok(done)
    }
}

impl Drop for UnixStore {
    fn drop(&mut self) {
        fork::forget_file(self.file.as_fd());
    }
}

// SAFETY: mmap(2) maps what it answers where nothing was, as long as asked, and `pages` hands on
// its answer.
unsafe impl Store for UnixStore {
    fn filesystem(&self) -> Answer<FileSystem> {
        place::of(&self.file).map_err(|error| Refused::new(Call::FileSystem, error))
    }

    fn len(&self) -> Answer<u64> {
        let metadata = self.file.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| Refused::new(Call::Length, error))
    }

    fn set_len(&self, len: u64) -> Answer<()> {
        let set = self.may_be(len).and_then(|()| self.file.set_len(len));
        set.map_err(|error| Refused::new(Call::SetLength, error))
    }

    fn allocate(&self, len: u64) -> Answer<()> {
        let reserved = self.may_be(len);
        match reserved.and_then(|()| disk::reserve(&self.file, len)) {
            // ramfs, ext2 and others know no reservation, but a block that was written is there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => self.write_zeros(len),
            reserved => reserved,
        }
        .map_err(|error| Refused::new(Call::Allocate, error))
    }

    fn map(&self, len: usize) -> Answer<Region> {
        pages::map_shared(self.file.as_fd(), len, Call::MapFile)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<()> {
        // Unlike growth, a write beyond the limit is refused within the file too (write(2)).
        let written = within_limit(offset.saturating_add(bytes.len() as u64));
        let written = written.and_then(|()| self.file.write_all_at(bytes, offset));
        written.map_err(|error| Refused::new(Call::Write, error))
    }

    unsafe fn flush(&self, span: Span) -> Answer<()> {
        // SAFETY: the caller's span is mapped; msync(2) changes no byte of it.
        let flushed = unsafe { mm::msync(span.start.as_ptr().cast(), span.len, MsyncFlags::SYNC) };
        flushed.map_err(|errno| Refused::new(Call::Flush, errno))?;
        disk::settle(&self.file).map_err(|error| Refused::new(Call::Flush, error))
    }

    fn sync(&self) -> Answer<()> {
        self.file
            .sync_all()
            .map_err(|error| Refused::new(Call::Sync, error))
    }

    fn read_back(&self, offset: u64, into: &mut [u8]) -> Answer<(usize, ReadBack)> {
        let refused = |error: io::Error| Refused::new(Call::ReadBack, error);
        let read = || self.read_directly(offset, into);
        let read = disk::past_cache(&self.file, read);
        let (read, from) = read.map_err(refused)?;
        Ok((read.map_err(refused)?, from))
    }

    fn punch(&self, len: u64) -> Answer<()> {
        disk::punch(&self.file, len).map_err(|error| Refused::new(Call::Punch, error))
    }

    fn unlink(&self) -> Answer<()> {
        let refused = |errno: rustix::io::Errno| Refused::new(Call::Unlink, errno);
        let named =
            fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)?;
        if !self.is(&named)? {
            let reason = "its name belongs to another file now";
            return Err(Refused::because(
                Call::Unlink,
                io::ErrorKind::NotFound,
                reason,
            ));
        }
        fs::unlinkat(&self.dir, &self.name, AtFlags::empty()).map_err(refused)?;
        fs::fsync(&self.dir).map_err(refused)
    }
}
