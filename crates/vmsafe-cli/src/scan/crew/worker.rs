//! A worker, and what passes between it and the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::job::Job;
use crate::scan::look::Quest;
use crate::scan::word::Word;

/// What is said of files whose turn has not come: more waits for that.
pub(super) const MOST_SAID: usize = 256;
/// How often a worker is heard whose turn it is.
pub(super) const SAY_EVERY: Duration = Duration::from_millis(100);

/// What a worker says.
pub(super) enum Said {
    Word(Word),
    /// The caller is to do it, when its turn comes: workers would each take the memory for it.
    Heavy(Job),
}

/// What a worker said of some files.
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) said: Vec<Said>,
    /// Given with the last words: what came of them, or why their worker panicked.
    pub(super) end: Option<thread::Result<anyhow::Result<()>>>,
}

/// Whose turn it is to be heard at once: that of the first handful that is not done.
#[derive(Default)]
pub(super) struct Turn {
    /// `None` once nobody listens any more.
    next: Mutex<Option<u64>>,
    passed: Condvar,
}

impl Turn {
    fn is_of(&self, number: u64) -> bool {
        *lock(&self.next) == Some(number)
    }

    /// Waits for the turn of a handful; false if nobody listens any more.
    pub(super) fn wait(&self, number: u64) -> bool {
        let is_early = |next: &mut Option<u64>| next.is_some_and(|next| next < number);
        let next = self.passed.wait_while(lock(&self.next), is_early);
        next.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn set(&self, next: Option<u64>) {
        *lock(&self.next) = next;
        self.passed.notify_all();
    }
}

/// What the caller and the workers share.
pub(super) struct Room {
    pub(super) jobs: Mutex<Receiver<(u64, Vec<Job>)>>,
    pub(super) turn: Turn,
}

/// Searches files until no more can come.
pub(super) fn work(quest: &Quest, room: &Room, sender: &SyncSender<Part>) {
    loop {
        let Ok((number, jobs)) = lock(&room.jobs).recv() else {
            return;
        };
        let mut desk = Desk {
            number,
            turn: &room.turn,
            sender,
            said: Vec::new(),
            sent: Instant::now(),
        };
        let search = || {
            let mut jobs = jobs.into_iter();
            jobs.try_for_each(|job| {
                if job.is_heavy(quest) {
                    desk.say(Said::Heavy(job));
                    return Ok(());
                }
                job.run(quest, true, &mut |word| desk.say(Said::Word(word)))
            })
        };
        let end = catch_unwind(AssertUnwindSafe(search));
        if desk.send(Some(end)).is_none() {
            return;
        }
    }
}

/// Where a worker says what it has to say of some files.
struct Desk<'a> {
    number: u64,
    turn: &'a Turn,
    sender: &'a SyncSender<Part>,
    said: Vec<Said>,
    sent: Instant,
}

impl Desk<'_> {
    fn say(&mut self, said: Said) {
        let is_heard = self.sent.elapsed() > SAY_EVERY && self.turn.is_of(self.number);
        if matches!(said, Said::Word(Word::Reached { .. })) && !is_heard {
            return;
        }
        self.said.push(said);
        let is_much = self.said.len() == MOST_SAID;
        if is_heard || is_much && self.turn.wait(self.number) {
            self.send(None);
        } else if is_much {
            self.said.clear();
        }
    }

    /// `None` if nobody listens any more.
    fn send(&mut self, end: Option<thread::Result<anyhow::Result<()>>>) -> Option<()> {
        self.sent = Instant::now();
        let part = Part {
            number: self.number,
            said: core::mem::take(&mut self.said),
            end,
        };
        self.sender.send(part).ok()
    }
}

/// What it guards is whole after each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
