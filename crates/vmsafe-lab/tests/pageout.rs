//! The page-out, proved end to end: real swap, raw scan, two controls that must leak, two locked
//! kinds that must not. Each round has fresh processes and fresh canaries: what a swap area once
//! held stays in it.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vmsafe_lab::smaps::{mappings, mappings_of_self, swapped};
use vmsafe_lab::{
    Advice, Cgroup, Opened, PrivateSwap, fork_lingering, open_direct, page_out, page_out_self,
    require_root,
};
use vmsafe_os::{Mapping, Source, native};

const ROUNDS: usize = 20;
const PAGES: usize = 16;
const KIND: &str = "VMSAFE_LAB_SUBJECT";

#[test]
fn controls_reach_the_raw_swap_each_round_and_locked_memory_never() {
    if !require_root("controls_reach_the_raw_swap_each_round_and_locked_memory_never") {
        return;
    }
    let _alone = alone();
    let swap = PrivateSwap::create_in(env::temp_dir(), 32 << 20).expect("private swap");
    let group = Cgroup::create().expect("cgroup");
    for round in 0..ROUNDS {
        let mut subjects: Vec<Subject> = ["ordinary", "fork-shared", "mlock", "secret"]
            .map(|k| Subject::start(k, &group))
            .into();
        let pids: Vec<u32> = subjects.iter().map(|subject| subject.child.id()).collect();
        let reports = page_out(&pids).expect("page out");
        let squeezed = group.squeeze().expect("squeeze");
        assert!(squeezed.after < squeezed.before, "{squeezed:?}");
        let medium = read_raw(&swap);
        for (subject, report) in subjects.iter().zip(&reports) {
            let found = memchr::memmem::find_iter(&medium, &subject.canary()).count();
            let locked = subject.kind == "mlock" || subject.kind == "secret";
            println!("round {round}: {} {found}", subject.kind);
            assert_eq!(
                found == 0,
                locked,
                "round {round}: {} {found}",
                subject.kind
            );
            if subject.kind != "secret" {
                assert_eq!(report.refused.is_empty(), !locked, "{report:?}");
            }
        }
        subjects.drain(..).for_each(Subject::finish);
    }
}

#[test]
fn a_locked_page_of_ones_own_refuses_and_an_ordinary_one_is_seen_to_go() {
    let name = "a_locked_page_of_ones_own_refuses_and_an_ordinary_one_is_seen_to_go";
    for source in [Source::Anonymous, Source::Secret] {
        let locked = Mapping::new(native(), source, native().page_size()).expect("a page");
        if source == Source::Anonymous {
            locked.lock().expect("lock");
        }
        let range = locked.address()..locked.address() + locked.len();
        let refused = page_out_self(range.clone()).expect("an answer") == Advice::Refused;
        let found = mappings_of_self(&range).expect("smaps");
        // Kernel 6.1 does not flag secret memory as locked: it takes the advice and does nothing.
        assert_eq!(
            refused,
            found.iter().all(|mapping| mapping.has("lo")),
            "{source:?}"
        );
        assert!(refused || source == Source::Secret);
        assert_eq!(swapped(&range).expect("smaps"), 0);
    }
    if !require_root(name) {
        return;
    }
    let _alone = alone();
    let swap = PrivateSwap::create_in(env::temp_dir(), 8 << 20).expect("private swap");
    let mut page = Mapping::new(native(), Source::Anonymous, native().page_size()).expect("a page");
    page.as_mut_slice().fill(7);
    let range = page.address()..page.address() + page.len();
    assert_eq!(
        page_out_self(range.clone()).expect("taken"),
        Advice::Taken { drained: true }
    );
    assert_eq!(swapped(&range).expect("smaps"), page.len() as u64);
    assert!(swap.used().expect("used") >= page.len() as u64);
    assert_eq!(page.as_slice()[0], 7);
    assert_eq!(swapped(&range).expect("smaps"), 0, "back in memory");
}

