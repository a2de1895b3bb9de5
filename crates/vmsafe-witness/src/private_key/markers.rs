//! The fast part: where in memory could a private key be?
//!
//! Each format has a few bytes that every key in it holds. Two adjacent ones of each are tested at
//! every place at once, which is vector work; where they stand, all of them are compared.

/// Bytes that a format cannot do without.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) bytes: &'static [u8],
    /// The place of the two bytes that are tested first: the rarest.
    pair: usize,
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
    Age,
}

const fn marker(bytes: &'static [u8], pair: usize, format: Format) -> Marker {
    Marker {
        bytes,
        pair,
        format,
    }
}

const MARKERS: [Marker; 9] = [
    // The version of a key: an integer of one byte, 0 or 1.
    marker(&[2, 1, 0], 0, Format::Der),
    marker(&[2, 1, 1], 0, Format::Der),
    marker(super::pem::BEGIN, 4, Format::Pem),
    marker(super::openssh::MAGIC, 6, Format::OpenSsh),
    marker(&super::openpgp::EXPONENT, 1, Format::OpenPgpExponent),
    // The beginnings of the names of curves.
    marker(&[0x2b, 6, 1, 4, 1], 0, Format::OpenPgpCurve),
    marker(
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1],
        0,
        Format::OpenPgpCurve,
    ),
    marker(&[0x2b, 0x81, 4, 0], 0, Format::OpenPgpCurve),
    marker(super::age::PREFIX, 3, Format::Age),
];

const STEP: usize = 64;

/// Calls `found` with each marker and the place where it begins.
pub(super) fn sweep(hay: &[u8], found: &mut dyn FnMut(&'static Marker, usize)) {
    // The vector instructions that this processor has.
    let vectors = pulp::Arch::new();
    let mut at = 0;
    loop {
        at = vectors.dispatch(Next { hay, at });
        if at >= hay.len() {
            break;
        }
        report(hay, at..hay.len().min(at + STEP), found);
        at += STEP;
    }
}

/// The search for the next step that holds a pair, or for the end.
struct Next<'a> {
    hay: &'a [u8],
    at: usize,
}

impl pulp::NullaryFnOnce for Next<'_> {
    type Output = usize;

    #[inline(always)]
    fn call(self) -> usize {
        let mut at = self.at;
        while let Some(chunk) = self.hay.get(at..at + STEP + 1) {
            let mut any = [0_u8; STEP];
            for marker in &MARKERS {
                let (one, other) = (marker.bytes[marker.pair], marker.bytes[marker.pair + 1]);
                for nth in 0..STEP {
                    any[nth] |= u8::from(chunk[nth] == one) & u8::from(chunk[nth + 1] == other);
                }
            }
            if any.iter().fold(0, |any, one| any | one) != 0 {
                break;
            }
            at += STEP;
        }
        at
    }
}

#[cold]
fn report(
    hay: &[u8],
    places: core::ops::Range<usize>,
    found: &mut dyn FnMut(&'static Marker, usize),
) {
    for at in places {
        for marker in &MARKERS {
            let Some(start) = at.checked_sub(marker.pair) else {
                continue;
            };
            if hay[start..].starts_with(marker.bytes) {
                found(marker, start);
            }
        }
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
