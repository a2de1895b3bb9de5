//! Loss at every byte, tampering, and every refusal, through the model.

mod property;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vmsafe_os::Call;
use vmsafe_os::model::{Model, PAGE};

use super::file::HEAD;
use super::*;

const REFUSED: ErrorKind = ErrorKind::PermissionDenied;
const DIR: &str = "/disk";

fn on(kernel: &'static Model) -> Options {
    Evaporating::options().kernel(kernel)
}

fn lax(options: Options) -> Options {
    Threat::ALL.into_iter().fold(options, |options, threat| {
        options.demand(threat, Demand::Prefer)
    })
}

fn assert_clean(kernel: &Model) {
    assert_eq!(kernel.mapped(), 0, "something stayed mapped");
    assert_eq!(
        kernel.dirty_unmaps(),
        0,
        "memory was given back with content"
    );
    assert_eq!(kernel.named(), 0, "a file kept its name");
}

fn holding(kernel: &'static Model, bytes: &[u8]) -> Evaporating {
    let mut buffer = on(kernel).create_in(DIR, bytes.len()).unwrap();
    buffer.write(bytes).unwrap();
    buffer
}

fn secret(len: usize) -> Vec<u8> {
    (1..=251).cycle().take(len).collect()
}

/// The threats that a refusal of `call` must leave not closed.
fn concerned(call: Call) -> &'static [Threat] {
    match call {
        Call::PageOut => &[Threat::Swap],
        Call::DontDump => &[Threat::CoreDump],
        Call::DontFork | Call::OnFork => &[Threat::Fork],
        Call::Facts => &[Threat::Swap, Threat::CoreDump, Threat::Fork],
        Call::Peek => &[Threat::ProcessRead],
        _ => &[],
    }
}

#[test]
fn no_refusal_leads_to_a_closed_grade_or_a_file_left() {
    for call in Call::ALL {
        for passes in 0..4 {
            let kernel = Model::leak();
            kernel.refuse_after(passes, call, REFUSED);
            let made = lax(on(kernel)).create_in(DIR, 2 * PAYLOAD);
            if let (Ok(buffer), 0) = (&made, passes) {
                for threat in concerned(call) {
                    let verdict = buffer.grade().of(*threat);
                    assert!(!verdict.is_closed(), "{call:?} {threat}: {verdict}");
                }
            }
            drop(made);
            match call {
                Call::Unmap => assert_eq!(kernel.dirty_unmaps(), 0),
                Call::Unlink => assert_eq!(kernel.mapped(), 0),
                _ => assert_clean(kernel),
            }
        }
    }
}

