//! The model's files: a disk, and a page cache that forgets what lies behind a file's end.

use std::io;
use std::path::{Path, PathBuf};

use super::memory;
use super::{Model, PAGE, whole_pages};
use crate::contract::{Answer, FileSystem, FsKind, ReadBack, Region, Span, Store};
use crate::refused::{Call, Refused};

#[derive(Debug, Default)]
pub(super) struct ModelFile {
    /// What is on the medium.
    pub(super) disk: Vec<u8>,
    /// False once it was unlinked; the file itself lives on.
    pub(super) named: bool,
    /// Its medium takes writes and keeps what it had.
    pub(super) worn_out: bool,
    mapped: Option<Region>,
    owned: bool,
}

impl ModelFile {
    pub(super) fn forget(&mut self, region: Region) {
        if self.mapped == Some(region) {
            self.write_back(0);
            self.mapped = None;
        }
    }

    /// Copies the cached part of the file to the disk, and zeroes the rest of its last page up to
    /// `until`.
    pub(super) fn write_back(&mut self, until: usize) {
        let Some(Region { inner, .. }) = self.mapped else {
            return;
        };
        let len = self.disk.len().min(inner.len);
        let cached = memory::bytes(Span { len, ..inner });
        if !self.worn_out {
            self.disk[..len].copy_from_slice(&cached);
        }
        let end = until.min(inner.len);
        if end > len {
            memory::store(inner, len, &vec![0; end - len]);
        }
    }

    pub(super) fn flip(&mut self, byte: usize) {
        let Region { inner, .. } = self.mapped.expect("a mapped file");
        let old = memory::bytes(inner)[byte];
        memory::store(inner, byte, &[old ^ 1]);
    }

    /// Puts what was written to the file into its mapping, if it has one.
    fn refresh(&self, offset: usize, bytes: &[u8]) {
        if let Some(Region { inner, .. }) = self.mapped {
            let room = inner.len.saturating_sub(offset).min(bytes.len());
            memory::store(inner, offset.min(inner.len), &bytes[..room]);
        }
    }
}

#[derive(Debug)]
pub(super) struct ModelStore {
    model: Model,
    path: PathBuf,
}

impl ModelStore {
    pub(super) fn create(model: Model, path: &Path) -> Answer<Box<dyn Store>> {
        let mut state = model.state();
        if state.files.get(path).is_some_and(|file| file.named) {
            return Err(Refused::because(
                Call::Create,
                io::ErrorKind::AlreadyExists,
                "the file exists",
            ));
        }
        let file = ModelFile {
            named: true,
            owned: true,
            ..ModelFile::default()
        };
        state.files.insert(path.to_owned(), file);
        drop(state);
        Ok(Box::new(Self {
            model,
            path: path.to_owned(),
        }))
    }

    pub(super) fn reopen(model: Model, path: &Path) -> Answer<Box<dyn Store>> {
        let mut state = model.state();
        let no = |kind, reason| Err(Refused::because(Call::Reopen, kind, reason));
        let Some(file) = state.files.get_mut(path).filter(|file| file.named) else {
            return no(io::ErrorKind::NotFound, "there is no such file");
        };
        if file.owned {
            return no(io::ErrorKind::ResourceBusy, "the file's owner is alive");
        }
        file.owned = true;
        drop(state);
        Ok(Box::new(Self {
            model,
            path: path.to_owned(),
        }))
    }

    fn with<R>(&self, call: Call, act: impl FnOnce(&mut ModelFile) -> R) -> Answer<R> {
        self.model.pass(call)?;
        let mut state = self.model.state();
        Ok(act(state
            .files
            .get_mut(&self.path)
            .expect("a store's file exists")))
    }
}

impl Drop for ModelStore {
    fn drop(&mut self) {
        if let Some(file) = self.model.state().files.get_mut(&self.path) {
            file.owned = false;
        }
    }
}

// SAFETY: what it maps are bytes of the model's own, as many as asked, that it keeps until they are
// unmapped.
unsafe impl Store for ModelStore {
    fn filesystem(&self) -> Answer<FileSystem> {
        self.model.pass(Call::FileSystem)?;
        Ok(self.model.state().filesystem.clone())
    }

    fn len(&self) -> Answer<u64> {
        self.with(Call::Length, |file| file.disk.len() as u64)
    }

    fn set_len(&self, len: u64) -> Answer<()> {
        self.with(Call::SetLength, |file| file.disk.resize(size(len), 0))
    }

    fn allocate(&self, len: u64) -> Answer<()> {
        self.with(Call::Allocate, |file| {
            let len = file.disk.len().max(size(len));
            file.disk.resize(len, 0);
        })
    }

    fn map(&self, len: usize) -> Answer<Region> {
        self.model.pass(Call::MapFile)?;
        whole_pages(len, Call::MapFile)?;
        let mut state = self.model.state();
        let region = state.memory.map(None, len);
        let file = state
            .files
            .get_mut(&self.path)
            .expect("a store's file exists");
        file.mapped = Some(region);
        file.refresh(0, &file.disk);
        Ok(region)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<()> {
        let offset = size(offset);
        self.with(Call::Write, |file| {
            let end = offset + bytes.len();
            let len = file.disk.len().max(end);
            file.disk.resize(len, 0);
            if !file.worn_out {
                file.disk[offset..end].copy_from_slice(bytes);
            }
            file.refresh(offset, bytes);
        })
    }

    unsafe fn flush(&self, _span: Span) -> Answer<()> {
        self.with(Call::Flush, |file| file.write_back(PAGE))
    }

    fn sync(&self) -> Answer<()> {
        self.with(Call::Sync, |file| file.write_back(PAGE))
    }

    fn read_back(&self, offset: u64, into: &mut [u8]) -> Answer<(usize, ReadBack)> {
        let kind = self.model.state().filesystem.kind;
        let from = match kind {
            FsKind::Ext | FsKind::Xfs | FsKind::Btrfs => ReadBack::FromMedium,
            _ => ReadBack::FromCache,
        };
        self.with(Call::ReadBack, |file| {
            let rest = file.disk.get(size(offset)..).unwrap_or_default();
            let len = rest.len().min(into.len());
            into[..len].copy_from_slice(&rest[..len]);
            (len, from)
        })
    }

    fn punch(&self, len: u64) -> Answer<()> {
        self.with(Call::Punch, |file| {
            let len = size(len).min(file.disk.len());
            file.disk[..len].fill(0);
            file.refresh(0, &vec![0; len]);
        })
    }

    fn unlink(&self) -> Answer<()> {
        self.with(Call::Unlink, |file| file.named = false)
    }
}

fn size(len: u64) -> usize {
    usize::try_from(len).expect("a length that fits the model's memory")
}
