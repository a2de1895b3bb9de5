//! The fast part: where in memory could a private key be?
//!
//! Each format has a few bytes that every key in it holds. Of each of these two adjacent bytes are
//! sought, all at once by vector instructions; where both stand, the third is asked about in the
//! same way; and where all three do, the others.

use pulp::bytemuck::{cast, cast_slice, pod_read_unaligned};
use pulp::{Arch, NullaryFnOnce, Scalar256b, Simd};

use super::nibbles::Nibbles;
use crate::keys::KeyForm;

/// Bytes that a format cannot do without.
#[derive(Debug)]
pub(super) struct Marker {
    pub(super) bytes: &'static [u8],
    pub(super) format: Format,
    /// Where the three of the bytes begin that are sought: the rarest that a [`Class`] holds.
    from: usize,
}

/// What a marker is a marker of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Der,
    Pem,
    PemTwice,
    OpenSsh,
    Putty,
    Jwk,
    OpenPgpExponent,
    OpenPgpCurve,
    OpenPgpAlgorithm,
    OpenPgpStart,
    Expression,
    Age,
}

impl Format {
    /// The form of a key that is found by it.
    pub(super) fn form(self) -> KeyForm {
        match self {
            Self::Der => KeyForm::Der,
            Self::Pem => KeyForm::Pem,
            Self::PemTwice => KeyForm::PemTwice,
            Self::OpenSsh => KeyForm::OpenSsh,
            Self::Putty => KeyForm::Putty,
            Self::Jwk => KeyForm::Jwk,
            Self::OpenPgpExponent
            | Self::OpenPgpCurve
            | Self::OpenPgpAlgorithm
            | Self::OpenPgpStart => KeyForm::OpenPgp,
            Self::Expression => KeyForm::Expression,
            Self::Age => KeyForm::AgeIdentity,
        }
    }
}

const fn marker(bytes: &'static [u8], from: usize, format: Format) -> Marker {
    Marker {
        bytes,
        format,
        from,
    }
}

const MARKERS: [Marker; 36] = [
    // The version of a key: an integer of one byte, 0 or 1.
    marker(&[2, 1, 0], 0, Format::Der),
    marker(&[2, 1, 1], 0, Format::Der),
    marker(super::pem::BEGIN, 4, Format::Pem),
    marker(super::twice::BEGIN, 5, Format::PemTwice),
    marker(super::openssh::MAGIC, 7, Format::OpenSsh),
    marker(super::putty::BEGIN, 10, Format::Putty),
    marker(super::jwk::MEMBER, 0, Format::Jwk),
    marker(&super::openpgp::EXPONENT, 1, Format::OpenPgpExponent),
    // The beginnings of the names of curves.
    marker(&[0x2b, 6, 1, 4, 1], 1, Format::OpenPgpCurve),
    marker(
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        5,
        Format::OpenPgpCurve,
    ),
    marker(&[0x2b, 0x81, 4, 0], 0, Format::OpenPgpCurve),
    marker(&[0x2b, 0x24, 3, 3, 2, 8, 1, 1], 0, Format::OpenPgpCurve),
    // The algorithm, and how many bits a prime has: ElGamal's and DSA's.
    marker(&[0x10, 4, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x10, 6, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x10, 8, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x10, 12, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x11, 4, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x11, 6, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x11, 8, 0], 0, Format::OpenPgpAlgorithm),
    marker(&[0x11, 12, 0], 0, Format::OpenPgpAlgorithm),
    // Of a packet, or one of a subkey, what it is, how long it is and its version: of Ed25519 or
    // X25519, of X448, and of Ed448.
    marker(&[0xc5, 73, 4], 0, Format::OpenPgpStart),
    marker(&[0xc5, 121, 4], 0, Format::OpenPgpStart),
    marker(&[0xc5, 123, 4], 0, Format::OpenPgpStart),
    marker(&[0xc5, 75, 6], 0, Format::OpenPgpStart),
    marker(&[0xc5, 123, 6], 0, Format::OpenPgpStart),
    marker(&[0xc5, 125, 6], 0, Format::OpenPgpStart),
    marker(&[0xc7, 73, 4], 0, Format::OpenPgpStart),
    marker(&[0xc7, 121, 4], 0, Format::OpenPgpStart),
    marker(&[0xc7, 123, 4], 0, Format::OpenPgpStart),
    marker(&[0xc7, 75, 6], 0, Format::OpenPgpStart),
    marker(&[0xc7, 123, 6], 0, Format::OpenPgpStart),
    marker(&[0xc7, 125, 6], 0, Format::OpenPgpStart),
    marker(super::expression::IN_MEMORY, 0, Format::Expression),
    marker(super::expression::IN_FILE, 0, Format::Expression),
    marker(super::expression::AS_TEXT, 8, Format::Expression),
    marker(super::age::PREFIX, 10, Format::Age),
];

