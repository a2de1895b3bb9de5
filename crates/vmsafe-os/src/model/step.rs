//! A kernel that counts its calls and tells a test before each: to die between any two steps.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::contract::{
    Access, Advice, Answer, AroundFork, Evidence, Facts, FileSystem, Fork, Hibernation, Kernel,
    LockLimit, ReadBack, Region, Source, Span, Store,
};

/// Another kernel, seen step by step. Questions are no steps; only what changes something is.
#[derive(Debug)]
pub struct Steps {
    inner: &'static dyn Kernel,
    counter: Arc<Counter>,
}

/// A file of it.
#[derive(Debug)]
struct StepsStore {
    inner: Box<dyn Store>,
    counter: Arc<Counter>,
}

#[derive(Debug)]
struct Counter {
    next: AtomicU64,
    before: fn(u64),
}

impl Counter {
    fn step(&self) {
        (self.before)(self.next.fetch_add(1, Ordering::SeqCst));
    }
}

impl Steps {
    /// Calls `before` with the number of each step, from 0, just before `inner` makes it.
    pub fn leak(inner: &'static dyn Kernel, before: fn(u64)) -> &'static Self {
        let counter = Arc::new(Counter {
            next: AtomicU64::new(0),
            before,
        });
        Box::leak(Box::new(Self { inner, counter }))
    }

    fn watch(&self, inner: Box<dyn Store>) -> Box<dyn Store> {
        Box::new(StepsStore {
            inner,
            counter: Arc::clone(&self.counter),
        })
    }
}

// SAFETY: every answer is that of a kernel that keeps the contract.
unsafe impl Kernel for Steps {
    fn page_size(&self) -> usize {
        self.inner.page_size()
    }

    fn map(&self, source: Source, len: usize) -> Answer<Region> {
        self.counter.step();
        self.inner.map(source, len)
    }

    unsafe fn unmap(&self, region: Region) -> Answer<()> {
        self.counter.step();
        // SAFETY: as the caller promised for this same call.
        unsafe { self.inner.unmap(region) }
    }

    unsafe fn lock(&self, span: Span) -> Answer<()> {
        self.counter.step();
        // SAFETY: as the caller promised for this same call.
        unsafe { self.inner.lock(span) }
    }

    unsafe fn advise(&self, span: Span, advice: Advice) -> Answer<()> {
        self.counter.step();
        // SAFETY: as the caller promised for this same call.
        unsafe { self.inner.advise(span, advice) }
    }

    unsafe fn protect(&self, span: Span, access: Access) -> Answer<()> {
        self.counter.step();
        // SAFETY: as the caller promised for this same call.
        unsafe { self.inner.protect(span, access) }
    }

    fn facts(&self, span: Span) -> Answer<Facts> {
        self.inner.facts(span)
    }

    fn peek(&self, span: Span) -> Answer<bool> {
        self.inner.peek(span)
    }

    fn evidence(&self) -> &'static Evidence {
        self.inner.evidence()
    }

    unsafe fn on_fork(&self, region: Region, source: Source, fork: Fork) -> Answer<()> {
        self.counter.step();
        // SAFETY: as the caller promised for this same call.
        unsafe { self.inner.on_fork(region, source, fork) }
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch()
    }

    fn is_inherited(&self, region: Region) -> bool {
        self.inner.is_inherited(region)
    }

    fn epoch_cell(&self) -> Option<&'static AtomicU64> {
        self.inner.epoch_cell()
    }

    fn around_fork(&self, hook: &'static dyn AroundFork) -> Answer<bool> {
        self.inner.around_fork(hook)
    }

    fn lock_limit(&self) -> Answer<LockLimit> {
        self.inner.lock_limit()
    }

    fn hibernation(&self) -> Hibernation {
        self.inner.hibernation()
    }

    fn create(&self, path: &Path) -> Answer<Box<dyn Store>> {
        self.counter.step();
        self.inner.create(path).map(|store| self.watch(store))
    }

    fn reopen(&self, path: &Path) -> Answer<Box<dyn Store>> {
        self.counter.step();
        self.inner.reopen(path).map(|store| self.watch(store))
    }
}

// SAFETY: every answer is that of a store that keeps the contract.
unsafe impl Store for StepsStore {
    fn filesystem(&self) -> Answer<FileSystem> {
        self.inner.filesystem()
    }

    fn len(&self) -> Answer<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> Answer<()> {
        self.counter.step();
        self.inner.set_len(len)
    }

    fn allocate(&self, len: u64) -> Answer<()> {
        self.counter.step();
        self.inner.allocate(len)
    }

    fn map(&self, len: usize) -> Answer<Region> {
        self.counter.step();
        self.inner.map(len)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Answer<()> {
        self.counter.step();
        self.inner.write(offset, bytes)
    }

    unsafe fn flush(&self, span: Span) -> Answer<()> {
        self.counter.step();
        // SAFETY: as the caller promised for this same call.
        unsafe { self.inner.flush(span) }
    }

    fn sync(&self) -> Answer<()> {
        self.counter.step();
        self.inner.sync()
    }

    fn read_back(&self, offset: u64, into: &mut [u8]) -> Answer<(usize, ReadBack)> {
        self.inner.read_back(offset, into)
    }

    fn punch(&self, len: u64) -> Answer<()> {
        self.counter.step();
        self.inner.punch(len)
    }

    fn unlink(&self) -> Answer<()> {
        self.counter.step();
        self.inner.unlink()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::Mapping;
    use crate::model::{Model, PAGE};

    static SEEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());

    fn see(step: u64) {
        SEEN.lock().expect("one test").push(step);
    }

    #[test]
    fn counts_what_changes_something_and_no_question() {
        let kernel = Steps::leak(Model::leak(), see);
        let store = kernel.create(Path::new("/file")).unwrap();
        store.allocate(PAGE as u64).unwrap();
        let page = Mapping::of(kernel, store.as_ref(), PAGE).unwrap();
        let _ = (page.facts(), page.peek(), store.len(), store.filesystem());
        let _ = (kernel.epoch(), kernel.lock_limit(), page.is_present());
        page.flush(store.as_ref()).unwrap();
        drop(page);
        store.unlink().unwrap();
        let seen = SEEN.lock().unwrap().clone();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    }
}
