//! Hibernation: all memory, written to hiberfil.sys at once.

use super::paging::has_bitlocker;
use super::{CONTROL, control, set};
use crate::doctor::check::Check;
use crate::doctor::registry::Registry;
use crate::doctor::sysroot::Fact;

const OFF: &str = "powercfg /hibernate off, as administrator";

/// Whether Windows may hibernate; `None` where no setting says.
fn is_on(registry: &Registry) -> Result<Option<bool>, String> {
    let power = format!(r"{CONTROL}\Power");
    for name in ["HibernateEnabled", "HibernateEnabledDefault"] {
        match registry.read(&power, name) {
            Fact::Says(text) => return Ok(Some(text != "0")),
            Fact::Hidden(because) => return Err(because),
            Fact::Absent => {}
        }
    }
    Ok(None)
}

pub(super) fn hibernation(registry: &Registry) -> Check {
    const NAME: &str = "hibernation";
    match (is_on(registry), has_bitlocker(registry)) {
        (Err(because), _) | (_, Err(because)) => Check::unknown(NAME, because).mend(OFF),
        (Ok(None), _) => {
            Check::low(NAME, "no setting says whether Windows may hibernate").mend(OFF)
        }
        (Ok(Some(false)), _) => Check::none(NAME, "it is off"),
        (Ok(Some(true)), Ok(true)) => Check::low(
            NAME,
            "an image of all memory goes to hiberfil.sys, behind BitLocker alone",
        )
        .mend(OFF),
        (Ok(Some(true)), Ok(false)) => Check::high(
            NAME,
            "an image of all memory goes to hiberfil.sys in the clear, and stays after it",
        )
        .mend(OFF),
    }
}

pub(super) fn fast_start(registry: &Registry) -> Check {
    const NAME: &str = "fast start-up";
    const KEY: &str = r"Session Manager\Power";
    const VALUE: &str = "HiberbootEnabled";
    match (is_on(registry), control(registry, KEY, VALUE)) {
        (Err(because), _) | (_, Err(because)) => Check::unknown(NAME, because),
        (Ok(Some(true)), Ok(1..)) => Check::low(
            NAME,
            "a shutdown writes the kernel's memory to hiberfil.sys, with what drivers keep",
        )
        .mend(set(&format!(r"{CONTROL}\{KEY}"), VALUE, 0)),
        _ => Check::none(NAME, "a shutdown writes no memory"),
    }
}