#[test]
fn a_tail_that_lacks_a_mark_lowers_the_grade_or_is_refused() {
    // The first call is the key's, the second and third are those of the two tails.
    for (call, threat) in [
        (Call::DontDump, Threat::CoreDump),
        (Call::DontFork, Threat::Fork),
        (Call::OnFork, Threat::Fork),
        (Call::Facts, Threat::CoreDump),
        (Call::Facts, Threat::Fork),
    ] {
        for passes in [1, 2] {
            let kernel = Model::leak();
            kernel.refuse_after(passes, call, REFUSED);
            let mut buffer = lax(on(kernel)).create_in(DIR, 2 * PAYLOAD).unwrap();
            let verdict = buffer.grade().of(threat);
            assert!(!verdict.is_closed(), "{call:?} {passes}: {verdict}");
            buffer.write(b"it works all the same").unwrap();
            kernel.refuse_after(passes, call, REFUSED);
            let required = on(kernel).create_in(DIR, 2 * PAYLOAD);
            assert!(
                matches!(&required, Err(Error::Unmet { .. })),
                "{call:?} {passes}: {required:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_done_without_is_an_error_with_its_call() {
    for call in [
        Call::Create,
        Call::Unlink,
        Call::Allocate,
        Call::MapFile,
        Call::FileSystem,
    ] {
        let kernel = Model::leak();
        kernel.refuse(call, REFUSED);
        match on(kernel).create_in(DIR, 1) {
            Err(Error::File { refused, .. }) => assert_eq!(refused.call, call),
            other => panic!("{call:?}: {other:?}"),
        }
        assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
        assert_eq!(kernel.named(), usize::from(call == Call::Unlink));
    }
}

#[test]
fn the_key_is_locked_or_there_is_no_buffer() {
    let kernel = Model::leak();
    kernel.limit_locks(PAGE as u64);
    let error = lax(on(kernel)).create_in(DIR, 2 * PAYLOAD).unwrap_err();
    assert!(
        error.to_string().starts_with("8192 more bytes cannot"),
        "{error}"
    );
    let kernel = Model::leak();
    kernel.ignore_locks();
    kernel.refuse(Call::MapSecret, REFUSED);
    let error = lax(on(kernel)).create_in(DIR, 1).unwrap_err();
    let unmet = matches!(
        error,
        Error::Unmet {
            threat: Threat::Swap,
            ..
        }
    );
    assert!(unmet, "{error}");
    assert_clean(kernel);
}

#[test]
fn sizes_and_keys_that_make_no_sense() {
    let kernel = Model::leak();
    for capacity in [0, usize::MAX, isize::MAX as usize] {
        let error = on(kernel).create_in(DIR, capacity).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{capacity}: {error}");
    }
    let key = Locked::options().kernel(kernel).create(16).unwrap();
    let error = on(kernel).key(key).create_in(DIR, 5).unwrap_err();
    let expected = "a buffer of 5 bytes cannot be made: the key must be of 32 bytes";
    assert_eq!(error.to_string(), expected);
    assert_clean(kernel);
}

#[test]
fn lends_what_was_written_over_several_pages() {
    for len in [0, 1, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 3 * PAYLOAD] {
        let kernel = Model::leak();
        let mut buffer = on(kernel).create_in(DIR, 3 * PAYLOAD).unwrap();
        assert_eq!(buffer.capacity(), 3 * PAYLOAD);
        assert_eq!(kernel.mapped(), 4);
        let bytes = secret(len);
        for _ in 0..2 {
            buffer.write(&bytes).unwrap();
            assert_eq!(buffer.with(<[u8]>::to_vec), Ok(bytes.clone()));
            assert_eq!(buffer.with(<[u8]>::to_vec), Ok(bytes.clone()));
        }
        drop(buffer);
        assert_clean(kernel);
    }
}

#[test]
fn nothing_was_written_and_nothing_is_lent() {
    let mut buffer = on(Model::leak()).create_in(DIR, 10).unwrap();
    assert_eq!(buffer.with(<[u8]>::len), Err(Evaporated));
    buffer.write(&[]).unwrap();
    assert_eq!(buffer.with(<[u8]>::len), Ok(0));
}

#[test]
fn too_much_is_refused_and_what_was_held_stays() {
    let kernel = Model::leak();
    let mut buffer = holding(kernel, b"ten bytes!");
    let error = buffer.write(b"eleven byte").unwrap_err();
    let expected = "a buffer of 11 bytes cannot be made: it is more than the capacity";
    assert_eq!(error.to_string(), expected);
    let error = buffer.fill(|_| Ok::<_, Error>(11)).unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!(buffer.with(|bytes| bytes == b"ten bytes!"), Ok(true));
}

#[test]
fn a_failed_or_panicking_fill_leaves_what_was_held_and_no_trace() {
    let kernel = Model::leak();
    let mut buffer = holding(kernel, b"ten bytes!");
    let failed = buffer.fill(|slot| {
        slot.fill(0xA5);
        Err(Error::Elsewhere)
    });
    assert!(matches!(failed, Err(Error::Elsewhere)));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        buffer.fill(|slot| -> Result<usize, Error> {
            slot.fill(0xA5);
            panic!("in fill")
        })
    }));
    assert!(unwound.is_err());
    assert!(buffer.locked[SLOT..].iter().all(|byte| *byte == 0));
    assert_eq!(buffer.with(|bytes| bytes == b"ten bytes!"), Ok(true));
}

