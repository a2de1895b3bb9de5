//! What stays in memory after a secret: the tests look at the place where it was.

use std::ptr::NonNull;

use super::*;
use crate::Locked;

#[cfg(feature = "serde")]
mod deserialising;
mod reading;

/// The bytes at an address that the heap had lent and this thread's slab still covers.
fn bytes_at<T>(at: NonNull<T>, len: usize) -> Vec<u8> {
    // SAFETY: slots of the size classes that these tests use stay mapped: their slab is the
    // thread's, which keeps one of each class.
    unsafe { std::slice::from_raw_parts(at.as_ptr().cast::<u8>(), len) }.to_vec()
}

fn place<T>(secret: &Secret<T>) -> NonNull<T> {
    secret.expose(|value| NonNull::from(value))
}

#[test]
fn a_secret_is_zero_after_it_is_dropped() {
    let secret = Secret::<[u8; 32]>::init_with(|key| key.fill(0xA5)).unwrap();
    let at = place(&secret);
    assert_eq!(bytes_at(at, 32), [0xA5; 32], "the control");
    drop(secret);
    assert_eq!(bytes_at(at, 32), [0; 32]);
}

#[test]
fn a_secret_is_zero_after_a_panic_in_its_closure() {
    let mut at = None;
    let place = &mut at;
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Secret::<[u8; 48]>::init_with(|key| {
            key.fill(0xA5);
            *place = Some(NonNull::from(&*key));
            panic!("half way");
        })
    }));
    assert!(caught.is_err());
    assert_eq!(bytes_at(at.unwrap(), 48), [0; 48]);
}

#[test]
fn a_failed_construction_leaves_nothing() {
    let mut at = None;
    let made = Secret::<[u8; 64]>::try_init_with(|key| {
        key.fill(0xA5);
        at = Some(NonNull::from(&*key));
        Err(Error::Tampered)
    });
    assert!(matches!(made, Err(Error::Tampered)));
    assert_eq!(bytes_at(at.unwrap(), 64), [0; 64]);
}

#[test]
fn built_values_are_dropped_and_then_zeroed() {
    struct Counted<'a>(&'a std::cell::Cell<u32>, [u8; 80]);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            assert_eq!(self.1, [0xA5; 80]);
            self.0.set(self.0.get() + 1);
        }
    }
    let drops = std::cell::Cell::new(0);
    let secret = Secret::build(|| Counted(&drops, [0xA5; 80])).unwrap();
    let at = place(&secret);
    assert_eq!(drops.get(), 0);
    drop(secret);
    assert_eq!(drops.get(), 1);
    assert!(
        bytes_at(at, size_of::<Counted<'_>>())
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn a_secret_whose_own_end_panics_is_zeroed_and_freed_all_the_same() {
    struct Bomb([u8; 112]);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_ne!(self.0, [0xA5; 112], "the end");
        }
    }
    let heap = Heap::global().unwrap();
    let secret = Secret::build(|| Bomb([0xA5; 112])).unwrap();
    let at = place(&secret);
    assert_eq!(bytes_at(at, 112), [0xA5; 112], "the control");
    assert!(heap.owns(at.cast()));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(secret)));
    assert!(caught.is_err());
    assert!(!heap.owns(at.cast()), "the slot is still lent");
    assert_eq!(bytes_at(at, 112), [0; 112]);
}

#[test]
fn a_value_that_zeros_may_not_be_is_refused_where_children_find_zeros() {
    let heap = |fork| {
        let options = Heap::options()
            .fork(fork)
            .kernel(vmsafe_os::model::Model::leak());
        options.create().unwrap()
    };
    for fork in [crate::Fork::Absent, crate::Fork::Moved] {
        let boxed = Secret::build_in(heap(fork), || Box::new(7_u8)).unwrap();
        boxed.expose(|boxed| assert_eq!(**boxed, 7, "the control"));
    }
    let wiped = heap(crate::Fork::Wiped);
    let refused = Secret::build_in(wiped, || Box::new(7_u8)).unwrap_err();
    assert!(
        refused.to_string().contains("Secret::zeroed_in"),
        "{refused}"
    );
    let plain = Secret::<[u8; 32]>::zeroed_in(wiped).unwrap();
    plain.expose(|bytes| assert_eq!(*bytes, [0; 32]));
}

#[test]
fn a_guarded_value_that_a_fork_would_have_to_open_is_refused() {
    let model = vmsafe_os::model::Model::leak();
    let guarded = |fork| {
        let options = Locked::options().kernel(model).fork(fork);
        Guarded::<[u8; 32]>::create(options, |key| key.fill(0xA5))
    };
    for fork in [crate::Fork::Absent, crate::Fork::Wiped] {
        let first = guarded(fork).unwrap().expose(|key| key[0]);
        assert_eq!(first.unwrap(), 0xA5, "the control");
    }
    let refused = guarded(crate::Fork::Moved).unwrap_err();
    assert!(
        refused.to_string().contains("choose Fork::Absent"),
        "{refused}"
    );
}

#[test]
fn random_secrets_differ_and_clones_do_not() {
    let (one, two) = (
        Secret::<[u8; 32]>::random().unwrap(),
        Secret::random().unwrap(),
    );
    assert!(one != two);
    let clone = one.try_clone().unwrap();
    assert!(clone == one);
    assert_ne!(place(&clone), place(&one));
}

