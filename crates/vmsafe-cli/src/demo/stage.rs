//! The stage: what of the machine the demonstration uses, and what it could not have.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io, thread};

use anyhow::{Context, bail, ensure};
use vmsafe::{Confined, Demand, Locked, Threat};
use vmsafe_lab::{
    Cgroup, CorePattern, FsKind, Lab, Machine, Opening, PrivateSwap, Scratch, ScratchOptions,
};
use vmsafe_witness::{Hit, Searcher};

use super::subject::Subject;
use crate::interrupt::Interrupt;
use crate::output::Output;

/// Bytes of the private swap area: more than all subjects' memory.
const SWAP: u64 = 128 << 20;
/// Bytes of the scratch disk.
const DISK: u64 = 48 << 20;

/// How swap can be seen.
#[derive(Debug)]
pub(crate) enum SwapDoor {
    /// Raw, on a private swap area that takes all that is paged out; the group squeezes out what is
    /// shared.
    Raw { area: PrivateSwap, group: Cgroup },
    /// By the kernel's own count of each process's swapped pages.
    Counted,
    /// Not at all.
    Closed(String),
}

/// How the disk below the files can be seen.
#[derive(Debug)]
pub(crate) enum DiskDoor {
    /// A scratch disk, each write seen while it happens.
    Watched { disk: Scratch, written: Written },
    /// Not at all.
    Closed(String),
}

/// Copies in blocks that were written, by their place on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<Hit>>>);

/// Everything that a round needs. The fields are taken down in this order.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) disk: DiskDoor,
    pub(crate) swap: SwapDoor,
    /// Where cores land, or why none can be found.
    pub(crate) core: Result<CorePattern, String>,
    /// Why no child can have its parent's memory, where none can.
    pub(crate) childless: Option<String>,
    /// Whose turn it is: not those that this machine cannot offer.
    pub(crate) cast: Vec<Subject>,
    /// What the machine cannot offer, in sentences.
    pub(crate) notes: Vec<String>,
    pub(crate) machine: Machine,
    /// Where the subjects' files go.
    pub(crate) files: PathBuf,
    work: WorkDir,
    _lab: Option<Lab>,
}

impl Stage {
    /// Sets up what this user can have.
    pub(crate) fn set_up(
        dir: Option<&Path>,
        interrupt: &Interrupt,
        out: &Output,
    ) -> anyhow::Result<Self> {
        let root = vmsafe_lab::is_root();
        let lab = root.then(|| enter(interrupt, out)).transpose()?;
        let machine = vmsafe_lab::machine()?;
        let work = WorkDir::create_in(dir)?;
        let disk = open_disk(&work.0)?;
        let files = match &disk {
            DiskDoor::Watched { disk, .. } => disk.path(),
            DiskDoor::Closed(_) => work.0.join("files"),
        };
        fs::create_dir_all(&files).context("cannot make the directory for files")?;
        let childless = closed(vmsafe_lab::Door::Child)?;
        let core = open_core();
        let (mut cast, mut notes) = cast(&files);
        if childless.is_some() {
            cast.retain(|subject| *subject != Subject::ForkShared);
        }
        if core.as_ref().is_ok_and(|core| !core.is_whole()) {
            notes.push(WHOLE.to_owned());
        }
        Ok(Self {
            disk,
            swap: open_swap(&work.0)?,
            core,
            childless,
            cast,
            notes,
            machine,
            files,
            work,
            _lab: lab,
        })
    }