#[test]
fn the_slot_is_zero_whenever_nothing_is_lent() {
    let mut buffer = holding(Model::leak(), &secret(2 * PAYLOAD));
    let is_zero = |buffer: &Evaporating| buffer.locked[SLOT..].iter().all(|byte| *byte == 0);
    assert!(is_zero(&buffer), "after a write");
    let lent = buffer.with(|bytes| bytes.iter().any(|byte| *byte != 0));
    assert_eq!(lent, Ok(true), "the control: while lent it is not zero");
    assert!(is_zero(&buffer), "after a loan");
    let unwound = catch_unwind(AssertUnwindSafe(|| buffer.with(|_| panic!("while lent"))));
    assert!(unwound.is_err());
    assert!(is_zero(&buffer), "after a panic");
}

#[test]
fn any_loss_is_noticed_however_partial() {
    let kernel = Model::leak();
    let bytes = secret(PAYLOAD);
    let mut buffer = on(kernel).create_in(DIR, PAYLOAD).unwrap();
    for until in HEAD + 1..=PAGE {
        buffer.write(&bytes).unwrap();
        kernel.write_back_all(until);
        // A byte of ciphertext that was zero already is no loss; the same bytes are then lent.
        match buffer.with(|lent| lent == bytes) {
            Err(Evaporated) => {}
            Ok(same) => assert!(same && until < HEAD + 8, "{until}"),
        }
    }
    buffer.write(&bytes).unwrap();
    kernel.write_back_all(HEAD);
    let kept = buffer.with(|lent| lent == bytes);
    assert_eq!(
        kept,
        Ok(true),
        "the control: a write-back of the head alone"
    );
}

#[test]
fn a_flipped_bit_anywhere_in_the_tail_is_noticed() {
    let kernel = Model::leak();
    let bytes = secret(2 * PAYLOAD);
    let mut buffer = on(kernel).create_in(DIR, 2 * PAYLOAD).unwrap();
    buffer.write(&bytes).unwrap();
    for file in 0..2 {
        for byte in HEAD..PAGE {
            kernel.flip(file, byte);
            assert_eq!(buffer.with(|_| ()), Err(Evaporated), "{file} {byte}");
            kernel.flip(file, byte);
        }
        kernel.flip(file, HEAD - 1);
    }
    let whole = buffer.with(|lent| lent == bytes);
    assert_eq!(
        whole,
        Ok(true),
        "the control: flipped back, and in the head"
    );
}

#[test]
fn an_old_tail_never_comes_back_as_new() {
    let mut buffer = holding(Model::leak(), &secret(2 * PAYLOAD));
    let tail = |buffer: &Evaporating, page: usize| {
        let mut part = vec![0; PAYLOAD];
        let tag = buffer.tails[page].load(&mut part);
        (part, tag)
    };
    let old = [tail(&buffer, 0), tail(&buffer, 1)];
    buffer.write(&secret(2 * PAYLOAD)).unwrap();
    let new = [tail(&buffer, 0), tail(&buffer, 1)];
    assert_ne!(old, new, "the same bytes under a new generation");
    for (page, (part, tag)) in old.iter().enumerate() {
        buffer.tails[page].store(part, tag).unwrap();
        assert_eq!(buffer.with(|_| ()), Err(Evaporated), "page {page}");
        buffer.tails[page]
            .store(&new[page].0, &new[page].1)
            .unwrap();
    }
    assert_eq!(buffer.with(|_| ()), Ok(()), "the control: put back");
    for (page, other) in [(0, 1), (1, 0)] {
        buffer.tails[page]
            .store(&new[other].0, &new[other].1)
            .unwrap();
    }
    assert_eq!(buffer.with(|_| ()), Err(Evaporated), "pages exchanged");
}