/// Pairs of one of the first bytes and one of the second, before one of the third.
struct Class {
    firsts: &'static [u8],
    seconds: &'static [u8],
    thirds: &'static [u8],
}

const fn class(firsts: &'static [u8], seconds: &'static [u8], thirds: &'static [u8]) -> Class {
    Class {
        firsts,
        seconds,
        thirds,
    }
}

/// What is sought of the markers. Most pairs of a class agree in one of their halves, so that the
/// tables hold no other; the others are rare.
const CLASSES: [Class; 8] = [
    class(&[2, 3, 6], &[1], &[0, 1, 4, 7]),
    class(&[0x11], &[1], &[0]),
    class(&[0x10, 0x11], &[4, 6, 8, 12], &[0]),
    class(&[0xc5, 0xc7], &[73, 75, 121, 123, 125], &[4, 6]),
    class(&[0x2b], &[0x81, 0x24], &[3, 4]),
    class(b"(S", b"1", b":C"),
    class(b"-", b"BKk", b"Ee"),
    class(b"\"", b"k", b"t"),
];

/// A bit for each class that a byte may belong to, by its lower and by its upper four bits.
struct Tables {
    lower: [u8; 16],
    upper: [u8; 16],
}

const FIRST: Tables = tables(0);
const SECOND: Tables = tables(1);
const THIRD: Tables = tables(2);

const fn tables(place: usize) -> Tables {
    let mut tables = Tables {
        lower: [0; 16],
        upper: [0; 16],
    };
    let mut number = 0;
    while number < CLASSES.len() {
        let Class {
            firsts,
            seconds,
            thirds,
        } = CLASSES[number];
        let bytes = [firsts, seconds, thirds][place];
        let mut nth = 0;
        while nth < bytes.len() {
            tables.lower[(bytes[nth] & 15) as usize] |= 1 << number;
            tables.upper[(bytes[nth] >> 4) as usize] |= 1 << number;
            nth += 1;
        }
        number += 1;
    }
    tables
}

impl Tables {
    /// The classes that each byte may belong to.
    #[inline(always)]
    fn classes<S: Nibbles>(&self, simd: S, bytes: S::u64s) -> S::u8s {
        let mask = simd.splat_u8s(15);
        let shifted = simd.wrapping_dyn_shr_u32s(cast(bytes), simd.splat_u32s(4));
        let lower = simd.look_up(self.lower, simd.and_u8s(cast(bytes), mask));
        let upper = simd.look_up(self.upper, simd.and_u8s(cast(shifted), mask));
        simd.and_u8s(lower, upper)
    }
}

/// The bytes that are tested before the first branch: pairs begin in them.
const STEP: usize = 128;
type Step = [u8; STEP + 2];

/// Calls `found` with each marker and the place where it begins.
pub(super) fn sweep(hay: &[u8], found: &mut dyn FnMut(&'static Marker, usize)) {
    let mut at = 0;
    while at < hay.len() {
        let passed = next(hay, at);
        for (nth, places) in (0..).zip(passed.places) {
            // The first byte the lowest.
            let mut places = places.to_le();
            while places != 0 {
                let place = places.trailing_zeros() as usize / 8;
                ask(hay, passed.at + 8 * nth + place, found);
                places &= !(0xff << (8 * place));
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
            && let Some(start) = at.checked_sub(marker.from)
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
        let Marker { bytes, from, .. } = MARKERS[nth];
        pairs[nth] = u16::from_ne_bytes([bytes[from], bytes[from + 1]]);
        nth += 1;
    }
    pairs
};

/// The search for the next step with pairs of some class.
struct Next<'a, S> {
    simd: S,
    hay: &'a [u8],
    at: usize,
}

/// A step, and where in it a pair may begin.
#[derive(PartialEq, Eq, Debug)]
struct Passed {
    at: usize,
    /// Of each byte the classes.
    places: [u64; STEP / 8],
}

/// The first step from `at` on with pairs of some class, or less than a step.
fn next(hay: &[u8], at: usize) -> Passed {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(simd) => simd.vectorize(Next { simd, hay, at }),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(simd) => simd.vectorize(Next { simd, hay, at }),
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(simd) => simd.vectorize(Next { simd, hay, at }),
        _ => Next {
            simd: Scalar256b,
            hay,
            at,
        }
        .call(),
    }
}

impl<S: Nibbles> NullaryFnOnce for Next<'_, S> {
    type Output = Passed;

    #[inline(always)]
    fn call(self) -> Passed {
        let mut at = self.at;
        while let Some(step) = self.hay[at..].first_chunk() {
            if has_pair(self.simd, step) {
                let places = places(self.simd, step);
                if places != [0; STEP / 8] {
                    return Passed { at, places };
                }
            }
            at += STEP;
        }
        // Less than a step is asked byte by byte.
        let places = [u64::MAX; STEP / 8];
        Passed { at, places }
    }
}

