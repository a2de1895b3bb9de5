//! Guarded: a value in pages of its own that nothing can touch outside a closure.

use std::fmt;
use std::marker::PhantomData;

use vmsafe_os::{Access, Call, Fork, Mapping, Refused};

use super::places::Known;
use crate::buffer::locked::{Locked, Options};
use crate::error::Error;
use crate::grade::Grade;
use crate::plain::{Plain, of_bytes, of_shared_bytes};

/// A value in locked pages of its own between guards. Outside [`Guarded::expose`] and
/// [`Guarded::expose_mut`] any access to it faults, of this process's own code too; after
/// [`explain_faults`](crate::explain_faults) with words. For the few keys that deserve it: it costs
/// pages, and two system calls each time.
pub struct Guarded<T: Plain> {
    locked: Locked,
    _known: Known,
    owns: PhantomData<T>,
}

impl<T: Plain> Guarded<T> {
    /// A value that `f` makes in its place, out of zeros.
    ///
    /// # Errors
    /// As [`Locked::new`].
    pub fn init_with(f: impl FnOnce(&mut T)) -> Result<Self, Error> {
        Self::create(Locked::options(), f)
    }

    /// As [`Guarded::init_with`], with demands of one's own. No child can have the value: to copy
    /// it a fork would have to open its pages, which every thread would see. So
    /// [`Fork::Moved`](crate::Fork::Moved) is refused, and after
    /// [`Fork::Wiped`](crate::Fork::Wiped) a child finds nothing, not zeros.
    ///
    /// # Errors
    /// As [`Options::create`], and [`Error::System`] for `Fork::Moved`.
    pub fn create(options: Options, f: impl FnOnce(&mut T)) -> Result<Self, Error> {
        if options.fork == Fork::Moved {
            return Err(Error::System(Refused::because(
                Call::OnFork,
                std::io::ErrorKind::Unsupported,
                "a fork cannot copy a guarded value, whose pages are shut; choose Fork::Absent and \
                 make another in the child, or keep it in a Locked or a Secret",
            )));
        }
        let mut locked = options.create(size_of::<T>().max(1))?;
        f(of_bytes(&mut locked));
        let start = locked.pages().address();
        let known = Known::new(start..start + locked.pages().len());
        locked.pages().protect(Access::None)?;
        Ok(Self {
            locked,
            _known: known,
            owns: PhantomData,
        })
    }

    /// A value of random bytes.
    ///
    /// # Errors
    /// As [`Guarded::init_with`], and [`Error::Random`].
    pub fn random() -> Result<Self, Error> {
        let mut filled = Ok(());
        let guarded = Self::init_with(|value| {
            let bytes = crate::plain::bytes_of_mut(std::slice::from_mut(value));
            filled = getrandom::fill(bytes).map_err(Error::Random);
        })?;
        filled.map(|()| guarded)
    }

    /// Lends the value for the length of `f`; a write to it faults.
    ///
    /// # Errors
    /// [`Error::System`] when the access could not be opened, or not be closed again; and in a
    /// child that the value was kept from.
    pub fn expose<R>(&mut self, f: impl FnOnce(&T) -> R) -> Result<R, Error> {
        self.lend(Access::Read, |pages| f(of_shared_bytes(pages.as_slice())))
    }

    /// Lends the value for the length of `f`, to change.
    ///
    /// # Errors
    /// As [`Guarded::expose`].
    pub fn expose_mut<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        self.lend(Access::ReadWrite, |pages| f(of_bytes(pages.as_mut_slice())))
    }

    fn lend<R>(&mut self, access: Access, f: impl FnOnce(&mut Mapping) -> R) -> Result<R, Error> {
        if !self.locked.is_present() {
            return Err(Error::Unmet {
                threat: crate::Threat::Fork,
                because: "this process is a child that the value was kept from".to_owned(),
            });
        }
        let opened = Opened::new(&mut self.locked, access)?;
        let result = f(opened.0.pages());
        opened.close()?;
        Ok(result)
    }

    /// What was confirmed, threat by threat.
    #[must_use]
    pub fn grade(&self) -> &Grade {
        self.locked.grade()
    }
}

/// Pages that are open until this ends, by a panic too.
struct Opened<'a>(&'a mut Locked);

impl<'a> Opened<'a> {
    fn new(locked: &'a mut Locked, access: Access) -> Result<Self, Error> {
        locked.pages().protect(access)?;
        Ok(Self(locked))
    }

    fn close(self) -> Result<(), Error> {
        let shut = shut(self.0.pages());
        std::mem::forget(self);
        shut
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if shut(self.0.pages()).is_err() {
            // A panic is on its way, so there is nobody to tell that the value stays open.
            std::process::abort();
        }
    }
}

fn shut(pages: &mut Mapping) -> Result<(), Error> {
    Ok(pages.protect(Access::None)?)
}

impl<T: Plain> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded(..)")
    }
}
