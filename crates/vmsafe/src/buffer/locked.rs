//! Locked: pages that stay in memory, and in no dump.
//!
//! **Promise.** From construction to drop the bytes are in memory only: not in swap, not in a core
//! file, not in a child. Under a lock nothing faults, so it never vanishes either.
//!
//! ```text
//!   guard │ pages of memfd_secret, or private pages with mlock │ guard      one per buffer:
//!    ───  │  not dumped · not forked · not merged · zero at end │  ───      no neighbour to unlock
//! ```
//!
//! **Mechanism.** `memfd_secret` where the kernel has it and the demands allow it: pages that the
//! kernel itself does not map, that never migrate, that no other process can read and that keep the
//! machine from hibernating. Else private pages with `mlock`, `MADV_DONTDUMP`, `MADV_UNMERGEABLE`.
//! Nothing is believed: the lock counts when the mapping shows it *and* `MADV_PAGEOUT` is refused.
//!
//! **Needs.** Lock quota (`RLIMIT_MEMLOCK`), `/proc`.
//! **Cost.** Whole pages; 4 mappings; on secret memory about 60 µs per page at first touch.
//! Many small secrets want a pool, not a buffer each.
//! **Does not stop.** Code that runs in this process; a debugger that makes this process run code.
//! Pages with `mlock` may be migrated by the kernel, which leaves the old frame's bytes in free
//! memory until it is used again.

use std::fmt;
use std::ops::{Deref, DerefMut};

use vmsafe_os::{Advice, Fork, Hibernation, Kernel, Mapping, Proof, Refused, Source, native};

use crate::buffer::whole_pages;
use crate::error::Error;
use crate::grade::{Grade, Verdict};
use crate::threat::{Demand, Demands, Threat};

/// Bytes that stay in memory. Zeroed when dropped.
pub struct Locked {
    mapping: Mapping,
    len: usize,
    source: Source,
    grade: Grade,
}

/// How a [`Locked`] shall be made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub(crate) kernel: &'static dyn Kernel,
    demands: Demands,
    pub(crate) fork: Fork,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kernel: native(),
            demands: Demands::default(),
            fork: Fork::Absent,
        }
    }
}

impl Options {
    /// Demands this of one threat.
    #[must_use]
    pub fn demand(mut self, threat: Threat, demand: Demand) -> Self {
        self.demands = self.demands.with(threat, demand);
        self
    }

    /// Lets a child see this.
    #[must_use]
    pub fn fork(mut self, fork: Fork) -> Self {
        self.fork = fork;
        self
    }

    /// Asks this kernel: for tests of what happens when one refuses.
    #[must_use]
    pub fn kernel(mut self, kernel: &'static dyn Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Makes a buffer of `len` zero bytes.
    ///
    /// # Errors
    /// [`Error::Size`] for no bytes at all, [`Error::LockLimit`] when the limit is reached,
    /// [`Error::Unmet`] when a required protection could not be had, [`Error::System`] else.
    pub fn create(mut self, len: usize) -> Result<Locked, Error> {
        self.demands = self.demands.on(self.kernel.evidence());
        let pages = whole_pages(self.kernel, len, "there is nothing to protect")?;
        let mut last = None;
        for source in self.sources() {
            match self.create_from(*source, pages, len) {
                Ok(locked) => return Ok(locked),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::Unmet {
            threat: self.needs_secret().unwrap_or(Threat::Hibernation),
            because: "a child cannot find secret memory wiped (MADV_WIPEONFORK answers EINVAL)"
                .to_owned(),
        }))
    }

    /// Makes a buffer and fills it in place. When `fill` fails or panics the bytes are zeroed.
    ///
    /// # Errors
    /// As [`Options::create`], and whatever `fill` returns.
    pub fn create_with<E: From<Error>>(
        self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Locked, E> {
        let mut locked = self.create(len)?;
        fill(&mut locked)?;
        Ok(locked)
    }

    /// The threat that only secret memory closes, if one is required closed.
    fn needs_secret(&self) -> Option<Threat> {
        [Threat::Hibernation, Threat::ProcessRead]
            .into_iter()
            .find(|threat| self.demands.of(*threat) == Demand::Require)
    }

    /// Where the pages may come from, best first.
    fn sources(&self) -> &'static [Source] {
        let needs_secret = self.needs_secret().is_some();
        let shuns_secret = self.demands.of(Threat::Hibernation) == Demand::Accept;
        match (self.fork, needs_secret, shuns_secret) {
            (Fork::Wiped, true, _) => &[],
            (Fork::Wiped, false, _) | (_, false, true) => &[Source::Anonymous],
            (_, true, _) => &[Source::Secret],
            (_, false, false) => &[Source::Secret, Source::Anonymous],
        }
    }

    fn create_from(self, source: Source, pages: usize, len: usize) -> Result<Locked, Error> {
        let refused = |refused| Error::of_lock(self.kernel, pages, refused);
        let mut mapping = Mapping::new(self.kernel, source, pages).map_err(refused)?;
        let protection = Protection::apply(&mut mapping, source, self.fork);
        let grade = protection.grade(&mapping, self.kernel.hibernation());
        match (grade.meet(&self.demands), protection.lock) {
            (Ok(()), _) => Ok(Locked {
                mapping,
                len,
                source,
                grade,
            }),
            (
                Err(Error::Unmet {
                    threat: Threat::Swap,
                    ..
                }),
                Err(why),
            ) => Err(refused(why)),
            (Err(unmet), _) => Err(unmet),
        }
    }
}

/// What the system answered to each request for one mapping.
struct Protection {
    source: Source,
    fork: Fork,
    lock: Result<(), Refused>,
    dump: Result<(), Refused>,
    on_fork: Result<(), Refused>,
}

impl Protection {
    fn apply(mapping: &mut Mapping, source: Source, fork: Fork) -> Self {
        let secret = source == Source::Secret;
        // Secret memory is locked and left out of dumps from birth; facts and PAGEOUT confirm it.
        let lock = if secret { Ok(()) } else { mapping.lock() };
        let dump = mapping.advise(Advice::DontDump);
        // Merging is off unless a program asks for it, and many kernels cannot merge at all and
        // refuse the word; a page that is locked and not marked mergeable is never merged.
        let _ = mapping.advise(Advice::Unmergeable);
        let on_fork = mapping.on_fork(source, fork);
        // The first touch takes the frames now, when a refusal can still be told.
        mapping.wipe();
        Self {
            source,
            fork,
            lock,
            dump,
            on_fork,
        }
    }

