//! The fast part: where in memory could a private key be?
//!
//! Each format has a few bytes that every key in it holds. Of each of these two adjacent bytes are
//! sought, all at once by vector instructions; the others are asked where both stand.

use pulp::bytemuck::{cast, cast_slice, pod_read_unaligned};
use pulp::{Simd, WithSimd};

use crate::vectors::widest;

/// Bytes that a format cannot do without.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) bytes: &'static [u8],
    pub(super) format: Format,
    /// Which two of the bytes are sought: the rarest that a [`Class`] holds.
    pair: usize,
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

const fn marker(bytes: &'static [u8], pair: usize, format: Format) -> Marker {
    Marker {
        bytes,
        format,
        pair,
    }
}

const MARKERS: [Marker; 11] = [
    // The version of a key: an integer of one byte, 0 or 1.
    marker(&[2, 1, 0], 0, Format::Der),
    marker(&[2, 1, 1], 0, Format::Der),
    marker(super::pem::BEGIN, 4, Format::Pem),
    marker(super::openssh::MAGIC, 7, Format::OpenSsh),
    marker(&super::openpgp::EXPONENT, 1, Format::OpenPgpExponent),
    // The beginnings of the names of curves.
    marker(&[0x2b, 6, 1, 4, 1], 1, Format::OpenPgpCurve),
    marker(
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1],
        5,
        Format::OpenPgpCurve,
    ),
    marker(&[0x2b, 0x81, 4, 0], 0, Format::OpenPgpCurve),
    marker(super::expression::IN_MEMORY, 0, Format::Expression),
    marker(super::expression::IN_FILE, 1, Format::Expression),
    marker(super::age::PREFIX, 10, Format::Age),
];

/// Pairs that differ in some bits only: each byte under its mask.
#[derive(Clone, Copy)]
struct Class {
    masks: [u8; 2],
    bytes: [u8; 2],
}

const fn class(bytes: [u8; 2], masks: [u8; 2]) -> Class {
    Class { masks, bytes }
}

const ALL: u8 = 0xff;

/// All pairs of the markers, and few others.
const CLASSES: [Class; 5] = [
    // Small numbers before a 1: 2, 3, 6.
    class([2, 1], [0xfa, ALL]),
    class([0x11, 1], [ALL, ALL]),
    class([0x2b, 0x81], [ALL, ALL]),
    class(*b"1:", [ALL, ALL]),
    // A hyphen before a letter: B, K, k.
    class(*b"-B", [ALL, 0xd6]),
];

impl Class {
    /// Zero where a pair of this class begins.
    #[inline(always)]
    fn test<S: Simd>(self, simd: S, [one, two]: [S::u8s; 2]) -> S::u8s {
        simd.or_u8s(self.differs(simd, 0, one), self.differs(simd, 1, two))
    }

    /// Zero where the first or second of such a pair could be.
    #[inline(always)]
    fn differs<S: Simd>(self, simd: S, nth: usize, bytes: S::u8s) -> S::u8s {
        let wanted = simd.splat_u8s(self.bytes[nth]);
        if self.masks[nth] == ALL {
            return simd.xor_u8s(bytes, wanted);
        }
        let mask = simd.splat_u8s(self.masks[nth]);
        simd.xor_u8s(simd.and_u8s(bytes, mask), wanted)
    }
}

/// The bytes that are tested before the first branch: pairs begin in them.
const STEP: usize = 128;
type Step = [u8; STEP + 1];

/// Calls `found` with each marker and the place where it begins.
pub(super) fn sweep(hay: &[u8], found: &mut dyn FnMut(&'static Marker, usize)) {
    let mut at = 0;
    while at < hay.len() {
        let passed = widest(Next { hay, at });
        for (nth, mut places) in (0..).zip(passed.places) {
            while places != 0 {
                let place = 8 * nth + places.trailing_zeros() as usize / 8;
                ask(hay, passed.at + place, found);
                places &= places - 1;
            }
        }
        at = passed.at + STEP;
    }
}

/// Tells each marker whose pair begins at `at`.
fn ask(hay: &[u8], at: usize, found: &mut dyn FnMut(&'static Marker, usize)) {
    let Some(pair) = hay.get(at..).and_then(<[u8]>::first_chunk) else {
        return;
    };
    let pair = u16::from_ne_bytes(*pair);
    let markers: &'static [Marker; MARKERS.len()] = &MARKERS;
    for (marker, sought) in markers.iter().zip(PAIRS) {
        if pair == sought
            && let Some(start) = at.checked_sub(marker.pair)
            && hay[start..].starts_with(marker.bytes)
        {
            found(marker, start);
        }
    }
}

/// The pairs of the markers.
const PAIRS: [u16; MARKERS.len()] = {
    let mut pairs = [0; MARKERS.len()];
    let mut nth = 0;
    while nth < pairs.len() {
        let Marker { bytes, pair, .. } = MARKERS[nth];
        pairs[nth] = u16::from_ne_bytes([bytes[pair], bytes[pair + 1]]);
        nth += 1;
    }
    pairs
};

/// The search for the next step with pairs of some class.
struct Next<'a> {
    hay: &'a [u8],
    at: usize,
}

/// A step, and where in it a pair may begin.
struct Passed {
    at: usize,
    /// The highest bit of a byte tells.
    places: [u64; STEP / 8],
}

impl WithSimd for Next<'_> {
    type Output = Passed;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Passed {
        let mut at = self.at;
        while let Some(step) = self.hay[at..].first_chunk() {
            if has_pair(simd, step) {
                let places = places(simd, step);
                return Passed { at, places };
            }
            at += STEP;
        }
        // Less than a step is asked byte by byte.
        let places = [u64::MAX / 0xff * 0x80; STEP / 8];
        Passed { at, places }
    }
}

