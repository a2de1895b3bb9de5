//! Directories as targets.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use vmsafe_lab::require_root;

use super::{NEEDLE, Stage, offsets};
use crate::run::{Said, arg, run, said, vmsafe};

impl Stage {
    /// A directory of this name, beside the needles.
    fn directory(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).expect("scratch takes directories");
        path
    }
}

fn notes(said: &Said) -> Vec<String> {
    let json = said.json();
    let notes = json["notes"].as_array().expect("a list of notes");
    let note = |note: &Value| note["note"].as_str().expect("text").to_owned();
    notes.iter().map(note).collect()
}

fn has(notes: &[String], begin: &str) -> bool {
    notes.iter().any(|note| note.starts_with(begin))
}

#[test]
fn all_files_below_a_directory_are_searched() {
    let stage = Stage::new();
    let top = stage.directory("top");
    stage.directory("top/a/b");
    stage.file("top/one", 1000, &[11]);
    stage.file("top/a/b/two", 2000, &[22]);
    stage.file("top/a/empty", 0, &[]);
    stage.file("aside", 3000, &[33]);
    let said = stage.scan(&top);
    assert_eq!(said.code, Some(1), "{said:?}");
    let json = said.json();
    let findings = json["findings"].as_array().expect("a list of findings");
    let target_and_offset = |found: &Value| {
        let target = found["target"].as_str().expect("text").to_owned();
        (target, found["offset"].as_u64().expect("a number"))
    };
    let mut found: Vec<_> = findings.iter().map(target_and_offset).collect();
    found.sort_unstable_by_key(|(_, offset)| *offset);
    let deep = top.join("a").join("b").join("two");
    let place = |path: PathBuf, offset| (arg(&path).to_owned(), offset);
    assert_eq!(found, [place(top.join("one"), 11), place(deep, 22)]);
    assert_eq!(json["covered_bytes"], 3000);
    assert_eq!(json["gaps"], json!([]));
    assert_eq!(notes(&said), ["files opened in it: 3"]);
}

#[test]
fn links_below_a_directory_are_not_followed_and_pipes_not_opened() {
    let stage = Stage::new();
    let top = stage.directory("top");
    stage.directory("top/inner");
    stage.file("top/inner/one", 1000, &[11]);
    stage.file("aside", 3000, &[33]);
    let make = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        assert!(
            command
                .args(args)
                .current_dir(&top)
                .status()
                .unwrap()
                .success()
        );
    };
    make("ln", &["-s", "..", "inner/loop"]);
    make("ln", &["-s", "../aside", "link"]);
    // Whoever opened it would wait for a writer.
    make("mkfifo", &["pipe"]);
    let said = stage.scan(&top);
    assert_eq!(offsets(&said.json()), [11], "{said:?}");
    let notes = notes(&said);
    for told in [
        "files opened in it: 1",
        "symbolic links not followed: 2",
        "sockets, pipes and devices passed over: 1",
    ] {
        assert!(has(&notes, told), "{told}: {notes:?}");
    }
    // The control: named itself, a link is followed, to a directory too.
    make("ln", &["-s", "inner", "to_directory"]);
    assert_eq!(offsets(&stage.scan(&top.join("link")).json()), [33]);
    let followed = stage.scan(&top.join("to_directory"));
    assert_eq!(offsets(&followed.json()), [11]);
    let told = self::notes(&followed);
    assert!(has(&told, "symbolic links not followed: 1"), "{told:?}");
}

#[test]
fn a_note_on_many_files_is_told_once() {
    let stage = Stage::new();
    let top = stage.directory("top");
    for nth in 0..50 {
        File::create(top.join(format!("sparse{nth}")))
            .and_then(|file| file.set_len(1 << 20))
            .unwrap();
    }
    let said = stage.scan(&top);
    assert_eq!(said.code, Some(0), "{said:?}");
    let notes = notes(&said);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains(" and 49 more: its holes"), "{notes:?}");
    assert!(has(&notes, "files opened in it: 50"), "{notes:?}");
}

#[test]
fn a_directory_that_cannot_be_opened_leaves_the_answer_open() {
    let stage = Stage::new();
    let top = stage.directory("top");
    stage.file("top/one", 1000, &[]);
    // A path that is longer than the system takes, for whoever asks: root may open anything else.
    let deep = |root: &Path| {
        let path = (0..9).fold(root.to_owned(), |path, _| path.join("d".repeat(250)));
        fs::create_dir_all(&path).expect("scratch takes directories");
        path
    };
    let rest = stage.directory("rest");
    deep(&rest);
    fs::rename(rest, deep(&top).join("rest")).unwrap();
    let said = stage.scan(&top);
    assert_eq!(said.code, Some(3), "{said:?}");
    let json = said.json();
    assert_eq!(json["covered_bytes"], 1000, "the rest is searched");
    let because = json["gaps"][0]["because"].as_str().unwrap();
    assert!(
        because.starts_with("it cannot be opened: File name too long"),
        "{because}"
    );
    assert_eq!(json["gaps"].as_array().unwrap().len(), 1);
}

