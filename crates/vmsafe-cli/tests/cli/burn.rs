//! `vmsafe burn`.

use std::fs;
use std::process::Command;

use vmsafe::Confined;

use crate::run::{arg, run, said, scratch, vmsafe};

/// The code that the report of one burned file calls for.
fn code_for(file: &serde_json::Value) -> i32 {
    let confirmed = |step: &str| {
        file[step]["confirmed"]
            .as_bool()
            .expect("each step says so")
    };
    if confirmed("verified") && confirmed("in_place") {
        0
    } else {
        3
    }
}

#[test]
fn a_file_is_burned_and_the_report_decides_the_code() {
    let dir = scratch();
    let path = dir.path().join("left");
    fs::write(&path, vec![7; 10_000]).unwrap();
    let said = run(["burn", "--json", arg(&path)]);
    let json = said.json();
    let file = &json["files"][0];
    assert_eq!(file["file"], arg(&path));
    assert_eq!(file["outcome"], "burned");
    assert_eq!(file["bytes"], 12288);
    assert_eq!(said.code, Some(code_for(file)), "{said:?}");
    assert!(!path.exists());
}

#[test]
fn memory_gives_nothing_to_verify() {
    let dir = tempfile::tempdir_in("/dev/shm").expect("there is shared memory");
    let path = dir.path().join("left");
    fs::write(&path, "remains").unwrap();
    let said = run(["burn", arg(&path)]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("not verified ("), "{said:?}");
    assert!(!path.exists());
}

#[test]
fn what_is_no_file_of_ours_is_refused_with_advice() {
    let dir = scratch();
    let file = dir.path().join("file");
    fs::write(&file, "keep").unwrap();
    let link = dir.path().join("link");
    let made = Command::new("ln").arg("-s").arg(&file).arg(&link).status();
    assert!(made.unwrap().success());
    let twin = dir.path().join("twin");
    fs::write(&twin, "keep").unwrap();
    fs::hard_link(&twin, dir.path().join("second name")).unwrap();
    for (path, because) in [
        (dir.path(), "name the files in it"),
        ("/dev/null".as_ref(), "only regular files can be burned"),
        (&link, "through a symbolic link"),
        (&twin, "another name (a hard link)"),
        (&dir.path().join("absent"), "No such file"),
    ] {
        let said = run(["burn", "--json", arg(path)]);
        assert_eq!(said.code, Some(2), "{said:?}");
        let json = said.json();
        assert_eq!(json["verdict"], "failed");
        let reason = json["files"][0]["because"].as_str().unwrap();
        assert!(reason.contains(because), "{reason}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"keep");
    assert_eq!(fs::read(&twin).unwrap(), b"keep");
}

#[test]
fn a_file_with_a_living_owner_is_left_alone() {
    let dir = scratch();
    let path = dir.path().join("alive");
    let options = Confined::options();
    let options = vmsafe::Threat::ALL.iter().fold(options, |options, threat| {
        options.demand(*threat, vmsafe::Demand::Prefer)
    });
    let buffer = options.create(&path, 100).expect("a buffer");
    let said = run(["burn", arg(&path)]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("the file's owner is alive"), "{said:?}");
    assert!(path.exists());
    drop(buffer);
    assert!(!path.exists());
}

#[test]
fn one_failure_does_not_keep_the_others_from_burning() {
    let dir = scratch();
    let (one, other) = (dir.path().join("one"), dir.path().join("other"));
    fs::write(&one, "1").unwrap();
    fs::write(&other, "2").unwrap();
    let absent = dir.path().join("absent");
    let said = said(vmsafe().arg("burn").args([&one, &absent, &other]));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.out.lines().count(), 2, "{said:?}");
    assert!(said.err.contains("not burned"), "{said:?}");
    assert!(!one.exists() && !other.exists());
}

#[test]
fn a_name_is_told_alike_in_each_place_of_a_report() {
    let dir = scratch();
    let odd = dir.path().join("a\x1bb");
    fs::create_dir(&odd).unwrap();
    let said = run(["burn", "--json", arg(&odd)]);
    let json = said.json();
    let file = &json["files"][0];
    assert_eq!(file["file"], arg(&odd), "JSON has an escape of its own");
    let because = file["because"].as_str().unwrap();
    assert!(because.contains(arg(&odd)), "{because}");
    assert!(!said.out.contains('\x1b'), "{said:?}");
}

#[test]
fn help_says_what_code_3_means() {
    let help = run(["burn", "--help"]).out;
    assert!(help.contains("not given back"), "{help}");
}
