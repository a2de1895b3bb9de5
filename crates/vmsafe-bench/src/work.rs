//! Work: what is measured, the same for every engine.

use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::mpsc;
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
}

/// How long one measurement shall take at least: shorter than what a scheduler gives a process at
/// a time, so that on a busy machine most measurements are whole.
const SLICE: Duration = Duration::from_micros(400);

/// Nanoseconds an operation of one thread, while `threads` work at once; `None` when the engine
/// does not do such work.
pub(crate) fn measure<E: Engine>(engine: &E, work: Work, threads: usize) -> Option<f64> {
    let mut times = 1;
    loop {
        let start = Instant::now();
        let operations = run(engine, work, threads, times)?;
        let spent = start.elapsed();
        if spent >= SLICE {
            return Some(spent.as_nanos() as f64 / operations as f64);
        }
        let grow = SLICE.as_nanos() * 12 / 10 / spent.as_nanos().max(1) + 1;
        times = times.saturating_mul(usize::try_from(grow).unwrap_or(2).clamp(2, 1000));
    }
}

/// Runs it in every thread and returns how many operations one of them did.
fn run<E: Engine>(engine: &E, work: Work, threads: usize, times: usize) -> Option<usize> {
    let one = || match work {
        Work::Pair => pairs(engine, 32, times),
        Work::Live => live(engine, times),
        Work::Mixed => mixed(engine, times),
        Work::Handoff => handoff(engine, times),
        Work::Alternating => alternating(engine, times),
        Work::Large => pairs(engine, 1 << 20, times),
    };
    if threads == 1 {
        return one();
    }
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let done = all.into_iter().map(|thread| thread.join().ok().flatten());
        done.collect::<Option<Vec<_>>>()?.first().copied()
    })
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

fn pairs<E: Engine>(engine: &E, size: usize, times: usize) -> Option<usize> {
    for _ in 0..times {
        let at = lend(engine, black_box(size))?;
        // SAFETY: lent a line above, and used no more.
        unsafe { engine.free(at, size) };
    }
    Some(times)
}

fn live<E: Engine>(engine: &E, times: usize) -> Option<usize> {
    let mut all = Vec::with_capacity(2000);
    for _ in 0..times {
        for _ in 0..2000 {
            all.push(lend(engine, 32)?);
        }
        for at in all.drain(..) {
            // SAFETY: lent above, and used no more.
            unsafe { engine.free(at, 32) };
        }
    }
    Some(times * 2000)
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

fn mixed<E: Engine>(engine: &E, times: usize) -> Option<usize> {
    let mut sequence = Sequence(0x9E37_79B9_7F4A_7C15);
    let mut all = Vec::with_capacity(1000);
    for _ in 0..1000 {
        let size = 16 + sequence.next(4081);
        all.push((lend(engine, size)?, size));
    }
    for _ in 0..times * 100 {
        let which = sequence.next(all.len());
        let size = 16 + sequence.next(4081);
        let (at, old) = all[which];
        // SAFETY: lent before for that size, and replaced below.
        unsafe { engine.free(at, old) };
        all[which] = (lend(engine, size)?, size);
    }
    for (at, size) in all {
        // SAFETY: lent above, and used no more.
        unsafe { engine.free(at, size) };
    }
    Some(times * 100)
}

/// Lent memory on its way to another thread.
struct Parcel(NonNull<u8>);

// SAFETY: the sender uses it no more once it is sent.
unsafe impl Send for Parcel {}

fn handoff<E: Engine>(engine: &E, times: usize) -> Option<usize> {
    const BATCH: usize = 64;
    thread::scope(|scope| {
        let (send, receive) = mpsc::sync_channel::<Vec<Parcel>>(4);
        scope.spawn(move || {
            for parcel in receive.into_iter().flatten() {
                // SAFETY: lent by the other thread, which let go of it.
                unsafe { engine.free(parcel.0, 32) };
            }
        });
        for _ in 0..times {
            let batch = (0..BATCH).map(|_| lend(engine, 32).map(Parcel));
            send.send(batch.collect::<Option<_>>()?).ok()?;
        }
        Some(times * BATCH)
    })
}

fn alternating<E: Engine>(engine: &E, times: usize) -> Option<usize> {
    let mut last = (lend(engine, 48)?, 48);
    for step in 0..times * 1000 {
        let size = if step % 2 == 0 { 32 } else { 48 };
        let next = (lend(engine, black_box(size))?, size);
        // SAFETY: lent one step ago, and used no more.
        unsafe { engine.free(last.0, last.1) };
        last = next;
    }
    // SAFETY: lent last.
    unsafe { engine.free(last.0, last.1) };
    Some(times * 1000)
}
