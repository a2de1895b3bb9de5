//! Searches many files side by side, and gives what is said of them in their order.
//!
//! ```text
//! the walk  ── handful 1, 2, 3 … ──>  worker 1   1       4  …  ─┐
//! (the caller)                        worker 2   2   3   5  …   ├─> what is said of 1, 2, 3 …
//!                                                               │   (the caller)
//! ```
//!
//! Much may be said of one file: beyond some words a worker waits until all files before are done,
//! and what it says goes through as it is said.

mod job;
mod worker;

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use vmsafe_witness::workers_for;

use super::directory::MOST_OPEN as MOST_DIRECTORIES;
use super::look::Quest;
use super::word::Word;
pub(super) use job::Job;
use worker::{Part, Room, SAY_EVERY, Said, Turn, work};

/// Files that are handed over together, unless they hold more than [`MANY_BYTES`]: most are
/// searched faster than handed over.
const HANDFUL: usize = 8;
const MANY_BYTES: u64 = 1 << 20;
/// Handfuls for each worker: those that are searched, those that wait, and those whose words wait
/// for one before them.
const MOST_HANDFULS: usize = 4;

/// How many handfuls may be open by the limit of this process, beside what the walk, these workers
/// and everything else has open, and the handful that is gathered.
fn handfuls_open(workers: usize) -> usize {
    /// Standard streams, the record, and what an ancestor left open.
    const OTHERS: usize = 16;
    // A system that is not asked allows as many at the least.
    let limit = vmsafe_lab::descriptor_limit().unwrap_or(256);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let left = limit.saturating_sub(MOST_DIRECTORIES + OTHERS + workers);
    (left / HANDFUL).saturating_sub(1)
}

/// Workers, and the files that they were given.
pub(super) struct Crew {
    quest: Quest,
    room: Arc<Room>,
    jobs: SyncSender<(u64, Vec<Job>)>,
    sender: SyncSender<Part>,
    parts: Receiver<Part>,
    /// How many were started; they end when there is nobody to give them more.
    workers: usize,
    most_workers: usize,
    /// Handfuls that are not done, at most.
    most_handfuls: usize,
    /// What is to be handed over next.
    hand: Vec<Job>,
    /// When the first of that was.
    gathered: Instant,
    /// What was said of handfuls whose turn has not come.
    waiting: BTreeMap<u64, Part>,
    given: u64,
    /// The handfuls before this number are done.
    next: u64,
}

impl Crew {
    /// No worker yet: each of the first handfuls brings one.
    pub(super) fn new(quest: &Quest) -> Self {
        let workers = workers_for(u64::MAX);
        let most_handfuls = (MOST_HANDFULS * workers).min(handfuls_open(workers));
        let (jobs, received) = mpsc::sync_channel(most_handfuls);
        let (sender, parts) = mpsc::sync_channel(2 * workers);
        let turn = Turn::default();
        turn.set(Some(0));
        Self {
            quest: quest.clone(),
            room: Arc::new(Room {
                jobs: Mutex::new(received),
                turn,
            }),
            jobs,
            sender,
            parts,
            workers: 0,
            most_workers: workers.min(most_handfuls),
            most_handfuls,
            hand: Vec::new(),
            gathered: Instant::now(),
            waiting: BTreeMap::new(),
            given: 0,
            next: 0,
        }
    }

    /// Has a job done.
    ///
    /// # Errors
    /// Those of jobs before.
    pub(super) fn give(&mut self, job: Job, hear: &mut dyn FnMut(Word)) -> anyhow::Result<()> {
        if self.hand.is_empty() {
            self.gathered = Instant::now();
        }
        self.hand.push(job);
        let bytes: u64 = self.hand.iter().map(Job::len).sum();
        // Where none may be open, the caller does it all.
        if self.hand.len() == HANDFUL || bytes > MANY_BYTES || self.most_workers == 0 {
            self.hand_over(hear)?;
        }
        self.go_on(hear)
    }

