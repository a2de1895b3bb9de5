//! A kernel in a struct: it refuses, runs out and loses pages when a test tells it to.
//!
//! The same contract as the real ones, so that every error path above can be walked. Its memory is
//! real memory and its disk a byte vector; what it cannot do is fault on a guard page.
//!
//! ```
//! use vmsafe_os::model::Model;
//! use vmsafe_os::{Call, Kernel, Mapping, Source};
//!
//! let kernel = Model::leak();
//! kernel.refuse(Call::Lock, std::io::ErrorKind::OutOfMemory);
//! let page = Mapping::new(kernel, Source::Anonymous, kernel.page_size())?;
//! assert!(page.lock().is_err());
//! drop(page);
//! assert_eq!(kernel.dirty_unmaps(), 0, "memory goes back zeroed");
//! # Ok::<(), vmsafe_os::Refused>(())
//! ```

mod memory;
mod step;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::memory::Memory;
pub use self::step::Steps;
use self::store::{ModelFile, ModelStore};
use crate::contract::{
    Access, Advice, Answer, Evidence, Facts, FileSystem, Fork, FsKind, Hibernation, Kernel,
    LockLimit, Region, Source, Span, Store,
};
use crate::refused::{Call, Refused};

/// Bytes of a page of the model.
pub const PAGE: usize = 4096;

/// The kernel in a struct.
#[derive(Debug, Clone)]
pub struct Model {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    faults: HashMap<Call, Fault>,
    memory: Memory,
    files: BTreeMap<PathBuf, ModelFile>,
    filesystem: FileSystem,
    lock_limit: Option<u64>,
    hibernation: Hibernation,
    epoch: &'static AtomicU64,
}

#[derive(Debug)]
struct Fault {
    passes: usize,
    kind: io::ErrorKind,
}