    /// A directory for one actor of one round.
    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.work.0.join(name)
    }

    /// Has each written block searched from now on; what earlier searches found is forgotten.
    pub(crate) fn watch_for(&self, searcher: &Searcher) -> anyhow::Result<()> {
        let DiskDoor::Watched { disk, written } = &self.disk else {
            return Ok(());
        };
        let watch = disk.watch().context("the scratch disk is not watched")?;
        let (searcher, log) = (searcher.clone(), written.clone());
        watch.set_callback(move |offset, bytes| {
            searcher.search(offset, bytes, &mut |hit| log.hits().push(hit));
        });
        written.hits().clear();
        Ok(())
    }

    /// Fails when a written block went by unseen.
    pub(crate) fn check_watch(&self) -> anyhow::Result<()> {
        match &self.disk {
            DiskDoor::Watched { disk, .. }
                if disk.watch().is_none_or(|watch| watch.panics() > 0) =>
            {
                bail!("a written block went by unseen")
            }
            _ => Ok(()),
        }
    }
}

impl Written {
    /// What was found so far.
    pub(crate) fn hits(&self) -> std::sync::MutexGuard<'_, Vec<Hit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the machine's laboratory; says for whom it has to wait.
pub(crate) fn enter(interrupt: &Interrupt, out: &Output) -> anyhow::Result<Lab> {
    let mut told = false;
    loop {
        match Lab::try_lock() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            lab => return Ok(lab?),
        }
        ensure!(!interrupt.asked(), "interrupted; nothing was changed");
        if !told {
            let holder = Lab::holder().map_or_else(
                || "another process".to_owned(),
                |pid| format!("process {pid}"),
            );
            out.note(format_args!(
                "waiting for {holder}, which has the laboratory"
            ));
            told = true;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

const WHOLE: &str = "a dump of all memory, which this system makes only where it is told to, \
                     holds what a buffer has open: vmsafe doctor tells whether it is told to";

/// The sentence for a door of the laboratory that is closed; `None` when it is open.
pub(crate) fn closed(door: vmsafe_lab::Door) -> anyhow::Result<Option<String>> {
    let doors = vmsafe_lab::doors("vmsafe demo")?;
    let opening = doors.into_iter().find(|(known, _)| *known == door);
    Ok(match opening {
        Some((_, Opening::Closed { because, remedy })) => Some(format!("{because}; {remedy}")),
        _ => None,
    })
}

fn open_disk(work: &Path) -> anyhow::Result<DiskDoor> {
    for door in [vmsafe_lab::Door::Disk, vmsafe_lab::Door::WrittenBlocks] {
        if let Some(because) = closed(door)? {
            return Ok(DiskDoor::Closed(because));
        }
    }
    let options = ScratchOptions::new(FsKind::Ext4).bytes(DISK);
    Ok(match options.create_watched(work, |_, _| ()) {
        Ok(disk) => DiskDoor::Watched {
            disk,
            written: Written::default(),
        },
        Err(error) => DiskDoor::Closed(error.to_string()),
    })
}

fn open_swap(work: &Path) -> anyhow::Result<SwapDoor> {
    let raw = closed(vmsafe_lab::Door::Swap)?.or(closed(vmsafe_lab::Door::SharedPageOut)?);
    if let Some(because) = raw {
        let count = closed(vmsafe_lab::Door::SwapCount)?;
        return Ok(match count {
            None if !vmsafe_lab::is_root() => SwapDoor::Counted,
            None => SwapDoor::Closed(because),
            Some(because) => SwapDoor::Closed(because),
        });
    }
    let area = match PrivateSwap::create_in(work, SWAP) {
        Ok(area) => area,
        Err(error) => return Ok(SwapDoor::Closed(error.to_string())),
    };
    Ok(match Cgroup::create() {
        Ok(group) => SwapDoor::Raw { area, group },
        Err(error) => SwapDoor::Closed(error.to_string()),
    })
}

fn open_core() -> Result<CorePattern, String> {
    match closed(vmsafe_lab::Door::Core) {
        Ok(None) => CorePattern::take().map_err(|error| error.to_string()),
        Ok(Some(because)) => Err(because),
        Err(error) => Err(error.to_string()),
    }
}

/// Who can play here, and a sentence for each who cannot.
fn cast(files: &Path) -> (Vec<Subject>, Vec<String>) {
    let mut notes = Vec::new();
    let mut cast = Subject::ALL.to_vec();
    let secret = Locked::options()
        .demand(Threat::ProcessRead, Demand::Require)
        .create(1);
    if let Err(error) = secret {
        cast.retain(|subject| *subject != Subject::Locked);
        notes.push(format!(
            "locked is left out, this kernel gives no secret memory: {error}"
        ));
    }
    if let Err(error) = Confined::create(files.join(".probe"), 1) {
        cast.retain(|subject| *subject != Subject::Confined);
        notes.push(format!(
            "confined is left out: {error}; name another place with --dir"
        ));
    }
    (cast, notes)
}

/// The first usual place that a confined buffer would accept, else the first that can be written.
fn usual_dir() -> anyhow::Result<PathBuf> {
    let mut places = vec![std::env::temp_dir(), PathBuf::from("/var/tmp")];
    places.extend(std::env::home_dir());
    places.extend(std::env::current_dir());
    let confines = |place: &&PathBuf| {
        let probe = format!("{PROBE}{}", std::process::id());
        place
            .canonicalize()
            .is_ok_and(|place| Confined::create(place.join(probe), 1).is_ok())
    };
    let place = places.iter().find(confines).or(places.first());
    let place = place.context("there is no directory to work in; name one with --dir")?;
    straight(place).with_context(|| format!("cannot use {}", place.display()))
}

/// The path without links in it; on Windows as programs write it, without the prefix that keeps
/// others from being interpreted: a process cannot run in a directory that is named so.
fn straight(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let text = path.to_str().and_then(|path| path.strip_prefix(r"\\?\"));
    let drive = text.filter(|path| path.get(1..3) == Some(r":\"));
    Ok(drive.map_or_else(|| path.clone(), PathBuf::from))
}

/// A directory of this run alone, removed at the end.
#[derive(Debug)]
pub(crate) struct WorkDir(PathBuf);

impl WorkDir {
    /// Makes one in `dir`, or in a usual place. First removes those of killed runs.
    pub(crate) fn create_in(dir: Option<&Path>) -> anyhow::Result<Self> {
        let parent = dir.map_or_else(usual_dir, |dir| {
            straight(dir).with_context(|| {
                format!(
                    "cannot use {}; name another place with --dir",
                    dir.display()
                )
            })
        })?;
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

const PREFIX: &str = "vmsafe-demo-";
const PROBE: &str = ".vmsafe-probe-";

/// Removes what killed runs left.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if is_of_killed_run(&name, PREFIX) {
            // Its swap area and its disk first; what is not ours stays, and harms nobody.
            let _ = vmsafe_lab::clean_up(&path);
            let _ = fs::remove_dir_all(path);
        } else if is_of_killed_run(&name, PROBE) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether this name ends with the number of a process that is no more.
fn is_of_killed_run(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !vmsafe_lab::is_alive(pid))
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What is left goes at the next run.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// The number of a process that was.
    fn ended() -> u32 {
        let mut process = Command::new(std::env::current_exe().expect("this program"))
            .arg("--list")
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        process.wait().expect("it ends");
        process.id()
    }

    #[test]
    fn what_killed_runs_left_goes_and_nothing_else() {
        let place = tempfile::tempdir().expect("a directory");
        let make = |name: &str| {
            let path = place.path().join(name);
            fs::write(&path, "").expect("a file");
            path
        };
        let (dead, alive) = (ended(), std::process::id());
        let dir = place.path().join(format!("{PREFIX}{dead}"));
        fs::create_dir(&dir).expect("a directory");
        let left = [make(&format!("{PROBE}{dead}")), dir];
        let kept = [
            make(&format!("{PROBE}{alive}")),
            make(&format!("{PROBE}{dead}x")),
            make(&format!("other-{dead}")),
        ];
        let work = WorkDir::create_in(Some(place.path())).expect("a place to work");
        assert!(work.path().is_dir());
        assert_eq!(left.map(|path| path.exists()), [false; 2]);
        assert_eq!(kept.map(|path| path.exists()), [true; 3]);
    }
}
