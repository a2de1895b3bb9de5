//! Private keys whose text is written in base64 once more, as Kubernetes keeps them.
//!
//! ```text
//! -----BEGIN PRIVATE KEY-----    client-key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1DNEND…
//! MC4CAQ…
//! ```

use memchr::memmem;

use super::Recognised;
use super::pem::{self, Decoded, Digits, GROUP};

/// What the beginning of such a block is written as.
pub(super) const BEGIN: &[u8] = b"LS0tLS1CRUdJTiB";

/// No text is read further.
const LONGEST: usize = super::OVERLAP;

/// What of such texts was read: so each byte is decoded eight times at most, however often a text
/// seems to begin.
#[derive(Default)]
pub(super) struct Texts {
    /// So many digits stand before `at`, since the first that was read.
    digits: usize,
    at: usize,
    /// Up to where digits were read in groups of four that begin with each of four in turn. What
    /// ends without padding may have another group behind it.
    until: [usize; GROUP],
}

impl Texts {
    /// Which of four digits the one at `at` is. Places are asked about in order.
    fn phase(&mut self, hay: &[u8], at: usize) -> usize {
        if self.until.iter().all(|until| *until <= at) {
            self.digits = 0;
        } else {
            let between = Digits {
                text: &hay[..at],
                at: self.at,
            };
            self.digits += between.map_while(|digit| digit).count();
        }
        self.at = at;
        self.digits % GROUP
    }
}

/// The keys in the text that begins at `at`, from the first digit of each to its last. Certificates
/// may stand before a key.
pub(super) fn recognise(hay: &[u8], at: usize, read: &mut Texts) -> Vec<(usize, Recognised)> {
    let phase = read.phase(hay, at);
    let is_read = at < read.until[phase];
    let bytes = &hay[at..hay.len().min(at + LONGEST)];
    let Some(text) = Some(bytes).filter(|_| !is_read).and_then(Decoded::of) else {
        return Vec::new();
    };
    read.until[phase] = at + text.end().min(LONGEST / 2);
    let blocks = memmem::find_iter(&text.bytes, pem::BEGIN);
    let keys = blocks.flat_map(|block| {
        let keys = pem::recognise(&text.bytes[block..]);
        keys.into_iter()
            .map(move |(start, key)| (block + start, key))
    });
    let place = |(start, key): (usize, Recognised)| {
        let place = text.place(start..start + key.len)?;
        let len = place.len();
        Some((at + place.start, Recognised { len, ..key }))
    };
    keys.filter_map(place).collect()
}