/// The tests of this file run in threads of one process, which has one private swap at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_raw(swap: &PrivateSwap) -> Vec<u8> {
    let Opened::Direct(mut file) = open_direct(swap.path()).expect("open") else {
        panic!("no direct I/O on {}", swap.path().display());
    };
    // Direct I/O wants an aligned buffer: read into the aligned part of a larger one.
    let mut space = vec![0_u8; (1 << 20) + 4096];
    let start = space.as_ptr().align_offset(4096);
    let buffer = &mut space[start..start + (1 << 20)];
    let mut bytes = Vec::new();
    loop {
        match file.read(buffer).expect("raw read") {
            0 => return bytes,
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

/// A process with a canary in one kind of memory.
struct Subject {
    kind: &'static str,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    masked: String,
}

impl Subject {
    fn start(kind: &'static str, group: &Cgroup) -> Self {
        let mut child = Command::new(env::current_exe().expect("own path"))
            .args(["subject", "--exact", "--nocapture", "--test-threads=1"])
            .env(KIND, kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start subject");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut subject = Self {
            kind,
            child,
            stdin,
            stdout,
            masked: String::new(),
        };
        group.add(subject.child.id()).expect("add to the group");
        subject.tell("fill");
        subject.masked = subject.answer("canary ");
        subject
    }

    fn canary(&self) -> Vec<u8> {
        (0..32)
            .map(|i| !u8::from_str_radix(&self.masked[2 * i..][..2], 16).expect("hex"))
            .collect()
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").expect("subject listens");
    }

    fn answer(&mut self, prefix: &str) -> String {
        for line in self.stdout.by_ref().lines() {
            // The harness of the subject may print its own words before, on the same line.
            if let Some((_, rest)) = line.expect("text").split_once(prefix) {
                return rest.to_owned();
            }
        }
        panic!("{}: no answer {prefix:?}", self.kind);
    }

    /// The subject finds its canary intact and leaves.
    fn finish(mut self) {
        self.tell("check");
        self.answer("intact");
        assert!(
            self.child.wait().expect("collected").success(),
            "{}",
            self.kind
        );
    }
}

/// Not a test of its own: what a [`Subject`]'s process runs.
#[test]
fn subject() {
    let Ok(kind) = env::var(KIND) else { return };
    let page = native().page_size();
    await_word("fill");
    let source = if kind == "secret" {
        Source::Secret
    } else {
        Source::Anonymous
    };
    let mut memory = Mapping::new(native(), source, PAGES * page).expect("memory");
    if kind == "mlock" {
        memory.lock().expect("mlock");
    }
    let bytes = memory.as_mut_slice();
    getrandom::fill(&mut bytes[..32]).expect("random bytes");
    for copy in 1..PAGES {
        bytes.copy_within(..32, copy * page);
    }
    let sharer = (kind == "fork-shared").then(|| fork_lingering(linger).expect("fork"));
    let masked: String = memory.as_slice()[..32]
        .iter()
        .map(|b| format!("{:02x}", !b))
        .collect();
    println!("canary {masked}");
    await_word("check");
    let first = masked.as_bytes();
    let intact = memory.as_slice()[..32]
        .iter()
        .enumerate()
        .all(|(at, byte)| format!("{:02x}", !byte).as_bytes() == &first[2 * at..2 * at + 2]);
    assert!(intact, "the canary changed");
    drop(sharer);
    println!("intact");
}

fn await_word(word: &str) {
    let mut line = String::new();
    io::stdin().read_line(&mut line).expect("standard input");
    assert_eq!(line.trim(), word);
}

fn linger() {
    loop {
        std::thread::park();
    }
}

#[test]
fn smaps_of_another_process_of_the_same_user() {
    let child = fork_lingering(linger).expect("fork");
    let found = mappings(child.id()).expect("smaps");
    assert!(
        found
            .iter()
            .any(|mapping| mapping.name == "[stack]" && mapping.resident > 0)
    );
}
