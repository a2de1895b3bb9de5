//! The demonstration, as a user runs it: what holds, what breaks it, and what an ordinary user
//! sees.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use vmsafe_lab::{Lab, PrivateSwap, SIGKILL, require_root};

const VMSAFE: &str = env!("CARGO_BIN_EXE_vmsafe");
/// The laboratory lets one process have several of its things at once: these tests take turns.
static SWAP: Mutex<()> = Mutex::new(());

const DOORS: [&str; 5] = ["swap", "core", "file", "disk", "child"];

fn demo(args: &[&str]) -> Output {
    Command::new(VMSAFE)
        .arg("demo")
        .args(args)
        .output()
        .expect("vmsafe runs")
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("no report: {text}{complaints}"))
}

fn copies(report: &Value, subject: &str, door: &str) -> Option<u64> {
    sight(report, subject, door)["copies"].as_u64()
}

fn sight<'a>(report: &'a Value, subject: &str, door: &str) -> &'a Value {
    let subjects = report["subjects"].as_array().expect("a list of subjects");
    let subject = subjects.iter().find(|entry| entry["name"] == subject);
    &subject.expect("the subject is in the report")["doors"][door]
}

#[test]
fn as_root_every_door_is_shown_and_every_promise_holds() {
    if !require_root("as_root_every_door_is_shown_and_every_promise_holds") {
        return;
    }
    let output = demo(&["--json"]);
    let report = report(&output);
    assert_eq!(report["verdict"], "holds", "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    for control in ["ordinary", "fork-shared"] {
        for door in ["swap", "core", "child"] {
            assert!(
                copies(&report, control, door) > Some(0),
                "{control} {door}: {report:#}"
            );
        }
    }
    for door in DOORS {
        assert!(
            copies(&report, "ordinary", door) > Some(0),
            "{door}: {report:#}"
        );
        for subject in ["locked", "locked-mlock", "evaporating"] {
            assert_eq!(
                copies(&report, subject, door),
                Some(0),
                "{subject} {door}: {report:#}"
            );
        }
    }
    for door in ["swap", "core", "disk", "child"] {
        assert_eq!(
            copies(&report, "confined", door),
            Some(0),
            "{door}: {report:#}"
        );
    }
    assert!(copies(&report, "confined", "file") > Some(0), "{report:#}");
    assert_eq!(
        sight(&report, "confined", "file")["after_burn"],
        0,
        "{report:#}"
    );
}

#[test]
fn each_sabotage_is_told_with_its_door() {
    if !require_root("each_sabotage_is_told_with_its_door") {
        return;
    }
    let doors = [
        ("locked", "swap"),
        ("locked-mlock", "swap"),
        ("confined", "file"),
        ("evaporating", "disk"),
    ];
    for (subject, door) in doors {
        let output = demo(&["--json", "--sabotage", subject]);
        let report = report(&output);
        assert_eq!(output.status.code(), Some(1), "{subject}: {report:#}");
        assert_eq!(report["verdict"], "broken", "{subject}");
        let named = format!("{subject} leaked to {door}");
        let reasons = report["reasons"].as_array().expect("a list of reasons");
        let told = reasons
            .iter()
            .any(|reason| reason.as_str().is_some_and(|r| r.contains(&named)));
        assert!(told, "{named}: {reasons:?}");
    }
}

#[test]
fn what_has_no_protection_cannot_be_sabotaged() {
    for subject in ["ordinary", "fork-shared", "evaporating-2001"] {
        let output = demo(&["--sabotage", subject]);
        assert_eq!(output.status.code(), Some(2), "{subject}");
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            complaint.contains("possible values: locked,"),
            "{complaint}"
        );
        assert!(!complaint.contains(&format!(", {subject}")), "{complaint}");
    }
}

#[test]
fn who_does_not_race_cannot_be_sabotaged_in_the_race() {
    let output = demo(&["--race", "1", "--sabotage", "locked"]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("locked does not race"), "{complaint}");
}

#[test]
fn many_rounds_all_count() {
    if !require_root("many_rounds_all_count") {
        return;
    }
    let report = report(&demo(&["--json", "--rounds", "3"]));
    let counts = serde_json::json!({"played": 3, "broken": 0, "inconclusive": 0});
    assert_eq!(report["rounds"], counts, "{report:#}");
}