#[inline(always)]
fn has_pair<S: Nibbles>(simd: S, step: &Step) -> bool {
    let mut any = simd.splat_u8s(0);
    for at in (0..STEP).step_by(S::U8_LANES) {
        any = simd.or_u8s(any, pairs(simd, &step[at..]));
    }
    let any: [S::u64s; 1] = [cast(any)];
    cast_slice(&any)
        .iter()
        .fold(0, |any, word: &u64| any | word)
        != 0
}

#[inline(always)]
fn places<S: Nibbles>(simd: S, step: &Step) -> [u64; STEP / 8] {
    let mut all = [0; STEP / 8];
    for (nth, places) in all.chunks_exact_mut(S::U64_LANES).enumerate() {
        let bytes = &step[nth * S::U8_LANES..];
        let thirds = THIRD.classes(simd, load::<S>(&bytes[2..]));
        let classes: S::u64s = cast(simd.and_u8s(pairs(simd, bytes), thirds));
        places.copy_from_slice(cast_slice(&[classes]));
    }
    all
}

/// The classes of the pairs that begin in the first bytes, as many as a vector holds.
#[inline(always)]
fn pairs<S: Nibbles>(simd: S, bytes: &[u8]) -> S::u8s {
    let first = FIRST.classes(simd, load::<S>(bytes));
    simd.and_u8s(first, SECOND.classes(simd, load::<S>(&bytes[1..])))
}

/// As many bytes as a vector holds, read as words: single bytes the compiler would put together one
/// by one.
#[inline(always)]
fn load<S: Simd>(bytes: &[u8]) -> S::u64s {
    pod_read_unaligned(&bytes[..S::U8_LANES])
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_passes_is_of_markers_or_rare() {
        let passes = |sought: [u8; 3]| {
            let mut hay = [0xee; STEP + 2];
            hay[40..43].copy_from_slice(&sought);
            let found = next(&hay, 0);
            found.at == 0 && found.places != [u64::MAX; STEP / 8]
        };
        let mut of_markers = 0;
        let mut others = Vec::new();
        for pair in 0..=u16::MAX {
            let [first, second] = pair.to_be_bytes();
            let passing = (0..=0xff).filter(|third| passes([first, second, *third]));
            for sought in passing.map(|third| [first, second, third]) {
                let is_sought = |marker: &Marker| marker.bytes[marker.from..].starts_with(&sought);
                if MARKERS.iter().any(is_sought) {
                    of_markers += 1;
                } else {
                    others.push(sought);
                }
            }
        }
        let mut sought: Vec<&[u8]> = MARKERS
            .iter()
            .map(|marker| &marker.bytes[marker.from..marker.from + 3])
            .collect();
        sought.sort_unstable();
        sought.dedup();
        assert_eq!(of_markers, sought.len());
        assert!(others.len() <= 50, "{others:02x?}");
    }

    #[test]
    fn all_vectors_find_the_same_places() {
        let mut masks = crate::masked::MaskStream::new(2);
        // Bytes of few values: pairs are frequent.
        let values = [0, 1, 2, 3, 4, 6, 0x11, 0x2b, 0x81, b'-', b'B', b'E'];
        let random = (0..2500).flat_map(|_| masks.next_word().to_le_bytes());
        let hay: Vec<u8> = random
            .map(|byte| values[usize::from(byte) % values.len()])
            .collect();
        let mut at = 0;
        let mut count = 0;
        while at + STEP + 1 < hay.len() {
            let found = next(&hay, at);
            let simd = Scalar256b;
            assert_eq!(
                found,
                Next {
                    simd,
                    hay: &hay,
                    at
                }
                .call()
            );
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = pulp::x86::V3::try_new() {
                assert_eq!(
                    found,
                    simd.vectorize(Next {
                        simd,
                        hay: &hay,
                        at
                    })
                );
            }
            let bytes = found.places.iter().flat_map(|places| places.to_le_bytes());
            count += bytes.filter(|classes| *classes != 0).count();
            at = found.at + STEP;
        }
        assert!(count > 200, "{count}");
    }
}
