//! The fast part: where in memory could a private key be?
//!
//! Each format has a few bytes that every key in it holds. All of these are sought at once.

use std::sync::LazyLock;

use aho_corasick::packed::{self, Searcher};
use aho_corasick::{AhoCorasick, Span};

/// Bytes that a format cannot do without.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) bytes: &'static [u8],
    pub(super) format: Format,
}

/// What a marker is a marker of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Der,
    Pem,
    OpenSsh,
    OpenPgpExponent,
    OpenPgpCurve,
    Expression,
    Age,
}

const fn marker(bytes: &'static [u8], format: Format) -> Marker {
    Marker { bytes, format }
}

const MARKERS: [Marker; 11] = [
    // The version of a key: an integer of one byte, 0 or 1.
    marker(&[2, 1, 0], Format::Der),
    marker(&[2, 1, 1], Format::Der),
    marker(super::pem::BEGIN, Format::Pem),
    marker(super::openssh::MAGIC, Format::OpenSsh),
    marker(&super::openpgp::EXPONENT, Format::OpenPgpExponent),
    // The beginnings of the names of curves.
    marker(&[0x2b, 6, 1, 4, 1], Format::OpenPgpCurve),
    marker(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1], Format::OpenPgpCurve),
    marker(&[0x2b, 0x81, 4, 0], Format::OpenPgpCurve),
    marker(super::expression::IN_MEMORY, Format::Expression),
    marker(super::expression::IN_FILE, Format::Expression),
    marker(super::age::PREFIX, Format::Age),
];

/// Looks for all markers at once, with vector instructions where the processor has them.
enum Sought {
    Packed(Searcher),
    ByteByByte(AhoCorasick),
}

static SOUGHT: LazyLock<Sought> = LazyLock::new(|| {
    let markers = || MARKERS.iter().map(|marker| marker.bytes);
    match packed::Config::new().builder().extend(markers()).build() {
        Some(searcher) => Sought::Packed(searcher),
        None => Sought::ByteByByte(AhoCorasick::new(markers()).expect("they are few and short")),
    }
});

impl Sought {
    /// The first marker from `at` on: its number and place.
    fn first(&self, hay: &[u8], at: usize) -> Option<(usize, usize)> {
        let span = Span::from(at..hay.len());
        let found = match self {
            Self::Packed(searcher) => searcher.find_in(hay, span),
            Self::ByteByByte(searcher) => searcher.find(aho_corasick::Input::new(hay).span(span)),
        }?;
        Some((found.pattern().as_usize(), found.start()))
    }
}

/// Calls `found` with each marker and the place where it begins.
pub(super) fn sweep(hay: &[u8], found: &mut dyn FnMut(&'static Marker, usize)) {
    let markers: &'static [Marker] = &MARKERS;
    let mut at = 0;
    while let Some((number, place)) = SOUGHT.first(hay, at) {
        found(&markers[number], place);
        // Markers may overlap.
        at = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_each_marker_at_each_place() {
        for (number, marker) in MARKERS.iter().enumerate() {
            for at in 0..200 {
                let mut hay = vec![0xee; 200 + marker.bytes.len()];
                hay[at..at + marker.bytes.len()].copy_from_slice(marker.bytes);
                let mut found = Vec::new();
                sweep(&hay, &mut |marker, place| found.push((marker.bytes, place)));
                assert_eq!(found, [(marker.bytes, at)], "marker {number}");
            }
        }
    }
}