#[test]
fn what_the_kernel_makes_up_is_no_directory_to_search() {
    let stage = Stage::new();
    let said = stage.scan("/proc/self".as_ref());
    assert_eq!(said.code, Some(3), "{said:?}");
    let json = said.json();
    let because = json["gaps"][0]["because"].as_str().unwrap();
    assert!(because.starts_with("it lies on proc"), "{because}");
    assert!(because.contains("pid:N"), "{because}");
}

#[test]
fn file_systems_below_are_entered_unless_one_is_wanted() {
    if !require_root("file_systems_below_are_entered_unless_one_is_wanted") {
        return;
    }
    let stage = Stage::new();
    let top = stage.directory("top");
    let (other, proc) = (stage.directory("top/other"), stage.directory("top/proc"));
    stage.file("top/z", 1000, &[11]);
    let script = "mount -t tmpfs none \"$0\" && mount -t proc none \"$1\" && \
                  echo \"$2\" > \"$0/leaked\" && shift 2 && exec \"$@\"";
    let scan = |more: &[&str]| {
        let mut command = Command::new("unshare");
        // In a namespace of its own, which ends with it.
        command.args([
            "--mount",
            "sh",
            "-c",
            script,
            arg(&other),
            arg(&proc),
            NEEDLE,
        ]);
        command.arg(vmsafe().get_program());
        command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
        said(command.args(more).arg(&top))
    };
    let all = scan(&[]);
    let mut found = offsets(&all.json());
    found.sort_unstable();
    assert_eq!(found, [0, 11], "{all:?}");
    assert!(has(
        &notes(&all),
        "passed over, for the kernel makes it up as it is read: proc"
    ));
    for option in ["-x", "--one-file-system"] {
        let one = scan(&[option]);
        assert_eq!(offsets(&one.json()), [11], "{one:?}");
        assert!(
            has(&notes(&one), "not entered on other file systems: 2"),
            "{one:?}"
        );
    }
}

#[test]
fn an_absent_directory_is_told_as_any_target() {
    let stage = Stage::new();
    let absent = stage.dir.path().join("absent/");
    let said = run(["scan", "--keys", "--json", arg(&absent)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    let because = said.json()["gaps"][0]["because"].clone();
    assert!(because.as_str().unwrap().starts_with("it cannot be opened"));
}

/// The utility without the right to open what the modes of files forbid, which root has.
fn obedient() -> Command {
    if !vmsafe_lab::is_root() {
        return vmsafe();
    }
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-dac_override,-dac_read_search");
    command.arg(vmsafe().get_program());
    command
}

/// Sets the mode of all that these patterns of the shell name.
fn chmod(mode: &str, directory: &Path, names: &str) {
    let mut shell = Command::new("sh");
    let all = format!("printf '%s\\0' {names} | xargs -0 chmod {mode}");
    let done = shell.args(["-c", &all]).current_dir(directory).status();
    assert!(done.expect("a shell runs").success());
}

#[test]
fn what_may_not_be_looked_at_is_not_taken_for_another_file_system() {
    let stage = Stage::new();
    let top = stage.directory("top");
    stage.directory("top/inner");
    stage.file("top/inner/one", 1000, &[11]);
    chmod("444", &top, ".");
    let mut told = Vec::new();
    for more in [&["-x"][..], &[]] {
        let mut command = obedient();
        command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
        told.push(said(command.args(more).arg(&top)));
    }
    chmod("755", stage.dir.path(), "top");
    for said in &told {
        assert_eq!(said.code, Some(3), "{said:?}");
        assert_eq!(said.json()["gaps"], told[1].json()["gaps"]);
    }
    let control = stage.scan(&top);
    assert_eq!(control.code, Some(1), "{control:?}");
}

#[test]
fn more_gaps_than_are_kept_are_counted() {
    let stage = Stage::new();
    let top = stage.directory("top");
    for nth in 0..10_010 {
        File::create(top.join(nth.to_string())).unwrap();
    }
    chmod("000", &top, "*");
    let mut command = obedient();
    command.args(["scan", "--json", "--needle-file", arg(&stage.needles)]);
    let said = said(command.arg(&top));
    assert_eq!(said.code, Some(3), "{}", said.err);
    let json = said.json();
    assert_eq!(json["gaps"].as_array().unwrap().len(), 10_000);
    assert_eq!(json["gap_count"], 10_010);
}

#[test]
fn a_directory_is_no_standard_input() {
    let stage = Stage::new();
    let top = stage.directory("top");
    let mut command = vmsafe();
    command.args(["scan", "--json", "--needle-file", arg(&stage.needles), "-"]);
    let said = said(command.stdin(File::open(top).unwrap()));
    assert_eq!(said.code, Some(3), "{said:?}");
    let because = said.json()["gaps"][0]["because"].clone();
    assert!(
        because.as_str().unwrap().contains("it is a directory"),
        "{because}"
    );
}
