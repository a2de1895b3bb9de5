//! A medium of any size that takes no space: half random, a quarter zeros, a quarter programs, with
//! secrets planted at chosen places.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Content changes its kind at multiples of this.
const STRETCH: u64 = 64 * 1024;

/// A small generator of random bytes (SplitMix64).
#[derive(Clone)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.word().to_le_bytes());
        words.take(len).collect()
    }
}

/// The medium. Cloning shares what was planted.
#[derive(Clone)]
pub(crate) struct Corpus {
    len: u64,
    program: Arc<Vec<u8>>,
    planted: Arc<BTreeMap<u64, Vec<u8>>>,
    longest: u64,
    at: u64,
}

impl Corpus {
    pub(crate) fn new(len: u64, planted: BTreeMap<u64, Vec<u8>>) -> Self {
        let program = std::env::current_exe()
            .and_then(std::fs::read)
            .expect("our own program");
        let longest = planted.values().map(Vec::len).max().unwrap_or(0) as u64;
        Self {
            len,
            program: Arc::new(program),
            planted: Arc::new(planted),
            longest,
            at: 0,
        }
    }

    fn fill(&self, at: u64, into: &mut [u8]) {
        let stretch = at / STRETCH;
        match stretch % 4 {
            0 | 1 => into.copy_from_slice(&self.random(at, into.len())),
            2 => into.fill(0),
            _ => {
                let from = (at / 4) as usize % self.program.len();
                let part = self.program[from..].iter().chain(self.program.iter());
                into.iter_mut()
                    .zip(part.cycle())
                    .for_each(|(byte, copy)| *byte = *copy);
            }
        }
    }

    /// The random bytes at `at`, the same however they are cut.
    fn random(&self, at: u64, len: usize) -> Vec<u8> {
        let mut random = Random(at / 8 * 8 * 0x2545_f491);
        let skip = (at % 8) as usize;
        let mut bytes = Vec::with_capacity(len + 16);
        let mut place = at / 8 * 8;
        while bytes.len() < len + skip {
            random.0 = place.wrapping_mul(0x2545_f491_4f6c_dd1d);
            bytes.extend(random.word().to_le_bytes());
            place += 8;
        }
        bytes[skip..skip + len].to_vec()
    }
}

impl Read for Corpus {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let in_stretch = STRETCH - self.at % STRETCH;
        let left = self.len.saturating_sub(self.at).min(in_stretch);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let into = &mut into[..count];
        self.fill(self.at, into);
        let (start, end) = (self.at, self.at + count as u64);
        for (&place, bytes) in self.planted.range(start.saturating_sub(self.longest)..end) {
            let place_end = place + bytes.len() as u64;
            if place_end > start {
                let (from, to) = (place.max(start), place_end.min(end));
                into[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&bytes[(from - place) as usize..(to - place) as usize]);
            }
        }
        self.at = end;
        Ok(count)
    }
}

impl Seek for Corpus {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(back) => self.len.saturating_add_signed(back),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}
