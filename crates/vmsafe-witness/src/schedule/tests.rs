use super::aes::Word;
use super::layout::Order;
use super::*;
use crate::keys::KeyForm;

/// Bytes without structure.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut masks = crate::masked::MaskStream::new(seed);
    (0..len.div_ceil(8))
        .flat_map(|_| masks.next_word().to_le_bytes())
        .take(len)
        .collect()
}

fn layouts() -> Vec<Layout> {
    let orders = [Order::Forward, Order::Reversed];
    let lengths = orders
        .into_iter()
        .flat_map(|order| [4, 6, 8].map(|words| (order, words)));
    lengths
        .flat_map(|(order, words)| Layout::all(order, words))
        .collect()
}

/// A schedule from a random key, in a layout, and the key.
fn image(layout: &Layout, seed: u64) -> (Vec<u8>, Vec<u8>) {
    let key = noise(4 * layout.key_words, seed);
    let words: Vec<Word> = key.as_chunks().0.to_vec();
    let schedule = Schedule::from_words(&words, 0);
    (layout.image(&schedule).to_vec(), key)
}

#[test]
fn finds_every_layout_at_every_byte_offset() {
    for (seed, layout) in (1..).zip(layouts()) {
        let (image, key) = image(&layout, seed);
        for offset in 0..70 {
            for surroundings in [noise(500, seed + 99), vec![0; 500], vec![0xff; 500]] {
                let hay = [&surroundings[..offset], &image, &surroundings[offset..]].concat();
                let found = find_schedules(1000, &hay);
                assert_eq!(found.len(), 1, "{layout:?} at {offset}");
                assert_eq!(found[0].offset, 1000 + offset as u64, "{layout:?}");
                assert_eq!(
                    (found[0].len, found[0].matching),
                    (image.len() as u64, found[0].len)
                );
                assert_eq!(found[0].form, layout.form());
                assert_eq!(found[0].fingerprint, Fingerprint::of(&key));
            }
        }
    }
}

#[test]
fn finds_every_layout_across_what_is_looked_through_at_once() {
    for (seed, layout) in (1..).zip(layouts()) {
        let (image, _) = image(&layout, seed);
        let around = noise(20_000, seed + 99);
        for offset in 8192 - 300..8192 + 60 {
            let end = offset + image.len();
            let hay = [&around[..offset], &image, &around[end..]].concat();
            let found = find_schedules(0, &hay);
            let offsets: Vec<u64> = found.iter().map(|hit| hit.offset).collect();
            assert_eq!(offsets, [offset as u64], "{layout:?}");
        }
    }
}

#[test]
fn finds_schedules_at_the_very_start_and_end_and_side_by_side() {
    for (seed, layout) in (1..).zip(layouts()) {
        let (one, _) = image(&layout, seed);
        let (other, _) = image(&layout, seed + 50);
        assert_eq!(find_schedules(0, &one).len(), 1, "{layout:?}");
        let found = find_schedules(0, &[&one[..], &other].concat());
        let offsets: Vec<u64> = found.iter().map(|hit| hit.offset).collect();
        assert_eq!(offsets, [0, one.len() as u64], "{layout:?}");
    }
}

#[test]
fn half_a_schedule_yields_the_key() {
    for (seed, layout) in (1..).zip(layouts()) {
        let (image, key) = image(&layout, seed);
        let half = image.len() / 2 + 8;
        for (kept, at) in [(0..half, 64), (image.len() - half..image.len(), 64)] {
            let mut hay = noise(600, seed + 7);
            hay[at + kept.start..at + kept.end].copy_from_slice(&image[kept.clone()]);
            let found = find_schedules(0, &hay);
            assert_eq!(found.len(), 1, "{layout:?} {kept:?}");
            assert_eq!(found[0].fingerprint, Fingerprint::of(&key));
            assert!(found[0].matching >= half as u64 && found[0].matching < found[0].len);
        }
    }
}

#[test]
fn a_half_at_the_edge_of_memory_is_found_too() {
    for (seed, layout) in (1..).zip(layouts()) {
        let (image, key) = image(&layout, seed);
        let half = image.len() / 2 + 8;
        for (hay, offset, len) in [
            (&image[..half], 0, image.len()),
            (&image[image.len() - half..], 0, half),
        ] {
            let found = find_schedules(0, hay);
            assert_eq!(found.len(), 1, "{layout:?}");
            assert_eq!(
                (found[0].offset, found[0].len),
                (offset, len as u64),
                "{layout:?}"
            );
            assert_eq!(found[0].matching, half as u64);
            assert_eq!(found[0].fingerprint, Fingerprint::of(&key));
        }
    }
}

#[test]
fn a_changed_byte_does_not_hide_a_schedule() {
    for (seed, layout) in (1..).zip(layouts()) {
        let (image, key) = image(&layout, seed);
        for at in 0..image.len() {
            let mut hay = [noise(40, 3), image.clone(), noise(100, 4)].concat();
            hay[40 + at] ^= 0x10;
            let found = find_schedules(0, &hay);
            assert_eq!(found.len(), 1, "{layout:?}, byte {at}");
            assert_eq!((found[0].offset, found[0].len - found[0].matching), (40, 1));
            assert_eq!(found[0].fingerprint, Fingerprint::of(&key));
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(find_schedules(0, &noise(1 << 22, 1)), []);
    assert_eq!(find_schedules(0, &vec![0; 1 << 20]), []);
    for period in 1..80 {
        let periodic: Vec<u8> = noise(period, 5).into_iter().cycle().take(5000).collect();
        assert_eq!(find_schedules(0, &periodic), [], "period {period}");
        let counting: Vec<u8> = (0..5000_usize)
            .map(|at| (at / period).to_le_bytes()[0])
            .collect();
        assert_eq!(find_schedules(0, &counting), [], "counting {period}");
    }
    for len in 0..300 {
        assert_eq!(find_schedules(0, &noise(len, 8)), []);
    }
}

#[test]
fn a_key_of_zeros_is_a_key() {
    for key_words in [4, 6, 8] {
        let schedule = Schedule::from_words(&vec![[0; 4]; key_words], 0);
        let hay = [&[0; 64], schedule.words().as_flattened(), &[0; 200]].concat();
        let found = find_schedules(0, &hay);
        assert_eq!(found.len(), 1, "{key_words}");
        assert_eq!((found[0].offset, found[0].form), (64, KeyForm::Schedule));
    }
}
