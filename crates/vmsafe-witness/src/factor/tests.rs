use super::*;

/// Two primes of 256 bits, and p · q, as Python computed them.
const P: &str = "e02fdaa1ad864c44e049548e8a0a8c9632ea6928f6236bf2504b74ba4a0fe75d";
const Q: &str = "ea9e2de890d90e5a53777fec1ba0895d61c12c05003e181aa962740fe4ba40d5";
const N: &str = "cd764394cc0b68bce12a2e9dec961135301c57dba6c6525b4c2e4c29f9bd45b8\
                 94f949e6890a2245e5d1b7dc521eb9a4f4f98d8c7f604136e7a55d9386a4c061";

fn bytes(digits: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(digits).unwrap()
}

fn little_endian(digits: &str) -> Vec<u8> {
    bytes(digits).into_iter().rev().collect()
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut masks = crate::masked::MaskStream::new(seed);
    (0..len.div_ceil(8))
        .flat_map(|_| masks.next_word().to_le_bytes())
        .take(len)
        .collect()
}

fn places(base: u64, hay: &[u8]) -> Vec<u64> {
    let modulus = Modulus::new(&bytes(N)).unwrap();
    let found = find_factors(&[modulus], base, hay);
    assert!(
        found
            .iter()
            .all(|key| key.fingerprint == Fingerprint::of(&bytes(N)))
    );
    found.iter().map(|key| key.offset).collect()
}

#[test]
fn finds_both_primes_at_every_word() {
    for at in (0..100).step_by(8) {
        let hay = [
            noise(at, 1),
            little_endian(P),
            noise(24, 2),
            little_endian(Q),
            noise(9, 3),
        ]
        .concat();
        let at = at as u64;
        assert_eq!(places(0, &hay), [at, at + 32 + 24]);
        assert_eq!(places(8000, &hay), [8000 + at, 8000 + at + 56]);
    }
}

#[test]
fn words_count_from_the_start_of_all_and_not_of_the_piece() {
    let hay = [noise(5, 1), little_endian(P)].concat();
    assert_eq!(places(3, &hay), [8]);
    assert_eq!(places(4, &hay), [0; 0]);
    for len in 0..hay.len() {
        assert_eq!(places(3, &hay[..len]), [0; 0]);
    }
}

#[test]
fn a_changed_bit_is_noticed() {
    for bit in 0..256 {
        let mut prime = little_endian(P);
        prime[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(places(0, &prime), [0; 0], "bit {bit}");
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    assert_eq!(places(0, &noise(1 << 20, 4)), [0; 0]);
    assert_eq!(places(0, &[0; 4096]), [0; 0]);
    assert_eq!(places(0, &[0xff; 4096]), [0; 0]);
    assert_eq!(places(0, &bytes(N)), [0; 0]);
}

#[test]
fn what_memory_is_filled_with_is_not_divided() {
    let modulus = Modulus::new(&bytes(N)).unwrap();
    let trial = Trial::new(&modulus);
    let prime = little_endian(P);
    assert!(trial.could_divide(&prime));
    for word in [[0xff; WORD], [0xfd, 1, 2, 3, 4, 5, 6, 0xff]] {
        assert!(!trial.could_divide(&word.repeat(prime.len() / WORD)));
    }
}

#[test]
fn multiples_of_small_primes_are_no_primes() {
    let prime: Vec<u64> = little_endian(P).chunks(WORD).map(word).collect();
    assert!(!is_multiple_of_a_small_prime(&prime));
    let times = |factor: u64| {
        let mut carry = 0;
        let words = prime.iter().map(|word| {
            let (low, high) = split(product(*word, factor) + u128::from(carry));
            carry = high;
            low
        });
        let words: Vec<u64> = words.collect();
        [words, vec![carry]].concat()
    };
    for factor in (1..2000).chain([u64::MAX, u64::MAX - 1]) {
        let is_multiple = [3, 5, 17, 257].iter().any(|small| factor % small == 0);
        let found = is_multiple_of_a_small_prime(&times(factor));
        assert_eq!(found, is_multiple, "{factor}");
    }
    assert!(is_multiple_of_a_small_prime(&[u64::MAX; 64]));
}

#[test]
fn refuses_what_is_no_modulus() {
    let length = |bits| Err(ModulusError::Length { bits });
    assert_eq!(Modulus::new(&[]), length(0));
    assert_eq!(Modulus::new(&[0, 0, 5]), length(3));
    assert_eq!(Modulus::new(&[0xff; 63]), length(504));
    assert_eq!(Modulus::new(&[0x7f; 64]), length(511));
    let mut even = bytes(N);
    even[63] ^= 1;
    assert_eq!(Modulus::new(&even), Err(ModulusError::Even));
    assert!(Modulus::new(&[&[0], &bytes(N)[..]].concat()).is_ok());
}

#[test]
fn reads_public_keys_in_every_spelling() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/public/");
    let read =
        |name: &str| Modulus::from_public_key(&std::fs::read(folder.to_owned() + name).unwrap());
    let modulus = read("rsa-2048.pem").unwrap();
    assert_eq!(modulus.words.len(), 32);
    for name in ["rsa-2048-pkcs1.pem", "rsa-2048.der", "rsa-2048.ssh"] {
        assert_eq!(read(name).as_ref(), Ok(&modulus), "{name}");
    }
    assert_eq!(
        Modulus::from_public_key(b"ssh-rsa AAAA"),
        Err(ModulusError::Unknown)
    );
    assert_eq!(Modulus::from_public_key(b""), Err(ModulusError::Unknown));
}
