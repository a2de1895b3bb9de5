//! A private swap area: the medium that the page-out is proved on.
//!
//! **Promise.** While a [`PrivateSwap`] lives, the pages that this machine swaps go to a file of
//! ours, fresh and zeroed, and what they hold can be read back raw from [`PrivateSwap::path`].
//!
//! **Mechanism.** A file of mode 0600, every block written, with a swap header made by hand, is
//! switched on at the highest priority. Where the file system has no swap files (btrfs, overlay,
//! tmpfs, FUSE), a loop device stands between. zswap is off meanwhile: it would keep the pages in
//! memory while all counters say "swapped". A `vm.swappiness` of 0 is lifted to 60.
//!
//! **Needs.** Root, and the machine's [`Lab`], which it holds.
//!
//! **What it does not do.** It does not keep other programs' pages out; so the area is overwritten
//! with zeros after it is switched off and before it is removed. When it is full, the kernel goes
//! on to the machine's other areas: [`PrivateSwap::others`] names them.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use vmsafe_os::lab::{self as os, LoopDevice};

use crate::disk;
use crate::error::{Error, OUTSIDE, Result, While};
use crate::lock::Lab;
use crate::owner;
use crate::setting::{self, Setting};
use crate::tables::{SwapArea, swap_areas};

/// A swap area of our own, active until dropped, also when a panic unwinds.
#[derive(Debug)]
pub struct PrivateSwap {
    // Dropped in this order: the area, then the setting, then the turn and the laboratory.
    area: Area,
    others: Vec<SwapArea>,
    _settings: Vec<Setting>,
    _turn: Turn,
    _lab: Lab,
}

impl PrivateSwap {
    /// Makes a swap area of `bytes` (rounded down to pages, at least ten of them) in `dir` and
    /// switches it on. First cleans up after killed runs.
    ///
    /// # Errors
    /// Not root; no room; this process has one already; another area has the highest priority.
    pub fn create_in(dir: impl AsRef<Path>, bytes: u64) -> Result<Self> {
        let dir = dir.as_ref();
        if !os::is_root() {
            return Err(Error::needs_root("create a swap area in", dir.display()));
        }
        let lab = Lab::lock()?;
        let turn = Turn::take()?;
        clean_up(dir)?;
        let others = swap_areas()?;
        refuse_equal_priority(&others)?;
        let settings = let_pages_go()?;
        let area = Area::create(dir, bytes)?;
        Ok(Self {
            area,
            others,
            _settings: settings,
            _turn: turn,
            _lab: lab,
        })
    }

    /// What to scan: the swap file, or the loop device above it. Read it with direct I/O
    /// ([`crate::open_direct`]): a buffered read shows stale pages.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.area
            .device
            .as_ref()
            .map_or(&self.area.image, |device| device.path())
    }

    /// The machine's other swap areas, which the kernel uses once this one is full.
    #[must_use]
    pub fn others(&self) -> &[SwapArea] {
        &self.others
    }

    /// Bytes of it that are in use.
    ///
    /// # Errors
    /// `/proc/swaps` cannot be read, or somebody else switched the area off.
    pub fn used(&self) -> Result<u64> {
        let own = swap_areas()?
            .into_iter()
            .find(|area| area.path == self.path());
        own.map(|area| area.used)
            .ok_or_else(|| Error::refused("find", self.path().display(), "no longer active"))
    }

    /// Switches it off and removes it, and says so if that failed. A plain drop does the same in
    /// silence.
    ///
    /// # Errors
    /// ENOMEM: what is swapped does not fit into memory; the area then stays active.
    pub fn close(mut self) -> Result<()> {
        self.area.remove()
    }
}

/// Switches off and removes the swap areas and scratch disks of killed runs: all active ones, and
/// the files in `dir`; puts back the kernel settings that they changed. Creation does this by
/// itself.
///
/// # Errors
/// `/proc/swaps` or the table of mounts cannot be read; there is no `dir`.
pub fn clean_up(dir: &Path) -> Result<()> {
    setting::restore_orphans();
    // First, for a swap area's own file may lie behind such a disk.
    disk::remove_orphans(dir)?;
    for area in swap_areas()? {
        let image = backing_file(&area.path).unwrap_or_else(|| area.path.clone());
        if is_orphan(&image)
            && os::swap_off(&area.path).is_ok()
            && os::is_own(&image).is_ok_and(|own| own)
        {
            let _ = erase(&image);
        }
    }
    for image in owner::orphans(dir, KIND) {
        // One that is still active refuses to be written (ETXTBSY) and stays.
        let _ = erase(&image);
    }
    Ok(())
}

/// The file behind the swap area and, where that was needed, the loop device between.
#[derive(Debug)]
struct Area {
    image: PathBuf,
    device: Option<LoopDevice>,
    active: bool,
    gone: bool,
}

