use std::io::Write;

use super::xz::STEP;
use super::*;

const KINDS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Zstd,
    Compression::Lz4,
    Compression::Xz,
];

fn content() -> Vec<u8> {
    let mut masks = crate::masked::MaskStream::new(3);
    let noise = (0..20_000).flat_map(|_| masks.next_word().to_le_bytes());
    let text = b"some text that repeats "
        .iter()
        .copied()
        .cycle()
        .take(300_000);
    noise.chain(text).collect()
}

fn compress(kind: Compression, bytes: &[u8]) -> Vec<u8> {
    match kind {
        Compression::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        }
        Compression::Xz => xz(bytes, 1),
        Compression::Lz4 | Compression::ZstdOrLz4 => {
            let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn xz(bytes: &[u8], preset: u32) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(preset);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(kind: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    kind.reader(bytes)
        .read_to_end(&mut content)
        .map(|_| content)
}

#[test]
fn reads_one_frame_and_several() {
    let content = content();
    for kind in KINDS {
        let one = compress(kind, &content);
        assert_eq!(Compression::detect(&one), Some(kind));
        assert!(read(kind, &one).unwrap() == content, "{kind:?}");
        let many = [&one[..], &compress(kind, b""), &compress(kind, b"end")].concat();
        assert!(
            read(kind, &many).unwrap() == [&content[..], b"end"].concat(),
            "{kind:?}"
        );
        let of_nothing = read(kind, &[]).ok();
        let begins_at_once = matches!(kind, Compression::Gzip | Compression::Xz);
        assert_eq!(of_nothing.is_none(), begins_at_once, "{kind:?}");
        assert_eq!(of_nothing.unwrap_or_default(), b"");
    }
}

/// A frame that decoders skip.
fn skipped(len: u8) -> Vec<u8> {
    let content = vec![b's'; len.into()];
    [&[0x50, 0x2a, 0x4d, 0x18, len, 0, 0, 0][..], &content].concat()
}

/// A frame of two blocks, as `lz4 -l` writes it.
fn legacy(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0x21, 0x4c, 0x18];
    for block in [first, second] {
        let stored = lz4_flex::block::compress(block);
        frame.extend(u32::try_from(stored.len()).unwrap().to_le_bytes());
        frame.extend(stored);
    }
    frame
}

#[test]
fn frames_to_skip_are_skipped_wherever_they_stand() {
    for kind in [Compression::Zstd, Compression::Lz4] {
        let (one, two) = (compress(kind, b"one"), compress(kind, b"two"));
        for len in [0, 4, 200] {
            let skip = skipped(len);
            let all = [&skip[..], &skip, &one, &skip, &two, &skip].concat();
            assert_eq!(Compression::detect(&all), Some(kind));
            for looked_at in [4, 7, 8, 11, 8 + usize::from(len)] {
                let detected = Compression::detect(&all[..looked_at]);
                assert_eq!(detected, Some(Compression::ZstdOrLz4));
            }
            for kind in [kind, Compression::ZstdOrLz4] {
                assert_eq!(read(kind, &all).unwrap(), b"onetwo", "{len}");
            }
            if len > 0 {
                assert!(read(kind, &all[..all.len() - 1]).is_err());
            }
        }
        // Nothing that decoders know follows: it is no such stream.
        assert_eq!(
            Compression::detect(&[&skipped(9)[..], b"text"].concat()),
            None
        );
    }
}

#[test]
fn the_legacy_format_of_lz4_ends_where_another_frame_begins() {
    let content = content();
    let (first, second) = content.split_at(300_000);
    let frame = legacy(first, second);
    assert_eq!(Compression::detect(&frame), Some(Compression::Lz4));
    assert!(read(Compression::Lz4, &frame).unwrap() == content);
    assert_eq!(given(Compression::Lz4, &frame[..frame.len() - 1]), first);
    let mut damaged = frame.clone();
    damaged.extend([3, 0, 0, 0, 0xf0, 0xff, 0xff]);
    assert!(given(Compression::Lz4, &damaged) == content);
    // As much content of as few stored bytes as there can be.
    let dense = legacy(&vec![b'd'; 8 << 20], b"");
    assert_eq!(read(Compression::Lz4, &dense).unwrap(), vec![b'd'; 8 << 20]);
    let small = legacy(b"three", b"four");
    let others = [
        compress(Compression::Lz4, b"one"),
        compress(Compression::Zstd, b"two"),
    ];
    let [lz4, zstd] = &others;
    let all = [&small[..], lz4, &small, zstd, &skipped(5), &small, &small].concat();
    let expected = b"threefouronethreefourtwothreefourthreefour";
    assert_eq!(read(Compression::Lz4, &all).unwrap(), expected);
}

#[test]
fn zeros_behind_gzip_are_no_content() {
    let member = compress(Compression::Gzip, b"one");
    for zeros in [1, 511, 200_000] {
        let zeros = vec![0; zeros];
        let filled = [&member[..], &zeros].concat();
        assert_eq!(read(Compression::Gzip, &filled).unwrap(), b"one");
        let more = [&filled[..], &member, &zeros].concat();
        assert_eq!(read(Compression::Gzip, &more).unwrap(), b"oneone");
        let garbage = [&filled[..], b"garbage"].concat();
        assert_eq!(given(Compression::Gzip, &garbage), b"one");
    }
    assert!(read(Compression::Gzip, &[0; 100]).is_err());
}

#[test]
fn a_window_that_does_not_fit_is_an_error_that_says_what_to_do() {
    // A frame header that asks for 2 GiB, and what would follow.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 1, 0, 0];
    let error = read(Compression::Zstd, &frame).unwrap_err().to_string();
    assert!(
        error.starts_with("its window of 2147483648 bytes"),
        "{error}"
    );
    assert!(error.contains("zstd -dc --long=31"), "{error}");
}

#[test]
fn a_history_of_xz_that_does_not_fit_is_an_error_that_says_what_to_do() {
    // Of 32 MiB, which fits, and of 64.
    for (preset, fits) in [(8, true), (9, false)] {
        let read = read(Compression::Xz, &xz(b"content", preset));
        match read {
            Ok(content) => assert_eq!((fits, &content[..]), (true, &b"content"[..])),
            Err(error) => assert!(!fits && error.to_string().contains("xz -dc"), "{error}"),
        }
    }
}

#[test]
fn what_xz_decoded_before_an_error_is_given_but_for_the_last_bytes() {
    let content = &content()[..150_000];
    let mut whole = xz(content, 6);
    // Noise comes in chunks of 64 KiB, of which nothing is decoded before all of it has come.
    let half = given(Compression::Xz, &whole[..whole.len() / 2]);
    assert!(content.starts_with(&half) && half.len() + (64 << 10) > content.len() / 2);
    let all = whole.len();
    whole.truncate(all - 30);
    assert!(given(Compression::Xz, &whole) == content);
    whole[all / 2] ^= 4;
    let before = given(Compression::Xz, &whole);
    let same = content
        .iter()
        .zip(&before)
        .take_while(|(is, was)| is == was);
    assert!(same.count() + STEP > content.len() / 2, "{}", before.len());
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    let content = &content()[150_000..190_000];
    for kind in KINDS {
        let whole = compress(kind, content);
        for len in (1..whole.len())
            .step_by(97)
            .chain(whole.len() - 9..whole.len())
        {
            assert!(read(kind, &whole[..len]).is_err(), "{kind:?} cut to {len}");
        }
    }
}

#[test]
fn an_error_lasts() {
    for kind in KINDS {
        let whole = compress(kind, &content());
        let mut reader = kind.reader(&whole[..whole.len() - 1]);
        let mut content = Vec::new();
        let first = reader.read_to_end(&mut content).unwrap_err();
        for _ in 0..3 {
            let again = reader.read(&mut [0; 100]).unwrap_err();
            assert_eq!(again.to_string(), first.to_string(), "{kind:?}");
        }
    }
}

#[test]
fn garbage_behind_a_frame_is_an_error() {
    for kind in KINDS {
        let all = [compress(kind, b"fine"), b"garbage behind it".to_vec()].concat();
        assert!(read(kind, &all).is_err(), "{kind:?}");
    }
}

#[test]
fn a_changed_byte_is_noticed() {
    let content = &content()[159_000..165_000];
    for kind in KINDS {
        let whole = compress(kind, content);
        let middle = whole.len() / 2;
        for at in middle..middle + 20 {
            let mut changed = whole.clone();
            changed[at] ^= 4;
            assert!(read(kind, &changed).is_err(), "{kind:?} {at}");
        }
    }
}

/// A frame of raw blocks, with or without a checksum, and a window that none of them fills.
fn zstd_of_raw(blocks: &[&[u8]], has_checksum: bool) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, u8::from(has_checksum) << 2, 0x58];
    for block in blocks {
        let header = u32::try_from(block.len() << 3).unwrap();
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame
}

