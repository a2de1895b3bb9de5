use super::*;

fn plain(needles: &Needles, number: usize) -> Vec<u8> {
    needles.plain(number).bytes().collect()
}

#[test]
fn numbers_count_from_zero() {
    let mut needles = Needles::new();
    assert!(needles.is_empty());
    assert_eq!(needles.push(b"first needle").unwrap().number(), 0);
    assert_eq!(needles.push(b"first needle").unwrap().number(), 1);
    assert_eq!(needles.len(), 2);
    assert_eq!(needles.len_of(NeedleId::new(1)), Some(12));
    assert_eq!(needles.len_of(NeedleId::new(2)), None);
}

#[test]
fn refuses_what_chance_would_match() {
    let mut needles = Needles::new();
    let short = needles.push(b"1234567").unwrap_err();
    assert_eq!(
        short.to_string(),
        "needle of 7 bytes is too short to mean anything: give at least 8 bytes, better 16"
    );
    assert!(matches!(needles.push(&[0; 32]), Err(NeedleError::AllAlike)));
    let long: Vec<u8> = (0..=255).cycle().take(LONGEST_NEEDLE + 1).collect();
    assert!(matches!(
        needles.push(&long),
        Err(NeedleError::TooLong { .. })
    ));
    assert!(needles.push(&long[1..]).is_ok());
    assert_eq!(needles.len(), 1);
}

#[test]
fn reads_every_spelling() {
    let file = "# comment\n\nhex:00112233AAbbccdd\r\nbase64:AAECAwQFBgcI\nbase64:AAECAwQFBgc=\n\
                base64:-_-_-_-_-_-_AA\n   \ntext:pass word \nbase64:AAECAwQFBgc\ntext:no line end";
    let needles = Needles::read_from(file.as_bytes()).unwrap();
    let expected: [&[u8]; 7] = [
        &[0x00, 0x11, 0x22, 0x33, 0xaa, 0xbb, 0xcc, 0xdd],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0, 1, 2, 3, 4, 5, 6, 7],
        &[0xfb, 0xff, 0xbf, 0xfb, 0xff, 0xbf, 0xfb, 0xff, 0xbf, 0],
        b"pass word ",
        &[0, 1, 2, 3, 4, 5, 6, 7],
        b"no line end",
    ];
    assert_eq!(needles.len(), expected.len());
    for (number, expected) in expected.iter().enumerate() {
        assert_eq!(plain(&needles, number), *expected, "needle {number}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line_and_of_no_other() {
    let needles = |file: &str| Needles::read_from(file.as_bytes());
    let read = needles("\u{feff}text:a needle\ntext:\u{feff}needle\n").unwrap();
    assert_eq!(plain(&read, 0), b"a needle");
    assert_eq!(plain(&read, 1), "\u{feff}needle".as_bytes());
    assert_eq!(needles("\u{feff}# comment\n").unwrap().len(), 0);
    let error = needles("\u{feff}\n\u{feff}text:a needle").unwrap_err();
    assert!(error.to_string().starts_with("line 2 "), "{error}");
}

#[test]
fn an_error_names_the_line_and_nothing_of_it() {
    let cases = [
        (
            "text:fine enough\nhex:00112233445566zz",
            "line 2 of the needles: not hexadecimal",
        ),
        ("hex:001", "line 1 of the needles: not hexadecimal"),
        (
            "\n\nbase64:AAECAwQFBgc==",
            "line 3 of the needles: not base64",
        ),
        ("hunter2hunter2", "line 1 of the needles: no known prefix"),
        (
            "text:hunter2",
            "line 1 of the needles: needle of 7 bytes is too short",
        ),
    ];
    for (file, message) in cases {
        let error = Needles::read_from(file.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
        assert!(
            !error.contains("hunter2") && !error.contains("zz"),
            "{error}"
        );
    }
    let long = format!("text:{}", "ab".repeat(LONGEST_NEEDLE + 6));
    let error = Needles::read_from(long.as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("line 1 of the needles: line is too long"),
        "{error}"
    );
}

#[test]
fn push_line_wipes_what_it_was_given() {
    let mut needles = Needles::new();
    let mut line = String::from("text:correct horse");
    needles.push_line(&mut line).unwrap();
    assert!(line.is_empty());
    assert_eq!(plain(&needles, 0), b"correct horse");
    let mut refused = b"correct horse".to_vec();
    assert!(matches!(
        needles.push_line(&mut refused),
        Err(NeedleError::Prefix)
    ));
    assert!(refused.is_empty());
}

#[test]
fn debug_shows_no_needle() {
    let mut needles = Needles::new();
    needles.push(b"hunter2hunter2").unwrap();
    assert_eq!(format!("{needles:?}"), "Needles { len: 1, .. }");
}

#[test]
fn a_mark_tells_sets_apart_and_depends_on_the_salt() {
    let set = |needles: &[&[u8]]| {
        let mut set = Needles::new();
        for needle in needles {
            set.push(needle).unwrap();
        }
        set
    };
    let (one, other) = (
        b"a needle of the set".as_slice(),
        b"another one of it".as_slice(),
    );
    let mark = |needles: &[&[u8]]| set(needles).mark(7);
    assert_eq!(mark(&[one, other]), mark(&[one, other]));
    assert_ne!(mark(&[one, other]), mark(&[other, one]));
    assert_ne!(mark(&[one, other]), mark(&[one]));
    assert_ne!(set(&[one]).mark(7), set(&[one]).mark(8));
}
