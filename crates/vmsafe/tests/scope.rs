//! What two ordinary crates leave behind: an Ed25519 signature and an AES-GCM seal, outside a scope
//! and inside one, in processes of their own. They are paged out to a real swap area, which is
//! searched raw, and then dump core.

#![expect(
    clippy::unwrap_used,
    reason = "tests; the lint knows functions marked as such only"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::ptr::NonNull;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, Signer, SigningKey};
use sha2::{Digest, Sha256};
use vmsafe::heap::Switch;
use vmsafe::{Guarded, Heap, Secret, scope};
use vmsafe_lab::{Cgroup, CorePattern, Opened, PrivateSwap, open_direct, page_out, require_root};
use vmsafe_witness::{KeyKind, Needles, Searcher, Wanted, scan_file};

#[global_allocator]
static ALLOCATOR: Switch = Switch::in_scopes();

/// What is sought of each subject.
const SOUGHT: [&str; 4] = ["seed", "scalar", "prefix", "AES key"];
/// A schedule is found by its form, not by a needle.
const SCHEDULE: &str = "AES schedule";

const PLACE: &str = "VMSAFE_SCOPE_PLACE";

#[test]
fn keys_of_ordinary_crates_reach_swap_and_core_outside_a_scope_and_never_inside() {
    if !require_root("keys_of_ordinary_crates_reach_swap_and_core_outside_a_scope_and_never_inside")
    {
        return;
    }
    let swap = PrivateSwap::create_in(env::temp_dir(), 64 << 20).unwrap();
    let cores = CorePattern::take().unwrap();
    let group = Cgroup::create().unwrap();
    let room = Room::new();
    let keys = [Secret::random().unwrap(), Secret::random().unwrap()];
    let mut subjects = ["outside", "inside"].map(|place| Subject::start(place, &group, &room));
    for (subject, keys) in subjects.iter_mut().zip(&keys) {
        subject.work(keys);
    }
    let sought = Sought::new(&keys);
    let pids = subjects.each_ref().map(|subject| subject.child.id());

    let swapped = everything_out(&sought, &swap, &group, &pids);
    assert_eq!(
        swapped.of(0).len(),
        SOUGHT.len() + 1,
        "the control: {swapped:?}"
    );
    assert!(swapped.of(1).is_empty(), "in swap: {swapped:?}");

    let mut dumped = Found::default();
    for mut subject in subjects {
        let core = subject.abort(&cores);
        sought.count_in(&File::open(&core).unwrap(), &mut dumped);
        fs::remove_file(core).unwrap();
    }
    assert_eq!(
        dumped.of(0).len(),
        SOUGHT.len() + 1,
        "the control: {dumped:?}"
    );
    assert!(dumped.of(1).is_empty(), "in a core: {dumped:?}");
}

#[test]
fn what_a_scope_allocates_is_locked_while_it_grows_and_what_others_do_is_not() {
    let heap = Heap::global().unwrap();
    let owned = |bytes: &[u8]| heap.owns(NonNull::from(&bytes[0]));
    let inside = scope(|| {
        let mut bytes = vec![0xA5; 16];
        assert!(owned(&bytes));
        let old = NonNull::from(&bytes[0]);
        bytes.resize(100_000, 0xA5);
        assert!(
            owned(&bytes) && !heap.owns(old),
            "it grew and left its old place"
        );
        bytes
    });
    let mut inside = inside.unwrap();
    assert!(owned(&inside), "it stays where it is");
    inside.extend_from_slice(&[0xA5; 100_000]);
    assert!(owned(&inside), "also when it grows outside");
    let outside = Box::new([0xA5; 16]);
    assert!(!owned(outside.as_slice()), "the control");
}

