//! Actors: the demonstration's end of a subject's process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};

use super::canary::Canaries;
use super::child::{Act, Answer};
use super::subject::Subject;

/// How an actor's life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGABRT, with a core.
    Crash,
    /// SIGKILL.
    Kill,
}

/// A subject's process. Dropping it ends it, and its child.
#[derive(Debug)]
pub(crate) struct Actor {
    /// Whom it plays.
    pub(crate) subject: Subject,
    /// How it will end.
    pub(crate) ending: Ending,
    /// Where it runs: a core lands here.
    pub(crate) home: PathBuf,
    /// The file that bears its content under a name.
    pub(crate) file: Option<PathBuf>,
    /// What its buffer says of itself.
    pub(crate) grade: Vec<String>,
    /// How often it stored, and how often its canary had been lost by then.
    pub(crate) stores: (u64, u64),
    lingering: Option<u32>,
    process: Child,
    acts: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts one; it waits for its canary.
    pub(crate) fn start(
        subject: Subject,
        ending: Ending,
        sabotaged: bool,
        home: PathBuf,
        files: &Path,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command
            .args(["demo-subject", subject.name(), "--files"])
            .arg(files);
        command.args(["--demo", &std::process::id().to_string()]);
        if sabotaged {
            command.arg("--sabotage");
        }
        command
            .current_dir(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn().context("cannot start a subject")?;
        let acts = process.stdin.take();
        let answers = process.stdout.take().context("a subject without a pipe")?;
        Ok(Self {
            subject,
            ending,
            home,
            file: None,
            grade: Vec::new(),
            stores: (0, 0),
            lingering: None,
            process,
            acts,
            answers: BufReader::new(answers),
        })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its child that lives on.
    pub(crate) fn lingering(&self) -> Option<u32> {
        self.lingering
    }

    /// Gives it its canary and its key.
    pub(crate) fn entrust(&mut self, canaries: &Canaries) -> anyhow::Result<()> {
        let acts = self.acts.as_mut().context("a subject without a pipe")?;
        // What went wrong over there stands in the answer.
        let sent = canaries.send(self.subject, acts);
        let answer = self.answer();
        let answer = answer.with_context(|| format!("{} did not begin", self.subject.name()))?;
        sent.context("cannot send a canary")?;
        self.file = answer.file;
        self.grade = answer.grade;
        self.lingering = answer.lingering;
        Ok(())
    }

    /// Tells it to act, and waits until it has.
    pub(crate) fn act(&mut self, act: Act) -> anyhow::Result<()> {
        self.begin(act)?;
        let answer = self.answer()?;
        self.lingering = self.lingering.or(answer.lingering);
        self.stores.0 += answer.stores;
        self.stores.1 += answer.losses;
        Ok(())
    }

    /// Ends it as it was to end, and waits for that.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        let wanted = match self.ending {
            Ending::Crash => {
                self.begin(Act::Abort)?;
                vmsafe_lab::SIGABRT
            }
            Ending::Kill => {
                self.process.kill().context("cannot kill a subject")?;
                vmsafe_lab::SIGKILL
            }
        };
        let status = self.process.wait().context("cannot wait for a subject")?;
        match vmsafe_lab::ended_by(status) {
            Some(signal) if signal == wanted => Ok(()),
            _ => bail!(
                "{} ended otherwise than it was told: {status}",
                self.subject.name()
            ),
        }
    }

    /// Opens the files below `dir` that the process holds open, named or not.
    pub(crate) fn open_files(&self, dir: &Path) -> anyhow::Result<Vec<File>> {
        Ok(vmsafe_lab::open_files(self.pid(), dir)?)
    }

    fn begin(&mut self, act: Act) -> anyhow::Result<()> {
        let acts = self.acts.as_mut().context("a subject without a pipe")?;
        acts.write_all(&[act as u8]).with_context(|| self.gone())
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .with_context(|| self.gone())?;
        let answer: Answer = serde_json::from_str(&line).with_context(|| self.gone())?;
        match answer.error {
            Some(error) => bail!("{}: {error}", self.subject.name()),
            None => Ok(answer),
        }
    }

    fn gone(&self) -> String {
        format!("the process that plays {} is gone", self.subject.name())
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Whatever fails here has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(pid) = self.lingering {
            let _ = vmsafe_lab::kill(pid, vmsafe_lab::SIGKILL);
        }
    }
}
