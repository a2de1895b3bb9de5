//! What a kernel answers when it will not.

use std::{fmt, io};

/// A call of the [contract](crate::contract): for errors to name and for the model to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// [`Kernel::map`](crate::Kernel::map) of [`Source::Secret`](crate::Source::Secret).
    MapSecret,
    /// [`Kernel::map`](crate::Kernel::map) of [`Source::Anonymous`](crate::Source::Anonymous).
    MapAnonymous,
    /// [`Kernel::unmap`](crate::Kernel::unmap).
    Unmap,
    /// [`Kernel::lock`](crate::Kernel::lock).
    Lock,
    /// [`Advice::DontDump`](crate::Advice::DontDump).
    DontDump,
    /// [`Advice::DontFork`](crate::Advice::DontFork).
    DontFork,
    /// [`Advice::WipeOnFork`](crate::Advice::WipeOnFork).
    WipeOnFork,
    /// [`Advice::Unmergeable`](crate::Advice::Unmergeable).
    Unmergeable,
    /// [`Advice::PageOut`](crate::Advice::PageOut).
    PageOut,
    /// [`Kernel::protect`](crate::Kernel::protect).
    Protect,
    /// [`Kernel::facts`](crate::Kernel::facts).
    Facts,
    /// [`Kernel::peek`](crate::Kernel::peek).
    Peek,
    /// [`Kernel::on_fork`](crate::Kernel::on_fork).
    OnFork,
    /// [`Kernel::lock_limit`](crate::Kernel::lock_limit).
    LockLimit,
    /// [`Kernel::create`](crate::Kernel::create).
    Create,
    /// [`Kernel::reopen`](crate::Kernel::reopen).
    Reopen,
    /// [`Store::filesystem`](crate::Store::filesystem).
    FileSystem,
    /// [`Store::len`](crate::Store::len).
    Length,
    /// [`Store::set_len`](crate::Store::set_len).
    SetLength,
    /// [`Store::allocate`](crate::Store::allocate).
    Allocate,
    /// [`Store::map`](crate::Store::map).
    MapFile,
    /// [`Store::write`](crate::Store::write).
    Write,
    /// [`Store::flush`](crate::Store::flush).
    Flush,
    /// [`Store::sync`](crate::Store::sync).
    Sync,
    /// [`Store::read_back`](crate::Store::read_back).
    ReadBack,
    /// [`Store::punch`](crate::Store::punch).
    Punch,
    /// [`Store::unlink`](crate::Store::unlink).
    Unlink,
}

impl Call {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 27] = [
        Self::MapSecret,
        Self::MapAnonymous,
        Self::Unmap,
        Self::Lock,
        Self::DontDump,
        Self::DontFork,
        Self::WipeOnFork,
        Self::Unmergeable,
        Self::PageOut,
        Self::Protect,
        Self::Facts,
        Self::Peek,
        Self::OnFork,
        Self::LockLimit,
        Self::Create,
        Self::Reopen,
        Self::FileSystem,
        Self::Length,
        Self::SetLength,
        Self::Allocate,
        Self::MapFile,
        Self::Write,
        Self::Flush,
        Self::Sync,
        Self::ReadBack,
        Self::Punch,
        Self::Unlink,
    ];
}

/// A refusal: which call, and the kernel's reason.
#[derive(Debug)]
pub struct Refused {
    /// What was asked.
    pub call: Call,
    /// What the kernel answered.
    pub source: io::Error,
}

impl Refused {
    /// A refusal with the kernel's own error.
    pub fn new(call: Call, source: impl Into<io::Error>) -> Self {
        Self {
            call,
            source: source.into(),
        }
    }

    /// A refusal of ours, before or after the kernel was asked.
    #[must_use]
    pub fn because(call: Call, kind: io::ErrorKind, reason: &'static str) -> Self {
        Self::new(call, io::Error::new(kind, reason))
    }

    /// The kind of the kernel's reason.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the system refused {}: {}", self.call, self.source)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MapSecret => "secret memory",
            Self::MapAnonymous => "memory",
            Self::Unmap => "to take memory back",
            Self::Lock => "to lock memory",
            Self::DontDump => "to keep memory out of dumps",
            Self::DontFork => "to keep memory from children",
            Self::WipeOnFork => "to wipe memory in children",
            Self::Unmergeable => "to keep pages unmerged",
            Self::PageOut => "to page memory out",
            Self::Protect => "to change the access to memory",
            Self::Facts => "to tell the state of a mapping",
            Self::Peek => "to try a read from outside",
            Self::OnFork => "to prepare for forks",
            Self::LockLimit => "to tell the limit of locked memory",
            Self::Create => "to create the file",
            Self::Reopen => "to open the file",
            Self::FileSystem => "to tell the file system",
            Self::Length => "to tell the file's length",
            Self::SetLength => "to set the file's length",
            Self::Allocate => "to reserve space for the file",
            Self::MapFile => "to map the file",
            Self::Write => "to write to the file",
            Self::Flush => "to write the mapping back",
            Self::Sync => "to write the file back",
            Self::ReadBack => "to read the file from its medium",
            Self::Punch => "to give the file's blocks back",
            Self::Unlink => "to remove the file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_calls_are_listed_in_order() {
        for (place, call) in Call::ALL.into_iter().enumerate() {
            assert_eq!(call as usize, place, "{call:?}");
        }
        assert_eq!(Call::Unlink as usize + 1, Call::ALL.len());
    }

    #[test]
    fn a_refusal_names_the_call_and_keeps_the_reason() {
        let refused = Refused::because(Call::Lock, io::ErrorKind::OutOfMemory, "full");
        assert_eq!(
            refused.to_string(),
            "the system refused to lock memory: full"
        );
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
    }
}
