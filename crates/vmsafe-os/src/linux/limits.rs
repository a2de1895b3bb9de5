//! Limits: RLIMIT_MEMLOCK, CAP_IPC_LOCK, /sys/power/state.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::record;
use crate::contract::{Answer, Hibernation, LockLimit};
use crate::refused::{Call, Refused};

/// CAP_IPC_LOCK in capabilities(7): the limit does not bind its holder.
const CAP_IPC_LOCK: u64 = 1 << 14;

pub(super) fn lock_limit() -> Answer<LockLimit> {
    let number = |name, radix| {
        let found = record::find("/proc/self/status", |line| {
            record::number(line, name, radix)
        });
        found.map_err(|error| Refused::new(Call::LockLimit, error))
    };
    let used = number("VmLck:", 10)?.unwrap_or(0).saturating_mul(1024);
    if number("CapEff:", 16)?.unwrap_or(0) & CAP_IPC_LOCK != 0 && in_first_user_namespace() {
        return Ok(LockLimit {
            soft: None,
            hard: None,
            used,
        });
    }
    let limit = getrlimit(Resource::Memlock);
    Ok(LockLimit {
        soft: limit.current,
        hard: limit.maximum,
        used,
    })
}

/// mlock(2) asks for the capability in the first user namespace; a container's root holds it in
/// another, where it counts for nothing. The first one maps all numbers to themselves.
fn in_first_user_namespace() -> bool {
    fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// The kernel lists `disk` in /sys/power/state only while it would hibernate; an open secret file
/// of any process takes it away.
pub(super) fn hibernation() -> Hibernation {
    match fs::read_to_string("/sys/power/state") {
        Ok(states) if states.split_whitespace().any(|state| state == "disk") => {
            Hibernation::Offered
        }
        Ok(_) => Hibernation::Refused,
        Err(_) => Hibernation::Unknown,
    }
}
