//! The run behind docs/found.md: what is found of known keys of real programs, in their memory and
//! in the swap file that they were paged out to.

#[path = "../examples/found/look.rs"]
mod look;
#[path = "../examples/found/page.rs"]
mod page;
#[path = "../examples/found/program.rs"]
mod program;
#[path = "../examples/found/run.rs"]
mod run;
#[path = "../examples/found/secret.rs"]
mod secret;

use std::path::Path;
use std::process::{Command, Stdio};

use look::Sight;
use run::{Found, Run};
use vmsafe_lab::{not_run, require_root};

/// Whether the programs are there; where `CI` is set they must be.
fn programs_are_installed() -> bool {
    let tools = [
        "bash",
        "openssl",
        "ssh-agent",
        "ssh-add",
        "ssh-keygen",
        "gpg",
        "gpg-agent",
    ];
    let is_absent = |tool: &&str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "command -v \"$0\"", tool])
            .stdout(Stdio::null());
        !shell.status().is_ok_and(|status| status.success())
    };
    let absent: Vec<_> = tools.into_iter().filter(|tool| is_absent(tool)).collect();
    if !absent.is_empty() {
        not_run(&format!("install {absent:?}"));
    }
    absent.is_empty()
}

fn program<'a>(run: &'a Run, name: &str) -> &'a Found {
    run.programs
        .iter()
        .find(|found| found.name == name)
        .expect("it was looked at")
}

/// What stands in memory that is not locked stands in swap once that is paged out.
fn what_is_unlocked_is_in_swap(run: &Run) {
    for found in &run.programs {
        for (number, what) in &found.secrets {
            let (all, locked) = found.memory.whole(*number);
            let (in_swap, _) = run.swap.whole(*number);
            let name = found.name;
            assert!(
                all == locked || in_swap > 0,
                "{name}: {what} in memory and not in swap"
            );
        }
    }
}

#[test]
fn keys_of_real_programs_are_found_where_the_page_says() {
    let name = "keys_of_real_programs_are_found_where_the_page_says";
    if !require_root(name) || !programs_are_installed() {
        return;
    }
    let run = run::run(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("the run comes to its end");
    let page = page::page(&run);
    let whole = |program: &Found| -> Vec<(u64, u64)> {
        let numbers = program.secrets.iter().map(|(number, _)| *number);
        numbers
            .map(|number| (program.memory.whole(number).0, run.swap.whole(number).0))
            .collect()
    };
    // The control: without it no absence would mean anything.
    let control = whole(program(&run, "bash (control)"));
    assert!(
        control
            .iter()
            .all(|(memory, swap)| *memory > 0 && *swap > 0),
        "{page}"
    );
    what_is_unlocked_is_in_swap(&run);

    let openssl = program(&run, "openssl s_server");
    assert!(
        whole(openssl)
            .iter()
            .all(|(memory, swap)| *memory > 0 && *swap > 0),
        "{page}"
    );
    let by_public_key = |sight: &Sight, found: &Found| {
        let own = |print: &String| Some(print) == found.own_key.as_ref();
        sight
            .keys
            .keys()
            .any(|(_, form, print)| *form == "prime" && own(print))
    };
    assert!(by_public_key(&openssl.memory, openssl), "{page}");
    assert!(by_public_key(&run.swap, openssl), "{page}");

    let ssh_agent = program(&run, "ssh-agent");
    assert!(
        whole(ssh_agent).iter().all(|found| *found == (0, 0)),
        "{page}"
    );

    // Locks do not pass to a child, and the agent forks into the background.
    assert_eq!(program(&run, "gpg-agent --daemon").locked, 0, "{page}");
    assert!(program(&run, "gpg-agent --supervised").locked > 0, "{page}");
}