    /// Hears what was said meanwhile, and hands over what was gathered long ago: the walk may find
    /// no file for a while.
    ///
    /// # Errors
    /// Those of jobs before.
    pub(super) fn go_on(&mut self, hear: &mut dyn FnMut(Word)) -> anyhow::Result<()> {
        while let Ok(part) = self.parts.try_recv() {
            self.hear(part, hear)?;
        }
        if !self.hand.is_empty() && self.gathered.elapsed() > SAY_EVERY {
            self.hand_over(hear)?;
        }
        Ok(())
    }

    /// Waits until all jobs that were given are done.
    ///
    /// # Errors
    /// Those of the jobs.
    pub(super) fn finish(&mut self, hear: &mut dyn FnMut(Word)) -> anyhow::Result<()> {
        self.hand_over(hear)?;
        self.wait_for(0, hear)
    }

    fn hand_over(&mut self, hear: &mut dyn FnMut(Word)) -> anyhow::Result<()> {
        let jobs = core::mem::take(&mut self.hand);
        if jobs.is_empty() {
            return Ok(());
        }
        self.hire();
        if self.workers == 0 {
            // Where a limit leaves no thread, the caller does it all.
            let mut jobs = jobs.into_iter();
            return jobs.try_for_each(|job| job.run(&self.quest, false, hear));
        }
        self.wait_for(self.most_handfuls - 1, hear)?;
        let jobs = (self.given, jobs);
        self.jobs.send(jobs).expect("the room has the other end");
        self.given += 1;
        Ok(())
    }

    /// Waits until no more than so many handfuls are not done.
    fn wait_for(&mut self, most: usize, hear: &mut dyn FnMut(Word)) -> anyhow::Result<()> {
        while self.given - self.next > most as u64 {
            let part = self.parts.recv().expect("one sender is here");
            self.hear(part, hear)?;
        }
        Ok(())
    }

    /// Starts a worker, if there are to be more and can be.
    fn hire(&mut self) {
        if self.workers == self.most_workers {
            return;
        }
        let (quest, room, sender) = (
            self.quest.clone(),
            Arc::clone(&self.room),
            self.sender.clone(),
        );
        match thread::Builder::new().spawn(move || work(&quest, &room, &sender)) {
            Ok(_) => self.workers += 1,
            Err(_) => self.most_workers = self.workers,
        }
    }

    /// Hears a part whose turn has come, and those that waited for it.
    fn hear(&mut self, part: Part, hear: &mut dyn FnMut(Word)) -> anyhow::Result<()> {
        self.waiting.insert(part.number, part);
        while let Some(part) = self.waiting.remove(&self.next) {
            for said in part.said {
                match said {
                    Said::Word(word) => hear(word),
                    Said::Heavy(job) => job.run(&self.quest, false, hear)?,
                }
            }
            let Some(end) = part.end else { continue };
            self.next += 1;
            self.room.turn.set(Some(self.next));
            end.unwrap_or_else(|panic| resume_unwind(panic))?;
        }
        Ok(())
    }
}

