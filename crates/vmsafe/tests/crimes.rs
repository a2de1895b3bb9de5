//! Crimes: each misuse in a process of its own, with the signal and the words that it ends with.

#![expect(
    clippy::unwrap_used,
    reason = "tests; the lint knows functions marked as such only"
)]

use std::alloc::Layout;
use std::hint::black_box;
use std::process::Command;
use std::ptr::NonNull;

use vmsafe::{Guarded, Heap, Secret, explain_faults, scope};

const CRIME: &str = "VMSAFE_CRIME";

/// A crime: its name, what it does, the signal that ends it, and what it says.
type Crime = (&'static str, fn(), &'static str, &'static str);

const CRIMES: [Crime; 16] = [
    (
        "double free",
        double_free,
        "SIGABRT",
        "vmsafe: double free, at 0x",
    ),
    (
        "double free of a run",
        double_free_of_a_run,
        "SIGABRT",
        "vmsafe: double free, at 0x",
    ),
    (
        "double free, elsewhere",
        double_free_elsewhere,
        "SIGABRT",
        "vmsafe: double free, at 0x",
    ),
    (
        "double free into a slab that went back",
        double_free_late,
        "SIGABRT",
        "vmsafe: double free, at 0x",
    ),
    (
        "free of the stack",
        free_of_the_stack,
        "SIGABRT",
        "vmsafe: free of an address that this heap does not have, at 0x",
    ),
    (
        "free of another heap's",
        free_of_another_heaps,
        "SIGABRT",
        "vmsafe: free of an address that this heap does not have, at 0x",
    ),
    (
        "free inside a slot",
        free_inside,
        "SIGABRT",
        "vmsafe: free of an address inside a slot, not at its start, at 0x",
    ),
    (
        "write after free",
        write_after_free,
        "SIGABRT",
        "vmsafe: a free slot was written to, at 0x",
    ),
    (
        "overrun of a slot",
        overrun,
        "SIGABRT",
        "vmsafe: a write beyond the end of a slot changed its canary, at 0x",
    ),
    (
        "overrun of a chunk",
        overrun_of_a_chunk,
        "SIGSEGV",
        "vmsafe: an access beyond a chunk of the heap hit its guard\n",
    ),
    (
        "underrun of a chunk",
        underrun_of_a_chunk,
        "SIGSEGV",
        "vmsafe: an access beyond a chunk of the heap hit its guard\n",
    ),
    (
        "a parent's memory in its child",
        parents_memory_in_a_child,
        "SIGSEGV",
        "vmsafe: this process is a child that the heap's memory was kept from\n",
    ),
    (
        "guarded value outside its closure",
        guarded_outside,
        "SIGSEGV",
        "vmsafe: a Guarded value was used outside its closure, or changed in Guarded::expose\n",
    ),
    (
        "guarded value after a panic in its closure",
        guarded_after_a_panic,
        "SIGSEGV",
        "vmsafe: a Guarded value was used outside its closure, or changed in Guarded::expose\n",
    ),
    (
        "guarded value that is changed while it is lent to read",
        guarded_changed,
        "SIGSEGV",
        "vmsafe: a Guarded value was used outside its closure, or changed in Guarded::expose\n",
    ),
    (
        "stack overflow in a scope",
        overflow_in_a_scope,
        "SIGSEGV",
        "vmsafe: the stack of a scope overflowed into its guard; \
         give the closure a larger one with scope::with_stack\n",
    ),
];

#[test]
fn each_crime_ends_with_its_signal_and_its_words() {
    for (name, _, signal, words) in CRIMES {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new(own);
        child.args(["--exact", "commit", "--nocapture", "--test-threads=1"]);
        let done = child.env(CRIME, name).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        let status = done.status.to_string();
        assert!(status.contains(signal), "{name}: {status}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        assert!(!said.contains("survived"), "{name}: {said}");
    }
}

/// The control: what is no crime ends well, under the same checks.
#[test]
fn what_is_right_is_let_be() {
    let heap = Heap::options().canaries(true).create().unwrap();
    let at = lend(heap, 100);
    // SAFETY: lent for 100 bytes.
    unsafe { at.write_bytes(1, 100) };
    free(heap, at);
    let secret = Secret::<u64>::random().unwrap();
    drop(secret.try_clone().unwrap());
}

/// Run by the test above in a process of its own; without a name it commits nothing.
#[test]
fn commit() {
    let Ok(name) = std::env::var(CRIME) else {
        return;
    };
    let crime = CRIMES.iter().find(|crime| crime.0 == name).unwrap();
    explain_faults().unwrap();
    (crime.1)();
    eprintln!("survived");
}

fn lend(heap: Heap, size: usize) -> NonNull<u8> {
    heap.lend(Layout::from_size_align(size, 16).unwrap())
        .unwrap()
}

fn free(heap: Heap, at: NonNull<u8>) {
    // SAFETY: not given: these are crimes, each of which the heap must find before it does harm.
    unsafe { heap.free(at) };
}

fn double_free() {
    let heap = Heap::new().unwrap();
    let at = lend(heap, 32);
    free(heap, at);
    free(heap, at);
}

fn double_free_of_a_run() {
    let heap = Heap::new().unwrap();
    // Keeps the first chunk in use, so that the run's is the empty one that the heap keeps.
    lend(heap, 32);
    let at = lend(heap, 100_000);
    free(heap, at);
    free(heap, at);
}

fn double_free_elsewhere() {
    let heap = Heap::new().unwrap();
    let at = lend(heap, 32).as_ptr().expose_provenance();
    let there = move || NonNull::new(std::ptr::with_exposed_provenance_mut(at)).unwrap();
    std::thread::spawn(move || free(heap, there()))
        .join()
        .unwrap();
    free(heap, there());
}

fn double_free_late() {
    let heap = Heap::new().unwrap();
    let all: Vec<_> = (0..1000).map(|_| lend(heap, 32)).collect();
    all.iter().for_each(|at| free(heap, *at));
    // The first slabs are vacant granules by now.
    free(heap, all[0]);
}

fn free_of_the_stack() {
    let heap = Heap::new().unwrap();
    let mut here = [0_u8; 64];
    free(heap, NonNull::from(black_box(&mut here)).cast());
}

fn free_of_another_heaps() {
    let (one, two) = (Heap::new().unwrap(), Heap::new().unwrap());
    free(two, lend(one, 32));
}

fn free_inside() {
    let heap = Heap::new().unwrap();
    let at = lend(heap, 64);
    // SAFETY: within the slot.
    free(heap, unsafe { at.add(16) });
}

fn write_after_free() {
    let heap = Heap::options().hardened(true).create().unwrap();
    let at = lend(heap, 32);
    free(heap, at);
    // SAFETY: still mapped, for the slab is this thread's; that is the crime.
    unsafe { at.write(1) };
    // Slots go round; all of the slab's are lent by then.
    (0..256).for_each(|_| {
        lend(heap, 32);
    });
}

fn overrun() {
    let heap = Heap::options().canaries(true).create().unwrap();
    let at = lend(heap, 32);
    let usable = heap.usable(at).unwrap();
    // SAFETY: within the slot, whose canary stands behind what is usable.
    let canary = unsafe { at.add(usable) };
    // SAFETY: the slot is lent; overwriting its canary is the crime.
    unsafe { canary.write(1) };
    free(heap, at);
}

fn overrun_of_a_chunk() {
    let heap = Heap::new().unwrap();
    let len = 4 << 20;
    let at = lend(heap, len);
    // SAFETY: lent for that many bytes.
    let last = unsafe { at.add(len - 1) };
    // SAFETY: the last byte that is lent: the control.
    unsafe { last.write(1) };
    // SAFETY: one beyond the last byte of a lent run.
    let beyond = unsafe { last.add(1) };
    // SAFETY: none: that is the crime.
    unsafe { beyond.write_volatile(1) };
}

fn underrun_of_a_chunk() {
    let heap = Heap::new().unwrap();
    // The first run of a chunk that holds nothing else.
    let at = lend(heap, 4 << 20);
    // SAFETY: none: one before the first byte of the chunk.
    let before = unsafe { at.sub(1) };
    // SAFETY: none: that is the crime.
    black_box(unsafe { before.read_volatile() });
}

fn parents_memory_in_a_child() {
    let heap = Heap::new().unwrap();
    let at = lend(heap, 32);
    // SAFETY: lent for 32 bytes: the control.
    black_box(unsafe { at.read_volatile() });
    let child = vmsafe_lab::fork_lingering(|| {
        // SAFETY: none: the page is not this process's.
        black_box(unsafe { at.read_volatile() });
    });
    let status = child.unwrap().wait().unwrap();
    assert_eq!(vmsafe_lab::ended_by(status), Some(11), "SIGSEGV");
    // The words are the child's; what ends this process is the same again.
    die_of(11);
}

/// Ends this process as its child was ended. A signal that is sent is no fault that comes again:
/// each handler in the row takes one.
fn die_of(signal: i32) {
    loop {
        vmsafe_lab::kill(std::process::id(), signal).unwrap();
    }
}

fn guarded() -> (Guarded<[u8; 32]>, *mut u8) {
    let mut key = Guarded::<[u8; 32]>::random().unwrap();
    let at = key.expose_mut(|key| {
        let at = std::ptr::from_mut(key).cast::<u8>();
        // SAFETY: the first byte of the value that is lent: the control.
        black_box(unsafe { at.read_volatile() });
        at
    });
    (key, at.unwrap())
}

fn guarded_outside() {
    let (_key, at) = guarded();
    // SAFETY: not given; that is the crime.
    black_box(unsafe { at.read_volatile() });
}

fn guarded_after_a_panic() {
    let (mut key, at) = guarded();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _: Result<(), _> = key.expose_mut(|_| panic!("inside"));
    }));
    assert!(caught.is_err());
    // SAFETY: not given; that is the crime.
    black_box(unsafe { at.read_volatile() });
}

fn guarded_changed() {
    let (mut key, at) = guarded();
    let changed = key.expose(|_| {
        // SAFETY: not given; that is the crime.
        unsafe { at.write_volatile(1) };
    });
    changed.unwrap();
}

fn overflow_in_a_scope() {
    #[inline(never)]
    fn deeper(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        if depth == u64::MAX {
            0
        } else {
            deeper(depth + 1) + frame[7]
        }
    }
    black_box(scope(|| deeper(0)).unwrap());
}
