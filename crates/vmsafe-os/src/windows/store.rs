//! Files that are ours alone: CreateFileW without sharing, FlushViewOfFile, FlushFileBuffers.

use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle};
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_SHARING_VIOLATION, GENERIC_READ, GENERIC_WRITE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateFileW, DELETE, FILE_ATTRIBUTE_NOT_CONTENT_INDEXED, FILE_ATTRIBUTE_TEMPORARY,
    FILE_CREATION_DISPOSITION, FILE_DISPOSITION_FLAG_DELETE, FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
    FILE_DISPOSITION_INFO, FILE_DISPOSITION_INFO_EX, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_INFO_BY_HANDLE_CLASS, FileDispositionInfo, FileDispositionInfoEx, OPEN_EXISTING,
    SetFileInformationByHandle,
};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::System::Ioctl::{
    FILE_ZERO_DATA_INFORMATION, FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA,
};
use windows_sys::Win32::System::Memory::FlushViewOfFile;

use super::{last, memory, owner, place, straight};
use crate::contract::{Answer, FileSystem, ReadBack, Region, Span, Store};
use crate::refused::{Call, Refused};

/// Bytes of zeros written at a time.
const CHUNK: usize = 1 << 16;

/// An open file that nobody else can open.
#[derive(Debug)]
pub(super) struct WindowsStore {
    file: File,
}

pub(super) fn create(path: &Path) -> Answer<WindowsStore> {
    let owner_only = owner::OwnerOnly::new().map_err(|error| Refused::new(Call::Create, error))?;
    open(path, CREATE_NEW, Some(&owner_only), Call::Create)
}

pub(super) fn reopen(path: &Path) -> Answer<WindowsStore> {
    let store = open(path, OPEN_EXISTING, None, Call::Reopen)?;
    let refused = |error: io::Error| Refused::new(Call::Reopen, error);
    let no = |reason| {
        let kind = io::ErrorKind::InvalidInput;
        Err(Refused::because(Call::Reopen, kind, reason))
    };
    if !store.file.metadata().map_err(refused)?.is_file()
        || straight::is_detour(&store.file).map_err(refused)?
    {
        return no("not a regular file");
    }
    if place::names(&store.file).map_err(refused)? > 1 {
        return no("the file has another name (a hard link): its content would stay reachable");
    }
    Ok(store)
}

fn open(
    path: &Path,
    how: FILE_CREATION_DISPOSITION,
    security: Option<&owner::OwnerOnly>,
    call: Call,
) -> Answer<WindowsStore> {
    if path.file_name().is_none() {
        let reason = "the path names no file";
        return Err(Refused::because(call, io::ErrorKind::InvalidInput, reason));
    }
    let held = straight::hold(path, call)?;
    let name: Vec<u16> = held.path.as_os_str().encode_wide().chain([0]).collect();
    let access = GENERIC_READ | GENERIC_WRITE | DELETE;
    // Temporary: the cache manager writes it under pressure or when told to, not by the clock.
    let flags = FILE_ATTRIBUTE_TEMPORARY
        | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
        | FILE_FLAG_OPEN_REPARSE_POINT;
    let security = security.map(owner::OwnerOnly::attributes);
    let security = security
        .as_ref()
        .map_or(ptr::null(), |security| -> *const SECURITY_ATTRIBUTES {
            security
        });
    let none = ptr::null_mut();
    // SAFETY: the name is ended by zero, and the attributes outlive the call.
    let handle = unsafe { CreateFileW(name.as_ptr(), access, 0, security, how, flags, none) };
    if handle == INVALID_HANDLE_VALUE {
        return Err(refused_open(call));
    }
    // SAFETY: the kernel just made this handle for us; nobody else owns it.
    let file = unsafe { File::from_raw_handle(handle) };
    Ok(WindowsStore { file })
}

fn refused_open(call: Call) -> Refused {
    let error = io::Error::last_os_error();
    if error.raw_os_error() == i32::try_from(ERROR_SHARING_VIOLATION).ok() {
        return Refused::because(
            call,
            io::ErrorKind::ResourceBusy,
            "the file's owner is alive; let it finish, or end it first",
        );
    }
    Refused::new(call, error)
}

