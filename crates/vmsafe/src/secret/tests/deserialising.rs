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

const TEXT: &str = "hunter2-correct-horse";

/// Each kind of JSON value, with the secret in it.
const EACH: [&str; 14] = [
    r#""hunter2-correct-horse""#,
    r#""hunter2-\u0063orrect-horse""#,
    "8231764509",
    "-8231764509",
    "8231764509.5",
    "true",
    "null",
    r#"{"hunter2-correct-horse": 1}"#,
    r#"[1, "hunter2-correct-horse"]"#,
    "[1, 2, 3, 8231764509]",
    "[1, 2, 3, -8231764509]",
    "[1, 2, 3, 4, 8231764509]",
    r#"[1, {"hunter2-correct-horse": 1}]"#,
    r#"[1, 2, 3, 8231764509, "#,
];

fn shows(error: &serde_json::Error) -> bool {
    let words = format!("{error} {error:?}");
    [TEXT, "hunter2", "8231764509", "true"]
        .iter()
        .any(|secret| words.contains(secret))
}

/// How many of the values are refused with an error that shows them: read from a text, out of a
/// value, and as a field.
fn shown<T: for<'de> Deserialize<'de>>() -> usize {
    let from_text = EACH.map(|text| serde_json::from_str::<T>(text).err());
    let value = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    let from_value = EACH.map(|text| T::deserialize(value(text)?).err());
    let as_field = EACH.map(|text| {
        let field = format!("{{\"field\": {text}}}");
        serde_json::from_str::<std::collections::BTreeMap<String, T>>(&field).err()
    });
    let errors = [from_text, from_value, as_field].into_iter().flatten();
    errors.flatten().filter(shows).count()
}

#[test]
fn no_error_shows_what_was_read() {
    assert!(shown::<Vec<u32>>() > 20, "the control");
    assert!(shown::<String>() > 5, "the control");
    assert_eq!(shown::<Secret<[u8; 4]>>(), 0);
    assert_eq!(shown::<SecretVec<u8>>(), 0);
    assert_eq!(shown::<SecretVec<u32>>(), 0);
    assert_eq!(shown::<SecretVec<[u16; 2]>>(), 0);
    assert_eq!(shown::<SecretString>(), 0);
}

#[test]
fn an_error_says_what_was_expected() {
    fn words<T: for<'de> Deserialize<'de>>(text: &str) -> String {
        let read = serde_json::from_str::<T>(text);
        read.map(|_| ()).unwrap_err().to_string()
    }
    let expected = "; what was found is not shown, for it may be secret";
    let text = words::<SecretString>("7");
    assert!(
        text.starts_with(&format!("expected a text{expected}")),
        "{text}"
    );
    let row = words::<SecretVec<u8>>("\"hunter2\"");
    assert!(
        row.starts_with(&format!("expected a row of values{expected}")),
        "{row}"
    );
    let second = words::<SecretVec<u8>>("[1, 777]");
    assert!(
        second.starts_with("value 2 of the row cannot be read"),
        "{second}"
    );
    let short = words::<Secret<[u8; 4]>>("[1, 2, 3]");
    assert!(
        short.starts_with("invalid length 3, expected 4 bytes"),
        "{short}"
    );
    let long = words::<Secret<[u8; 4]>>("[1, 2, 3, 4, 5]");
    assert!(
        long.starts_with("invalid length over 4, expected 4 bytes"),
        "{long}"
    );
}