#[test]
fn the_race_carries_the_plain_tail_away_and_never_the_sealed_one() {
    if !require_root("the_race_carries_the_plain_tail_away_and_never_the_sealed_one") {
        return;
    }
    let output = demo(&["--json", "--race", "2"]);
    let report = report(&output);
    assert_eq!(report["verdict"], "holds", "{report:#}");
    let laps = report["laps"].as_array().expect("a list of laps");
    assert_eq!(laps.len(), 8, "two racers on four file systems");
    for lap in laps {
        let sealed = lap["subject"] == "evaporating";
        assert!(!sealed || lap["copies"] == 0, "{lap:#}");
        assert!(
            !sealed || lap["losses"].as_u64() > Some(0),
            "never lost: {lap:#}"
        );
    }
    let sabotaged = demo(&["--json", "--race", "1", "--sabotage", "evaporating"]);
    assert_eq!(
        sabotaged.status.code(),
        Some(1),
        "a key beside the tail must be found"
    );
}

/// A copy of the program where anybody may run it, and a place for its files.
struct Public(PathBuf);

impl Public {
    fn new(name: &str) -> Self {
        let dir = Path::new("/var/tmp").join(format!("vmsafe-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a directory in /var/tmp");
        fs::copy(VMSAFE, dir.join("vmsafe")).expect("a copy of the program");
        let mut open = fs::metadata(&dir).expect("the directory").permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut open, 0o1777);
        fs::set_permissions(&dir, open).expect("an open directory");
        Self(dir)
    }

    /// Runs the demonstration as nobody, or as whoever runs the tests.
    fn demo(&self, args: &[&str]) -> Output {
        let program = self.0.join("vmsafe");
        let mut command = if vmsafe_lab::is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir(&self.0)
            .arg("demo")
            .args(args)
            .arg("--dir")
            .arg(&self.0);
        command.output().expect("the demonstration runs")
    }
}

impl Public {
    /// Runs one round here.
    fn demo_as_root(&self) -> Output {
        let dir = self.0.to_str().expect("a plain path");
        demo(&["--json", "--dir", dir])
    }

    /// Swap areas and mounts below it.
    fn traces(&self) -> usize {
        let name = self.0.to_str().expect("a plain path");
        let tables = ["/proc/swaps", "/proc/self/mounts"].map(fs::read_to_string);
        let lines = |table: std::io::Result<String>| {
            let table = table.expect("a table of the kernel");
            table.lines().filter(|line| line.contains(name)).count()
        };
        tables.into_iter().map(lines).sum()
    }
}

