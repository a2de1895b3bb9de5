//! Holders: the ways in which a subject's process holds its canary.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use vmsafe::buffer::evaporating::{PAYLOAD, Plain2001};
use vmsafe::{
    Confined, Demand, Evaporating, Grade, Heap, Locked, SealedBytes, Secret, SecretVec, Source,
    Threat,
};

use super::canary::{CANARY, Failed, Intake, PATTERN};
use super::subject::Subject;

/// Copies of the pattern that ordinary memory holds, each in a page of its own.
const PAGES: usize = 16;
const PAGE: usize = 4096;

/// A canary, held.
#[expect(
    clippy::large_enum_variant,
    reason = "a process has one, for its whole life"
)]
pub(crate) enum Holder {
    /// Ordinary memory: a control, or a subject without its protection.
    Plain {
        bytes: Vec<u8>,
        file: Option<PathBuf>,
    },
    /// Memory that stays.
    Locked(Locked),
    /// Memory that goes to one file.
    Confined(Confined),
    /// Memory that vanishes, the original to restore it from, and what sabotage left beside it.
    Evaporating {
        tail: Evaporating,
        original: Locked,
        beside: Vec<u8>,
    },
    /// Small secrets in locked slots.
    Heap(Vec<Secret<[u8; CANARY]>>),
    /// Ciphertext, and what sabotage left beside it.
    Sealed {
        sealed: SealedBytes,
        beside: Vec<u8>,
    },
    /// A vector in locked memory.
    Grown(SecretVec<u8>),
    /// The evaporating tail, plain.
    Plain2001 { tail: Plain2001, original: Locked },
}

impl Holder {
    /// Takes the pattern and the key from `intake` and holds them as `subject` does; `sabotaged`
    /// leaves its protection out. Files go to `dir`.
    pub(crate) fn take(
        subject: Subject,
        sabotaged: bool,
        dir: &Path,
        intake: &mut Intake,
    ) -> anyhow::Result<Self> {
        let name = format!("{}-{}", subject.name(), std::process::id());
        let holder = match (subject, sabotaged) {
            (Subject::Ordinary, _) => Self::plain(intake, Some(dir.join(name)))?,
            (Subject::ForkShared, _)
            | (
                Subject::Locked | Subject::LockedMlock | Subject::Heap | Subject::SecretVecGrowth,
                true,
            ) => Self::plain(intake, None)?,
            (Subject::Heap, false) => Self::heap(intake)?,
            (Subject::SecretVecGrowth, false) => Self::grown(intake)?,
            (Subject::Sealed, _) => Self::sealed(intake, sabotaged)?,
            (Subject::Locked, false) => Self::Locked(locked(intake, Source::Secret, PATTERN)?),
            (Subject::LockedMlock, false) => {
                Self::Locked(locked(intake, Source::Anonymous, PATTERN)?)
            }
            // Its protection is the burn, which the demonstration leaves out when told to.
            (Subject::Confined, _) => Self::confined(intake, &dir.join(name))?,
            (Subject::Evaporating, _) => return Self::evaporating(intake, dir, sabotaged),
            (Subject::Evaporating2001, _) => Self::plain_2001(intake, dir)?,
        };
        // A key that this subject has no use for.
        locked(intake, Source::Anonymous, CANARY)?;
        Ok(holder)
    }

    fn plain(intake: &mut Intake, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut bytes = vec![0; PAGES * PAGE];
        intake.fill(&mut bytes[..PATTERN])?;
        for page in 1..PAGES {
            bytes.copy_within(..PATTERN, page * PAGE);
        }
        if let Some(file) = &file {
            write_out(file, &bytes[..PATTERN])?;
        }
        Ok(Self::Plain { bytes, file })
    }

    fn confined(intake: &mut Intake, path: &Path) -> anyhow::Result<Self> {
        let mut buffer = Confined::create(path, PATTERN)?;
        intake.fill(&mut buffer)?;
        Ok(Self::Confined(buffer))
    }

    fn evaporating(intake: &mut Intake, dir: &Path, sabotaged: bool) -> anyhow::Result<Self> {
        let original = locked(intake, Source::Secret, PATTERN)?;
        let key = locked(intake, Source::Secret, CANARY)?;
        let mut beside = Vec::new();
        if sabotaged {
            (0..PAGES).for_each(|_| beside.extend_from_slice(&key));
            write_out(&dir.join(format!("key-{}", std::process::id())), &key)?;
        }
        let tail = Evaporating::options()
            .key(key)
            .create_in(dir, 2 * PAYLOAD)?;
        let mut holder = Self::Evaporating {
            tail,
            original,
            beside,
        };
        holder.store()?;
        Ok(holder)
    }

    fn heap(intake: &mut Intake) -> anyhow::Result<Self> {
        let secret = |_| Secret::try_init_with(|bytes: &mut [u8; CANARY]| take(intake, bytes));
        let secrets: Result<Vec<_>, Failed> = (0..PATTERN / CANARY).map(secret).collect();
        Ok(Self::Heap(secrets.map_err(|Failed(error)| error)?))
    }

