//! Core dumps in ELF: which address, mapping or thread an offset in the file belongs to.
//!
//! ```text
//! | ELF header | program headers | notes: registers of each thread, … | segment | segment | …
//! ```

mod notes;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use object::elf::{ET_CORE, FileHeader32, FileHeader64, PT_LOAD, PT_NOTE};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use zeroize::Zeroizing;

use super::paged::Paged;
use notes::{MappedFile, Note, Notes};

/// More program headers than this, or more bytes of notes in all, are refused: a crafted file must
/// not fill our memory. The kernel writes at most 65535 headers unless told to allow a process
/// more mappings, and at most 16 MiB of notes about them.
const MOST_HEADERS: u32 = 1 << 17;
const MOST_NOTES: u64 = 16 << 20;
/// The same for the names of mapped files, bytes: many mappings of one file share its name.
const MOST_NAMES: usize = 8 << 20;

/// The structure of a core dump.
#[derive(Clone, Debug, Default)]
pub struct CoreDump {
    /// By rising offset, as are the notes.
    segments: Vec<Segment>,
    notes: Vec<Note>,
    /// By rising address.
    files: Vec<MappedFile>,
    threads: Vec<Thread>,
    machine: u16,
}

/// A thread that the dump has registers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thread {
    /// Its number in the system.
    pub id: u32,
    /// Its stack pointer, if the processor is one that we know.
    pub stack_pointer: Option<u64>,
}

/// Memory that was dumped.
#[derive(Clone, Debug)]
struct Segment {
    in_file: Range<u64>,
    address: u64,
    writable: bool,
    executable: bool,
    stack_of: Option<u32>,
}

/// What an offset in a core dump is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorePlace {
    /// In the memory of the process.
    Memory {
        /// The address that the byte had.
        address: u64,
        /// The file that was mapped there; of a long path the end.
        file: Option<Arc<str>>,
        /// The thread whose stack pointer lies in the same segment.
        stack_of: Option<u32>,
        /// As in `rw-`.
        permissions: &'static str,
    },
    /// In a note, such as the registers of a thread.
    Note {
        /// What the note holds.
        name: &'static str,
        /// The thread that it belongs to.
        thread: Option<u32>,
    },
    /// In a header, or between the parts.
    Other,
}

impl CoreDump {
    /// Reads the structure of a core dump; `None` if it is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is damaged so that its parts cannot be told apart.
    pub fn read(reader: impl Read + Seek + Send) -> io::Result<Option<Self>> {
        let mut paged = Paged::new(reader)?;
        Self::read_paged(&mut paged)
    }

    pub(super) fn read_paged<R: Read + Seek + Send>(
        paged: &mut Paged<R>,
    ) -> io::Result<Option<Self>> {
        let mut start = [0; 16];
        if paged.end() < start.len() as u64 {
            return Ok(None);
        }
        paged.read_at(0, &mut start)?;
        match FileKind::parse(&start[..]) {
            Ok(FileKind::Elf64) => Self::read_elf::<FileHeader64<Endianness>, R>(paged),
            Ok(FileKind::Elf32) => Self::read_elf::<FileHeader32<Endianness>, R>(paged),
            _ => Ok(None),
        }
    }

    fn read_elf<Elf, R>(paged: &mut Paged<R>) -> io::Result<Option<Self>>
    where
        Elf: FileHeader<Endian = Endianness>,
        R: Read + Seek + Send,
    {
        let mut core = Self::default();
        let mut note_ranges = Vec::new();
        let endian = {
            let cache = ReadCache::new(&mut *paged);
            let header = Elf::parse(&cache).map_err(damaged)?;
            let endian = header.endian().map_err(damaged)?;
            if header.e_type(endian) != ET_CORE {
                return Ok(None);
            }
            core.machine = header.e_machine(endian).0;
            if header.phnum(endian, &cache).map_err(damaged)? > MOST_HEADERS {
                return Err(refused("the core dump claims too many segments"));
            }
            for part in header.program_headers(endian, &cache).map_err(damaged)? {
                let start: u64 = part.p_offset(endian).into();
                let len: u64 = part.p_filesz(endian).into();
                let in_file = start..start.saturating_add(len);
                match part.p_type(endian) {
                    PT_LOAD => core.segments.push(Segment::new(part, endian, in_file)),
                    PT_NOTE => note_ranges.push(in_file),
                    _ => {}
                }
            }
            endian
        };
        let lens = note_ranges.iter().map(|range| range.end - range.start);
        if lens.fold(0, u64::saturating_add) > MOST_NOTES {
            return Err(refused("the notes of the core dump are too long"));
        }
        for range in note_ranges {
            core.read_notes::<Elf, R>(paged, endian, range)?;
        }
        core.sort();
        Ok(Some(core))
    }

