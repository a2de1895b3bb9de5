//! Limits of a process: what it may lock, and who may read it.

use super::check::Check;
use super::sysroot::{Fact, Sysroot};

/// What systemd and the kernel give by default since 2020: 8 MiB.
const USUAL_LOCK_LIMIT: u64 = 8 << 20;

/// A soft limit of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Unlimited,
    At(u64),
}

/// The soft limit with this name in `/proc/self/limits`.
pub(super) fn soft_limit(root: &Sysroot, name: &str) -> Result<Limit, String> {
    let limits = match root.read("/proc/self/limits") {
        Fact::Says(limits) => limits,
        Fact::Absent => return Err("the kernel tells no limits".to_owned()),
        Fact::Hidden(because) => return Err(because),
    };
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next());
    match soft.map(|soft| (soft, soft.parse())) {
        Some(("unlimited", _)) => Ok(Limit::Unlimited),
        Some((_, Ok(bytes))) => Ok(Limit::At(bytes)),
        _ => Err(format!("the kernel tells no \"{name}\"")),
    }
}

pub(super) fn locked_memory(root: &Sysroot) -> Check {
    const NAME: &str = "lock limit";
    const MEND: &str = "ulimit -l 65536; for a service LimitMEMLOCK=64M in its unit; for a \
                        container --ulimit memlock=67108864; for users /etc/security/limits.conf";
    match soft_limit(root, "Max locked memory") {
        Err(because) => Check::unknown(NAME, because),
        Ok(Limit::Unlimited) => Check::none(NAME, "any amount of memory may be locked"),
        Ok(Limit::At(0)) => Check::high(NAME, "no memory may be locked, except by root").mend(MEND),
        Ok(Limit::At(bytes)) if bytes < USUAL_LOCK_LIMIT => {
            let because = format!("only {} KiB may be locked, except by root", bytes / 1024);
            Check::low(NAME, because).mend(MEND)
        }
        Ok(Limit::At(bytes)) => Check::none(NAME, format!("{} KiB may be locked", bytes / 1024)),
    }
}

pub(super) fn ptrace(root: &Sysroot) -> Check {
    const NAME: &str = "ptrace scope";
    match root.read("/proc/sys/kernel/yama/ptrace_scope") {
        Fact::Hidden(because) => Check::unknown(NAME, because),
        Fact::Absent => Check::low(
            NAME,
            "the kernel has no Yama: a process may read the memory of any other of its user",
        )
        .mend("boot with lsm=…,yama on a kernel that has it"),
        Fact::Says(scope) if scope == "0" => Check::low(
            NAME,
            "a process may read the memory of any other of its user, and store it",
        )
        .mend("sysctl -w kernel.yama.ptrace_scope=1"),
        Fact::Says(scope) => Check::none(
            NAME,
            format!("it is {scope}: a process may not read any other's memory"),
        ),
    }
}