impl Drop for Public {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_ordinary_user_without_swap_sees_the_rest_and_is_told_how_to_see_swap() {
    let root = vmsafe_lab::is_root();
    // Nobody else's private swap may be on meanwhile: neither of this process nor of another.
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let _lab = root.then(|| Lab::lock().expect("the laboratory"));
    let place = Public::new("without-swap");
    let output = place.demo(&["--json"]);
    let report = report(&output);
    assert_eq!(report["verdict"], "holds", "{report:#}");
    assert_eq!(output.status.code(), Some(0));
    for door in ["core", "file", "child"] {
        assert!(
            copies(&report, "ordinary", door) > Some(0),
            "{door}: {report:#}"
        );
        assert_eq!(
            copies(&report, "locked", door),
            Some(0),
            "{door}: {report:#}"
        );
    }
    assert!(
        report["not_shown"]["disk"]
            .as_str()
            .is_some_and(|why| why.contains("sudo"))
    );
    if report["machine"]["swap_areas"]
        .as_array()
        .is_some_and(Vec::is_empty)
    {
        let why = report["not_shown"]["swap"]
            .as_str()
            .expect("swap is not shown");
        assert!(why.contains("sudo vmsafe demo"), "{why}");
        assert_eq!(place.demo(&["--require", "swap"]).status.code(), Some(3));
    }
}

#[test]
fn an_ordinary_user_with_swap_sees_it_by_the_kernels_count() {
    if !require_root("an_ordinary_user_with_swap_sees_it_by_the_kernels_count") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Public::new("with-swap");
    let swap = PrivateSwap::create_in("/var/tmp", 64 << 20).expect("a private swap area");
    let output = place.demo(&["--json", "--require", "swap"]);
    let report = report(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert!(copies(&report, "ordinary", "swap") > Some(0), "{report:#}");
    assert_eq!(copies(&report, "locked", "swap"), Some(0), "{report:#}");
    let broken = place.demo(&["--require", "swap", "--sabotage", "locked-mlock"]);
    assert_eq!(broken.status.code(), Some(1));
    drop(swap);
}

/// Starts rounds without end in `place`, and waits until swap and disks are on.
fn endless_demo(place: &Public) -> Child {
    let mut command = Command::new(VMSAFE);
    command
        .args(["demo", "--json", "--rounds", "1000000", "--dir"])
        .arg(&place.0)
        .stdout(Stdio::piped());
    let mut process = command.stderr(Stdio::piped()).spawn().expect("vmsafe runs");
    while place.traces() < 3 {
        assert!(
            process.try_wait().expect("a process").is_none(),
            "it ended before it began"
        );
        std::thread::yield_now();
    }
    process
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing_behind() {
    if !require_root("an_interrupt_ends_it_and_leaves_nothing_behind") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    // Ctrl-C, a service's stop, and a terminal that goes away.
    for signal in [2, 15, 1] {
        an_interrupt_ends_it(signal);
    }
}

fn an_interrupt_ends_it(signal: i32) {
    let place = Public::new("interrupted");
    let process = endless_demo(&place);
    vmsafe_lab::kill(process.id(), signal).expect("an interrupt");
    let output = process.wait_with_output().expect("it ends");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(
        complaint.contains("interrupted; the machine is as it was before"),
        "{complaint}"
    );
    assert_eq!(place.traces(), 0, "a swap area or a mount is left");
    let left: Vec<_> = fs::read_dir(&place.0)
        .expect("the place")
        .flatten()
        .collect();
    assert_eq!(left.len(), 1, "only the program is left: {left:?}");
}

#[test]
fn under_nohup_it_outlives_its_terminal() {
    if !require_root("under_nohup_it_outlives_its_terminal") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" demo --json", VMSAFE]);
    let process = command.stdout(Stdio::piped()).spawn().expect("a shell");
    subjects_of(&process);
    vmsafe_lab::kill(process.id(), 1).expect("a hangup");
    let output = process.wait_with_output().expect("it ends");
    assert_eq!(report(&output)["verdict"], "holds");
}

/// The subjects of one round, when all of them play.
fn subjects_of(process: &Child) -> BTreeSet<u32> {
    let pid = process.id();
    loop {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.expect("the demonstration runs");
        let subjects: BTreeSet<u32> = children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
            .collect();
        // Two of each; what sets the stage up starts fewer at a time.
        if subjects.len() >= 20 {
            return subjects;
        }
        std::thread::yield_now();
    }
}

#[test]
fn an_interrupt_keeps_what_whole_rounds_showed() {
    if !require_root("an_interrupt_keeps_what_whole_rounds_showed") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Public::new("cut-short");
    let process = endless_demo(&place);
    let first = subjects_of(&process);
    while !subjects_of(&process).is_disjoint(&first) {
        std::thread::yield_now();
    }
    vmsafe_lab::kill(process.id(), 2).expect("an interrupt");
    let output = process.wait_with_output().expect("it ends");
    let report = report(&output);
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    assert_eq!(report["verdict"], "inconclusive");
    assert!(report["rounds"]["played"].as_u64() >= Some(1), "{report:#}");
    assert_eq!(report["rounds"]["broken"], 0, "{report:#}");
    let reason = report["reasons"][0].as_str().expect("a reason");
    assert!(reason.starts_with("interrupted after "), "{reason}");
    assert_eq!(copies(&report, "locked", "swap"), Some(0), "{report:#}");
    assert!(copies(&report, "ordinary", "swap") > Some(0), "{report:#}");
    assert_eq!(place.traces(), 0, "a swap area or a mount is left");
}

#[test]
fn the_next_run_cleans_up_after_a_killed_one() {
    if !require_root("the_next_run_cleans_up_after_a_killed_one") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Public::new("killed");
    let mut process = endless_demo(&place);
    process.kill().expect("killed");
    process.wait().expect("it ends");
    assert!(
        place.traces() > 0,
        "the control: a killed run leaves its swap and its disk"
    );
    let elsewhere = demo(&["--json"]);
    assert_eq!(elsewhere.status.code(), Some(0), "{:#}", report(&elsewhere));
    assert_eq!(place.traces(), 0, "a swap area or a mount is left");
}

/// Ends it while it waits for its disk, and waits until it is gone. True if that was caught.
fn end_amid_a_sync(process: &mut Child, syncs: u32, signal: i32) -> bool {
    let pid = process.id();
    let mut seen = 0;
    while seen < syncs {
        let Ok(call) = fs::read_to_string(format!("/proc/{pid}/syscall")) else {
            return false;
        };
        seen += u32::from(call.starts_with(FSYNC));
    }
    vmsafe_lab::kill(pid, signal).expect("killed");
    let killed = Instant::now();
    while process.try_wait().expect("a process").is_none() {
        if killed.elapsed() > Duration::from_secs(10) {
            // Ends the disk too, so that the machine is free.
            drop(Lab::try_lock());
            panic!("a killed demonstration waits for the disk that it served");
        }
        std::thread::yield_now();
    }
    true
}

const SIGQUIT: i32 = 3;
/// How `/proc/PID/syscall` begins during an `fsync`.
const FSYNC: &str = if cfg!(target_arch = "x86_64") {
    "74 "
} else {
    "82 "
};

#[test]
fn a_kill_while_its_disk_is_written_back_ends_it() {
    if !require_root("a_kill_while_its_disk_is_written_back_ends_it") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Public::new("killed-amid");
    let loops = || fs::read_dir("/sys/block").expect("listed").flatten();
    let ours = |name: &Path| {
        let backing = fs::read_to_string(name.join("loop/backing_file")).unwrap_or_default();
        backing.contains("killed-amid")
    };
    let has_loop = || loops().any(|entry| ours(&entry.path()));
    let (mut caught, mut left) = (0, 0);
    // Of ten such kills about four met a disk that nobody served any more.
    for syncs in (30..=300).step_by(30) {
        let mut process = endless_demo(&place);
        // The second would dump core, for which every thread must stop first.
        let signal = if syncs % 60 == 0 { SIGQUIT } else { SIGKILL };
        caught += u32::from(end_amid_a_sync(&mut process, syncs, signal));
        left += u32::from(has_loop());
    }
    assert_eq!(caught, 10, "each was killed while it waited for its disk");
    // Whoever else wants the laboratory meanwhile may have taken the last one down.
    assert!(left > 0, "the control: a kill leaves a device");
    let next = place.demo_as_root();
    assert_eq!(next.status.code(), Some(0), "{:#}", report(&next));
    assert_eq!(place.traces(), 0, "a swap area or a mount is left");
    assert!(!has_loop(), "a loop device is left");
    let left = fs::read_dir(&place.0).expect("the place").count();
    assert_eq!(left, 1, "only the program is left");
}

#[test]
fn whoever_waits_for_the_laboratory_says_for_whom() {
    if !require_root("whoever_waits_for_the_laboratory_says_for_whom") {
        return;
    }
    let _swap = SWAP.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::lock().expect("the laboratory");
    let mut command = Command::new(VMSAFE);
    command.args(["demo", "--json"]).stdout(Stdio::null());
    let mut process = command.stderr(Stdio::piped()).spawn().expect("vmsafe runs");
    let mut complaints = BufReader::new(process.stderr.take().expect("piped"));
    let mut line = String::new();
    complaints.read_line(&mut line).expect("text");
    let wanted = format!("vmsafe: waiting for process {},", std::process::id());
    assert!(line.starts_with(&wanted), "{line}");
    vmsafe_lab::kill(process.id(), 2).expect("an interrupt");
    line.clear();
    complaints.read_line(&mut line).expect("text");
    assert!(line.contains("interrupted; nothing was changed"), "{line}");
    assert_eq!(process.wait().expect("it ends").code(), Some(2));
    drop(lab);
}
