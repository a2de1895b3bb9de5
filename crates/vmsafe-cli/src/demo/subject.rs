//! The subjects: who holds a canary, and what is expected of each at each door.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

/// A program that holds a canary in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// A vector, a temporary file, a fork: what programs do.
    Ordinary,
    /// Ordinary memory that a forked child shares.
    ForkShared,
    /// `Locked` on memfd_secret.
    Locked,
    /// `Locked` on mlock.
    LockedMlock,
    /// `Confined`.
    Confined,
    /// `Evaporating`.
    Evaporating,
    /// Many small `Secret`s in the `Heap`.
    Heap,
    /// `SealedBytes`.
    Sealed,
    /// A `SecretVec` that grew again and again.
    SecretVecGrowth,
    /// The unencrypted tail of 2001.
    #[value(name = "evaporating-2001")]
    #[serde(rename = "evaporating-2001")]
    Evaporating2001,
}

/// Where a copy may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Door {
    /// The raw swap file.
    Swap,
    /// The core file of a crash.
    Core,
    /// The subject's own file.
    File,
    /// Any other block of the disk that the file lies on, also while it is written.
    Disk,
    /// A forked child that lives on.
    Child,
}

/// What a subject is expected to show at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// At least one copy: the control that makes the others' zero mean something.
    Leaks,
    /// No copy.
    Nothing,
    /// At least one copy before the file is burned, none after.
    Burns,
    /// Whatever is measured.
    Whatever,
}

impl Subject {
    /// All, controls first.
    pub(crate) const ALL: [Self; 10] = [
        Self::Ordinary,
        Self::ForkShared,
        Self::Locked,
        Self::LockedMlock,
        Self::Confined,
        Self::Evaporating,
        Self::Heap,
        Self::Sealed,
        Self::SecretVecGrowth,
        Self::Evaporating2001,
    ];

    /// Its name on the command line and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::ForkShared => "fork-shared",
            Self::Locked => "locked",
            Self::LockedMlock => "locked-mlock",
            Self::Confined => "confined",
            Self::Evaporating => "evaporating",
            Self::Heap => "heap",
            Self::Sealed => "sealed",
            Self::SecretVecGrowth => "secret-vec-growth",
            Self::Evaporating2001 => "evaporating-2001",
        }
    }

    /// True for a subject that leaks on purpose.
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Ordinary | Self::ForkShared)
    }

    /// True for a subject with a protection that could be left out.
    pub(crate) fn is_protected(self) -> bool {
        !self.is_control() && self != Self::Evaporating2001
    }

    /// Reads the name of a subject with such a protection, and offers no other.
    pub(crate) fn protected() -> impl TypedValueParser<Value = Self> {
        let protected = Self::ALL
            .into_iter()
            .filter(|subject| subject.is_protected());
        PossibleValuesParser::new(protected.map(Self::name)).try_map(|name| {
            let named = Self::ALL.into_iter().find(|subject| subject.name() == name);
            named.ok_or("no such subject")
        })
    }

    /// True for a subject that lies on the scratch disk.
    pub(crate) fn has_file(self) -> bool {
        matches!(
            self,
            Self::Ordinary | Self::Confined | Self::Evaporating | Self::Evaporating2001
        )
    }

    /// What is expected at `door`.
    pub(crate) fn expected(self, door: Door) -> Expected {
        match (self, door) {
            (Self::Ordinary, _) => Expected::Leaks,
            (Self::ForkShared, Door::Swap | Door::Core | Door::Child) => Expected::Leaks,
            (Self::Confined, Door::File) => Expected::Burns,
            (Self::Evaporating2001, Door::File | Door::Disk) => Expected::Whatever,
            _ => Expected::Nothing,
        }
    }

    /// The same in a sentence.
    pub(crate) fn expectation(self) -> &'static str {
        match self {
            Self::Ordinary => "leaks at every door",
            Self::ForkShared => "leaks to swap, core and child",
            Self::Confined => "copies in its own file only, and none there after the burn",
            Self::Evaporating2001 => "none but what a racing write-back carries to the disk",
            Self::Locked
            | Self::LockedMlock
            | Self::Evaporating
            | Self::Heap
            | Self::Sealed
            | Self::SecretVecGrowth => "no copy anywhere",
        }
    }

    /// What it is, in a sentence.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Ordinary => "a vector and a temporary file: the kernel may write both anywhere",
            Self::ForkShared => {
                "pages shared by a fork: only memory pressure swaps them, and it does"
            }
            Self::Locked => "secret memory (memfd_secret) stays in RAM, out of dumps and children",
            Self::LockedMlock => {
                "locked memory (mlock, VirtualLock) stays in RAM, out of dumps and children"
            }
            Self::Confined => {
                "a mapped file takes the pages instead of swap, and is burned at the end"
            }
            Self::Evaporating => "ciphertext behind a file's end vanishes; its key is locked",
            Self::Heap => "small secrets share locked pages, each wiped when it is freed",
            Self::Sealed => "ciphertext in ordinary memory; its key and what is open are locked",
            Self::SecretVecGrowth => "a vector in locked memory that grew, and left no copy behind",
            Self::Evaporating2001 => {
                "as in 2001, plain behind a file's end: kept out of swap, but a race can write it"
            }
        }
    }
}

impl Door {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 5] = [Self::Swap, Self::Core, Self::File, Self::Disk, Self::Child];

    /// Its name on the command line and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Swap => "swap",
            Self::Core => "core",
            Self::File => "file",
            Self::Disk => "disk",
            Self::Child => "child",
        }
    }
}
