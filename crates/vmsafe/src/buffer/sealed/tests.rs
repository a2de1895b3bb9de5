#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
use super::*;

fn sealed(byte: u8) -> Sealed<[u8; 32]> {
    Sealed::init_with(|key: &mut [u8; 32]| key.fill(byte)).unwrap()
}

#[test]
fn what_was_sealed_opens_and_is_ciphertext_meanwhile() {
    let mut key = sealed(7);
    assert_ne!(key.body, [7; 32]);
    assert_eq!(key.open(|key| *key).unwrap(), [7; 32]);
    let before = key.body;
    key.open_mut(|key| key[0] = 8).unwrap();
    assert_ne!(
        key.body[1..],
        before[1..],
        "sealed anew under another nonce"
    );
    assert_eq!(key.open(|key| (key[0], key[1])).unwrap(), (8, 7));
}

#[test]
fn a_sealed_key_takes_eighty_bytes_at_most() {
    assert!(size_of::<Sealed<[u8; 32]>>() <= 80);
}

#[test]
fn every_change_is_found_out() {
    let flips: [fn(&mut Sealed<[u8; 32]>); 3] = [
        |key| key.body[31] ^= 1,
        |key| key.stamp.tag[0] ^= 0x80,
        |key| key.stamp.number ^= 1,
    ];
    for flip in flips {
        let mut key = sealed(7);
        assert!(key.open(|_| ()).is_ok(), "the control");
        flip(&mut key);
        let error = key.open(|_| panic!("lent a changed secret")).unwrap_err();
        assert!(matches!(error, Error::Tampered) && error.to_string().contains("tampered"));
    }
    let (mut one, two) = (sealed(1), sealed(2));
    one.body = two.body;
    assert!(matches!(one.open(|_| ()), Err(Error::Tampered)));
}

#[test]
fn a_context_is_part_of_the_seal() {
    let secret = Secret::<u64>::random().unwrap();
    let sealed = Sealed::seal_for(b"alice", &secret).unwrap();
    assert!(sealed.unseal(b"alice").unwrap() == secret);
    assert!(matches!(sealed.unseal(b"bob"), Err(Error::Tampered)));
    assert!(matches!(sealed.open(|_| ()), Err(Error::Tampered)));
}

#[test]
fn a_child_cannot_open_its_parents() {
    let mut key = sealed(7);
    key.stamp.epoch += 1;
    assert!(matches!(key.open(|_| ()), Err(Error::SealedElsewhere)));
}

#[test]
fn equal_secrets_seal_to_different_bytes() {
    let stamps: std::collections::BTreeSet<_> = (0..1000).map(|_| sealed(7).stamp.number).collect();
    assert_eq!(stamps.len(), 1000, "a nonce came twice");
    assert_ne!(sealed(7).body, sealed(7).body);
}

#[test]
fn bytes_of_any_length() {
    for len in [0, 1, 15, 16, 17, 4096, 100_000] {
        let mut secret = SecretVec::new().unwrap();
        secret.resize(len).unwrap();
        secret.expose_mut(|bytes| bytes.fill(0xA5));
        let mut sealed = SealedBytes::seal(&secret).unwrap();
        assert!(len < 16 || !sealed.body.windows(16).any(|bytes| *bytes == [0xA5; 16]));
        assert!(
            sealed
                .open(|bytes| bytes.len() == len && bytes.iter().all(|b| *b == 0xA5))
                .unwrap()
        );
        if let Some(last) = sealed.body.last_mut() {
            *last ^= 1;
            assert!(matches!(sealed.open(|_| ()), Err(Error::Tampered)));
        }
    }
}
