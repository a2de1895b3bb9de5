//! What a process may lock: its minimum working set.

use crate::doctor::check::Check;

pub(super) fn working_set() -> Check {
    const NAME: &str = "working set";
    let set = match vmsafe_lab::working_set() {
        Ok(set) => set,
        Err(error) => return Check::unknown(NAME, error.to_string()),
    };
    let (least, most) = (set.least / 1024, set.most / 1024);
    if set.is_capped {
        let because = format!("no more than {most} KiB can be locked: its size is capped");
        return Check::low(NAME, because)
            .mend("start the program outside of the job that caps its working set");
    }
    Check::none(
        NAME,
        format!("{least} KiB may be locked at once, and vmsafe raises that as it needs"),
    )
}
