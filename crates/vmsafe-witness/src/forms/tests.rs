use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use proptest::prelude::*;

use super::*;
use crate::masked::{MaskStream, Masked};

fn forms(needle: &[u8]) -> Vec<(Form, Vec<u8>)> {
    let mut store = Masked::new(MaskStream::new(5));
    // What stands before and behind a needle is no part of any form of it.
    let before = store.append(words(b"before"));
    let start = store.append(words(needle));
    store.append(words(&[0xff; 9]));
    assert_eq!(before, 0);
    let mut all = Vec::new();
    each_form(Plain::new(&store, start, needle.len()), &mut all);
    let stored = all.iter().filter(|(form, _)| *form != Form::Reversed);
    let count = |(_, form): &(Form, Vec<u8>)| form.len().div_ceil(WORD);
    assert!(stored.map(count).sum::<usize>() <= words_of_forms(needle.len()));
    all
}

fn of(needle: &[u8], form: Form) -> Vec<Vec<u8>> {
    forms(needle)
        .into_iter()
        .filter(|made| made.0 == form)
        .map(|made| made.1)
        .collect()
}

#[test]
fn spells_a_text_in_every_form() {
    let text = "pässword€😀".as_bytes();
    assert_eq!(of(text, Form::Exact), [text]);
    assert_eq!(of(text, Form::Hex), [b"70c3a47373776f7264e282acf09f9880"]);
    assert_eq!(
        of(text, Form::HexUpper),
        [b"70C3A47373776F7264E282ACF09F9880"]
    );
    let wide: Vec<u8> = "pässword€😀"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(of(text, Form::Utf16), [wide]);
    let mut reversed = text.to_vec();
    reversed.reverse();
    assert_eq!(of(text, Form::Reversed), [reversed]);
}

#[test]
fn leaves_out_forms_that_equal_another() {
    assert_eq!(of(b"0123456789", Form::HexUpper), [[0_u8; 0]; 0]);
    assert_eq!(of(b"abcddcba", Form::Reversed), [[0_u8; 0]; 0]);
    assert_eq!(of(b"plain text", Form::Base64Url), [[0_u8; 0]; 0]);
    assert_eq!(of(&[0xfb; 9], Form::Base64Url).len(), 3);
}

#[test]
fn what_is_no_text_has_no_utf16() {
    for bytes in [
        &b"broken\xff text"[..],
        b"cut short \xc3",
        b"overlong \xc0\x80",
        b"\x80start",
    ] {
        assert_eq!(of(bytes, Form::Utf16), [[0_u8; 0]; 0]);
    }
}

proptest! {
    #[test]
    fn base64_of_any_surroundings_holds_one_of_the_forms(
        before in proptest::collection::vec(any::<u8>(), 0..7),
        needle in proptest::collection::vec(any::<u8>(), 8..50),
        after in proptest::collection::vec(any::<u8>(), 0..7),
    ) {
        let whole = [&before[..], &needle, &after].concat();
        let holds = |text: &str, parts: &[Vec<u8>]| {
            let found = |part: &Vec<u8>| text.as_bytes().windows(part.len()).any(|at| at == part);
            parts.iter().filter(|part| found(part)).count()
        };
        let standard = of(&needle, Form::Base64);
        prop_assert_eq!(standard.len(), 3);
        prop_assert!(holds(&Base64Unpadded::encode_string(&whole), &standard) >= 1);
        // Url forms that equal the standard ones are left out.
        let url = [standard, of(&needle, Form::Base64Url)].concat();
        prop_assert!(holds(&Base64UrlUnpadded::encode_string(&whole), &url) >= 1);
        // A form leaves out less than one character at each end.
        for form in &url {
            prop_assert!(form.len() * 6 + 10 > needle.len() * 8);
        }
    }
}

proptest! {
    #[test]
    fn each_form_is_the_needle_spelled(needle in proptest::collection::vec(any::<u8>(), 8..50)) {
        let lower = |bytes: &[u8]| base16ct::lower::encode_string(bytes).into_bytes();
        let upper = |bytes: &[u8]| base16ct::upper::encode_string(bytes).into_bytes();
        let reversed: Vec<u8> = needle.iter().rev().copied().collect();
        prop_assert_eq!(of(&needle, Form::Exact), [needle.clone()]);
        prop_assert_eq!(of(&needle, Form::Hex), [lower(&needle)]);
        for made in of(&needle, Form::HexUpper) {
            prop_assert_eq!(made, upper(&needle));
        }
        for made in of(&needle, Form::Reversed) {
            prop_assert_eq!(&made, &reversed);
        }
    }

    #[test]
    fn wide_text_is_text_with_zeros(text in "[ -~]{8,40}") {
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        prop_assert_eq!(of(text.as_bytes(), Form::Utf16), [wide]);
    }
}

#[test]
fn a_part_of_a_word_is_repeated() {
    let repeated = |bytes: u64, len: usize| Word { bytes, len }.repeated().to_le_bytes();
    assert_eq!(repeated(0xffff_ff41, 1), *b"AAAAAAAA");
    assert_eq!(repeated(0xff43_4241, 3), *b"ABCABCAB");
    assert_eq!(repeated(0xff_0044_0043_0042, 6), *b"B\0C\0D\0B\0");
    assert_eq!(repeated(0x4847_4645_4443_4241, 8), *b"ABCDEFGH");
}
