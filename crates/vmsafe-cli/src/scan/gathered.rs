//! Notes on the files of a directory, many of which are alike.

use std::collections::BTreeMap;

use super::name::Name;

/// How many files have each note.
#[derive(Default)]
pub(super) struct Gathered(BTreeMap<String, Same>);

/// The files with one note.
struct Same {
    count: u64,
    first: Name,
}

/// Notes that are kept apart: there are a dozen, and some tell numbers of a file's own.
const MOST_NOTES: usize = 100;

impl Gathered {
    /// One more file has this note.
    pub(super) fn add(&mut self, name: &Name, note: String) {
        if let Some(same) = self.0.get_mut(&note) {
            same.count += 1;
            return;
        }
        let note = if self.0.len() < MOST_NOTES {
            note
        } else {
            "there is more to know of it: scan it alone".to_owned()
        };
        let first = || Same {
            count: 0,
            first: name.clone(),
        };
        self.0.entry(note).or_insert_with(first).count += 1;
    }

    /// Each note once, with what it is a note on: a file, or `all` of the directory.
    pub(super) fn notes(self, all: &Name) -> impl Iterator<Item = (Name, String)> {
        self.0.into_iter().map(|(note, same)| {
            let Same { count, first } = same;
            match count {
                1 => (first, note),
                count => {
                    let more = count - 1;
                    (all.clone(), format!("{first} and {more} more: {note}"))
                }
            }
        })
    }
}
