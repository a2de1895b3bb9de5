//! What a kernel shows of a protection after it granted it, in that kernel's own words.

/// One protection that a kernel can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What is said when it shows.
    pub shown: &'static str,
    /// What is said when it does not.
    pub missing: &'static str,
    /// True where not to show means not to be there; false where the kernel need not show what it
    /// granted, so that its word alone is known.
    pub conclusive: bool,
}

/// The proofs for [`Facts`](crate::Facts) and for a read from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The pages stay in memory.
    pub locked: Proof,
    /// They are in no dump.
    pub dont_dump: Proof,
    /// Children do not have them.
    pub absent: Proof,
    /// Children get a copy of their own.
    pub moved: Proof,
    /// Children find zeros.
    pub wiped: Proof,
    /// Nobody reads them from outside.
    pub unread: Proof,
}

impl Proof {
    /// A proof that is conclusive both ways.
    #[must_use]
    pub const fn of(shown: &'static str, missing: &'static str) -> Self {
        Self {
            shown,
            missing,
            conclusive: true,
        }
    }

    /// A proof whose absence proves nothing.
    #[must_use]
    pub const fn one_way(shown: &'static str, missing: &'static str) -> Self {
        Self {
            shown,
            missing,
            conclusive: false,
        }
    }
}

impl Evidence {
    /// Linux: VmFlags in /proc/PID/smaps (proc_pid_smaps(5)), MADV_PAGEOUT, process_vm_readv(2).
    pub const LINUX: Self = Self {
        locked: Proof::of(
            "VmFlags show lo, and MADV_PAGEOUT answers EINVAL",
            "the mapping does not show VmFlags lo",
        ),
        dont_dump: Proof::of("VmFlags show dd", "the mapping does not show VmFlags dd"),
        absent: Proof::of(
            "VmFlags show dc: children do not have it",
            "the mapping does not show VmFlags dc",
        ),
        moved: Proof::of(
            "VmFlags show dc: children get a locked copy",
            "the mapping does not show VmFlags dc",
        ),
        wiped: Proof::of(
            "VmFlags show wf: children find zeros",
            "the mapping does not show VmFlags wf",
        ),
        unread: Proof::of(
            "process_vm_readv answers EFAULT",
            "process_vm_readv reads it",
        ),
    };
}