#[test]
fn nothing_plain_stands_in_the_tail() {
    let kernel = Model::leak();
    let mut key = Locked::options().kernel(kernel).create(KEY).unwrap();
    key.fill(0x5A);
    let mut buffer = on(kernel).key(key).create_in(DIR, PAYLOAD).unwrap();
    buffer.write(&secret(PAYLOAD)).unwrap();
    let mut page = vec![0; PAGE];
    buffer.tails[0].mapping().copy_out(0, &mut page);
    let holds = |needle: &[u8]| page.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(&secret(16)) && !holds(&[0x5A; 16]));
    assert!(
        holds(&page[HEAD..HEAD + 16]),
        "the control: what is there is found"
    );
    assert!(page[..HEAD].iter().all(|byte| *byte == 0));
}

#[test]
fn or_restore_lends_or_puts_back() {
    let kernel = Model::leak();
    let mut buffer = holding(kernel, b"first");
    let not_needed = |_: &mut [u8]| -> Result<usize, Error> { panic!("nothing is lost") };
    let lent = buffer.or_restore(not_needed, <[u8]>::to_vec);
    assert_eq!(lent.unwrap(), b"first");
    kernel.write_back_all(PAGE);
    let again = |slot: &mut [u8]| {
        slot[..4].copy_from_slice(b"2nd!");
        Ok::<_, Error>(4)
    };
    assert_eq!(buffer.or_restore(again, <[u8]>::to_vec).unwrap(), b"2nd!");
    assert_eq!(buffer.with(<[u8]>::to_vec).unwrap(), b"2nd!");
    kernel.write_back_all(PAGE);
    let abort = buffer.or_restore(|_| Err(Error::Elsewhere), |_| panic!("nothing to lend"));
    assert!(matches!(abort, Err::<(), _>(Error::Elsewhere)));
    let boast = buffer.or_restore(|slot| Ok::<_, Error>(slot.len() + 1), |_| ());
    assert!(matches!(boast, Err(Error::Size { .. })), "{boast:?}");
    assert_eq!(buffer.with(|_| ()), Err(Evaporated));
}

#[test]
fn a_child_is_lent_nothing_and_touches_nothing() {
    let kernel = Model::leak();
    let mut buffer = holding(kernel, &secret(2 * PAYLOAD));
    kernel.fork();
    assert_eq!(buffer.with(|_| ()), Err(Evaporated));
    assert!(matches!(buffer.write(b"x"), Err(Error::Elsewhere)));
    drop(buffer);
    assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (3, 0));
}

#[test]
fn what_a_file_system_lets_one_expect() {
    let about = |seconds| Lifetime::UntilWriteBack {
        about: Duration::from_secs(seconds),
    };
    for (kind, expected) in [
        (FsKind::Ext, about(30)),
        (FsKind::Xfs, about(30)),
        (FsKind::Btrfs, about(30)),
        (FsKind::Fuse, about(30)),
        (FsKind::Overlay(Upper::Disk), about(30)),
        (FsKind::Tmpfs, Lifetime::UntilDropped),
        (FsKind::TmpfsNoSwap, Lifetime::UntilDropped),
        (FsKind::Ramfs, Lifetime::UntilDropped),
        (FsKind::Overlay(Upper::Swappable), Lifetime::UntilDropped),
        (FsKind::Overlay(Upper::Unknown), Lifetime::UntilReclaimed),
        (FsKind::Network, Lifetime::UntilReclaimed),
        (FsKind::Fat, Lifetime::UntilReclaimed),
    ] {
        let kernel = Model::leak();
        kernel.mount(FileSystem {
            kind,
            name: "named".to_owned(),
            journals_data: Some(false),
            compresses: Some(false),
            discards: false,
        });
        let buffer = on(kernel).create_in(DIR, 1).unwrap();
        assert_eq!(buffer.lifetime(), expected, "{kind:?}");
        assert!(buffer.grade().of(Threat::BackingFile).is_closed());
    }
}

