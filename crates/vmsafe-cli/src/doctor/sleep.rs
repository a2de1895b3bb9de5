//! Hibernation: all memory, written to a disk at once.

use super::check::Check;
use super::device::{Medium, below_numbers};
use super::sysroot::{Fact, Sysroot};

const NAME: &str = "hibernation";
const MASK: &str =
    "systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target";

pub(super) fn hibernation(root: &Sysroot) -> Check {
    match (root.read("/sys/power/state"), root.read("/sys/power/disk")) {
        (Fact::Hidden(because), _) => Check::unknown(NAME, because),
        (Fact::Absent, _) => Check::none(NAME, "the kernel cannot sleep"),
        (Fact::Says(state), disk) => {
            let offered = state.split_whitespace().any(|state| state == "disk");
            let disabled = matches!(disk, Fact::Says(disk) if disk.contains("[disabled]"));
            if offered && !disabled {
                resume(root)
            } else {
                Check::none(NAME, "the kernel does not offer it now")
            }
        }
    }
}

fn resume(root: &Sysroot) -> Check {
    let numbers = match root.read("/sys/power/resume") {
        Fact::Says(numbers) if numbers != "0:0" => numbers,
        Fact::Hidden(because) => return Check::unknown(NAME, because).mend(MASK),
        Fact::Says(_) | Fact::Absent => {
            let because = "the kernel offers it, but no device for the image is set";
            return Check::low(NAME, because).mend(MASK);
        }
    };
    match below_numbers(root, &numbers) {
        Medium::Encrypted | Medium::Memory => {
            Check::none(NAME, "the image of memory is encrypted by dm-crypt")
        }
        Medium::Clear(device) => Check::high(
            NAME,
            format!("an image of all memory goes to {device} in the clear, and stays after it"),
        )
        .mend(MASK),
        Medium::Unknown(because) => Check::unknown(
            NAME,
            format!("whether the image is encrypted cannot be told: {because}"),
        )
        .mend(MASK),
    }
}
