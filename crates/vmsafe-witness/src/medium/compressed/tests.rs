use std::io::Write;

use super::*;

const KINDS: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Lz4];

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
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
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
        assert!(
            read(kind, &[]).is_ok_and(|content| content.is_empty()) || kind == Compression::Gzip
        );
    }
}

#[test]
fn a_zstd_frame_to_skip_is_skipped() {
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    let frame = compress(Compression::Zstd, b"kept");
    let all = [&skipped[..], &frame, &skipped].concat();
    assert_eq!(read(Compression::Zstd, &all).unwrap(), b"kept");
    assert!(read(Compression::Zstd, &all[..all.len() - 1]).is_err());
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
