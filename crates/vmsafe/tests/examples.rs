//! The examples, as a user runs them.

#![expect(
    clippy::unwrap_used,
    reason = "tests; the lint knows functions marked as such only"
)]

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `cargo test` has built it beside this program.
fn example(name: &str) -> PathBuf {
    let own = env::current_exe().unwrap();
    let built = own.parent().and_then(Path::parent).unwrap();
    let example = built.join("examples").join(name);
    assert!(
        example.is_file(),
        "{} is not built: cargo build -p vmsafe --examples",
        example.display()
    );
    example
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sessions_keeps_ten_thousand_keys_and_lets_go_of_them() {
    let said = output_of(&mut Command::new(example("sessions")));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "10000 records sealed");
    assert!(lines[1].starts_with("10000 keys in "), "{said}");
    assert_eq!(
        *lines.last().unwrap(),
        "0 bytes locked after the last session"
    );
}

#[test]
fn vault_seals_a_file_and_opens_one_secret_without_showing_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("vault-{}", std::process::id()));
    fs::write(&file, "mail=correct horse\nbank=battery staple\n").unwrap();
    let said = output_of(Command::new(example("vault")).arg(&file).arg("bank"));
    let unknown = Command::new(example("vault"))
        .arg(&file)
        .arg("shop")
        .output();
    fs::remove_file(&file).unwrap();
    assert!(
        said.contains("2 secrets sealed") && said.contains("bank: 14 bytes"),
        "{said}"
    );
    let unknown = unknown.unwrap();
    assert!(!unknown.status.success());
    let complaint = String::from_utf8_lossy(&unknown.stderr);
    assert!(complaint.contains("no secret of that name"), "{complaint}");
    let all = format!("{said}{complaint}");
    assert!(!all.contains("horse") && !all.contains("staple"), "{all}");
}

/// A program on a terminal of its own, by script(1), and what that terminal shows.
struct Typed {
    child: Child,
    shown: String,
}

impl Typed {
    fn start(program: &str) -> Self {
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", program, "/dev/null"]);
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = script.spawn().expect("script(1), of bsdutils");
        Self {
            child,
            shown: String::new(),
        }
    }

    /// Waits until the terminal shows `prompt`, then types a line.
    fn answer(&mut self, prompt: &str, line: &str) {
        let start = self.shown.len();
        while !self.shown[start..].contains(prompt) {
            let mut byte = [0];
            let read = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(read, 1, "it ended before {prompt:?}: {}", self.shown);
            self.shown.push(char::from(byte[0]));
        }
        let keyboard = self.child.stdin.as_mut().unwrap();
        keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn end(mut self) -> String {
        let mut rest = Vec::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_end(&mut rest)
            .unwrap();
        assert!(self.child.wait().unwrap().success(), "{}", self.shown);
        self.shown + &String::from_utf8(rest).unwrap()
    }
}

#[test]
fn password_asks_twice_and_the_terminal_does_not_show_what_is_typed() {
    let program = example("password");
    let program = program.to_str().unwrap();
    for (second, verdict) in [
        ("hunter2", "they are the same, 7 bytes long"),
        ("hunter3", "they differ"),
    ] {
        let mut typed = Typed::start(program);
        typed.answer("new password: ", "hunter2");
        typed.answer("once more: ", second);
        let shown = typed.end();
        assert!(shown.contains(verdict), "{shown}");
        assert!(!shown.contains("hunter"), "echoed: {shown}");
    }
    let mut typed = Typed::start("echo ready; read line");
    typed.answer("ready", "hunter2");
    let shown = typed.end();
    assert!(shown.contains("hunter2"), "the control: {shown}");
}