/// What is given before the error that there must be.
fn given(kind: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let read = kind.reader(bytes).read_to_end(&mut content);
    assert!(read.is_err(), "{kind:?} of {} bytes", bytes.len());
    content
}

#[test]
fn what_zstd_keeps_as_history_is_given_before_an_error() {
    let content = content();
    let (first, second) = (&content[..100_000], &content[100_000..200_000]);
    for has_checksum in [false, true] {
        let whole = zstd_of_raw(&[first, second], has_checksum);
        // Cut before the next block, in its header, or where a kind that there is not begins.
        for broken in [&[][..], &[1], &[1, 0], &[7, 0, 0], &[5, 0, 0]] {
            let all = [&whole[..], broken].concat();
            assert!(given(Compression::Zstd, &all) == content[..200_000]);
        }
        let cut = given(Compression::Zstd, &whole[..whole.len() - 1]);
        assert!(cut.len() >= first.len() && content.starts_with(&cut));
    }
}

#[test]
fn what_gzip_decoded_before_an_error_is_given() {
    let content = content();
    // Around what the decoder works in, and in the midst of it.
    let sizes = [
        1,
        100,
        32_767,
        32_768,
        32_769,
        65_600,
        200_000,
        content.len(),
    ];
    for content in sizes.map(|size| &content[content.len() - size..]) {
        let level = flate2::Compression::default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(content).unwrap();
        encoder.flush().unwrap();
        // A kind of block that there is not.
        let damaged = [&encoder.get_ref()[..], &[0xff; 2000]].concat();
        let undamaged = encoder.finish().unwrap();
        for kept in [1, content.len() / 2, content.len()] {
            // Also behind another member, so that the two do not begin at the same place.
            let before = compress(Compression::Gzip, &content[..kept]);
            let expected = [&content[..kept], content].concat();
            let all = [&before[..], &damaged].concat();
            assert!(given(Compression::Gzip, &all) == expected, "{kept}");
            let all = [&before[..], &undamaged].concat();
            assert!(read(Compression::Gzip, &all).unwrap() == expected);
        }
    }
}

#[test]
fn reads_of_any_size_give_the_same() {
    for kind in KINDS {
        let content = content();
        let mut reader = kind.reader(io::Cursor::new(compress(kind, &content)));
        let mut read = Vec::new();
        for size in [1, 7, 4096, 0, 100_000].into_iter().cycle() {
            let before = read.len();
            read.resize(before + size, 0);
            let count = reader.read(&mut read[before..]).unwrap();
            read.truncate(before + count);
            if count == 0 && size > 0 {
                break;
            }
        }
        assert!(read == content, "{kind:?}");
    }
}