impl Drop for Crew {
    /// Workers that still search end by themselves: nobody hears them.
    fn drop(&mut self) {
        self.room.turn.set(None);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::panic::catch_unwind;
    use std::path::Path;
    use std::time::Duration;

    use tempfile::TempDir;
    use vmsafe_witness::{Needles, Searcher};

    use super::worker::MOST_SAID;
    use super::*;
    use crate::interrupt::Interrupt;
    use crate::scan::name::Name;

    const NEEDLE: &[u8] = b"a needle of twenty-seven by";

    struct Case {
        room: TempDir,
        crew: Crew,
        stop: Interrupt,
        heard: Vec<Word>,
    }

    impl Case {
        fn new() -> Self {
            let mut needles = Needles::new();
            needles.push(NEEDLE).expect("a usable needle");
            let stop = Interrupt::default();
            let quest = Quest {
                searcher: Searcher::new(&needles),
                decompress: true,
                blot: None,
                stop: stop.clone(),
            };
            Self {
                room: tempfile::tempdir().expect("a directory"),
                crew: Crew::new(&quest),
                stop,
                heard: Vec::new(),
            }
        }

        /// Gives a file with this content.
        fn give(&mut self, name: &str, content: &[u8]) {
            let path = self.room.path().join(name);
            fs::write(&path, content).expect("room for it");
            let file = File::open(&path).expect("it is there");
            let about = file.metadata().expect("it is open");
            let job = Job::File(path, file, about.into());
            let heard = &mut self.heard;
            let given = self.crew.give(job, &mut |word| heard.push(word));
            given.expect("there is no record");
        }

        /// The files of which something was told, in that order, and where what was found stands.
        fn told(mut self) -> (Vec<(String, u64)>, Vec<String>) {
            let heard = &mut self.heard;
            let done = self.crew.finish(&mut |word| heard.push(word));
            done.expect("there is no record");
            let name = |name: &Name| {
                let name = Path::new(&**name).file_name().expect("it has one");
                name.to_string_lossy().into_owned()
            };
            let (mut found, mut gaps) = (Vec::new(), Vec::new());
            for word in &self.heard {
                match word {
                    Word::Found(finding) => found.push((name(&finding.target), finding.offset)),
                    Word::NotSearched(gap) => gaps.push(name(&gap.target)),
                    _ => {}
                }
            }
            (found, gaps)
        }
    }

    /// A frame of zstd that holds these bytes, fewer than 256, as they are.
    fn stored(bytes: &[u8]) -> Vec<u8> {
        let len = u8::try_from(bytes.len()).expect("few bytes");
        let block = (u32::from(len) << 3 | 1).to_le_bytes();
        let head = [0x28, 0xb5, 0x2f, 0xfd, 0x20, len];
        [&head, &block[..3], bytes].concat()
    }

    #[test]
    fn all_is_told_in_the_order_of_the_files_however_much_it_is() {
        let mut case = Case::new();
        let mut expected = Vec::new();
        for nth in 0..100 {
            let name = format!("{nth}");
            // Among many with little there are some with much, and some that are unpacked.
            let places = match nth % 20 {
                3 => 10 * MOST_SAID,
                nth => nth % 3,
            };
            let step = 1000;
            let mut content = vec![0xaa; places * step];
            let offsets = (0..places).map(|nth| nth * step);
            for offset in offsets.clone() {
                content[offset..offset + NEEDLE.len()].copy_from_slice(NEEDLE);
                expected.push((name.clone(), offset as u64));
            }
            if nth % 20 == 7 {
                case.give(&name, &stored(NEEDLE));
                expected.retain(|(other, _)| *other != name);
                expected.push((name, 0));
            } else {
                case.give(&name, &content);
            }
        }
        assert_eq!(case.told(), (expected, Vec::new()));
    }

    #[test]
    fn what_was_given_and_not_searched_when_it_is_to_stop_is_told() {
        let mut case = Case::new();
        case.stop.ask();
        let names: Vec<_> = (0..3 * HANDFUL + 1).map(|nth| nth.to_string()).collect();
        names.iter().for_each(|name| case.give(name, NEEDLE));
        assert_eq!(case.told(), (Vec::new(), names));
    }

    #[test]
    fn a_file_is_searched_and_told_while_the_walk_finds_no_other() {
        let mut case = Case::new();
        case.give("one", NEEDLE);
        let is_told = |case: &mut Case| {
            let heard = &mut case.heard;
            let gone_on = case.crew.go_on(&mut |word| heard.push(word));
            gone_on.expect("there is no record");
            heard.iter().any(|word| matches!(word, Word::Found(_)))
        };
        let begun = Instant::now();
        while !is_told(&mut case) {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not told");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    #[should_panic(expected = "as it was thrown")]
    fn a_panic_of_a_worker_goes_on_where_it_is_heard() {
        let mut case = Case::new();
        let part = Part {
            number: 0,
            said: Vec::new(),
            end: Some(catch_unwind(|| panic!("as it was thrown"))),
        };
        let _ = case.crew.hear(part, &mut |_| ());
    }

    #[test]
    fn a_worker_that_nobody_hears_does_not_wait() {
        let turn = Turn::default();
        turn.set(Some(1));
        thread::scope(|scope| {
            let waits = [1, 2].map(|number| {
                scope.spawn({
                    let turn = &turn;
                    move || turn.wait(number)
                })
            });
            let [first, second] = waits;
            assert!(first.join().expect("it ends"));
            turn.set(None);
            assert!(!second.join().expect("it ends"));
        });
    }
}
