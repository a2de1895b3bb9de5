//! Workers that read and search side by side, and what bounds the memory that they take.

use core::hint;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::thread;
use std::time::Duration;

use super::block_for;
use super::tally::{Batch, Done, Tally};
use crate::buffer::{Buffer, PAGE};
use crate::searcher::Searcher;

/// So many batches wait for one that takes long: a gigabyte of a healthy medium while a bad page is
/// asked for again and again …
pub(super) const MOST_AHEAD: u64 = 128;
/// … unless they hold more places than this: some megabytes of them.
pub(super) const MOST_HELD: usize = 1 << 16;
/// A batch with more than this is handed over in parts.
const MOST_IN_A_PART: usize = 1 << 14;

/// What the caller does before there are workers.
pub(super) struct Alone {
    pub(super) batches: usize,
    /// Bytes that are read at once.
    pub(super) block: usize,
}

/// What the caller and the workers tell each other.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    /// The batches before this number were counted.
    next: AtomicU64,
    /// Places that were found and not counted yet.
    held: AtomicUsize,
}

impl Told {
    fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits while too much waits for what comes before this number.
    fn wait_for_turn(&self, number: u64) {
        let is_early = || {
            let next = self.next.load(Ordering::Relaxed);
            let is_crowded = self.held.load(Ordering::Relaxed) > MOST_HELD;
            number > next && (is_crowded || number > next + MOST_AHEAD)
        };
        while is_early() && !self.stops() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until all before this number was counted. False if the work is to stop before.
    fn wait_for_all_before(&self, number: u64) -> bool {
        let is_next = || number <= self.next.load(Ordering::Relaxed);
        while !is_next() && !self.stops() {
            thread::sleep(Duration::from_millis(1));
        }
        is_next()
    }

    /// Counts a batch, and tells the workers what came of it.
    fn count(&self, tally: &mut Tally<'_>, batch: Batch) {
        let counted = tally.take(batch);
        self.held.fetch_sub(counted, Ordering::Relaxed);
        // Never taken back: a worker that panicked says it too.
        self.stop.fetch_or(tally.stop.get(), Ordering::Relaxed);
        self.next.store(tally.next, Ordering::Relaxed);
    }
}

/// Takes a batch; false when nobody wants another one.
type Taker<'a> = dyn FnMut(Batch) -> bool + 'a;

/// Where a worker puts what became of its steps.
pub(super) struct Desk<'a> {
    told: &'a Told,
    send: &'a mut Taker<'a>,
    number: u64,
    steps: Vec<Done>,
    /// Places in these steps.
    found: usize,
}

impl<'a> Desk<'a> {
    fn new(told: &'a Told, send: &'a mut Taker<'a>) -> Self {
        Self {
            told,
            send,
            number: 0,
            steps: Vec::new(),
            found: 0,
        }
    }

    /// Whether the work is to stop.
    pub(super) fn stops(&self) -> bool {
        self.told.stops()
    }

    /// Begins a batch, when there is room for what comes of it.
    pub(super) fn begin(&mut self, number: u64) {
        self.number = number;
        self.told.wait_for_turn(number);
    }

    /// Adds a step. Where very much was found it waits for its turn and is handed over at once.
    pub(super) fn add(&mut self, done: Done) {
        let found = done.found();
        let reached = done.position;
        self.found += found;
        let held = self.told.held.fetch_add(found, Ordering::Relaxed) + found;
        self.steps.push(done);
        let is_much = self.found > MOST_IN_A_PART || found > 0 && held > MOST_HELD;
        if is_much && self.told.wait_for_all_before(self.number) {
            self.hand_over(reached, false, true);
        }
    }

    /// Ends a batch; `None` if nobody wants another one.
    pub(super) fn end(&mut self, reached: u64, is_cut: bool) -> Option<()> {
        self.hand_over(reached, is_cut, false).then_some(())
    }

    fn hand_over(&mut self, reached: u64, is_cut: bool, goes_on: bool) -> bool {
        self.found = 0;
        (self.send)(Batch {
            number: self.number,
            steps: core::mem::take(&mut self.steps),
            reached,
            is_cut,
            goes_on,
        })
    }
}

/// Ends all work when its thread panics: nobody must wait for a batch that never comes.
struct EndOnPanic<'a>(&'a Told);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Lets workers do `work` until there is none left, each with one of the `tools`, and counts. The
/// caller begins alone: if no more is left then, there need be no worker.
pub(super) fn in_workers<'a, T: Send>(
    searcher: &Searcher,
    mut tools: Vec<T>,
    work: &(dyn Fn(&mut T, &mut Buffer, &mut Desk<'_>) -> Option<()> + Sync),
    alone: Alone,
    mut tally: Tally<'a>,
) -> Tally<'a> {
    let told = Told::default();
    told.next.store(tally.next, Ordering::Relaxed);
    let block = block_for(searcher);
    let buffer =
        |len: usize| Buffer::new(searcher.overlap(), len.next_multiple_of(PAGE).min(block));
    if let (1.., Some(tool)) = (alone.batches, tools.first_mut()) {
        let mut buffer = buffer(alone.block);
        let mut count = |batch| {
            told.count(&mut tally, batch);
            true
        };
        let mut desk = Desk::new(&told, &mut count);
        for _ in 0..alone.batches {
            if work(tool, &mut buffer, &mut desk).is_none() {
                return tally;
            }
        }
    }
    let count = tools.len();
    let tools = Mutex::new(tools);
    let run = |send: &mut Taker<'_>| {
        let Some(mut tool) = lock(&tools).pop() else {
            return;
        };
        let mut buffer = buffer(block);
        let mut desk = Desk::new(&told, send);
        while work(&mut tool, &mut buffer, &mut desk).is_some() {}
    };
    side_by_side(&told, count, &run, &mut tally);
    tally
}

/// Does `run` in so many threads, each with a place to send to, and counts what they send.
fn side_by_side(
    told: &Told,
    count: usize,
    run: &(dyn Fn(&mut Taker<'_>) + Sync),
    tally: &mut Tally<'_>,
) {
    thread::scope(|scope| {
        // Bounded, so that a slow progress function slows the workers instead of piling up hits.
        let (send, receive) = mpsc::sync_channel(2 * count);
        let start = |_: &usize| {
            let send = send.clone();
            let worker = move || {
                let _end = EndOnPanic(told);
                run(&mut |batch| send.send(batch).is_ok());
            };
            thread::Builder::new().spawn_scoped(scope, worker).is_ok()
        };
        let started = (0..count).take_while(start).count();
        drop(send);
        let _end = EndOnPanic(told);
        if started == 0 {
            // Where a limit leaves no thread, the caller does it all.
            run(&mut |batch| {
                told.count(tally, batch);
                true
            });
        }
        for batch in receive {
            told.count(tally, batch);
        }
    });
}

/// Waits for another worker's read without sleeping, as long as a block in memory takes: to be
/// woken takes longer. A medium that is slower is waited for asleep.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    const PATIENCE: usize = 2000;
    for _ in 0..PATIENCE {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => hint::spin_loop(),
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
