//! Private keys whose text is written in base64 once more, as Kubernetes keeps them.
//!
//! ```text
//! -----BEGIN PRIVATE KEY-----    client-key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1DNEND…
//! MC4CAQ…
//! ```

use memchr::memmem;

use super::Recognised;
use super::pem::{self, Decoded};

/// What the beginning of such a block is written as.
pub(super) const BEGIN: &[u8] = b"LS0tLS1CRUdJTiB";

/// No text is read further.
const LONGEST: usize = super::OVERLAP;

/// The keys in a text.
pub(super) struct Text {
    /// From the first digit of each to its last.
    pub(super) keys: Vec<(usize, Recognised)>,
    /// What begins before this need not be read again: so each byte is decoded twice at most,
    /// however often a text seems to begin.
    pub(super) read: usize,
}

/// Reads the text that begins at the start of `bytes`. Certificates may stand before a key.
pub(super) fn read(bytes: &[u8]) -> Text {
    let Some(text) = Decoded::of(&bytes[..bytes.len().min(LONGEST)]) else {
        return Text {
            keys: Vec::new(),
            read: 0,
        };
    };
    let blocks = memmem::find_iter(&text.bytes, pem::BEGIN);
    let keys = blocks.flat_map(|block| {
        let keys = pem::recognise(&text.bytes[block..]);
        keys.into_iter()
            .map(move |(start, key)| (block + start, key))
    });
    let place = |(start, key): (usize, Recognised)| {
        let place = text.place(start..start + key.len)?;
        let len = place.len();
        Some((place.start, Recognised { len, ..key }))
    };
    Text {
        keys: keys.filter_map(place).collect(),
        read: text.end().min(LONGEST / 2),
    }
}
