//! Who may open a file: the user of this process, and nobody by inheritance from the folder.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    GetTokenInformation, SECURITY_ATTRIBUTES, SECURITY_MAX_SID_SIZE, TOKEN_QUERY, TOKEN_USER,
    TokenUser,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Room for a TOKEN_USER and the SID behind it, aligned for both.
const ROOM: usize = (size_of::<TOKEN_USER>() + SECURITY_MAX_SID_SIZE as usize).div_ceil(8);

/// What a function of the system allocated and LocalFree frees.
#[derive(Debug)]
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: both makers of such memory document LocalFree, and it is ours alone.
        unsafe { LocalFree(self.0) };
    }
}

/// A security descriptor: all access for this user, none for others.
#[derive(Debug)]
pub(super) struct OwnerOnly(Local);

impl OwnerOnly {
    pub(super) fn new() -> io::Result<Self> {
        let text = format!("D:P(A;;FA;;;{})", user()?);
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let (mut made, none) = (ptr::null_mut(), ptr::null_mut());
        let (from, into) = (text.as_ptr(), &raw mut made);
        // SAFETY: the text is ended by zero; the descriptor is written to `made`.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(from, SDDL_REVISION_1, into, none)
        };
        check(done)?;
        Ok(Self(Local(made)))
    }

    /// As CreateFileW wants it; valid as long as `self`.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).expect("a small structure"),
            lpSecurityDescriptor: self.0.0,
            bInheritHandle: 0,
        }
    }
}

fn check(done: i32) -> io::Result<()> {
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The SID of the user that this process runs as, in its written form.
fn user() -> io::Result<String> {
    let token = token()?;
    let mut room = [0_u64; ROOM];
    let size = u32::try_from(size_of_val(&room)).expect("a small buffer");
    let (handle, into, mut needed) = (token.as_raw_handle(), room.as_mut_ptr(), 0);
    // SAFETY: the buffer is `size` bytes long.
    let told =
        unsafe { GetTokenInformation(handle, TokenUser, into.cast(), size, &raw mut needed) };
    check(told)?;
    // SAFETY: for TokenUser the buffer starts with a TOKEN_USER, for which it is aligned.
    let user: TOKEN_USER = unsafe { room.as_ptr().cast::<TOKEN_USER>().read() };
    let mut text = ptr::null_mut();
    // SAFETY: the SID lies in `room`, which is alive; the text is written to `text`.
    check(unsafe { ConvertSidToStringSidW(user.User.Sid, &raw mut text) })?;
    let owned = Local(text.cast());
    Ok(read(&owned))
}

fn token() -> io::Result<OwnedHandle> {
    let mut token = ptr::null_mut();
    // SAFETY: a constant that stands for this process.
    let me = unsafe { GetCurrentProcess() };
    // SAFETY: the handle is written to `token`.
    check(unsafe { OpenProcessToken(me, TOKEN_QUERY, &raw mut token) })?;
    // SAFETY: the kernel just made this handle for us; nobody else owns it.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

/// A text of ASCII that ends with zero.
fn read(text: &Local) -> String {
    let mut at = text.0.cast::<u16>().cast_const();
    let mut read = String::new();
    loop {
        // SAFETY: `at` is at most at the zero that ends the text.
        let unit = unsafe { *at };
        let Some(letter) = char::from_u32(u32::from(unit)).filter(|letter| *letter != '\0') else {
            return read;
        };
        read.push(letter);
        // SAFETY: the unit was not the last one.
        at = unsafe { at.add(1) };
    }
}
