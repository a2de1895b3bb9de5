//! Burn: the end of a file, step by step, with what each step could confirm.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use zeroize::Zeroizing;

use vmsafe_os::{Answer, Call, Kernel, Mapping, ReadBack, Refused, Store, native};

use crate::buffer::place;
use crate::error::Error;

/// Bytes written or read at a time.
const CHUNK: usize = 1 << 20;

/// What a burn could confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Burned {
    /// Bytes overwritten with zeros.
    pub bytes: u64,
    /// Every byte was read back as zero from the medium, past the cache.
    pub verified: Confirmed,
    /// The overwrite went where the data stood. Elsewhere the old blocks keep their bytes until the
    /// file system uses them again.
    pub in_place: Confirmed,
    /// The blocks were given back, and the device was told to forget them.
    pub discarded: Confirmed,
}

/// Whether a step of a burn was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// It was.
    Yes,
    /// It could not be.
    No {
        /// Why not.
        because: String,
    },
}

impl Confirmed {
    fn no(because: impl ToString) -> Self {
        Self::No {
            because: because.to_string(),
        }
    }

    /// True when the step was confirmed.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }
}

/// Burns a file that a crash left behind. `progress` is told the bytes done and the bytes to do,
/// which count each byte twice: overwritten, and read back.
///
/// # Errors
/// [`Error::File`] when it is no regular file of one name, lies behind a symbolic link, has a
/// living owner, or a step failed. It keeps its name unless every byte is gone.
pub fn burn_file(
    path: impl AsRef<Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Burned, Error> {
    burn_file_on(native(), path, progress)
}

/// As [`burn_file`], through this kernel.
///
/// # Errors
/// As [`burn_file`].
pub fn burn_file_on(
    kernel: &'static dyn Kernel,
    path: impl AsRef<Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Burned, Error> {
    let path = path.as_ref();
    let burned = kernel
        .reopen(path)
        .and_then(|store| steps(kernel, store.as_ref(), progress));
    burned.map_err(|refused| Error::File {
        path: path.to_owned(),
        refused,
    })
}

/// Burns an open file, whose mapping ends before.
pub(in crate::buffer) fn end(
    kernel: &'static dyn Kernel,
    mapping: Mapping,
    store: &dyn Store,
    path: &Path,
) -> Result<Burned, Error> {
    if !mapping.is_present() {
        return Err(Error::Elsewhere);
    }
    let cut = is_cut(&mapping, store);
    match store.filesystem() {
        // The overwrite that follows zeroes the same pages, and may fail without a fault.
        _ if cut => mapping.leave_to_file(),
        Ok(filesystem) if place::stores_may_fault(&filesystem) => mapping.leave_to_file(),
        // Zeroes the pages, and with them the file, before it is written over.
        _ => drop(mapping),
    }
    let burned = steps(kernel, store, &mut |_, _| {});
    let burned = burned.map_err(|refused| Error::File {
        path: path.to_owned(),
        refused,
    })?;
    Ok(match cut {
        true => Burned {
            verified: Confirmed::no(CUT),
            in_place: Confirmed::no(CUT),
            ..burned
        },
        false => burned,
    })
}

const CUT: &str = "somebody cut the file short, and what stood behind was given back as it was";

/// Pages behind the end of a file that somebody cut short are gone, and fault.
fn is_cut(mapping: &Mapping, store: &dyn Store) -> bool {
    let page = mapping.kernel().page_size() as u64;
    let pages = mapping.len() as u64;
    store
        .len()
        .is_ok_and(|len| len.next_multiple_of(page) < pages)
}

/// Zeroes what stands in a file now, through its mapping; both live on.
pub(in crate::buffer) fn content(
    mapping: &mut Mapping,
    store: &dyn Store,
    path: &Path,
) -> Result<Burned, Error> {
    if !mapping.is_present() {
        return Err(Error::Elsewhere);
    }
    let mut written = || {
        if is_cut(mapping, store) {
            overwrite(mapping.kernel(), store, store.len()?, &mut |_| {})?;
            return Err(Refused::because(Call::Flush, ErrorKind::UnexpectedEof, CUT));
        }
        mapping.wipe();
        let bytes = store.len()?;
        mapping.flush(store)?;
        store.sync()?;
        let verified = verify(store, bytes, &mut |_| {})?;
        Ok(Burned {
            bytes,
            verified,
            in_place: in_place(store),
            discarded: Confirmed::no("the buffer lives on and keeps its blocks"),
        })
    };
    written().map_err(|refused| Error::File {
        path: path.to_owned(),
        refused,
    })
}

fn steps(
    kernel: &'static dyn Kernel,
    store: &dyn Store,
    progress: &mut dyn FnMut(u64, u64),
) -> Answer<Burned> {
    let page = kernel.page_size() as u64;
    let len = store.len()?;
    let whole = len.next_multiple_of(page) * 2;
    let bytes = overwrite(kernel, store, len, &mut |done| progress(done, whole))?;
    store.sync()?;
    let verified = verify(store, bytes, &mut |done| progress(bytes + done, whole))?;
    let in_place = in_place(store);
    let discarded = discard(store, bytes);
    store.set_len(0)?;
    store.unlink()?;
    Ok(Burned {
        bytes,
        verified,
        in_place,
        discarded,
    })
}

/// Writes zeros over a file of `len` bytes, and tells how many.
fn overwrite(
    kernel: &'static dyn Kernel,
    store: &dyn Store,
    len: u64,
    progress: &mut dyn FnMut(u64),
) -> Answer<u64> {
    // To the end of the last page: a file that was cut short may have bytes behind its end.
    let whole = len.next_multiple_of(kernel.page_size() as u64);
    let zeros = vec![0_u8; CHUNK];
    for (offset, size) in chunks(whole) {
        match store.write(offset, &zeros[..size]) {
            Err(refused) if refused.kind() == ErrorKind::FileTooLarge => {
                through_mapping(kernel, store, refused, len..whole)?;
                progress(len);
                return Ok(len);
            }
            written => written?,
        }
        progress(offset + size as u64);
    }
    Ok(whole)
}

/// A limit on the size of files that was lowered since binds every write, and no store into a
/// mapping (setrlimit(2)). What lies behind the end is zeroed as the last page is written back.
fn through_mapping(
    kernel: &'static dyn Kernel,
    store: &dyn Store,
    refused: Refused,
    end: Range<u64>,
) -> Answer<()> {
    // A hole wants space, and so may a copy: what cannot be had now would be a SIGBUS later. The
    // first reason is the one to tell, for a write makes do without.
    let (Ok(()), Ok(pages)) = (store.allocate(end.start), usize::try_from(end.end)) else {
        return Err(refused);
    };
    let mut mapping = Mapping::of(kernel, store, pages)?;
    mapping.wipe();
    mapping.flush(store)
}

fn verify(store: &dyn Store, len: u64, progress: &mut dyn FnMut(u64)) -> Answer<Confirmed> {
    // When the medium kept what was to go, the chunk holds it too.
    let mut chunk = Zeroizing::new(vec![0xFF_u8; CHUNK]);
    let mut verified = Confirmed::Yes;
    for (offset, size) in chunks(len) {
        let (read, from) = store.read_back(offset, &mut chunk[..size])?;
        let other = |reason| Err(Refused::because(Call::ReadBack, ErrorKind::Other, reason));
        if read != size {
            return other("the file is shorter than what was written to it");
        }
        if chunk[..size].iter().any(|byte| *byte != 0) {
            return other("the medium does not hold the zeros that were written to it");
        }
        if from == ReadBack::FromCache {
            verified =
                Confirmed::no("the file system reads its cache even when told to go past it");
        }
        progress(offset + size as u64);
    }
    Ok(verified)
}

fn in_place(store: &dyn Store) -> Confirmed {
    let verdict = match store.filesystem() {
        Ok(filesystem) => place::burns(&filesystem),
        Err(refused) => return Confirmed::no(refused),
    };
    match verdict.is_closed() {
        true => Confirmed::Yes,
        false => Confirmed::no(verdict.reason()),
    }
}

/// Giving blocks back is an extra: what was to go is overwritten already.
fn discard(store: &dyn Store, len: u64) -> Confirmed {
    if len > 0
        && let Err(refused) = store.punch(len)
    {
        return Confirmed::no(refused);
    }
    match store.filesystem() {
        Ok(filesystem) if filesystem.discards => Confirmed::Yes,
        Ok(_) => Confirmed::no("the file system is mounted without discard"),
        Err(refused) => Confirmed::no(refused),
    }
}

fn chunks(len: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..len).step_by(CHUNK).map(move |offset| {
        let rest = usize::try_from(len - offset).unwrap_or(CHUNK);
        (offset, rest.min(CHUNK))
    })
}
