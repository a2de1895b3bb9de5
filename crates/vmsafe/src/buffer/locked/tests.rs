//! Every refusal, through the model.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vmsafe_os::Call;
use vmsafe_os::model::{Model, PAGE};

use super::*;

const REFUSED: ErrorKind = ErrorKind::PermissionDenied;
const POLICIES: [Fork; 3] = [Fork::Absent, Fork::Wiped, Fork::Moved];

fn on(kernel: &'static Model) -> Options {
    Locked::options().kernel(kernel)
}

/// On pages with mlock.
fn on_mlock(kernel: &'static Model) -> Options {
    on(kernel).demand(Threat::Hibernation, Demand::Accept)
}

/// Whatever can be had.
fn lax(options: Options) -> Options {
    Threat::ALL.into_iter().fold(options, |options, threat| {
        let accepts = options.demands.of(threat) == Demand::Accept;
        let demand = if accepts {
            Demand::Accept
        } else {
            Demand::Prefer
        };
        options.demand(threat, demand)
    })
}

fn assert_clean(kernel: &Model) {
    assert_eq!(kernel.mapped(), 0, "something stayed mapped");
    assert_eq!(
        kernel.dirty_unmaps(),
        0,
        "memory was given back with content"
    );
}

/// The threats that a refusal of `call` must leave not closed.
fn concerned(call: Call, source: Source, fork: Fork) -> &'static [Threat] {
    match (call, source, fork) {
        (Call::Lock, Source::Anonymous, _) | (Call::PageOut, ..) => &[Threat::Swap],
        (Call::DontDump, ..) => &[Threat::CoreDump],
        (Call::DontFork, _, Fork::Absent | Fork::Moved) => &[Threat::Fork],
        (Call::WipeOnFork, _, Fork::Wiped) | (Call::OnFork, ..) => &[Threat::Fork],
        (Call::Facts, ..) => &[Threat::Swap, Threat::CoreDump, Threat::Fork],
        (Call::Peek, ..) => &[Threat::ProcessRead],
        _ => &[],
    }
}

#[test]
fn no_refusal_leads_to_a_closed_grade() {
    for call in Call::ALL {
        for fork in POLICIES {
            for options in [on, on_mlock] {
                let kernel = Model::leak();
                kernel.refuse(call, REFUSED);
                if let Ok(mut buffer) = lax(options(kernel)).fork(fork).create(10) {
                    buffer.fill(0xA5);
                    for threat in concerned(call, buffer.source(), fork) {
                        let verdict = buffer.grade().of(*threat);
                        assert!(
                            !verdict.is_closed(),
                            "{call:?} {fork:?} {threat}: {verdict}"
                        );
                    }
                }
                if call != Call::Unmap {
                    assert_eq!(kernel.mapped(), 0, "{call:?}");
                }
                assert_eq!(kernel.dirty_unmaps(), 0, "{call:?}");
            }
        }
    }
}

#[test]
fn what_is_required_and_refused_is_an_error() {
    for fork in POLICIES {
        for call in Call::ALL {
            let kernel = Model::leak();
            kernel.refuse(call, REFUSED);
            let made = on_mlock(kernel).fork(fork).create(10);
            let required = |threat: &&Threat| **threat != Threat::ProcessRead;
            let first = concerned(call, Source::Anonymous, fork)
                .iter()
                .find(required);
            match (call, first, made) {
                (Call::MapAnonymous, _, Err(Error::System(refused))) => {
                    assert_eq!(refused.call, Call::MapAnonymous);
                }
                (Call::Lock, _, Err(Error::System(refused))) => {
                    assert_eq!(refused.call, Call::Lock);
                }
                (_, Some(threat), Err(Error::Unmet { threat: unmet, .. })) => {
                    assert_eq!(unmet, *threat, "{call:?}");
                }
                (_, None, Ok(buffer)) => drop(buffer),
                (_, _, made) => panic!("{call:?} {fork:?}: {made:?}"),
            }
            if call != Call::Unmap {
                assert_clean(kernel);
            }
        }
    }
}

#[test]
fn each_required_threat_is_met_or_refused() {
    for threat in Threat::ALL {
        for options in [on, on_mlock] {
            let kernel = Model::leak();
            match options(kernel).demand(threat, Demand::Require).create(1) {
                Ok(buffer) => assert!(buffer.grade().of(threat).is_closed()),
                Err(error) => panic!("{threat}: {error}"),
            }
            let deaf = Model::leak();
            deaf.ignore_advice();
            deaf.ignore_locks();
            if let Ok(buffer) = options(deaf).demand(threat, Demand::Require).create(1) {
                panic!("{threat}: {}", buffer.grade());
            }
            assert_clean(deaf);
        }
    }
}

