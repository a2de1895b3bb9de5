//! One run from beginning to end.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use vmsafe_lab::{Cgroup, PrivateSwap, page_out, smaps};
use vmsafe_witness::{Needles, Searcher, Wanted};

use super::look::{self, Sight};
use super::program::{self, Program};
use super::secret::{self, Held};

/// What was found of one program.
pub(crate) struct Found {
    pub(crate) name: &'static str,
    /// Numbers of its secrets, and what each is.
    pub(crate) secrets: Vec<(usize, &'static str)>,
    /// The fingerprint of its RSA key.
    pub(crate) own_key: Option<String>,
    pub(crate) memory: Sight,
    pub(crate) locked: u64,
    pub(crate) swapped: u64,
}

/// What a run gave.
pub(crate) struct Run {
    pub(crate) programs: Vec<Found>,
    pub(crate) swap: Sight,
    /// What each tool says of its version.
    pub(crate) versions: Vec<String>,
}

/// Of a program: the numbers of its secrets, and the fingerprint of its key.
type Known = (Vec<(usize, &'static str)>, Option<String>);

const SWAP: u64 = 256 << 20;

/// `dir` is where the swap file may lie.
pub(crate) fn run(dir: &Path) -> anyhow::Result<Run> {
    let scratch = tempfile::tempdir()?;
    let (mut needles, mut moduli) = (Needles::new(), Vec::new());
    let mut known = Vec::new();
    let phrase =
        || Ok::<_, anyhow::Error>(format!("phrase {:032x}", u128::from(getrandom::u64()?)));
    let text = format!("control {:032x}", u128::from(getrandom::u64()?));
    let homes = [
        home(scratch.path(), "daemon")?,
        home(scratch.path(), "supervised")?,
    ];
    let mut control = Held::default();
    control.add("a text", text.as_bytes());
    let mut all = vec![
        control,
        secret::tls(scratch.path())?,
        secret::ssh(scratch.path())?,
    ];
    for home in &homes {
        all.push(secret::gpg(home, &phrase()?)?);
    }
    for held in all {
        let mut numbers = Vec::new();
        for secret in &held.secrets {
            numbers.push((needles.len(), secret.what));
            needles.push(&secret.bytes)?;
        }
        let own_key = held
            .modulus
            .as_ref()
            .map(|modulus| modulus.fingerprint().to_string());
        known.push((numbers, own_key));
        moduli.extend(held.modulus);
    }
    let mut wanted = Wanted::everything();
    wanted.moduli = moduli;
    let searcher = Searcher::with(&needles, &wanted);
    drop(needles);

    let swap = PrivateSwap::create_in(dir, SWAP)?;
    let group = Cgroup::create()?;
    let programs = [
        program::shell(&group, scratch.path(), &text)?,
        program::openssl(&group, scratch.path())?,
        program::ssh_agent(&group, scratch.path())?,
        program::gpg_agent(&group, &homes[0])?,
        program::gpg_agent_supervised(&group, &homes[1])?,
    ];
    let programs = looked_at(&searcher, &swap, &group, &programs, known)?;
    let swap_sight = look::swap(&searcher, swap.path())?;
    Ok(Run {
        programs,
        swap: swap_sight,
        versions: versions()?,
    })
}

fn home(dir: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let home = dir.join(name);
    fs::DirBuilder::new().mode(0o700).create(&home)?;
    Ok(home)
}

/// Their memory first; then they are paged out.
fn looked_at(
    searcher: &Searcher,
    swap: &PrivateSwap,
    group: &Cgroup,
    programs: &[Program],
    known: Vec<Known>,
) -> anyhow::Result<Vec<Found>> {
    let look = |(program, (secrets, own_key)): (&Program, Known)| {
        Ok(Found {
            name: program.name,
            secrets,
            own_key,
            memory: look::memory(searcher, program.pid)?,
            locked: look::locked(program.pid)?,
            swapped: 0,
        })
    };
    let found: anyhow::Result<Vec<_>> = programs.iter().zip(known).map(look).collect();
    let mut found = found?;
    let pids: Vec<_> = programs.iter().map(|program| program.pid).collect();
    page_out(&pids)?;
    group.squeeze()?;
    for (found, pid) in found.iter_mut().zip(pids) {
        found.swapped = smaps::swapped_in_all(pid)?;
        ensure!(found.swapped > 0, "{} was not paged out", found.name);
    }
    let used = swap.used()?;
    let swapped: u64 = found.iter().map(|found| found.swapped).sum();
    ensure!(
        used >= swapped / 2,
        "{swapped} bytes are swapped, {used} of them to our area"
    );
    Ok(found)
}

fn versions() -> anyhow::Result<Vec<String>> {
    let first_line = |script: &str| {
        let mut shell = std::process::Command::new("sh");
        let said = secret::output(shell.args(["-c", script]))?;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        said.lines().next().map(str::to_owned).context("a version")
    };
    [
        "uname -sr | cut -d - -f 1",
        "openssl version | cut -d ' ' -f 1,2",
        "ssh -V 2>&1 | cut -d , -f 1",
        "gpg-agent --version",
    ]
    .into_iter()
    .map(first_line)
    .collect()
}