    /// Puts all in the order by which [`Self::place`] finds it: a hostile file has a hundred
    /// thousand parts and as many findings.
    fn sort(&mut self) {
        self.segments.sort_by_key(|segment| segment.in_file.start);
        self.notes.retain(|note| !note.in_file.is_empty());
        self.notes.sort_by_key(|note| note.in_file.start);
        self.files.sort_by_key(|file| file.addresses.start);
        let threads = self.threads.iter();
        let stack = |thread: &Thread| Some((thread.stack_pointer?, thread.id));
        let mut stacks: Vec<_> = threads.filter_map(stack).collect();
        stacks.sort_by_key(|(pointer, _)| *pointer);
        for segment in &mut self.segments {
            let addresses = segment.addresses();
            let first = stacks.partition_point(|(pointer, _)| *pointer < addresses.start);
            let inside = stacks.get(first).filter(|(at, _)| addresses.contains(at));
            segment.stack_of = inside.map(|(_, id)| *id);
        }
    }

    fn read_notes<Elf, R>(
        &mut self,
        paged: &mut Paged<R>,
        endian: Endianness,
        range: Range<u64>,
    ) -> io::Result<()>
    where
        Elf: FileHeader<Endian = Endianness>,
        R: Read + Seek + Send,
    {
        let len = range.end - range.start;
        // Registers may hold a secret.
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(len).unwrap_or(0)]);
        paged.read_at(range.start, &mut bytes)?;
        let notes = Notes::parse::<Elf>(&bytes, range.start, endian, self.machine);
        self.notes.extend(notes.notes);
        self.files.extend(notes.files);
        self.threads.extend(notes.threads);
        let most = self.notes.len().max(self.files.len());
        let names = self
            .files
            .chunk_by(|one, other| Arc::ptr_eq(&one.path, &other.path));
        let names: usize = names.map(|same| same[0].path.len()).sum();
        if most > MOST_HEADERS as usize || names > MOST_NAMES {
            return Err(refused("the core dump has too many notes"));
        }
        Ok(())
    }

    /// The threads that the dump has registers of; the one that caused it is the first.
    #[must_use]
    pub fn threads(&self) -> &[Thread] {
        &self.threads
    }

    /// How many segments of memory the dump holds.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// What the byte at `offset` of the file belongs to.
    #[must_use]
    pub fn place(&self, offset: u64) -> CorePlace {
        let behind = self
            .notes
            .partition_point(|note| note.in_file.start <= offset);
        if let Some(note) = self.notes[..behind].last()
            && note.in_file.contains(&offset)
        {
            return CorePlace::Note {
                name: note.name,
                thread: note.thread,
            };
        }
        let behind = self
            .segments
            .partition_point(|segment| segment.in_file.start <= offset);
        match self.segments[..behind].last() {
            Some(segment) if segment.in_file.contains(&offset) => {
                let address = segment.address.wrapping_add(offset - segment.in_file.start);
                self.memory(segment, address)
            }
            _ => CorePlace::Other,
        }
    }

    fn memory(&self, segment: &Segment, address: u64) -> CorePlace {
        let behind = self
            .files
            .partition_point(|file| file.addresses.start <= address);
        let file = self.files[..behind].last();
        let file = file.filter(|file| file.addresses.contains(&address));
        CorePlace::Memory {
            address,
            file: file.map(|file| Arc::clone(&file.path)),
            stack_of: segment.stack_of,
            permissions: match (segment.writable, segment.executable) {
                (false, false) => "r--",
                (true, false) => "rw-",
                (false, true) => "r-x",
                (true, true) => "rwx",
            },
        }
    }
}

impl Segment {
    fn new<P>(part: &P, endian: Endianness, in_file: Range<u64>) -> Self
    where
        P: ProgramHeader<Endian = Endianness>,
    {
        let flags = part.p_flags(endian);
        Self {
            in_file,
            address: part.p_vaddr(endian).into(),
            writable: flags.contains(object::elf::PF_W),
            executable: flags.contains(object::elf::PF_X),
            stack_of: None,
        }
    }

    fn addresses(&self) -> Range<u64> {
        self.address
            ..self
                .address
                .saturating_add(self.in_file.end - self.in_file.start)
    }
}

impl fmt::Display for CorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory {
                address,
                file,
                stack_of,
                permissions,
            } => {
                write!(f, "address {address:#x} ({permissions}")?;
                file.iter().try_for_each(|path| write!(f, ", {path}"))?;
                stack_of
                    .iter()
                    .try_for_each(|id| write!(f, ", stack of thread {id}"))?;
                f.write_str(")")
            }
            Self::Note {
                name,
                thread: Some(id),
            } => write!(f, "{name} of thread {id}"),
            Self::Note { name, thread: None } => f.write_str(name),
            Self::Other => f.write_str("core dump header"),
        }
    }
}

fn damaged(error: object::read::Error) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the core dump is damaged: {error}"),
    )
}

fn refused(because: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, because)
}
