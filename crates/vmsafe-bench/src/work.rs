//! Work: what is measured, the same for every engine.

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::engine::Engine;

/// A pattern of lending and freeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// 32 bytes lent, written and freed.
    Pair,
    /// 2,000 of 32 bytes lent, then all freed.
    Live,
    /// 1,000 live of 16 to 4,096 bytes; one after another is freed and lent anew.
    Mixed,
    /// 32 bytes lent by one thread and freed by another.
    Handoff,
    /// A million times 32 and 48 bytes in turn, two live at a time.
    Alternating,
    /// 1 MiB lent, written and freed.
    Large,
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pair => "32 B pair",
            Self::Live => "2,000 live x 32 B",
            Self::Mixed => "mixed 16..4096, 1,000 live",
            Self::Handoff => "32 B freed by another thread",
            Self::Alternating => "alternating 32 and 48 B",
            Self::Large => "1 MiB pair",
        }
    }

    /// With how many threads it is measured.
    pub(crate) fn threads(self) -> &'static [usize] {
        match self {
            Self::Pair | Self::Mixed => &[1, 2, 8],
            Self::Live => &[1, 2],
            Self::Handoff => &[2],
            Self::Alternating | Self::Large => &[1],
        }
    }

    /// How long one measurement shall take. With one thread, shorter than what a scheduler gives a
    /// process at a time, so that on a busy machine most measurements are whole; with more, long
    /// enough that they run side by side. Of pairs the best rounds are compared, so two threads get
    /// the same chance to be left alone.
    fn slice(self, threads: usize) -> Duration {
        match (self, threads) {
            (Self::Alternating, _) => Duration::from_millis(30),
            (_, 1) | (Self::Pair, 2) => Duration::from_micros(400),
            (Self::Mixed, _) => Duration::from_millis(4),
            _ => Duration::from_millis(1),
        }
    }

    /// Steps after which a measurement ends, however short it was.
    fn most_steps(self) -> usize {
        match self {
            // A thousand in each step: the million.
            Self::Alternating => 1000,
            _ => usize::MAX,
        }
    }
}

/// How many steps take one thread long enough. The shortest of five runs decides: a run that was
/// interrupted would make every later one too short to mean anything.
pub(crate) fn calibrate<E: Engine>(engine: &E, work: Work, threads: usize) -> Option<usize> {
    let slice = work.slice(threads);
    let mut steps = 1;
    loop {
        let time = || run(engine, work, 1, steps).map(|(spent, _)| spent);
        let mut least = time()?;
        for _ in 0..4 {
            if least * 2 >= slice {
                least = least.min(time()?);
            }
        }
        if least * 2 >= slice || steps >= work.most_steps() {
            return Some(steps);
        }
        let grow = slice.as_nanos() / least.as_nanos().max(1) + 1;
        let grow = usize::try_from(grow).unwrap_or(2).clamp(2, 100);
        steps = steps.saturating_mul(grow).min(work.most_steps());
    }
}

/// Nanoseconds an operation of one thread, while `threads` work at once; `None` when the engine
/// does not do such work.
pub(crate) fn measure<E: Engine>(
    engine: &E,
    work: Work,
    threads: usize,
    steps: usize,
) -> Option<f64> {
    let (spent, operations) = run(engine, work, threads, steps)?;
    Some(spent.as_nanos() as f64 / operations as f64)
}

/// What one thread did: from when to when, and how many operations.
type Done = (Instant, Instant, usize);

/// Runs it in every thread: the time from the first start to the last end, without what went
/// before and came after, and how many operations one of them did.
fn run<E: Engine>(
    engine: &E,
    work: Work,
    threads: usize,
    steps: usize,
) -> Option<(Duration, usize)> {
    let gate = Gate::new(threads);
    let one = || match work {
        Work::Pair => pairs(engine, &gate, 32, steps),
        Work::Live => live(engine, &gate, steps),
        Work::Mixed => mixed(engine, &gate, steps),
        Work::Handoff => handoff(engine, steps),
        Work::Alternating => alternating(engine, &gate, steps),
        Work::Large => pairs(engine, &gate, 1 << 20, steps),
    };
    if threads == 1 || work == Work::Handoff {
        let (start, end, operations) = one()?;
        return Some((end - start, operations));
    }
    let all = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let done = all.into_iter().map(|thread| thread.join().ok().flatten());
        done.collect::<Option<Vec<Done>>>()
    })?;
    let start = all.iter().map(|done| done.0).min()?;
    let end = all.iter().map(|done| done.1).max()?;
    Some((end - start, all.first()?.2))
}

/// Lets all threads through at once. They wait awake: to be woken takes longer than the work.
struct Gate {
    expected: usize,
    here: AtomicUsize,
    exit: Barrier,
}

impl Gate {
    fn new(expected: usize) -> Self {
        Self {
            expected,
            here: AtomicUsize::new(0),
            exit: Barrier::new(expected),
        }
    }

    fn pass(&self) -> Instant {
        self.here.fetch_add(1, Ordering::SeqCst);
        wait_for(|| self.here.load(Ordering::SeqCst) >= self.expected);
        Instant::now()
    }

    /// Waits until all have done their work: what one tears down is not to disturb another. Asleep,
    /// for the others need the processors.
    fn leave(&self) -> Instant {
        let end = Instant::now();
        self.exit.wait();
        end
    }
}

