//! What there is to do about what was found below a directory.

use std::fs::{File, Metadata};
use std::path::PathBuf;

use vmsafe_witness::Compression;

use crate::scan::finding::Gap;
use crate::scan::look::{Look, Quest};
use crate::scan::name::Name;
use crate::scan::open::{beginning, opened};
use crate::scan::target::Target;
use crate::scan::word::Word;

/// Something below a directory.
pub(in crate::scan) enum Job {
    /// An open file.
    File(PathBuf, File, Box<Metadata>),
    /// What could not be opened: to be told in its turn.
    Closed(Gap),
}

impl Job {
    /// The bytes that there are to search.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File(_, _, about) => about.len(),
            Self::Closed(_) => 0,
        }
    }

    /// Whether it takes megabytes beside the bytes of the file: it is a core dump, or compressed
    /// with large windows. What cannot be read will be told of its search.
    pub(super) fn is_heavy(&self, quest: &Quest) -> bool {
        let Self::File(_, file, _) = self else {
            return false;
        };
        let start = beginning(file);
        let is_elf = start.starts_with(b"\x7fELF");
        // ET_CORE, in either order of bytes.
        let is_core = is_elf && matches!(start.get(16..18), Some([4, 0] | [0, 4]));
        let compression = Compression::detect(&start).filter(|_| quest.decompress);
        is_core || compression.is_some_and(|how| how != Compression::Gzip)
    }

    /// Does it, as `one_of_many` that are done side by side or alone.
    ///
    /// # Errors
    /// None: no record is kept of it.
    pub(super) fn run(
        self,
        quest: &Quest,
        one_of_many: bool,
        say: &mut dyn FnMut(Word),
    ) -> anyhow::Result<()> {
        let (path, file, about) = match self {
            Self::File(path, file, about) => (path, file, about),
            Self::Closed(gap) => {
                say(Word::NotSearched(gap));
                return Ok(());
            }
        };
        let name = Name::from(Target::Path(path.clone()));
        let mut look = Look {
            quest,
            record: None,
            say,
            is_one_of_many: one_of_many,
        };
        let opened = if quest.stop.asked() {
            Err(vmsafe_witness::Gap::STOPPED.to_owned())
        } else {
            opened(file, Some(*about), &path, quest.decompress)
        };
        match opened {
            Ok(open) => look.medium(name, &path, open),
            Err(because) => {
                look.not_at_all(&name, because);
                Ok(())
            }
        }
    }
}