#[test]
fn nothing_prints_a_secret() {
    let key = Secret::<[u8; 16]>::init_with(|key| key.fill(0xA5)).unwrap();
    let mut text = SecretString::new().unwrap();
    text.push_str("hunter2").unwrap();
    let guarded = Guarded::<u64>::init_with(|value| *value = 0xA5A5).unwrap();
    let shown = format!(
        "{key:?} {text:?} {guarded:?} {:?}",
        text.try_clone().unwrap().into_bytes()
    );
    assert_eq!(
        shown,
        "Secret(..) SecretString(..) Guarded(..) SecretVec(..)"
    );
}

#[test]
fn a_growing_row_leaves_no_copy() {
    let mut row = SecretVec::<u8>::new().unwrap();
    let mut places = Vec::new();
    while row.capacity() < 4096 {
        row.push(0xA5).unwrap();
        let at = row.expose(|bytes| NonNull::from(&bytes[0]));
        if places.last().is_none_or(|(last, _)| *last != at) {
            places.push((at, row.len()));
        }
    }
    let now = places.pop().unwrap().0;
    assert!(places.len() > 4, "it never moved");
    for (at, len) in places {
        assert!(
            bytes_at(at, len).iter().all(|byte| *byte == 0),
            "a copy of {len} bytes"
        );
    }
    row.truncate(10);
    assert_eq!(bytes_at(now, 1000)[..10], [0xA5; 10], "the control");
    assert!(bytes_at(now, 1000)[10..].iter().all(|byte| *byte == 0));
    drop(row);
    assert!(bytes_at(now, 1000).iter().all(|byte| *byte == 0));
}

#[test]
fn rows_resize_with_zeros() {
    let mut row = SecretVec::<u32>::new().unwrap();
    row.extend_from_slice(&[1, 2, 3]).unwrap();
    row.resize(1).unwrap();
    row.resize(100).unwrap();
    row.expose(|values| {
        assert_eq!(values[0], 1);
        assert!(values[1..].iter().all(|value| *value == 0));
    });
    assert!(row == row.try_clone().unwrap());
}

#[test]
fn a_guarded_value_is_lent_and_shut_again() {
    let mut key = Guarded::<[u8; 32]>::random().unwrap();
    let sum = key
        .expose(|key| key.iter().map(|byte| u32::from(*byte)).sum::<u32>())
        .unwrap();
    assert!(sum > 0);
    key.expose_mut(|key| key.fill(3)).unwrap();
    assert_eq!(key.expose(|key| *key).unwrap(), [3; 32]);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _: Result<(), _> = key.expose(|_| panic!("inside"));
    }));
    assert!(caught.is_err());
    assert_eq!(key.expose(|key| key[0]).unwrap(), 3);
}

#[test]
fn a_guarded_value_is_zero_when_its_pages_go_back() {
    let model = vmsafe_os::model::Model::leak();
    let options = || Locked::options().kernel(model);
    let mut key = Guarded::<[u8; 32]>::create(options(), |key| key.fill(0xA5)).unwrap();
    assert_eq!(key.expose(|key| *key).unwrap(), [0xA5; 32], "the control");
    drop(key);
    let caught = std::panic::catch_unwind(|| {
        Guarded::<[u8; 32]>::create(options(), |key| {
            key.fill(0xA5);
            panic!("half way");
        })
    });
    assert!(caught.is_err());
    assert_eq!((model.mapped(), model.dirty_unmaps()), (0, 0));
}

#[test]
fn a_panic_while_a_secret_is_changed_leaves_it_whole_and_its_end_zero() {
    let mut key = Secret::<[u8; 96]>::init_with(|key| key.fill(0xA5)).unwrap();
    let at = place(&key);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        key.expose_mut(|key| {
            key[0] = 1;
            panic!("half way");
        });
    }));
    assert!(caught.is_err());
    assert_eq!(bytes_at(at, 2), [1, 0xA5], "the control");
    drop(key);
    assert_eq!(bytes_at(at, 96), [0; 96]);
}

#[test]
fn a_secret_can_be_zeroed_before_its_end() {
    let mut key = Secret::<[u8; 32]>::init_with(|key| key.fill(0xA5)).unwrap();
    let mut text = SecretString::new().unwrap();
    text.push_str("hunter2").unwrap();
    let at = text.expose(|text| NonNull::from(&text.as_bytes()[0]));
    assert_eq!(bytes_at(at, 7), b"hunter2", "the control");
    key.zeroize();
    text.zeroize();
    assert_eq!(bytes_at(place(&key), 32), [0; 32]);
    assert!(text.is_empty());
    assert_eq!(bytes_at(at, 7), [0; 7]);
}

#[test]
fn equality_looks_at_every_byte() {
    let key = Secret::<[u8; 32]>::random().unwrap();
    for place in 0..32 {
        let mut other = key.try_clone().unwrap();
        assert!(bool::from(key.ct_eq(&other)), "the control");
        other.expose_mut(|other| other[place] ^= 1);
        assert!(
            !bool::from(key.ct_eq(&other)) && key != other,
            "byte {place}"
        );
    }
}

#[cfg(feature = "secrecy")]
#[test]
fn code_for_the_crate_secrecy_can_use_a_secret() {
    use ::secrecy::{ExposeSecret, ExposeSecretMut};
    fn first(key: &impl ExposeSecret<[u8; 32]>) -> u8 {
        key.expose_secret()[0]
    }
    let mut key = Secret::<[u8; 32]>::zeroed().unwrap();
    key.expose_secret_mut()[0] = 7;
    assert_eq!(first(&key), 7);
}