impl Model {
    /// A kernel that grants everything, for the rest of the program's life.
    #[must_use]
    pub fn leak() -> &'static Self {
        let filesystem = FileSystem {
            kind: FsKind::Ext,
            name: "ext4".to_owned(),
            journals_data: Some(false),
            compresses: Some(false),
            discards: true,
        };
        Box::leak(Box::new(Self {
            state: Arc::new(Mutex::new(State {
                faults: HashMap::new(),
                memory: Memory::default(),
                files: BTreeMap::new(),
                filesystem,
                lock_limit: None,
                hibernation: Hibernation::Refused,
                epoch: Box::leak(Box::new(AtomicU64::new(1))),
            })),
        }))
    }

    /// Refuses `call` from now on, for the reason `kind`.
    pub fn refuse(&self, call: Call, kind: io::ErrorKind) {
        self.refuse_after(0, call, kind);
    }

    /// Grants `call` `passes` times and refuses it then.
    pub fn refuse_after(&self, passes: usize, call: Call, kind: io::ErrorKind) {
        self.state().faults.insert(call, Fault { passes, kind });
    }

    /// Grants `call` again.
    pub fn grant(&self, call: Call) {
        self.state().faults.remove(&call);
    }

    /// Limits locked memory to `bytes`.
    pub fn limit_locks(&self, bytes: u64) {
        self.state().lock_limit = Some(bytes);
    }

    /// Puts every file from now on onto this file system.
    pub fn mount(&self, filesystem: FileSystem) {
        self.state().filesystem = filesystem;
    }

    /// Lets the machine hibernate, or not.
    pub fn set_hibernation(&self, hibernation: Hibernation) {
        self.state().hibernation = hibernation;
    }

    /// Lets `advice` be granted without any effect, as some sandboxes do.
    pub fn ignore_advice(&self) {
        self.state().memory.ignores_advice = true;
    }

    /// Lets a lock be granted without any effect.
    pub fn ignore_locks(&self) {
        self.state().memory.ignores_locks = true;
    }

    /// Lets writes to the files that there are be granted and never reach their medium.
    pub fn drop_writes(&self) {
        let mut state = self.state();
        state
            .files
            .values_mut()
            .for_each(|file| file.worn_out = true);
    }

    /// Has pages that vanish, from now on.
    pub fn offer_vanishing(&self) {
        self.state().memory.vanishes = true;
    }

    /// Throws away all pages that may vanish now.
    pub fn vanish(&self) {
        self.state().memory.vanish();
    }

    /// Makes this process a child: pages that are not for children are absent from now on.
    pub fn fork(&self) {
        self.state().epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// As [`Model::fork`], with a child that can neither lock nor copy: all pages are absent.
    pub fn fork_into_nothing(&self) {
        let mut state = self.state();
        state.epoch.fetch_add(1, Ordering::SeqCst);
        state.memory.shut();
    }

    /// Writes a file back as memory pressure does: what lies behind its end is zeroed in memory up
    /// to byte `until` of the mapping (a whole loss: [`PAGE`]).
    ///
    /// # Panics
    /// When no such file is mapped.
    pub fn write_back(&self, path: &Path, until: usize) {
        let mut state = self.state();
        state
            .files
            .get_mut(path)
            .expect("a file of the model")
            .write_back(until);
    }

    /// As [`Model::write_back`], for every file, whatever its name.
    pub fn write_back_all(&self, until: usize) {
        self.state()
            .files
            .values_mut()
            .for_each(|file| file.write_back(until));
    }

    /// Flips one bit of a mapped file's page behind the owner's back.
    pub fn flip(&self, file: usize, byte: usize) {
        let mut state = self.state();
        let file = state
            .files
            .values_mut()
            .nth(file)
            .expect("a file of the model");
        file.flip(byte);
    }

    /// What stands on the disk under `path`; `None` when there is no such file.
    #[must_use]
    pub fn disk(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        state
            .files
            .get(path)
            .filter(|file| file.named)
            .map(|file| file.disk.clone())
    }

    /// How many files have a name.
    #[must_use]
    pub fn named(&self) -> usize {
        self.state()
            .files
            .values()
            .filter(|file| file.named)
            .count()
    }

    /// How often memory came back that was not zero.
    #[must_use]
    pub fn dirty_unmaps(&self) -> usize {
        self.state().memory.dirty_unmaps
    }

    /// How many regions are mapped now.
    #[must_use]
    pub fn mapped(&self) -> usize {
        self.state().memory.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that was ordered for `call`, if its time has come.
    fn pass(&self, call: Call) -> Answer<()> {
        let mut state = self.state();
        let Some(fault) = state.faults.get_mut(&call) else {
            return Ok(());
        };
        if fault.passes > 0 {
            fault.passes -= 1;
            return Ok(());
        }
        Err(Refused::because(
            call,
            fault.kind,
            "the model was told to refuse",
        ))
    }
}

// SAFETY: what it maps are zero bytes of the program's allocator, as many as asked, that it keeps
// until they are unmapped.
unsafe impl Kernel for Model {
    fn page_size(&self) -> usize {
        PAGE
    }

    fn map(&self, source: Source, len: usize) -> Answer<Region> {
        let call = match source {
            Source::Secret => Call::MapSecret,
            Source::Anonymous => Call::MapAnonymous,
        };
        self.pass(call)?;
        whole_pages(len, call)?;
        let mut state = self.state();
        if source == Source::Secret {
            state.charge(len, call)?;
        }
        Ok(state.memory.map(Some(source), len))
    }

    fn map_vanishing(&self, len: usize) -> Answer<Region> {
        if self.state().memory.vanishes {
            return self.map(Source::Anonymous, len);
        }
        no_vanishing()
    }

    unsafe fn let_vanish(&self, span: Span, may: bool) -> Answer<()> {
        self.pass(Call::MapAnonymous)?;
        if self.state().memory.let_vanish(span, may) {
            return Ok(());
        }
        no_vanishing()
    }

    unsafe fn unmap(&self, region: Region) -> Answer<()> {
        self.state().memory.inspect(region);
        self.pass(Call::Unmap)?;
        let mut state = self.state();
        state
            .files
            .values_mut()
            .for_each(|file| file.forget(region));
        state.memory.unmap(region);
        Ok(())
    }

    unsafe fn lock(&self, span: Span) -> Answer<()> {
        self.pass(Call::Lock)?;
        let mut state = self.state();
        state.charge(span.len, Call::Lock)?;
        if !state.memory.ignores_locks {
            state.memory.facts_mut(span).locked = true;
        }
        Ok(())
    }

    unsafe fn advise(&self, span: Span, advice: Advice) -> Answer<()> {
        self.pass(call_of(advice))?;
        let mut state = self.state();
        let ignores = state.memory.ignores_advice;
        let secret = state.memory.is_secret(span);
        let facts = state.memory.facts_mut(span);
        match advice {
            Advice::PageOut if !facts.locked => return Ok(()),
            // As the kernel: a locked mapping is not paged out, secret memory not wiped in
            // children.
            Advice::PageOut => return refuse_invalid(Call::PageOut),
            Advice::WipeOnFork if secret => return refuse_invalid(Call::WipeOnFork),
            _ if ignores => {}
            Advice::DontDump => facts.dont_dump = true,
            Advice::DontFork => facts.dont_fork = true,
            Advice::WipeOnFork => facts.wipe_on_fork = true,
            Advice::Unmergeable => {}
        }
        Ok(())
    }

    unsafe fn protect(&self, _span: Span, _access: Access) -> Answer<()> {
        self.pass(Call::Protect)
    }

    fn facts(&self, span: Span) -> Answer<Facts> {
        self.pass(Call::Facts)?;
        Ok(*self.state().memory.facts_mut(span))
    }

    fn peek(&self, span: Span) -> Answer<bool> {
        self.pass(Call::Peek)?;
        Ok(!self.state().memory.is_secret(span))
    }

    fn evidence(&self) -> &'static Evidence {
        &Evidence::LINUX
    }

    unsafe fn on_fork(&self, region: Region, _source: Source, fork: Fork) -> Answer<()> {
        self.pass(Call::OnFork)?;
        self.state().memory.arrange(region, fork);
        Ok(())
    }

    fn epoch(&self) -> u64 {
        self.state().epoch.load(Ordering::SeqCst)
    }

    fn epoch_cell(&self) -> Option<&'static AtomicU64> {
        Some(self.state().epoch)
    }

    fn is_inherited(&self, region: Region) -> bool {
        self.state().memory.is_inherited(region)
    }

    fn lock_limit(&self) -> Answer<LockLimit> {
        self.pass(Call::LockLimit)?;
        let state = self.state();
        let used = state.memory.locked() as u64;
        Ok(LockLimit {
            soft: state.lock_limit,
            hard: state.lock_limit,
            used,
        })
    }

    fn hibernation(&self) -> Hibernation {
        self.state().hibernation
    }

    fn create(&self, path: &Path) -> Answer<Box<dyn Store>> {
        self.pass(Call::Create)?;
        ModelStore::create(self.clone(), path)
    }

    fn reopen(&self, path: &Path) -> Answer<Box<dyn Store>> {
        self.pass(Call::Reopen)?;
        ModelStore::reopen(self.clone(), path)
    }
}