impl Area {
    fn create(dir: &Path, bytes: u64) -> Result<Self> {
        let image = dir.join(owner::new_name(KIND));
        let file = os::create_private(&image).doing("create", image.display())?;
        let mut area = Self {
            image,
            device: None,
            active: false,
            gone: false,
        };
        let name = area.image.display().to_string();
        format(&file, bytes).doing("write swap area", &name)?;
        match os::swap_on(&area.image, TOP_PRIORITY) {
            Ok(()) => area.active = true,
            // This file system has no swap files.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let device = LoopDevice::attach(&file).doing("attach a loop device to", &name)?;
                let device = area.device.insert(device);
                let switched = os::swap_on(device.path(), TOP_PRIORITY);
                switched.map_err(|error| refused(device.path(), error))?;
                area.active = true;
            }
            Err(error) => return Err(refused(&area.image, error)),
        }
        Ok(area)
    }

    fn remove(&mut self) -> Result<()> {
        if self.gone {
            return Ok(());
        }
        if self.active {
            let path = self
                .device
                .as_ref()
                .map_or(self.image.as_path(), LoopDevice::path);
            os::swap_off(path).doing("switch off swap area", path.display())?;
            self.active = false;
        }
        if let Some(device) = self.device.take() {
            device
                .detach()
                .doing("detach the loop device from", self.image.display())?;
        }
        erase(&self.image).doing("erase", self.image.display())?;
        self.gone = true;
        Ok(())
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // What could not be removed has an owner's name and goes at the next creation.
        let _ = self.remove();
    }
}

/// A swap area that was not switched on; what to do where that takes more rights.
fn refused(area: &Path, error: io::Error) -> Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::new("switch on swap area", area.display(), error);
    if denied { error.advise(OUTSIDE) } else { error }
}

/// One private area per process at a time: between two of equal priority the kernel deals pages in
/// turn, and a scan of either would miss half.
#[derive(Debug)]
struct Turn;

static TAKEN: AtomicBool = AtomicBool::new(false);

impl Turn {
    fn take() -> Result<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(Error::refused(
                "create",
                "a swap area",
                "this process has one already",
            ));
        }
        Ok(Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

fn refuse_equal_priority(areas: &[SwapArea]) -> Result<()> {
    match areas
        .iter()
        .find(|area| area.priority >= i32::from(TOP_PRIORITY))
    {
        None => Ok(()),
        Some(area) => Err(Error::refused(
            "create a swap area beside",
            area.path.display(),
            "it has the highest priority already",
        )
        .advise(format!("run: swapoff {}", area.path.display()))),
    }
}

/// zswap would keep the pages in memory; with a swappiness of 0 no cgroup's reclaim swaps at all.
fn let_pages_go() -> Result<Vec<Setting>> {
    let mut changed = Vec::new();
    if Path::new(ZSWAP).exists() {
        changed.extend(Setting::change(ZSWAP, "N")?);
    }
    if fs::read_to_string(SWAPPINESS).is_ok_and(|value| value.trim() == "0") {
        changed.extend(Setting::change(SWAPPINESS, "60")?);
    }
    Ok(changed)
}

/// Writes every block, then the header (`union swap_header` of the kernel): version 1, the last
/// page's number and no bad pages at byte 1024; the signature in the last ten bytes of page 0.
fn format(mut file: &File, bytes: u64) -> io::Result<()> {
    let page = os::page_size() as u64;
    let pages = bytes / page;
    let last = u32::try_from(pages.max(10) - 1).map_err(io::Error::other)?;
    write_zeros(file, (u64::from(last) + 1) * page)?;
    file.seek(SeekFrom::Start(1024))?;
    for word in [1, last, 0] {
        file.write_all(&u32::to_ne_bytes(word))?;
    }
    file.seek(SeekFrom::Start(page - SIGNATURE.len() as u64))?;
    file.write_all(SIGNATURE)?;
    file.sync_all()
}

/// Really writes: allocated but unwritten blocks would read as zeros whatever the swap put there.
fn write_zeros(mut file: &File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    file.seek(SeekFrom::Start(0))?;
    let mut left = bytes;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..piece).unwrap_or_default())?;
        left -= piece as u64;
    }
    file.sync_all()
}

fn erase(image: &Path) -> io::Result<()> {
    let file = os::open_plain(image)?;
    write_zeros(&file, file.metadata()?.len())?;
    fs::remove_file(image)
}

fn is_orphan(image: &Path) -> bool {
    image
        .file_name()
        .and_then(|n| n.to_str())
        .is_some_and(|name| owner::is_orphan(name, KIND))
}

/// The file behind a loop device, from sysfs.
pub(crate) fn backing_file(device: &Path) -> Option<PathBuf> {
    let name = device.file_name()?.to_str()?;
    let text = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}

const KIND: &str = "swap";
const TOP_PRIORITY: u16 = 32767;
const SIGNATURE: &[u8; 10] = b"SWAPSPACE2";
pub(crate) const SWAPPINESS: &str = "/proc/sys/vm/swappiness";
pub(crate) const ZSWAP: &str = "/sys/module/zswap/parameters/enabled";