/// Waits awake, and now and then lets others run: there may be fewer processors than threads.
fn wait_for(is_so: impl Fn() -> bool) {
    let mut turns = 0_u32;
    while !is_so() {
        turns += 1;
        if turns.is_multiple_of(1 << 10) {
            thread::yield_now();
        }
        std::hint::spin_loop();
    }
}

/// Writes a secret as a program does: all of it, in one go.
#[inline]
fn write(at: NonNull<u8>, size: usize) {
    // SAFETY: lent for `size` bytes, and this thread's alone.
    unsafe { at.write_bytes(0x5A, size) };
    black_box(at);
}

#[inline]
fn lend<E: Engine>(engine: &E, size: usize) -> Option<NonNull<u8>> {
    let at = engine.lend(size)?;
    write(at, size);
    Some(at)
}

fn pairs<E: Engine>(engine: &E, gate: &Gate, size: usize, steps: usize) -> Option<Done> {
    let start = gate.pass();
    for _ in 0..steps {
        let at = lend(engine, black_box(size))?;
        // SAFETY: lent a line above, and used no more.
        unsafe { engine.free(at, size) };
    }
    Some((start, Instant::now(), steps))
}

fn live<E: Engine>(engine: &E, gate: &Gate, steps: usize) -> Option<Done> {
    let mut all = Vec::with_capacity(2000);
    let start = gate.pass();
    for _ in 0..steps {
        for _ in 0..2000 {
            all.push(lend(engine, 32)?);
        }
        for at in all.drain(..) {
            // SAFETY: lent above, and used no more.
            unsafe { engine.free(at, 32) };
        }
    }
    Some((start, Instant::now(), steps * 2000))
}

/// A sequence of numbers that is the same in every run.
struct Sequence(u64);

impl Sequence {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).expect("less than a usize")
    }
}

/// Lent memory of random sizes, of which one after another is replaced.
struct Crowd<'a, E> {
    engine: &'a E,
    sequence: Sequence,
    all: Vec<(NonNull<u8>, usize)>,
}

impl<E: Engine> Crowd<'_, E> {
    fn join(&mut self) -> Option<()> {
        let size = 16 + self.sequence.next(4081);
        self.all.push((lend(self.engine, size)?, size));
        Some(())
    }

    #[inline]
    fn replace(&mut self) -> Option<()> {
        let which = self.sequence.next(self.all.len());
        let (at, old) = self.all.swap_remove(which);
        // SAFETY: lent before for that size, and used no more.
        unsafe { self.engine.free(at, old) };
        self.join()
    }
}

fn mixed<E: Engine>(engine: &E, gate: &Gate, steps: usize) -> Option<Done> {
    let mut crowd = Crowd {
        engine,
        sequence: Sequence(0x9E37_79B9_7F4A_7C15),
        all: Vec::with_capacity(1000),
    };
    let mut ready = (0..1000).try_for_each(|_| crowd.join());
    // Each is replaced, and some often, before it counts: what is measured is a crowd as it stays.
    let before = 1000 + steps * 10;
    ready = ready.and_then(|()| (0..before).try_for_each(|_| crowd.replace()));
    // Who has not enough goes through the gates too: the others wait there.
    let start = gate.pass();
    ready = ready.and_then(|()| (0..steps * 10).try_for_each(|_| crowd.replace()));
    let end = gate.leave();
    for (at, size) in crowd.all {
        // SAFETY: lent above, and used no more.
        unsafe { engine.free(at, size) };
    }
    ready.map(|()| (start, end, steps * 10))
}

/// A ring between two threads, long enough that each has work while the other does not run; it
/// costs each a load and a store.
fn handoff<E: Engine>(engine: &E, steps: usize) -> Option<Done> {
    const RING: usize = 2048;
    let ring: Vec<_> = (0..RING)
        .map(|_| AtomicPtr::new(std::ptr::null_mut::<u8>()))
        .collect();
    let gate = Gate::new(2);
    let count = steps * 64;
    let full = AtomicBool::new(false);
    thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            gate.pass();
            for place in ring.iter().cycle().take(count) {
                let is_full = || full.load(Ordering::Relaxed);
                wait_for(|| !place.load(Ordering::Acquire).is_null() || is_full());
                let at = NonNull::new(place.swap(std::ptr::null_mut(), Ordering::AcqRel))?;
                // SAFETY: lent by the other thread, which let go of it.
                unsafe { engine.free(at, 32) };
            }
            Some(Instant::now())
        });
        let start = gate.pass();
        for place in ring.iter().cycle().take(count) {
            let Some(at) = lend(engine, 32) else {
                full.store(true, Ordering::Relaxed);
                break;
            };
            wait_for(|| place.load(Ordering::Acquire).is_null());
            place.store(at.as_ptr(), Ordering::Release);
        }
        let end = consumer.join().ok()??;
        Some((start, end, count))
    })
}

fn alternating<E: Engine>(engine: &E, gate: &Gate, steps: usize) -> Option<Done> {
    let mut last = (lend(engine, 48)?, 48);
    let start = gate.pass();
    for step in 0..steps * 1000 {
        let size = if step % 2 == 0 { 32 } else { 48 };
        let next = (lend(engine, black_box(size))?, size);
        // SAFETY: lent one step ago, and used no more.
        unsafe { engine.free(last.0, last.1) };
        last = next;
    }
    let end = Instant::now();
    // SAFETY: lent last.
    unsafe { engine.free(last.0, last.1) };
    Some((start, end, steps * 1000))
}