    fn grade(&self, mapping: &Mapping, hibernation: Hibernation) -> Grade {
        let facts = mapping.facts();
        let facts = facts.as_ref();
        let proofs = mapping.kernel().evidence();
        Grade::new(|threat| match threat {
            Threat::Swap => match (&self.lock, facts) {
                (Err(refused), _) => Verdict::open(refused.to_string()),
                (Ok(()), Err(refused)) => Verdict::unknown(refused.to_string()),
                (Ok(()), Ok(facts)) => match mapping.advise(Advice::PageOut) {
                    Ok(()) if facts.secret => secret(mapping.peek()),
                    page_out => swap(&proofs.locked, facts.locked, page_out),
                },
            },
            Threat::CoreDump => match (&self.dump, facts) {
                (Err(refused), _) | (_, Err(refused)) => Verdict::unknown(refused.to_string()),
                (Ok(()), Ok(facts)) => Verdict::by(&proofs.dont_dump, facts.dont_dump),
            },
            Threat::Fork => match (&self.on_fork, facts) {
                (Err(refused), _) => Verdict::open(refused.to_string()),
                (_, Err(refused)) => Verdict::unknown(refused.to_string()),
                (Ok(()), Ok(facts)) => match self.fork {
                    Fork::Absent => Verdict::by(&proofs.absent, facts.dont_fork),
                    Fork::Moved => Verdict::by(&proofs.moved, facts.dont_fork),
                    Fork::Wiped => Verdict::by(&proofs.wiped, facts.wipe_on_fork),
                },
            },
            Threat::ProcessRead => match mapping.peek() {
                Ok(read) => Verdict::by(&proofs.unread, !read),
                Err(refused) => Verdict::unknown(refused.to_string()),
            },
            Threat::Hibernation => sleep(self.source, hibernation),
            Threat::BackingFile => Verdict::closed("there is no file"),
        })
    }
}

/// Kernels up to 6.1 show no lock on secret memory and take MADV_PAGEOUT for it without doing it.
/// What they all confirm is that nothing but this process can reach the pages.
fn secret(peek: Result<bool, Refused>) -> Verdict {
    match peek {
        Ok(false) => {
            Verdict::closed("the mapping is secretmem, and process_vm_readv answers EFAULT")
        }
        Ok(true) => Verdict::open("the mapping is secretmem, and process_vm_readv reads it"),
        Err(refused) => Verdict::unknown(refused.to_string()),
    }
}

fn swap(proof: &Proof, locked: bool, page_out: Result<(), Refused>) -> Verdict {
    let invalid = std::io::ErrorKind::InvalidInput;
    match (locked, page_out) {
        (false, _) => Verdict::by(proof, false),
        (true, Ok(())) => Verdict::open("the system granted the lock and pages out all the same"),
        (true, Err(refused)) if refused.kind() == invalid => Verdict::by(proof, true),
        (true, Err(refused)) => Verdict::unknown(refused.to_string()),
    }
}

fn sleep(source: Source, hibernation: Hibernation) -> Verdict {
    match (source, hibernation) {
        (Source::Secret, Hibernation::Refused) => {
            Verdict::closed("the kernel offers no hibernation while this memory exists")
        }
        (Source::Anonymous, Hibernation::Refused) => Verdict::unknown(
            "the kernel offers no hibernation now; if it comes to, the image holds locked pages",
        ),
        (_, Hibernation::Offered) => {
            Verdict::open("the machine may hibernate, and the image holds locked pages")
        }
        (_, Hibernation::Unknown) => Verdict::unknown("the kernel does not say"),
    }
}

impl Locked {
    /// Makes a buffer of `len` zero bytes with the default demands.
    ///
    /// # Errors
    /// As [`Options::create`].
    pub fn new(len: usize) -> Result<Self, Error> {
        Self::options().create(len)
    }

    /// Demands, fork policy and kernel, to choose.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    /// What was confirmed, threat by threat.
    #[must_use]
    pub fn grade(&self) -> &Grade {
        &self.grade
    }

    /// Where its pages come from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// True when its frames can move, and an old frame's bytes stay in free memory until it is
    /// used again. No disk sees them; an image of the whole memory does.
    #[must_use]
    pub fn leaves_stale_frames(&self) -> bool {
        self.source != Source::Secret
    }

    /// False in a child that the buffer was kept from: an access there faults.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.mapping.is_present()
    }

    /// Zeroes all bytes.
    pub fn wipe(&mut self) {
        self.mapping.wipe();
    }

    /// The pages alone, for a stack that somebody else owns.
    pub(crate) fn into_pages(self) -> Mapping {
        self.mapping
    }

    /// The pages themselves, for a stack.
    pub(crate) fn pages(&mut self) -> &mut Mapping {
        &mut self.mapping
    }
}

impl Deref for Locked {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.mapping.as_slice()[..self.len]
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut [u8] {
        let len = self.len;
        &mut self.mapping.as_mut_slice()[..len]
    }
}

impl fmt::Debug for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
