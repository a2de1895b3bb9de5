//! Canaries: what is planted, fresh in each round, and what the witness looks for.

use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::Context;
use vmsafe::Locked;
use vmsafe_witness::{NeedleId, Needles, Searcher};

use super::subject::Subject;

/// Bytes of a canary, and of a key.
pub(crate) const CANARY: usize = 32;
/// Bytes of a subject's pattern: its canary again and again, as much as a page's tail takes.
pub(crate) const PATTERN: usize = 3584;

/// One subject's secrets of one round. In locked memory: the demonstration must not plant what it
/// looks for.
#[derive(Debug)]
struct Secrets {
    subject: Subject,
    /// Canary, then key.
    bytes: Locked,
}

/// All secrets of one round, and the searcher for them.
#[derive(Debug)]
pub(crate) struct Canaries {
    secrets: Vec<Secrets>,
    searcher: Searcher,
}

impl Canaries {
    /// Draws a canary and a key for each subject.
    pub(crate) fn draw(subjects: &[Subject]) -> anyhow::Result<Self> {
        let mut needles = Needles::new();
        let mut secrets = Vec::new();
        for &subject in subjects {
            let bytes = Locked::options().create_with(2 * CANARY, |bytes| {
                getrandom::fill(bytes)
                    .context("no random bytes for a canary")
                    .map_err(Failed)
            });
            let bytes = bytes.map_err(|Failed(error)| error)?;
            needles.push(&bytes[..CANARY])?;
            needles.push(&bytes[CANARY..])?;
            secrets.push(Secrets { subject, bytes });
        }
        Ok(Self {
            secrets,
            searcher: Searcher::new(&needles),
        })
    }

    /// Looks for all of them at once.
    pub(crate) fn searcher(&self) -> &Searcher {
        &self.searcher
    }

    /// Whose secret a needle is.
    pub(crate) fn owner(&self, needle: NeedleId) -> Subject {
        self.secrets[needle.number() / 2].subject
    }

    /// Sends a subject its pattern and its key.
    pub(crate) fn send(&self, subject: Subject, to: &mut impl Write) -> io::Result<()> {
        let secrets = self
            .secrets
            .iter()
            .find(|secrets| secrets.subject == subject);
        let secrets = secrets.ok_or_else(|| io::Error::other("a subject without a canary"))?;
        let (canary, key) = secrets.bytes.split_at(CANARY);
        for _ in 0..PATTERN / CANARY {
            to.write_all(canary)?;
        }
        to.write_all(key)?;
        to.flush()
    }
}

/// An error on the way out of a buffer's construction.
pub(crate) struct Failed(pub(crate) anyhow::Error);

impl From<vmsafe::Error> for Failed {
    fn from(error: vmsafe::Error) -> Self {
        Self(error.into())
    }
}

/// The subject's end of the pipe: unbuffered, so that no secret passes through ordinary memory.
#[derive(Debug)]
pub(crate) struct Intake(File);

impl Intake {
    /// Standard input, without a buffer.
    pub(crate) fn open() -> anyhow::Result<Self> {
        Ok(Self(vmsafe_lab::input()?))
    }

    /// Reads straight into `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> anyhow::Result<()> {
        self.0
            .read_exact(bytes)
            .context("the demonstration ended early")
    }

    /// The next command; `None` when the demonstration is gone.
    pub(crate) fn command(&mut self) -> Option<u8> {
        let mut command = [0];
        self.0.read_exact(&mut command).ok().map(|()| command[0])
    }
}