#[test]
fn buffers_that_a_scope_makes_do_not_hinder_a_child() {
    let guarded = || Guarded::<u64>::init_with(|value| *value = 7).unwrap();
    // More than there are places for, so that the books grow.
    let kept = scope::with_stack(256 << 10, || (0..40).map(|_| guarded()).collect::<Vec<_>>());
    let kept = kept.unwrap();
    let control = Heap::global().unwrap().owns(NonNull::from(&kept[0]).cast());
    assert!(
        control,
        "the control: what a scope allocates is kept from children"
    );
    let child = vmsafe_lab::fork_lingering(|| {
        let mut own: Vec<_> = (0..40).map(|_| guarded()).collect();
        assert_eq!(own[39].expose(|value| *value).unwrap(), 7);
    });
    let status = child.unwrap().wait().unwrap();
    assert!(status.success(), "{status}");
}

/// Pages the subjects out until the control's keys stand on the swap area, and tells what does.
/// One page-out is not certain.
fn everything_out(sought: &Sought, swap: &PrivateSwap, group: &Cgroup, pids: &[u32]) -> Found {
    let mut found = Found::default();
    for _ in 0..10 {
        page_out(pids).unwrap();
        group.squeeze().unwrap();
        let Opened::Direct(raw) = open_direct(swap.path()).unwrap() else {
            panic!(
                "{} cannot be read past the page cache",
                swap.path().display()
            );
        };
        found = Found::default();
        sought.count_in(&raw, &mut found);
        if found.of(0).len() > SOUGHT.len() {
            return found;
        }
    }
    panic!("the control was not paged out whole, so the rest means nothing: {found:?}");
}

/// Copies found, by subject and by what was found.
#[derive(Debug, Default)]
struct Found(BTreeMap<(usize, &'static str), u64>);

impl Found {
    fn of(&self, subject: usize) -> Vec<&'static str> {
        let those = self.0.keys().filter(|(whose, _)| *whose == subject);
        those.map(|(_, what)| *what).collect()
    }

    fn note(&mut self, subject: usize, what: &'static str) {
        *self.0.entry((subject, what)).or_default() += 1;
    }
}

/// The needles of all subjects, and the fingerprints of their AES keys.
struct Sought {
    searcher: Searcher,
    fingerprints: Vec<[u8; 8]>,
}

impl Sought {
    /// Computed in a scope: what this process holds in the clear could be swapped too.
    fn new(keys: &[Secret<Keys>]) -> Self {
        let mut needles = Needles::new();
        let mut wanted = Wanted::default();
        wanted.schedules = true;
        let mut fingerprints = Vec::new();
        for keys in keys {
            let print = scope(|| keys.expose(|keys| push(keys, &mut needles))).unwrap();
            fingerprints.push(print);
        }
        let searcher = Searcher::with(&needles, &wanted);
        Self {
            searcher,
            fingerprints,
        }
    }

    fn count_in(&self, file: &File, found: &mut Found) {
        let report = scan_file(&self.searcher, file, None, &mut |progress| {
            for hit in progress.fresh {
                let number = hit.needle.number();
                found.note(number / SOUGHT.len(), SOUGHT[number % SOUGHT.len()]);
            }
            for key in progress.fresh_keys {
                let print = key.fingerprint.bytes();
                let whose = self.fingerprints.iter().position(|known| *known == print);
                if let Some(subject) = whose.filter(|_| key.kind == KeyKind::Aes256) {
                    found.note(subject, SCHEDULE);
                }
            }
        });
        assert!(report.is_complete(), "{:?}", report.gaps);
    }
}

/// The seed of a signing key, then a key of AES-256.
type Keys = [u8; 64];

fn push(keys: &Keys, needles: &mut Needles) -> [u8; 8] {
    let (seed, key) = keys.split_at(32);
    let expanded = ExpandedSecretKey::from(<&[u8; 32]>::try_from(seed).unwrap());
    for needle in [
        seed,
        &expanded.scalar.to_bytes(),
        &expanded.hash_prefix,
        key,
    ] {
        needles.push(needle).unwrap();
    }
    Sha256::digest(key)[..8].try_into().unwrap()
}

/// A process that signs and seals.
struct Subject {
    child: Child,
    orders: ChildStdin,
    room: PathBuf,
}

impl Subject {
    fn start(place: &str, group: &Cgroup, room: &Room) -> Self {
        let room = room.0.join(place);
        fs::create_dir(&room).unwrap();
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "subject", "--nocapture", "--test-threads=1"]);
        let child = child.env(PLACE, place).current_dir(&room);
        let child = child
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        group.add(child.id()).unwrap();
        let orders = child.stdin.take().unwrap();
        Self {
            child,
            orders,
            room,
        }
    }

    /// Hands the keys over and waits until they were used.
    fn work(&mut self, keys: &Secret<Keys>) {
        keys.expose(|keys| self.orders.write_all(keys)).unwrap();
        let said = BufReader::new(self.child.stdout.as_mut().unwrap());
        let mut lines = said.lines().map(Result::unwrap);
        assert!(
            lines.any(|line| line.ends_with(READY)),
            "the subject failed"
        );
    }

    fn abort(&mut self, cores: &CorePattern) -> PathBuf {
        self.orders.write_all(b"!").unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(vmsafe_lab::ended_by(status), Some(vmsafe_lab::SIGABRT));
        let core = cores.find(&self.room, self.child.id()).unwrap();
        core.expect("a core in the subject's directory")
    }
}

