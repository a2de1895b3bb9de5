//! A prompt where descriptors are short. It needs one: that it has not got a second must not leave
//! the terminal without its echo.

#![cfg(all(unix, not(vmsafe_absent)))]

use std::env;
use std::fs::File;
use std::process::Command;

use vmsafe_os::terminal::Terminal;

/// Set in the process that has a terminal of its own.
const ALONE: &str = "VMSAFE_TEST_TERMINAL";

#[test]
fn a_prompt_needs_one_descriptor() {
    if env::var_os(ALONE).is_some() {
        return prompt_with_one_descriptor();
    }
    let program = env::current_exe().unwrap();
    let command = format!(
        "ulimit -n 32; exec '{}' --exact a_prompt_needs_one_descriptor --nocapture",
        program.display()
    );
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let done = script.env(ALONE, "1").output();
    let done = done.expect("script(1), of bsdutils");
    let shown = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{shown}");
    assert!(
        shown.contains("a prompt: ") && shown.contains("1 passed"),
        "{shown}"
    );
}

fn prompt_with_one_descriptor() {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    let without = Terminal::open("none: ").is_ok();
    taken.pop();
    let with = Terminal::open("a prompt: ").map(drop);
    drop(taken);
    assert!(!without, "the control: there was none to be had");
    with.expect("a terminal with one descriptor to be had");
}