#[inline(always)]
fn has_pair<S: Simd>(simd: S, step: &Step) -> bool {
    let mut least = simd.splat_u8s(ALL);
    for at in (0..STEP).step_by(S::U8_LANES) {
        least = simd.min_u8s(least, differences(simd, &step[at..]));
    }
    let zeros = [zeros(simd, least)];
    let zeros: &[u64] = cast_slice(&zeros);
    zeros.iter().fold(0, |any, zeros| any | zeros) != 0
}

#[inline(always)]
fn places<S: Simd>(simd: S, step: &Step) -> [u64; STEP / 8] {
    let mut all = [0; STEP / 8];
    for (nth, places) in all.chunks_exact_mut(S::U64_LANES).enumerate() {
        let zeros = zeros(simd, differences(simd, &step[nth * S::U8_LANES..]));
        places.copy_from_slice(cast_slice(&[zeros]));
    }
    all
}

/// The highest bit of each byte that is zero.
#[inline(always)]
fn zeros<S: Simd>(simd: S, bytes: S::u8s) -> S::u64s {
    // It is set in a zero less one, and was not before.
    let less = simd.sub_u8s(bytes, simd.splat_u8s(1));
    let fell = simd.and_u8s(less, simd.not_u8s(bytes));
    cast(simd.and_u8s(fell, simd.splat_u8s(0x80)))
}

/// Zero where a pair of any class begins in the first bytes, as many as a vector holds.
#[inline(always)]
fn differences<S: Simd>(simd: S, bytes: &[u8]) -> S::u8s {
    let pair = [load(simd, bytes), load(simd, &bytes[1..])];
    let mut least = simd.splat_u8s(ALL);
    // One by one: only so are they known to the compiler.
    least = simd.min_u8s(least, CLASSES[0].test(simd, pair));
    least = simd.min_u8s(least, CLASSES[1].test(simd, pair));
    least = simd.min_u8s(least, CLASSES[2].test(simd, pair));
    least = simd.min_u8s(least, CLASSES[3].test(simd, pair));
    simd.min_u8s(least, CLASSES[4].test(simd, pair))
}

/// As many bytes as a vector holds, read as words: single bytes the compiler would put together one
/// by one.
#[inline(always)]
fn load<S: Simd>(_: S, bytes: &[u8]) -> S::u8s {
    cast(pod_read_unaligned::<S::u64s>(&bytes[..S::U8_LANES]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors;

    #[test]
    fn finds_each_marker_at_each_place() {
        for (number, marker) in MARKERS.iter().enumerate() {
            for at in 0..300 {
                let mut hay = vec![0xee; 300 + marker.bytes.len()];
                hay[at..at + marker.bytes.len()].copy_from_slice(marker.bytes);
                let mut found = Vec::new();
                sweep(&hay, &mut |marker, place| found.push((marker.bytes, place)));
                assert_eq!(found, [(marker.bytes, at)], "marker {number}");
            }
        }
    }

    #[test]
    fn finds_markers_that_overlap_and_none_that_is_cut() {
        let mut found = Vec::new();
        let hay = [2, 1, 1, 2, 1, 0, 17, 1, 0, 1, 0x2b, 6, 1, 4];
        sweep(&hay, &mut |marker, place| {
            found.push((marker.bytes.len(), place))
        });
        assert_eq!(found, [(3, 0), (3, 3), (5, 5)]);
    }

    #[test]
    fn every_marker_has_its_pair_in_a_class() {
        for marker in &MARKERS {
            let pair = &marker.bytes[marker.pair..marker.pair + 2];
            let holds = |class: &Class| {
                let masked = |nth: usize| pair[nth] & class.masks[nth] == class.bytes[nth];
                masked(0) && masked(1)
            };
            assert_eq!(
                CLASSES.iter().filter(|class| holds(class)).count(),
                1,
                "{marker:?}"
            );
        }
    }

    #[test]
    fn all_vectors_find_the_same_places() {
        let mut masks = crate::masked::MaskStream::new(2);
        // Bytes of few values: pairs are frequent.
        let values = [1, 2, 3, 6, 0x11, 0x2b, 0x81, b'-', b'B', b'1', b':', 0];
        let random = (0..2500).flat_map(|_| masks.next_word().to_le_bytes());
        let hay: Vec<u8> = random
            .map(|byte| values[usize::from(byte) % values.len()])
            .collect();
        let mut at = 0;
        let mut count = 0;
        while at + STEP < hay.len() {
            let [first, others @ ..] = vectors::all(|| Next { hay: &hay, at });
            for other in others {
                assert_eq!((first.at, first.places), (other.at, other.places));
            }
            let places = first.places.iter().map(|places| places.count_ones());
            count += places.sum::<u32>();
            at = first.at + STEP;
        }
        assert!(count > 400, "{count}");
    }
}