const READY: &str = "signed and sealed";

/// Not a test of its own: what a [`Subject`]'s process runs.
#[test]
fn subject() {
    let Ok(place) = env::var(PLACE) else { return };
    vmsafe_lab::allow().unwrap();
    // Not through the standard input's buffer, which is ordinary memory.
    let mut orders = File::from(io::stdin().as_fd().try_clone_to_owned().unwrap());
    let keys = Secret::<Keys>::init_with(|keys| orders.read_exact(keys).unwrap()).unwrap();
    let work = || keys.expose(|keys| deep_down(|| sign_and_seal(keys)));
    let kept = match place.as_str() {
        "inside" => scope(work).unwrap(),
        _ => work(),
    };
    println!("{READY}");
    orders.read_exact(&mut [0]).unwrap();
    black_box(&kept);
    vmsafe_lab::abort_with_core()
}

/// Runs `f` a few frames further down, as a program's ciphers do: so that what it leaves on the
/// stack is not overwritten by the next call.
#[inline(never)]
fn deep_down<R>(f: impl FnOnce() -> R) -> R {
    let frames = black_box([0_u8; 8 << 10]);
    let result = f();
    black_box(&frames);
    result
}

/// Keys that are ready for the next time.
type Kept = (Box<SigningKey>, Box<ExpandedSecretKey>, Box<Aes256Gcm>);

/// Signs and seals, and keeps what it will need again, as a server does.
#[inline(never)]
fn sign_and_seal(keys: &Keys) -> Kept {
    let (seed, key) = keys.split_at(32);
    let signer = Box::new(SigningKey::from_bytes(seed.try_into().unwrap()));
    let expanded = Box::new(ExpandedSecretKey::from(signer.as_bytes()));
    let signature = raw_sign::<Sha512>(&expanded, b"a message", &signer.verifying_key());
    assert_eq!(signature, signer.sign(b"a message"));
    let cipher = Box::new(Aes256Gcm::new_from_slice(key).unwrap());
    let mut message = *b"another message.";
    let nonce = Nonce::from([1; 12]);
    let tag = cipher.encrypt_inout_detached(&nonce, b"", message.as_mut_slice().into());
    black_box((message, tag.unwrap()));
    (signer, expanded, cipher)
}

/// A directory on the disk that the tests are built on, for cores; removed at the end.
struct Room(PathBuf);

impl Room {
    fn new() -> Self {
        let name = format!("scope-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Cores are gone already; a failed test leaves one for whoever looks for the cause.
        let _ = fs::remove_dir(self.0.join("outside"));
        let _ = fs::remove_dir(self.0.join("inside"));
        let _ = fs::remove_dir(&self.0);
    }
}