impl State {
    fn charge(&self, len: usize, call: Call) -> Answer<()> {
        let wanted = (self.memory.locked() + len) as u64;
        match self.lock_limit {
            Some(limit) if wanted > limit => Err(Refused::because(
                call,
                io::ErrorKind::OutOfMemory,
                "the model's lock limit is reached",
            )),
            _ => Ok(()),
        }
    }
}

fn whole_pages(len: usize, call: Call) -> Answer<()> {
    if len > 0 && len.is_multiple_of(PAGE) {
        return Ok(());
    }
    let reason = "a length that is no multiple of the page size";
    Err(Refused::because(call, io::ErrorKind::InvalidInput, reason))
}

fn no_vanishing<T>() -> Answer<T> {
    Err(Refused::because(
        Call::MapAnonymous,
        io::ErrorKind::Unsupported,
        "the model was not told to have pages that vanish",
    ))
}

fn refuse_invalid<T>(call: Call) -> Answer<T> {
    Err(Refused::because(
        call,
        io::ErrorKind::InvalidInput,
        "not on such a mapping",
    ))
}

fn call_of(advice: Advice) -> Call {
    match advice {
        Advice::DontDump => Call::DontDump,
        Advice::DontFork => Call::DontFork,
        Advice::WipeOnFork => Call::WipeOnFork,
        Advice::Unmergeable => Call::Unmergeable,
        Advice::PageOut => Call::PageOut,
    }
}