#[test]
fn prefers_secret_memory_and_falls_back_to_locked_pages() {
    let kernel = Model::leak();
    let secret = on(kernel).create(1).unwrap();
    assert_eq!(secret.source(), Source::Secret);
    assert!(!secret.leaves_stale_frames());
    assert!(
        secret
            .grade()
            .iter()
            .all(|(_, verdict)| verdict.is_closed())
    );
    kernel.refuse(Call::MapSecret, ErrorKind::Unsupported);
    let pages = on(kernel).create(1).unwrap();
    assert_eq!(pages.source(), Source::Anonymous);
    assert!(pages.leaves_stale_frames());
    assert!(pages.grade() < secret.grade());
    let expected = "process_vm_readv reads it";
    assert_eq!(pages.grade().of(Threat::ProcessRead).reason(), expected);
    for threat in [Threat::Hibernation, Threat::ProcessRead] {
        let required = on(kernel).demand(threat, Demand::Require).create(1);
        assert!(
            matches!(&required, Err(Error::System(refused)) if refused.call == Call::MapSecret),
            "{required:?}"
        );
    }
}

#[test]
fn an_accepted_hibernation_takes_pages_that_let_the_machine_sleep() {
    let kernel = Model::leak();
    kernel.set_hibernation(Hibernation::Offered);
    let pages = on_mlock(kernel).create(1).unwrap();
    assert_eq!(pages.source(), Source::Anonymous);
    let expected = "open: the machine may hibernate, and the image holds locked pages";
    assert_eq!(pages.grade().of(Threat::Hibernation).to_string(), expected);
    kernel.set_hibernation(Hibernation::Unknown);
    let unsure = on(kernel).create(1).unwrap();
    let expected = "unknown: the kernel does not say";
    assert_eq!(unsure.grade().of(Threat::Hibernation).to_string(), expected);
}

#[test]
fn wiped_children_and_secret_memory_exclude_each_other() {
    for threat in [Threat::Hibernation, Threat::ProcessRead] {
        let kernel = Model::leak();
        let options = on(kernel).fork(Fork::Wiped);
        let error = options.demand(threat, Demand::Require).create(1);
        let expected = format!(
            "{threat} could not be closed: a child cannot find secret memory wiped \
             (MADV_WIPEONFORK answers EINVAL); mend that, or state Demand::Prefer for it and read \
             the grade"
        );
        assert_eq!(error.unwrap_err().to_string(), expected);
        assert_eq!(options.create(1).unwrap().source(), Source::Anonymous);
    }
}

#[test]
fn advice_without_effect_is_not_believed() {
    for fork in POLICIES {
        for options in [on, on_mlock] {
            let kernel = Model::leak();
            kernel.ignore_advice();
            assert!(options(kernel).fork(fork).create(1).is_err());
            let buffer = lax(options(kernel)).fork(fork).create(1).unwrap();
            assert!(!buffer.grade().of(Threat::Fork).is_closed());
            let secret = buffer.source() == Source::Secret;
            // Secret memory is in no dump from birth.
            assert_eq!(buffer.grade().of(Threat::CoreDump).is_closed(), secret);
        }
    }
}

#[test]
fn a_lock_without_effect_is_not_believed() {
    let kernel = Model::leak();
    kernel.ignore_locks();
    let error = on_mlock(kernel).create(1).unwrap_err();
    let expected = "swap could not be closed: the mapping does not show VmFlags lo; \
                    mend that, or state Demand::Prefer for it and read the grade";
    assert_eq!(error.to_string(), expected);
    assert_eq!(
        swap(&kernel.evidence().locked, true, Ok(())),
        Verdict::open(""),
        "paged out though locked"
    );
    assert_clean(kernel);
}

#[test]
fn the_lock_limit_is_told_with_numbers() {
    let kernel = Model::leak();
    kernel.limit_locks(3 * PAGE as u64);
    let first = on(kernel).create(2 * PAGE).unwrap();
    for options in [on, on_mlock] {
        let error = options(kernel).create(PAGE + 1).unwrap_err();
        let expected = "8192 more bytes cannot be locked: 8192 of 12288 are in use; raise \
                        RLIMIT_MEMLOCK: `ulimit -l` in a shell, LimitMEMLOCK= in a systemd unit, \
                        --ulimit memlock= for a container";
        assert_eq!(error.to_string(), expected);
    }
    let next = on(kernel).create(PAGE);
    assert!(next.is_ok(), "what is left of the limit can be had");
    drop((first, next));
    assert_clean(kernel);
}

