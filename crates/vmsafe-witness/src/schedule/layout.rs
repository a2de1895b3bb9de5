//! How programs lay a schedule out in memory, and how to read it back.

use zeroize::Zeroizing;

use super::aes::{MOST_WORDS, Schedule, Word, group_after, mix, unmix};
use crate::keys::KeyForm;

/// The bytes of the longest schedule.
pub(super) const MOST_BYTES: usize = 4 * MOST_WORDS;

/// In which order the round keys stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// From the first to the last.
    Forward,
    /// From the last to the first, each of them forward.
    Reversed,
}

/// One layout of a schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) key_words: usize,
    pub(super) order: Order,
    /// Whether all but the two outer round keys went through `InvMixColumns`.
    pub(super) mixed: bool,
    /// Whether each word is in the other byte order.
    pub(super) swapped: bool,
}

impl Layout {
    /// All layouts of one order and key length.
    pub(super) fn all(order: Order, key_words: usize) -> impl Iterator<Item = Self> {
        let mixed: &[bool] = if order == Order::Forward {
            &[false]
        } else {
            &[true, false]
        };
        mixed.iter().flat_map(move |&mixed| {
            [false, true].map(|swapped| Self {
                key_words,
                order,
                mixed,
                swapped,
            })
        })
    }

    pub(super) fn form(&self) -> KeyForm {
        match (self.order, self.mixed, self.swapped) {
            (Order::Forward, _, false) => KeyForm::Schedule,
            (Order::Forward, _, true) => KeyForm::ScheduleSwapped,
            (Order::Reversed, false, false) => KeyForm::ReversedSchedule,
            (Order::Reversed, false, true) => KeyForm::ReversedScheduleSwapped,
            (Order::Reversed, true, false) => KeyForm::DecryptionSchedule,
            (Order::Reversed, true, true) => KeyForm::DecryptionScheduleSwapped,
        }
    }

    /// Bytes of the whole schedule.
    pub(super) fn len(&self) -> usize {
        4 * Schedule::len_for(self.key_words)
    }

    /// Where word `i` stands, from the start of the schedule.
    fn place(&self, i: usize) -> usize {
        match self.order {
            Order::Forward => 4 * i,
            Order::Reversed => self.len() - 16 - 16 * (i / 4) + 4 * (i % 4),
        }
    }

    /// Whether word `i` belongs to one of the two outer round keys.
    fn is_outer(&self, i: usize) -> bool {
        i < 4 || i >= Schedule::len_for(self.key_words) - 4
    }

    /// The word at `at`; `None` outside of `hay`.
    fn read(&self, hay: &[u8], at: usize) -> Option<Word> {
        let mut word: Word = *hay.get(at..)?.first_chunk()?;
        if self.swapped {
            word.reverse();
        }
        Some(if self.mixed { mix(word) } else { word })
    }

    /// The schedule whose word at `first` begins a key group, and where it starts; it may start
    /// before `hay` or end behind it.
    ///
    /// That word is taken to be the first of four words that stand together.
    pub(super) fn schedule_around(&self, hay: &[u8], first: usize) -> Option<(Schedule, isize)> {
        let back = |words: usize| match self.order {
            Order::Forward => first.checked_sub(4 * words),
            // A place `words` before a place 0 of 4 lies that many words back, counted within
            // round keys that stand in falling order.
            Order::Reversed => {
                Some(first + 16 * words.div_ceil(4) + 4 * (words.next_multiple_of(4) - words))
            }
        };
        let read_back = |words: usize| self.read(hay, back(words)?);
        let group = group_after(
            read_back(self.key_words)?,
            read_back(1)?,
            self.read(hay, first)?,
        )?;
        let i = group * self.key_words;
        let used = i - self.key_words..=i;
        if i >= Schedule::len_for(self.key_words)
            || self.mixed && used.into_iter().any(|i| self.is_outer(i))
        {
            return None;
        }
        let mut known = Zeroizing::new([[0; 4]; 8]);
        for (nth, word) in known[..self.key_words].iter_mut().enumerate() {
            *word = read_back(self.key_words - nth)?;
        }
        let schedule = Schedule::from_words(&known[..self.key_words], i - self.key_words);
        Some((schedule, first.checked_signed_diff(self.place(i))?))
    }

    /// What `schedule` looks like in this layout.
    pub(super) fn image(&self, schedule: &Schedule) -> Zeroizing<Vec<u8>> {
        let mut image = Zeroizing::new(vec![0; self.len()]);
        for (i, &word) in schedule.words().iter().enumerate() {
            let mut word = if self.mixed && !self.is_outer(i) {
                unmix(word)
            } else {
                word
            };
            if self.swapped {
                word.reverse();
            }
            let place = self.place(i);
            image[place..place + 4].copy_from_slice(&word);
        }
        image
    }
}
