//! What a deserialisation that fails half way leaves: nothing. The values come one by one out of an
//! iterator, which looks at the memory when a part of them stands there.

use ::serde::Deserialize;
use ::serde::de::value::{Error as Broken, SeqDeserializer};

use super::*;

const BYTE: u16 = 0xB7;
const GRANULE: usize = 4096;

/// How many of the byte stand in the granule around an address that the heap lent: all the slots of
/// the slab that this thread has of a class up to 1 KiB.
fn count(at: NonNull<u8>) -> usize {
    let start = at.as_ptr().wrapping_sub(at.addr().get() % GRANULE);
    let bytes = bytes_at(NonNull::new(start).expect("a granule"), GRANULE);
    bytes
        .iter()
        .filter(|byte| u16::from(**byte) == BYTE)
        .count()
}

/// Deserialises `good` values and one that is none, near `at`.
fn fail<T: for<'de> Deserialize<'de>>(at: NonNull<u8>, good: usize) {
    let values = std::iter::repeat_n(BYTE, good).chain(std::iter::from_fn(|| {
        assert_eq!(count(at), good, "the control");
        Some(300)
    }));
    let failed = T::deserialize(SeqDeserializer::<_, Broken>::new(values));
    assert!(failed.is_err(), "300 is no byte");
    assert_eq!(count(at), 0);
}

#[test]
fn a_secret_that_fails_half_way_leaves_nothing() {
    // The first of its class in this process, so the next one stands in the same slab.
    let near = Secret::<[u8; 200]>::zeroed().unwrap();
    fail::<Secret<[u8; 200]>>(place(&near).cast(), 150);
}

#[test]
fn a_row_that_fails_half_way_leaves_nothing() {
    let mut near = SecretVec::<u8>::with_capacity(256).unwrap();
    near.push(0).unwrap();
    fail::<SecretVec<u8>>(near.expose(|bytes| NonNull::from(&bytes[0])), 200);
}

#[test]
fn text_arrives_where_it_belongs() {
    let key: Secret<[u8; 24]> = serde_json::from_str(&format!("{:?}", [0xA5; 24])).unwrap();
    assert_eq!(bytes_at(place(&key), 24), [0xA5; 24]);
    let short = format!("{:?}", [0xA5; 23]);
    assert!(serde_json::from_str::<Secret<[u8; 24]>>(&short).is_err());
    let long = format!("{:?}", [0xA5; 25]);
    assert!(serde_json::from_str::<Secret<[u8; 24]>>(&long).is_err());
    let text: SecretString = serde_json::from_str("\"hunter2\"").unwrap();
    text.expose(|text| assert_eq!(text, "hunter2"));
    let row: SecretVec<u16> = serde_json::from_str("[1, 2, 3]").unwrap();
    row.expose(|values| assert_eq!(values, [1, 2, 3]));
}