#[test]
fn the_limit_is_not_blamed_for_other_wants() {
    for kind in [ErrorKind::OutOfMemory, ErrorKind::WouldBlock] {
        let kernel = Model::leak();
        kernel.limit_locks(1 << 30);
        kernel.refuse(Call::Lock, kind);
        let error = on_mlock(kernel).create(1).unwrap_err();
        let expected = "the system refused to lock memory: the model was told to refuse";
        assert_eq!(error.to_string(), expected);
        kernel.limit_locks(0);
        kernel.refuse(Call::LockLimit, REFUSED);
        assert!(matches!(on_mlock(kernel).create(1), Err(Error::System(_))));
    }
}

#[test]
fn messages_say_what_to_do() {
    let kernel = Model::leak();
    kernel.refuse(Call::DontDump, REFUSED);
    let expected = "core dump could not be closed: the system refused to keep memory out of \
                    dumps: the model was told to refuse; mend that, or state Demand::Prefer for it \
                    and read the grade";
    assert_eq!(on(kernel).create(1).unwrap_err().to_string(), expected);
    let expected = "a buffer of 0 bytes cannot be made: there is nothing to protect";
    assert_eq!(on(kernel).create(0).unwrap_err().to_string(), expected);
    for len in [usize::MAX, usize::MAX - PAGE, isize::MAX as usize] {
        let error = on(kernel).create(len).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{len}: {error}");
    }
}

#[test]
fn is_wiped_on_drop_on_failed_fill_and_on_panic() {
    for options in [on, on_mlock] {
        let kernel = Model::leak();
        let mut buffer = options(kernel).create(PAGE + 9).unwrap();
        assert_eq!(buffer.len(), PAGE + 9);
        assert!(buffer.iter().all(|byte| *byte == 0));
        buffer.fill(0xA5);
        drop(buffer);
        let failed = options(kernel).create_with(100, |bytes| {
            bytes.fill(0xA5);
            Err(Error::Elsewhere)
        });
        assert!(matches!(failed, Err(Error::Elsewhere)));
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            options(kernel).create_with::<Error>(100, |bytes| {
                bytes.fill(0xA5);
                panic!("in fill")
            })
        }));
        assert!(unwound.is_err());
        assert_clean(kernel);
    }
}

#[test]
fn the_model_notices_what_is_given_back_dirty() {
    let kernel = Model::leak();
    let mut buffer = on(kernel).create(1).unwrap();
    buffer.fill(1);
    // The control for every `dirty_unmaps() == 0`: access that cannot be had hinders the wiping.
    buffer.pages().protect(vmsafe_os::Access::Read).unwrap();
    kernel.refuse(Call::Protect, REFUSED);
    drop(buffer);
    assert_eq!(kernel.dirty_unmaps(), 1);
}

#[test]
fn wipe_zeroes_and_keeps() {
    let mut buffer = on(Model::leak()).create(40).unwrap();
    buffer.fill(7);
    buffer.wipe();
    assert_eq!(*buffer, [0; 40]);
    buffer.fill(8);
    assert_eq!(*buffer, [8; 40]);
}

#[test]
fn debug_shows_no_content() {
    let mut buffer = on(Model::leak()).create(4).unwrap();
    buffer.copy_from_slice(b"\xA5ABC");
    assert_eq!(format!("{buffer:?}"), "Locked { len: 4, .. }");
}

#[test]
fn a_child_touches_only_what_it_has() {
    for fork in POLICIES {
        let kernel = Model::leak();
        let mut buffer = on_mlock(kernel).fork(fork).create(1).unwrap();
        buffer.fill(0xA5);
        kernel.fork();
        assert_eq!(buffer.is_present(), fork != Fork::Absent);
        drop(buffer);
        assert_eq!(kernel.dirty_unmaps(), 0);
        // An absent region is not unmapped: it may be anything's by now.
        assert_eq!(kernel.mapped(), usize::from(fork == Fork::Absent));
    }
}

#[test]
fn a_child_that_could_be_given_nothing_touches_nothing() {
    for fork in POLICIES {
        let kernel = Model::leak();
        let buffer = on_mlock(kernel).fork(fork).create(1).unwrap();
        kernel.fork_into_nothing();
        assert!(!buffer.is_present());
        drop(buffer);
        assert_eq!(kernel.mapped(), 1, "{fork:?}");
    }
}

#[test]
fn a_buffer_made_in_the_child_is_present_there() {
    let kernel = Model::leak();
    kernel.fork();
    let buffer = on(kernel).create(1).unwrap();
    assert!(buffer.is_present());
    drop(buffer);
    assert_clean(kernel);
}
