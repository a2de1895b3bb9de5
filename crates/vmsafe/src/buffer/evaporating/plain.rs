//! The tail as it was in 2001: in the clear.

use std::fmt;
use std::path::Path;

use vmsafe_os::{Kernel, native};
use zeroize::Zeroize;

use super::file::{HEAD, TAIL, Tail, fresh_name};
use crate::error::Error;
use crate::grade::{Grade, Verdict};
use crate::threat::Threat;

/// 3,584 bytes behind the end of a file of 512, unencrypted, as the original of 2001 had them.
///
/// For demonstration and comparison only. A store while the page is being written back was measured
/// to reach the disk on ext4 and xfs, a journal with `data=journal` takes the whole tail within
/// seconds, and a loss is not atomic for a reader. The grade says so.
pub struct Plain2001 {
    tail: Tail,
    grade: Grade,
}

impl Plain2001 {
    /// Bytes behind the end of the file.
    pub const CAPACITY: usize = TAIL;

    /// Makes one, in a file without a name in `dir`.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be had.
    pub fn create_in(dir: impl AsRef<Path>) -> Result<Self, Error> {
        Self::create_on(native(), dir)
    }

    /// As [`Plain2001::create_in`], through this kernel.
    ///
    /// # Errors
    /// As [`Plain2001::create_in`].
    pub fn create_on(kernel: &'static dyn Kernel, dir: impl AsRef<Path>) -> Result<Self, Error> {
        let tail = Tail::create(kernel, &fresh_name(dir.as_ref())?)?;
        let filesystem = tail.filesystem()?;
        let plain = format!("the tail is plain, and a racing write-back on {filesystem} takes it");
        let grade = Grade::new(|threat| match threat {
            Threat::CoreDump => tail.marks.dump.clone(),
            Threat::Fork => tail.marks.fork.clone(),
            Threat::Swap => Verdict::unknown("its pages belong to a file, not to swap, on a disk"),
            Threat::ProcessRead => Verdict::open(kernel.evidence().unread.missing),
            Threat::Hibernation => Verdict::open("an image of memory holds it"),
            Threat::BackingFile => Verdict::open(plain.clone()),
        });
        Ok(Self { tail, grade })
    }

    /// What was confirmed, threat by threat.
    #[must_use]
    pub fn grade(&self) -> &Grade {
        &self.grade
    }

    /// Stores bytes from the start of the tail.
    ///
    /// # Panics
    /// When they are more than [`Plain2001::CAPACITY`].
    pub fn store(&mut self, bytes: &[u8]) {
        self.tail.mapping().copy_in(HEAD, bytes);
    }

    /// Copies bytes from the start of the tail, as they are: whole, zero, or torn.
    ///
    /// # Panics
    /// When more than [`Plain2001::CAPACITY`] are wanted.
    pub fn load(&mut self, into: &mut [u8]) {
        self.tail.mapping().copy_out(HEAD, into);
    }

    /// True when the whole tail is zero: lost, or never stored.
    #[must_use]
    pub fn is_lost(&mut self) -> bool {
        let mut tail = [0; TAIL];
        self.load(&mut tail);
        let lost = tail.iter().all(|byte| *byte == 0);
        tail.zeroize();
        lost
    }
}

impl fmt::Debug for Plain2001 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain2001").finish_non_exhaustive()
    }
}
