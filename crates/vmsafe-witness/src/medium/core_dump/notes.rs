//! The notes of a core dump: registers, threads and the names of mapped files.

use core::ops::Range;
use std::sync::Arc;

use object::elf::{EM_AARCH64, EM_X86_64, NT_FILE, NT_PRSTATUS};
use object::read::elf::{FileHeader, NoteIterator};
use object::{Endian, Endianness};

use super::Thread;

/// A note and where it stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub(super) in_file: Range<u64>,
    pub(super) name: &'static str,
    pub(super) thread: Option<u32>,
}

/// A file that was mapped.
#[derive(Clone, Debug)]
pub(super) struct MappedFile {
    pub(super) addresses: Range<u64>,
    /// Shared by the mappings of one file that follow each other.
    pub(super) path: Arc<str>,
}

/// Bytes of a path that are kept: of a longer one the end, which names the file.
const LONGEST_PATH: usize = 256;

/// More notes, or more mapped files, than this end the reading: the caller refuses them.
const MOST: usize = (1 << 17) + 1;

/// All that one segment of notes tells.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) notes: Vec<Note>,
    pub(super) files: Vec<MappedFile>,
    pub(super) threads: Vec<Thread>,
}

impl Notes {
    /// Reads the notes in `bytes`, which begin at `offset` of the file, as far as they are whole.
    pub(super) fn parse<Elf: FileHeader<Endian = Endianness>>(
        bytes: &[u8],
        offset: u64,
        endian: Endianness,
        machine: u16,
    ) -> Self {
        let mut all = Self::default();
        let mut thread = None;
        let Ok(mut notes) = NoteIterator::<Elf>::new(endian, Elf::Word::default(), bytes) else {
            return all;
        };
        while all.notes.len() < MOST
            && let Ok(Some(note)) = notes.next()
        {
            let desc = note.desc();
            let kind = note.n_type(endian);
            if kind == NT_PRSTATUS {
                let found = read_thread(desc, endian, machine);
                thread = found.map(|thread| thread.id);
                all.threads.extend(found);
            } else if kind == NT_FILE {
                let room = MOST.saturating_sub(all.files.len());
                let files = read_files(desc, endian, room);
                all.files.extend(files.unwrap_or_default());
            }
            let start = offset + (desc.as_ptr().addr() - bytes.as_ptr().addr()) as u64;
            let (name, of_thread) = name(kind.0);
            all.notes.push(Note {
                in_file: start..start + desc.len() as u64,
                name,
                thread: thread.filter(|_| of_thread),
            });
        }
        all
    }
}

/// What a note of this type holds, and whether it belongs to a thread.
fn name(kind: u32) -> (&'static str, bool) {
    match kind {
        1 => ("general registers", true),
        2 => ("floating-point registers", true),
        3 => ("process status", false),
        6 => ("auxiliary vector", false),
        0x202 => ("extended registers", true),
        0x5349_4749 => ("signal information", true),
        0x4649_4c45 => ("names of mapped files", false),
        _ => ("further registers", true),
    }
}

/// `struct elf_prstatus` of the 64-bit systems: the thread number stands at byte 32, the registers
/// from byte 112 on.
fn read_thread(status: &[u8], endian: Endianness, machine: u16) -> Option<Thread> {
    let stack_register = match machine {
        machine if machine == EM_X86_64.0 => 19,
        machine if machine == EM_AARCH64.0 => 31,
        _ => return None,
    };
    let id = endian.read_u32(*status.get(32..)?.first_chunk()?);
    Some(Thread {
        id,
        stack_pointer: word(status, 112 / 8 + stack_register, endian),
    })
}

/// The count, the page size, three words for each file, then their paths, each ended by a zero.
fn read_files(desc: &[u8], endian: Endianness, most: usize) -> Option<Vec<MappedFile>> {
    let count = usize::try_from(word(desc, 0, endian)?).ok()?;
    let paths_at = count.checked_mul(24)?.checked_add(16)?;
    let paths = desc.get(paths_at..)?.split(|byte| *byte == 0);
    let mut files: Vec<MappedFile> = Vec::new();
    let mut before: &[u8] = &[];
    for (nth, path) in paths.take(count.min(most)).enumerate() {
        let bounds = (
            word(desc, 2 + 3 * nth, endian),
            word(desc, 3 + 3 * nth, endian),
        );
        let (Some(start), Some(end)) = bounds else {
            break;
        };
        let path_before = files.last().filter(|_| path == before);
        files.push(MappedFile {
            addresses: start..end,
            path: path_before.map_or_else(|| shown(path), |file| Arc::clone(&file.path)),
        });
        before = path;
    }
    Some(files)
}

fn shown(path: &[u8]) -> Arc<str> {
    match path.len().checked_sub(LONGEST_PATH) {
        None | Some(0) => String::from_utf8_lossy(path).into(),
        Some(cut) => format!("…{}", String::from_utf8_lossy(&path[cut..])).into(),
    }
}

/// The 64-bit word number `at`.
fn word(bytes: &[u8], at: usize, endian: Endianness) -> Option<u64> {
    let raw = bytes.get(at.checked_mul(8)?..)?.first_chunk()?;
    Some(endian.read_u64(*raw))
}