    /// Grows by one canary at a time: each move to a larger place must wipe the smaller one.
    fn grown(intake: &mut Intake) -> anyhow::Result<Self> {
        let mut bytes = SecretVec::new()?;
        for len in (0..PATTERN).step_by(CANARY) {
            bytes.resize(len + CANARY)?;
            bytes.expose_mut(|bytes| intake.fill(&mut bytes[len..]))?;
        }
        Ok(Self::Grown(bytes))
    }

    fn sealed(intake: &mut Intake, sabotaged: bool) -> anyhow::Result<Self> {
        let mut bytes = SecretVec::new()?;
        bytes.resize(PATTERN)?;
        bytes.expose_mut(|bytes| intake.fill(bytes))?;
        let sealed = SealedBytes::seal(&bytes)?;
        let beside = if sabotaged {
            bytes.expose(<[u8]>::to_vec)
        } else {
            Vec::new()
        };
        Ok(Self::Sealed { sealed, beside })
    }

    fn plain_2001(intake: &mut Intake, dir: &Path) -> anyhow::Result<Self> {
        let original = locked(intake, Source::Secret, PATTERN)?;
        let tail = Plain2001::create_in(dir)?;
        let mut holder = Self::Plain2001 { tail, original };
        holder.store()?;
        Ok(holder)
    }

    /// Stores the canary again, or dirties its page. Returns true when it had been lost.
    pub(crate) fn store(&mut self) -> anyhow::Result<bool> {
        match self {
            // A byte of the page that is no part of the pattern.
            Self::Plain { bytes, .. } => {
                (0..PAGES).for_each(|page| touch(&mut bytes[page * PAGE + PATTERN]));
                Ok(false)
            }
            Self::Locked(buffer) => {
                rewrite(buffer);
                Ok(false)
            }
            Self::Confined(buffer) => {
                rewrite(buffer);
                Ok(false)
            }
            Self::Evaporating { tail, original, .. } => {
                let lost = tail.with(|_| ()).is_err();
                tail.fill(|slot| {
                    slot[..PATTERN].copy_from_slice(original);
                    Ok::<_, vmsafe::Error>(PATTERN)
                })?;
                Ok(lost)
            }
            Self::Heap(secrets) => {
                secrets
                    .iter_mut()
                    .for_each(|secret| secret.expose_mut(|bytes| rewrite(bytes)));
                Ok(false)
            }
            Self::Sealed { sealed, .. } => {
                sealed.open(|bytes| std::hint::black_box(bytes.len()))?;
                Ok(false)
            }
            Self::Grown(bytes) => {
                bytes.expose_mut(rewrite);
                Ok(false)
            }
            Self::Plain2001 { tail, original } => {
                let lost = tail.is_lost();
                tail.store(original);
                Ok(lost)
            }
        }
    }

    /// What programs leave on a stack of what they use, and some dumps hold nothing but.
    pub(crate) fn local(&self) -> Option<[u8; CANARY]> {
        match self {
            Self::Plain { bytes, .. } => bytes.first_chunk().copied(),
            Self::Evaporating { beside, .. } | Self::Sealed { beside, .. } => {
                beside.first_chunk().copied()
            }
            _ => None,
        }
    }

    /// What the buffer says of itself.
    pub(crate) fn grade(&self) -> Option<Grade> {
        let grade = match self {
            Self::Plain { .. } => return None,
            Self::Heap(_) | Self::Sealed { .. } | Self::Grown(_) => {
                return Heap::global().ok().and_then(Heap::grade);
            }
            Self::Locked(buffer) => buffer.grade(),
            Self::Confined(buffer) => buffer.grade(),
            Self::Evaporating { tail, .. } => tail.grade(),
            Self::Plain2001 { tail, .. } => tail.grade(),
        };
        Some(grade.clone())
    }

    /// The file that bears its content under a name.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Plain { file, .. } => file.as_deref(),
            Self::Confined(buffer) => Some(buffer.path()),
            _ => None,
        }
    }
}

/// Stores the last byte again, with the value it has: the page is dirty all the same.
fn rewrite(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last = std::hint::black_box(*last);
    }
}

/// Reads straight into a secret under construction.
fn take(intake: &mut Intake, bytes: &mut [u8]) -> Result<(), Failed> {
    intake.fill(bytes).map_err(Failed)
}

fn touch(byte: &mut u8) {
    *byte = std::hint::black_box(byte.wrapping_add(1));
}

fn locked(intake: &mut Intake, source: Source, len: usize) -> anyhow::Result<Locked> {
    let hibernation = match source {
        Source::Secret => Demand::Prefer,
        Source::Anonymous => Demand::Accept,
    };
    let mut buffer = Locked::options()
        .demand(Threat::Hibernation, hibernation)
        .create(len)?;
    intake.fill(&mut buffer)?;
    Ok(buffer)
}

fn write_out(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}
