//! Engines: allocators that are measured through one interface.

mod crates;
mod libraries;
mod plain;
mod sanitization;
#[cfg(feature = "secrets")]
mod secrets;
mod subject;

use std::ptr::NonNull;

use crate::work::{self, Work};

/// An allocator for secrets: memory for one, and its end.
pub(crate) trait Engine: Send + Sync {
    /// Memory of `size` bytes; `None` when there is no more.
    fn lend(&self, size: usize) -> Option<NonNull<u8>>;

    /// Wipes it and takes it back.
    ///
    /// # Safety
    /// `at` was lent by this engine for `size` bytes, and nobody uses it any more.
    unsafe fn free(&self, at: NonNull<u8>, size: usize);

    /// What it says when there is no more.
    fn refusal(&self) -> String {
        "returns no memory".to_owned()
    }

    /// True when each secret has pages of its own, so that locked memory must grow with each.
    fn is_a_page_each(&self) -> bool {
        false
    }
}

/// An engine by its name.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) locks: Locks,
    /// Opens it, or says why it is not here.
    pub(crate) open: fn() -> Result<Box<dyn Measured>, String>,
}

/// Whether an engine keeps what it lends out of swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locks {
    Yes,
    /// A pool for small secrets; the rest is ordinary memory.
    Small,
    /// A control: no protection, the price of the work itself.
    No,
}

impl Locks {
    /// Whether all that this work lends is locked.
    pub(crate) fn holds(self, work: Work) -> bool {
        match self {
            Self::Yes => true,
            Self::Small => !matches!(work, Work::Mixed | Work::Large),
            Self::No => false,
        }
    }
}

/// An engine of which the type is forgotten, but not inside the measured loop.
pub(crate) trait Measured: Engine {
    /// How many steps take long enough to be measured.
    fn calibrate(&self, work: Work, threads: usize) -> Option<usize>;
    /// Nanoseconds an operation of one thread, while `threads` work at once.
    fn measure(&self, work: Work, threads: usize, steps: usize) -> Option<f64>;
    /// The engine itself.
    fn as_engine(&self) -> &dyn Engine;
}

impl<E: Engine> Measured for E {
    fn calibrate(&self, work: Work, threads: usize) -> Option<usize> {
        work::calibrate(self, work, threads)
    }

    fn measure(&self, work: Work, threads: usize, steps: usize) -> Option<f64> {
        work::measure(self, work, threads, steps)
    }

    fn as_engine(&self) -> &dyn Engine {
        self
    }
}

/// The control of every ratio.
pub(crate) const CONTROL: &str = "mimalloc + zeroize";

fn boxed<E: Engine + 'static>(engine: E) -> Box<dyn Measured> {
    Box::new(engine)
}

macro_rules! entry {
    ($name:expr, $locks:ident, $open:expr) => {
        Entry {
            name: $name,
            locks: Locks::$locks,
            open: || $open.map(boxed),
        }
    };
}

/// All engines, the control first.
pub(crate) fn all() -> Vec<Entry> {
    vec![
        entry!(CONTROL, No, Ok(plain::Mimalloc)),
        entry!("glibc + explicit_bzero", No, plain::Glibc::open()),
        entry!("vmsafe heap", Yes, subject::Subject::new(false, false)),
        entry!(
            "vmsafe heap, hardened",
            Yes,
            subject::Subject::new(true, false)
        ),
        entry!(
            "vmsafe heap, canaries",
            Yes,
            subject::Subject::new(true, true)
        ),
        entry!("vmsafe Secret", Yes, subject::Typed::new()),
        entry!("libsodium", Yes, libraries::Sodium::open()),
        entry!("libgcrypt", Yes, libraries::Gcrypt::open()),
        entry!("openssl secure heap", Yes, libraries::OpenSsl::open()),
        entry!("botan", Small, libraries::Botan::open()),
        entry!("secrets", Yes, secrets()),
        entry!(
            "sanitization, mapping each",
            Yes,
            Ok(sanitization::Mapped::default())
        ),
        entry!("sanitization, pool", Yes, sanitization::Pool::new()),
        entry!("memsec", Yes, Ok(crates::Memsec)),
        entry!("memsec memfd_secret", Yes, Ok(crates::MemsecSecret)),
        entry!("secmem-alloc", Yes, Ok(crates::SecmemPage)),
    ]
}

#[cfg(feature = "secrets")]
fn secrets() -> Result<secrets::Secrets, String> {
    Ok(secrets::Secrets::default())
}

#[cfg(not(feature = "secrets"))]
fn secrets() -> Result<subject::Typed, String> {
    let how =
        "linked with libsodium: apt install libsodium-dev pkg-config, then --features secrets";
    Err(how.to_owned())
}
