//! The subject's own process: takes its canary, then does what it is told, byte by byte.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::canary::Intake;
use super::holder::Holder;
use super::subject::Subject;
use crate::exit::Exit;
use crate::output::told;

/// What the demonstration tells a subject to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Act {
    /// Fork a child that lives on.
    Fork = b'f',
    /// Begin to store from a second thread, as fast as it can.
    BeginStoring = b's',
    /// Stop storing.
    EndStoring = b'e',
    /// Store once.
    Touch = b't',
    /// Page everything out, as far as an ordinary user may.
    PageOut = b'p',
    /// Hand what was stored into mapped files to those files.
    WriteBack = b'w',
    /// Crash.
    Abort = b'a',
}

impl Act {
    const ALL: [Self; 7] = [
        Self::Fork,
        Self::BeginStoring,
        Self::EndStoring,
        Self::Touch,
        Self::PageOut,
        Self::WriteBack,
        Self::Abort,
    ];

    fn of(byte: u8) -> anyhow::Result<Self> {
        let known = Self::ALL.into_iter().find(|act| *act as u8 == byte);
        known.with_context(|| format!("no such act: {byte}"))
    }
}

/// What a subject answers, one line of JSON for each act, and one when it is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The child that lives on.
    pub(crate) lingering: Option<u32>,
    /// How often the canary was stored.
    pub(crate) stores: u64,
    /// How often it had been lost before.
    pub(crate) losses: u64,
    /// The file that bears the content under a name.
    pub(crate) file: Option<PathBuf>,
    /// What the buffer says of itself, a line per threat.
    pub(crate) grade: Vec<String>,
    /// Why the subject could not go on.
    pub(crate) error: Option<String>,
}

/// How a subject's process is started.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoSubjectArgs {
    /// Whom to play.
    subject: Subject,
    /// Where its files go.
    #[arg(long)]
    files: PathBuf,
    /// The process of the demonstration: what lingers ends with it.
    #[arg(long)]
    demo: u32,
    /// Leave the protection out.
    #[arg(long)]
    sabotage: bool,
}

/// Plays a subject until it is told to crash, or killed.
pub(crate) fn run_subject(args: &DemoSubjectArgs) -> anyhow::Result<Exit> {
    match play(args) {
        Ok(()) => Ok(Exit::Holds),
        Err(error) => {
            say(&Answer {
                error: Some(told(&error)),
                ..Answer::default()
            })?;
            Ok(Exit::Usage)
        }
    }
}

fn play(args: &DemoSubjectArgs) -> anyhow::Result<()> {
    vmsafe_lab::allow().context("cannot allow core dumps")?;
    let mut intake = Intake::open()?;
    let holder = Holder::take(args.subject, args.sabotage, &args.files, &mut intake)?;
    let local = holder.local();
    let mut stage = Stage {
        holder: Arc::new(Mutex::new(holder)),
        storing: None,
        demo: args.demo,
    };
    // The control of fork-shared pages must be shared before anything pages them out.
    let lingering = match args.subject {
        Subject::ForkShared => Some(stage.fork()?),
        _ => None,
    };
    say(&Answer {
        lingering,
        ..stage.introduce()
    })?;
    while let Some(byte) = intake.command() {
        say(&stage.act(Act::of(byte)?)?)?;
    }
    std::hint::black_box(&local);
    Ok(())
}

/// A subject on stage.
struct Stage {
    holder: Arc<Mutex<Holder>>,
    storing: Option<Storing>,
    demo: u32,
}

/// The second thread.
struct Storing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<(u64, u64)>>,
}

impl Stage {
    fn introduce(&self) -> Answer {
        let holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let grade = holder
            .grade()
            .map(|grade| grade.to_string())
            .unwrap_or_default();
        Answer {
            file: holder.file().map(Path::to_path_buf),
            grade: grade.lines().map(str::to_owned).collect(),
            ..Answer::default()
        }
    }

    fn act(&mut self, act: Act) -> anyhow::Result<Answer> {
        let mut answer = Answer::default();
        match act {
            Act::Fork => answer.lingering = Some(self.fork()?),
            Act::BeginStoring => self.storing = Some(begin_storing(&self.holder)),
            Act::EndStoring => (answer.stores, answer.losses) = self.end_storing()?,
            Act::Touch => {
                self.holder
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .store()?;
            }
            Act::PageOut => vmsafe_lab::page_out_all_of_self()?,
            Act::WriteBack => vmsafe_lab::flush_views()?,
            Act::Abort => vmsafe_lab::abort_with_core(),
        }
        Ok(answer)
    }

    fn fork(&self) -> anyhow::Result<u32> {
        let demo = self.demo;
        let child = vmsafe_lab::fork_lingering(move || {
            // It outlives its parent, which will crash or be killed, but not the demonstration.
            while vmsafe_lab::is_alive(demo) {
                std::thread::sleep(Duration::from_millis(100));
            }
        })?;
        let pid = child.id();
        // The demonstration ends it; dropping the handle would end it now.
        std::mem::forget(child);
        Ok(pid)
    }

    fn end_storing(&mut self) -> anyhow::Result<(u64, u64)> {
        let Some(Storing { stop, thread }) = self.storing.take() else {
            bail!("told to stop storing, without having begun")
        };
        stop.store(true, Ordering::Relaxed);
        thread
            .join()
            .unwrap_or_else(|_| bail!("the storing thread panicked"))
    }
}

fn begin_storing(holder: &Arc<Mutex<Holder>>) -> Storing {
    let stop = Arc::new(AtomicBool::new(false));
    let (holder, stopped) = (Arc::clone(holder), Arc::clone(&stop));
    let thread = std::thread::spawn(move || {
        let mut holder = holder.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut stores, mut losses) = (0, 0);
        while !stopped.load(Ordering::Relaxed) {
            losses += u64::from(holder.store()?);
            stores += 1;
        }
        Ok((stores, losses))
    });
    Storing { stop, thread }
}

fn say(answer: &Answer) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(answer)?);
    Ok(())
}