#[test]
fn the_plain_tail_of_2001_is_graded_open_and_wiped() {
    let kernel = Model::leak();
    let mut plain = Plain2001::create_on(kernel, DIR).unwrap();
    assert!(plain.is_lost());
    plain.store(&secret(Plain2001::CAPACITY));
    assert!(!plain.is_lost());
    let grade = plain.grade().of(Threat::BackingFile).to_string();
    let expected = "open: the tail is plain, and a racing write-back on ext4 takes it";
    assert_eq!(grade, expected);
    kernel.write_back_all(PAGE / 2);
    let mut torn = vec![0; Plain2001::CAPACITY];
    plain.load(&mut torn);
    let expected = &secret(Plain2001::CAPACITY)[PAGE / 2 - HEAD..];
    assert_eq!(
        &torn[PAGE / 2 - HEAD..],
        expected,
        "torn, and nobody notices"
    );
    assert!(torn[..PAGE / 2 - HEAD].iter().all(|byte| *byte == 0));
    drop(plain);
    assert_clean(kernel);
    kernel.refuse(Call::DontDump, REFUSED);
    let plain = Plain2001::create_on(kernel, DIR).unwrap();
    assert!(!plain.grade().of(Threat::CoreDump).is_closed());
}

#[test]
fn messages_and_debug_show_no_content() {
    let buffer = holding(Model::leak(), b"secret");
    assert_eq!(format!("{buffer:?}"), "Evaporating { capacity: 6, .. }");
    let expected = "the bytes have evaporated: write them again, or abort";
    assert_eq!(Evaporated.to_string(), expected);
}

#[test]
fn memory_that_vanishes_is_taken_where_the_system_has_it() {
    let kernel = Model::leak();
    kernel.offer_vanishing();
    kernel.refuse(Call::Create, REFUSED);
    let bytes = secret(PAYLOAD + 7);
    let mut buffer = holding(kernel, &bytes);
    assert_eq!(buffer.lifetime(), Lifetime::UntilReclaimed);
    assert!(buffer.grade().of(Threat::BackingFile).is_closed());
    assert_eq!(
        buffer.with(<[u8]>::to_vec),
        Ok(bytes.clone()),
        "nothing pressed"
    );
    kernel.vanish();
    assert_eq!(buffer.with(<[u8]>::to_vec), Err(Evaporated));
    buffer.write(&bytes).unwrap();
    assert_eq!(
        buffer.with(<[u8]>::to_vec),
        Ok(bytes),
        "and is filled again"
    );
    drop(buffer);
    assert_clean(kernel);
}

#[test]
fn a_sealing_that_failed_has_used_its_nonces() {
    let kernel = Model::leak();
    kernel.offer_vanishing();
    // The page, the first word; kept, and not let go again: the box stands there.
    kernel.refuse_after(3, Call::MapAnonymous, REFUSED);
    let mut buffer = on(kernel).create_in(DIR, 100).unwrap();
    let stands = |buffer: &Evaporating| {
        let mut part = [0; 100];
        buffer.tails[0].load(&mut part);
        part
    };
    let empty = stands(&buffer);
    assert!(buffer.write(&[0xA5; 100]).is_err());
    let first = stands(&buffer);
    assert_ne!(first, empty, "the control: it was sealed and stored");
    assert_eq!(buffer.with(<[u8]>::len), Err(Evaporated));
    kernel.grant(Call::MapAnonymous);
    buffer.write(&[0xA5; 100]).unwrap();
    assert_ne!(stands(&buffer), first, "one nonce for two boxes");
    assert_eq!(buffer.with(<[u8]>::to_vec), Ok(vec![0xA5; 100]));
}

#[test]
fn memory_that_will_not_vanish_is_an_error() {
    // In this order: the page, the first word; then, at each writing, kept and let go again.
    for passes in 0..5 {
        let kernel = Model::leak();
        kernel.offer_vanishing();
        kernel.refuse_after(passes, Call::MapAnonymous, REFUSED);
        let made = on(kernel).create_in(DIR, 1);
        assert_eq!(made.is_ok(), passes > 1);
        if let Ok(mut buffer) = made {
            assert_eq!(buffer.write(b"x").is_ok(), passes > 3);
            let expected = if passes > 3 { Ok(1) } else { Err(Evaporated) };
            assert_eq!(buffer.with(<[u8]>::len), expected);
        }
        assert_clean(kernel);
    }
}