impl WindowsStore {
    fn write_all(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = self.file.seek_write(bytes, offset)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
            offset += written as u64;
        }
        Ok(())
    }

    fn control<T>(&self, code: u32, input: &T) -> Answer<()> {
        let size = u32::try_from(size_of::<T>()).expect("a small structure");
        let (handle, mut returned) = (self.file.as_raw_handle(), 0);
        let input = ptr::from_ref(input).cast();
        let (none, back) = (ptr::null_mut(), &raw mut returned);
        // SAFETY: the input is `size` bytes long, and no output is asked for.
        let done =
            unsafe { DeviceIoControl(handle, code, input, size, none, 0, back, ptr::null_mut()) };
        if done == 0 {
            return Err(last(Call::Punch));
        }
        Ok(())
    }

    fn dispose<T>(&self, class: FILE_INFO_BY_HANDLE_CLASS, info: &T) -> Answer<()> {
        let size = u32::try_from(size_of::<T>()).expect("a small structure");
        let (handle, info) = (self.file.as_raw_handle(), ptr::from_ref(info).cast());
        // SAFETY: the structure is `size` bytes long and of the class that is named.
        if unsafe { SetFileInformationByHandle(handle, class, info, size) } == 0 {
            return Err(last(Call::Unlink));
        }
        Ok(())
    }
}

// SAFETY: MapViewOfFileEx maps what it answers where nothing was, as long as asked, and `memory`
// hands on its answer.
unsafe impl Store for WindowsStore {
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
        let set = self.file.set_len(len);
        set.map_err(|error| Refused::new(Call::SetLength, error))
    }

    /// A block that was written is there, and a full disk is an error now.
    fn allocate(&self, len: u64) -> Answer<()> {
        let refused = |error: io::Error| Refused::new(Call::Allocate, error);
        let zeros = vec![0_u8; CHUNK];
        let mut at = self.len()?;
        while at < len {
            let size = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
            self.write_all(&zeros[..size], at).map_err(refused)?;
            at += size as u64;
        }
        Ok(())
    }

    fn map(&self, len: usize) -> Answer<Region> {
        memory::map_file(self.file.as_handle(), len)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<()> {
        let written = self.write_all(bytes, offset);
        written.map_err(|error| Refused::new(Call::Write, error))
    }

    unsafe fn flush(&self, span: Span) -> Answer<()> {
        let at = span.start.as_ptr().cast_const().cast();
        // SAFETY: the caller's span is mapped; FlushViewOfFile reads it only.
        if unsafe { FlushViewOfFile(at, span.len) } == 0 {
            return Err(last(Call::Flush));
        }
        // FlushViewOfFile does not wait for the medium.
        let flushed = self.file.sync_all();
        flushed.map_err(|error| Refused::new(Call::Flush, error))
    }

    fn sync(&self) -> Answer<()> {
        let synced = self.file.sync_all();
        synced.map_err(|error| Refused::new(Call::Sync, error))
    }

    /// Going past the cache takes a second handle, which a file that is not shared does not give.
    fn read_back(&self, offset: u64, into: &mut [u8]) -> Answer<(usize, ReadBack)> {
        let mut done = 0;
        while done < into.len() {
            let read = self.file.seek_read(&mut into[done..], offset + done as u64);
            match read.map_err(|error| Refused::new(Call::ReadBack, error))? {
                0 => break,
                read => done += read,
            }
        }
        Ok((done, ReadBack::FromCache))
    }

    fn punch(&self, len: u64) -> Answer<()> {
        let end = i64::try_from(len).expect("no file is longer than 2^63 bytes");
        let range = FILE_ZERO_DATA_INFORMATION {
            FileOffset: 0,
            BeyondFinalZero: end,
        };
        // Without holes in the file, zeroing a range would write zeros instead of freeing it.
        self.control(FSCTL_SET_SPARSE, &true)?;
        self.control(FSCTL_SET_ZERO_DATA, &range)
    }

    /// At once where the file system can (NTFS since 10.1709); else when this store is dropped, and
    /// until then nobody can open the name.
    fn unlink(&self) -> Answer<()> {
        let at_once = FILE_DISPOSITION_INFO_EX {
            Flags: FILE_DISPOSITION_FLAG_DELETE | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS,
        };
        if self.dispose(FileDispositionInfoEx, &at_once).is_ok() {
            return Ok(());
        }
        let on_close = FILE_DISPOSITION_INFO { DeleteFile: true };
        self.dispose(FileDispositionInfo, &on_close)
    }
}
