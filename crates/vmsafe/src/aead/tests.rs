//! The cipher's answers, and what it leaves in memory: nothing, when it runs in a scope.

use vmsafe_witness::{Needles, ProcessReport, Searcher, scan_process};

use super::*;
use crate::scope::scope;
use crate::{Error, Evaporating, Locked};

const BOUND: &[u8] = b"bound";
const PLAIN: usize = 64;

/// A known answer: case 16 of the GCM specification (McGrew and Viega), without its last 4 bytes
/// of plaintext being cut.
#[test]
fn gives_the_known_answer() {
    let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let nonce = bytes("cafebabefacedbaddecaf888");
    let bound = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let plain = bytes(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24\
         49a6b525b16aedf5aa0de657ba637b39",
    );
    let sealed = bytes(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056\
         828838c5f61e6393ba7a0abcc9f662",
    );
    let nonce: [u8; NONCE] = nonce.try_into().unwrap();
    let mut data = plain.clone();
    let tag = seal(&key, nonce, &bound, &mut data);
    assert_eq!(data, sealed);
    assert_eq!(tag.to_vec(), bytes("76fc6ece0f4e1768cddf8853bb2d551b"));
    assert_eq!(open(&key, nonce, &bound, &mut data, tag), Ok(()));
    assert_eq!(data, plain);
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn each_part_of_a_box_is_bound() {
    let (key, nonce) = ([7; KEY], [1; NONCE]);
    let mut sealed = *b"sixteen bytes ok";
    let tag = seal(&key, nonce, BOUND, &mut sealed);
    let tampered = |key: &[u8], nonce, bound: &[u8], flip: usize, tag| {
        let mut data = sealed;
        data[flip / 8 % 16] ^= u8::from(flip < 128) << (flip % 8);
        open(key, nonce, bound, &mut data, tag)
    };
    assert_eq!(
        tampered(&key, nonce, BOUND, 128, tag),
        Ok(()),
        "the control"
    );
    assert_eq!(tampered(&[8; KEY], nonce, BOUND, 128, tag), Err(Tampered));
    assert_eq!(tampered(&key, [2; NONCE], BOUND, 128, tag), Err(Tampered));
    assert_eq!(tampered(&key, nonce, b"other", 128, tag), Err(Tampered));
    for bit in 0..128 {
        assert_eq!(tampered(&key, nonce, BOUND, bit, tag), Err(Tampered));
        let mut other = tag;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(tampered(&key, nonce, BOUND, 128, other), Err(Tampered));
    }
}

/// A key and a plaintext that stand in locked memory alone, and a search for both.
struct Secrets {
    held: Locked,
    searcher: Searcher,
}

impl Secrets {
    fn new() -> Self {
        let held = Locked::options().create_with(KEY + PLAIN, |held| {
            getrandom::fill(held).map_err(Error::Random)
        });
        let held = held.unwrap();
        let mut needles = Needles::new();
        needles.push(&held[..KEY]).unwrap();
        needles.push(&held[KEY..]).unwrap();
        let searcher = Searcher::new(&needles);
        Self { held, searcher }
    }

    fn key(&self) -> &[u8] {
        &self.held[..KEY]
    }

    fn plain(&self) -> &[u8] {
        &self.held[KEY..]
    }

    /// Looks through all memory of this process that can be read from outside.
    fn scan(&self) -> ProcessReport {
        scan_process(&self.searcher, std::process::id()).unwrap()
    }
}

/// True when the pages of a `Locked` cannot be read from outside, so that a scan finds copies only.
fn hidden(secrets: &Secrets) -> bool {
    let hidden = !secrets.held.leaves_stale_frames();
    if !hidden {
        vmsafe_lab::not_run("this kernel gives no secret memory");
    }
    hidden
}

/// Runs `f` so deep in the stack that a later search does not write over its dead frames.
#[inline(never)]
fn far_below<R>(f: impl FnOnce() -> R) -> R {
    let between = std::hint::black_box([0_u8; 256 << 10]);
    let result = f();
    std::hint::black_box(&between);
    result
}

/// The control of the tests below. A cipher keeps its key in frames like this one on some
/// processors, and clears them on others: so the frame is made by hand.
#[test]
fn a_dead_frame_of_an_ordinary_stack_is_found() {
    let secrets = Secrets::new();
    if !hidden(&secrets) {
        return;
    }
    assert_eq!(secrets.scan().hit_count, 0, "before");
    far_below(|| {
        let mut frame = [0; KEY];
        frame.copy_from_slice(secrets.key());
        std::hint::black_box(&frame);
    });
    assert!(
        secrets.scan().hit_count > 0,
        "the search sees no dead frame"
    );
}

#[test]
fn a_scope_leaves_neither_key_nor_plaintext() {
    let secrets = Secrets::new();
    if !hidden(&secrets) {
        return;
    }
    let mut data = secrets.held.to_vec();
    assert!(
        secrets.scan().hit_count > 0,
        "the control: an ordinary vector"
    );
    zeroize::Zeroize::zeroize(&mut data);
    drop(data);
    let tag = scope(|| {
        // On the locked stack, in the clear.
        let mut data = [0; PLAIN];
        data.copy_from_slice(secrets.plain());
        seal(
            secrets.key(),
            [0; NONCE],
            BOUND,
            std::hint::black_box(&mut data),
        )
    });
    assert_ne!(tag.unwrap(), [0; TAG]);
    assert_eq!(
        secrets.scan().hits,
        [],
        "key or plaintext in ordinary memory"
    );
}

#[test]
fn an_evaporating_leaves_neither_key_nor_plaintext() {
    let secrets = Secrets::new();
    if !hidden(&secrets) {
        return;
    }
    let mut key = Locked::new(KEY).unwrap();
    key.copy_from_slice(secrets.key());
    let options = Evaporating::options().key(key);
    let dir = std::env::temp_dir().canonicalize().unwrap();
    let mut buffer = options.create_in(dir, PLAIN).unwrap();
    for _ in 0..100 {
        buffer.write(secrets.plain()).unwrap();
        // Lost between the two, if a write-back comes; then it is another round's.
        let _ = buffer.with(|bytes| assert!(bytes == secrets.plain()));
    }
    let report = secrets.scan();
    assert_eq!(report.hits, [], "key or plaintext in ordinary memory");
    assert!(report.covered_bytes > 1 << 20, "a scan of next to nothing");
    drop(buffer);
    assert_eq!(secrets.scan().hits, [], "after the end");
}
