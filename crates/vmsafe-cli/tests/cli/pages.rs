//! Help, manual pages, completions, and wrong usage.

use std::fs;
use std::process::Command;

use crate::run::{arg, run, scratch};

const COMMANDS: [&str; 6] = ["demo", "doctor", "scan", "burn", "man", "completions"];

#[test]
fn each_command_has_help_with_examples() {
    let overview = run(["--help"]);
    assert_eq!(overview.code, Some(0));
    for command in COMMANDS {
        assert!(
            overview.out.contains(&format!("  {command}  ")),
            "{command}"
        );
        let help = run([command, "--help"]);
        assert_eq!(help.code, Some(0), "{command}");
        assert!(help.out.contains("Examples:\n  "), "{command}");
        let example = format!("vmsafe {command} ");
        assert!(help.out.contains(&example), "{command}: {}", help.out);
    }
}

#[test]
fn help_and_overview_state_the_exit_codes() {
    assert!(run(["--help"]).out.contains("3 could not tell"));
    for command in ["demo", "doctor", "scan", "burn"] {
        let help = run([command, "--help"]).out;
        assert!(help.contains("Exit codes: 0 "), "{command}: {help}");
    }
}

#[test]
fn what_is_hidden_is_not_in_the_overview() {
    let hidden = [("--help", "demo-subject"), ("doctor", "--sysroot")];
    assert!(!run([hidden[0].0]).out.contains(hidden[0].1));
    assert!(!run([hidden[1].0, "--help"]).out.contains(hidden[1].1));
    assert!(!run(["demo", "-h"]).out.contains("--sabotage"));
    assert!(run(["demo", "--help"]).out.contains("--sabotage"));
}

#[test]
fn wrong_usage_is_code_2() {
    assert_eq!(run([]).code, Some(2));
    assert_eq!(run(["no-such-command"]).code, Some(2));
    assert_eq!(run(["doctor", "--no-such-option"]).code, Some(2));
    assert_eq!(run(["scan"]).code, Some(2));
    assert_eq!(run(["burn"]).code, Some(2));
    assert_eq!(run(["completions", "no-such-shell"]).code, Some(2));
    let both = ["scan", "--needle-fd", "3", "--needle-file", "x", "y"];
    assert_eq!(run(both).code, Some(2));
}

#[test]
fn manual_pages_are_written() {
    let page = run(["man"]);
    assert_eq!(page.code, Some(0));
    assert!(page.out.contains(".TH vmsafe 1"), "{}", page.out);
    let dir = scratch();
    assert_eq!(run(["man", "--dir", arg(dir.path())]).code, Some(0));
    for command in COMMANDS {
        let page = dir.path().join(format!("vmsafe-{command}.1"));
        let text = fs::read_to_string(&page).unwrap();
        assert!(
            text.contains(".SH OPTIONS") || text.contains(".SH"),
            "{command}"
        );
    }
    // No page names one that does not exist, and each has the version in its footer.
    for page in fs::read_dir(dir.path()).unwrap() {
        let text = fs::read_to_string(page.unwrap().path()).unwrap();
        let footer = format!("\"vmsafe {}\"", env!("CARGO_PKG_VERSION"));
        let title = text.lines().find(|line| line.starts_with(".TH")).unwrap();
        assert!(title.contains(&footer), "{title}");
        for other in text.lines().filter_map(|line| line.strip_suffix("(1)")) {
            let other = format!("{}.1", other.replace('\\', ""));
            assert!(dir.path().join(&other).exists(), "{other}");
        }
    }
    assert!(page.out.contains("\\-scan(1)") && !page.out.contains("\\-help(1)"));
    assert!(!dir.path().join("vmsafe-demo-subject.1").exists());
    let absent = dir.path().join("share/man/man1");
    assert_eq!(run(["man", "--dir", arg(&absent)]).code, Some(0));
    assert!(absent.join("vmsafe-demo.1").exists());
    let nowhere = dir.path().join("vmsafe-demo.1/man1");
    assert_eq!(run(["man", "--dir", arg(&nowhere)]).code, Some(2));
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = run(["completions", shell]);
        assert_eq!(said.code, Some(0), "{shell}");
        assert!(said.out.contains("needle-file"), "{shell}");
        assert!(said.out.contains("version"), "{shell}");
        for hidden in ["demo-subject", "demo__subject", "demo__subcmd__subject"] {
            assert!(!said.out.contains(hidden), "{shell}: {hidden}");
        }
    }
}

#[test]
fn kinds_of_keys_are_offered_behind_the_equals_sign_alone() {
    let script = run(["completions", "bash"]).out;
    let offered = |words: &str, current: &str, before: &str| {
        let asked = format!(
            "{script}\nCOMP_WORDS=(vmsafe scan {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _vmsafe vmsafe '{current}' '{before}'; echo \"${{COMPREPLY[*]}}\""
        );
        let output = Command::new("bash").args(["-c", &asked]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(offered("--keys =", "", "--keys"), "aes private\n");
    assert_eq!(offered("--keys = a", "a", "="), "aes\n");
    assert_eq!(offered("--decompress n", "n", "--decompress"), "never\n");
    assert!(!offered("--keys ''", "", "--keys").contains("aes"));
    assert!(run(["completions", "zsh"]).out.contains("'*--keys=-["));
    let fish = run(["completions", "fish"]).out;
    let keys = fish
        .lines()
        .find(|line| line.contains(" -l keys "))
        .unwrap();
    assert!(keys.contains(" -f -a") && !keys.contains(" -r "), "{keys}");
}
