//! Every refusal, every step of a burn, every file system, through the model.

mod property;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vmsafe_os::model::{Model, PAGE};
use vmsafe_os::{Call, FileSystem, FsKind, Upper};

use super::*;

const REFUSED: ErrorKind = ErrorKind::PermissionDenied;
const PATH: &str = "/disk/secret";
/// What a burn asks for, in its order, and whether it can go on without.
const BURN: [(Call, bool); 7] = [
    (Call::Length, false),
    (Call::Write, false),
    (Call::Sync, false),
    (Call::ReadBack, false),
    (Call::Punch, true),
    (Call::SetLength, false),
    (Call::Unlink, false),
];

fn on(kernel: &'static Model) -> Options {
    Confined::options().kernel(kernel)
}

fn lax(options: Options) -> Options {
    Threat::ALL.into_iter().fold(options, |options, threat| {
        options.demand(threat, Demand::Prefer)
    })
}

fn filesystem(kind: FsKind, name: &str) -> FileSystem {
    FileSystem {
        kind,
        name: name.to_owned(),
        journals_data: Some(false),
        compresses: Some(false),
        discards: false,
    }
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

fn canary() -> Vec<u8> {
    (1..=251).cycle().take(2 * PAGE).collect()
}

fn filled(kernel: &'static Model) -> Confined {
    let mut buffer = on(kernel).create(PATH, 2 * PAGE).unwrap();
    buffer.copy_from_slice(&canary());
    buffer.write_back().unwrap();
    buffer
}

/// The threats that a refusal of `call` must leave not closed.
fn concerned(call: Call) -> &'static [Threat] {
    match call {
        Call::DontDump => &[Threat::CoreDump],
        Call::DontFork | Call::OnFork => &[Threat::Fork],
        Call::Facts => &[Threat::CoreDump, Threat::Fork],
        Call::Peek => &[Threat::ProcessRead],
        Call::FileSystem => &[Threat::Swap, Threat::BackingFile],
        _ => &[],
    }
}

#[test]
fn no_refusal_leads_to_a_closed_grade_or_a_file_left() {
    for call in Call::ALL {
        let kernel = Model::leak();
        kernel.refuse(call, REFUSED);
        if let Ok(buffer) = lax(on(kernel)).create(PATH, 10) {
            for threat in concerned(call) {
                let verdict = buffer.grade().of(*threat);
                assert!(!verdict.is_closed(), "{call:?} {threat}: {verdict}");
            }
            kernel.grant(call);
        }
        if call != Call::Unlink {
            assert_clean(kernel);
        }
    }
}

#[test]
fn what_is_required_and_refused_is_an_error_without_traces() {
    for call in Call::ALL {
        let kernel = Model::leak();
        kernel.refuse(call, REFUSED);
        let made = on(kernel).create(PATH, 10);
        match (call, made) {
            (
                Call::Create | Call::FileSystem | Call::Allocate | Call::MapFile,
                Err(Error::File { path, refused }),
            ) => {
                assert_eq!((path.as_path(), refused.call), (Path::new(PATH), call));
                let expected =
                    format!("{PATH}: the system refused {call}: the model was told to refuse");
                assert_eq!(Error::File { path, refused }.to_string(), expected);
            }
            (Call::DontDump | Call::Facts, Err(Error::Unmet { threat, .. })) => {
                assert_eq!(threat, Threat::CoreDump);
            }
            (Call::DontFork | Call::OnFork, Err(Error::Unmet { threat, .. })) => {
                assert_eq!(threat, Threat::Fork);
            }
            (_, Ok(buffer)) => {
                kernel.grant(call);
                drop(buffer);
            }
            (_, Err(error)) => panic!("{call:?}: {error}"),
        }
        assert_clean(kernel);
    }
}

#[test]
fn an_existing_file_is_never_taken() {
    let kernel = Model::leak();
    let first = filled(kernel);
    let error = on(kernel).create(PATH, 1).unwrap_err();
    let expected = "/disk/secret: the system refused to create the file: the file exists";
    assert_eq!(error.to_string(), expected);
    assert_eq!(*first, canary());
    assert_eq!(kernel.disk(Path::new(PATH)).unwrap(), canary());
}

#[test]
fn sizes_that_make_no_sense_leave_no_file() {
    for len in [0, usize::MAX, isize::MAX as usize] {
        let kernel = Model::leak();
        let error = on(kernel).create(PATH, len).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{len}: {error}");
        assert_clean(kernel);
    }
}

#[test]
fn each_requirement_is_met_or_refused() {
    for threat in Threat::ALL {
        let kernel = Model::leak();
        match on(kernel).demand(threat, Demand::Require).create(PATH, 1) {
            Ok(buffer) => assert!(buffer.grade().of(threat).is_closed(), "{threat}"),
            Err(Error::Unmet { threat: unmet, .. }) => {
                assert_eq!(unmet, threat);
                assert!(matches!(threat, Threat::ProcessRead | Threat::Hibernation));
            }
            Err(error) => panic!("{threat}: {error}"),
        }
        assert_clean(kernel);
    }
}

#[test]
fn advice_without_effect_is_not_believed() {
    let kernel = Model::leak();
    kernel.ignore_advice();
    assert!(on(kernel).create(PATH, 1).is_err());
    let buffer = lax(on(kernel)).create(PATH, 1).unwrap();
    for threat in [Threat::CoreDump, Threat::Fork] {
        assert!(!buffer.grade().of(threat).is_closed(), "{threat}");
    }
}

/// Kind, verdict on swap, verdict on the file: closed, unknown or open.
const PLACES: [(FsKind, &str, char, char); 16] = [
    (FsKind::Ext, "ext4", 'c', 'c'),
    (FsKind::Xfs, "xfs", 'c', 'c'),
    (FsKind::Fat, "vfat", 'c', 'c'),
    (FsKind::Btrfs, "btrfs", 'c', 'o'),
    (FsKind::Zfs, "zfs", 'c', 'o'),
    (FsKind::F2fs, "f2fs", 'c', 'o'),
    (FsKind::Bcachefs, "bcachefs", 'c', 'o'),
    (FsKind::TmpfsNoSwap, "tmpfs", 'c', 'c'),
    (FsKind::Ramfs, "ramfs", 'c', 'c'),
    (FsKind::Overlay(Upper::Disk), "overlay", 'c', 'u'),
    (FsKind::Tmpfs, "tmpfs", 'o', 'o'),
    (FsKind::Overlay(Upper::Swappable), "overlay", 'o', 'o'),
    (FsKind::Overlay(Upper::Unknown), "overlay", 'u', 'u'),
    (FsKind::Network, "nfs4", 'u', 'u'),
    (FsKind::Fuse, "fuse.bindfs", 'u', 'u'),
    (FsKind::Other, "9p", 'u', 'u'),
];

fn letter(verdict: &Verdict) -> char {
    match verdict {
        Verdict::Closed { .. } => 'c',
        Verdict::Open { .. } => 'o',
        Verdict::Unknown { .. } => 'u',
    }
}

#[test]
fn each_file_system_is_taken_or_refused_by_name() {
    for (kind, name, swap, file) in PLACES {
        let kernel = Model::leak();
        kernel.mount(filesystem(kind, name));
        match (swap, on(kernel).create(PATH, 1)) {
            ('c', Ok(buffer)) => drop(buffer),
            ('o' | 'u', Err(error @ Error::Place { .. })) => {
                let message = error.to_string();
                let start = format!("{PATH}: {name} cannot keep the promise: ");
                assert!(message.starts_with(&start), "{message}");
                assert!(message.contains("; name a file on a "), "{message}");
            }
            (_, made) => panic!("{kind:?}: {made:?}"),
        }
        let buffer = lax(on(kernel)).create(PATH, 1).unwrap();
        assert_eq!(letter(buffer.grade().of(Threat::Swap)), swap, "{kind:?}");
        let verdict = buffer.grade().of(Threat::BackingFile);
        assert_eq!(letter(verdict), file, "{kind:?}");
        drop(buffer);
        let required = on(kernel).demand(Threat::BackingFile, Demand::Require);
        assert_eq!(
            required.create(PATH, 1).is_ok(),
            (swap, file) == ('c', 'c'),
            "{kind:?}"
        );
        assert_clean(kernel);
    }
}

#[test]
fn tmpfs_is_refused_with_these_words() {
    let kernel = Model::leak();
    kernel.mount(filesystem(FsKind::Tmpfs, "tmpfs"));
    let expected = "/disk/secret: tmpfs cannot keep the promise: its pages go to swap; \
                    name a file on a disk (ext4, xfs, btrfs)";
    let error = on(kernel).create(PATH, 1).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_network_is_taken_when_asked_for_by_name() {
    let kernel = Model::leak();
    kernel.mount(filesystem(FsKind::Network, "nfs4"));
    let buffer = on(kernel).allow_network().create(PATH, 1).unwrap();
    let expected = "closed: its pages go to the server, as you allowed";
    assert_eq!(buffer.grade().of(Threat::Swap).to_string(), expected);
    kernel.mount(filesystem(FsKind::Fuse, "fuse"));
    assert!(on(kernel).allow_network().create("/other", 1).is_err());
}

/// A model whose files lie on ext4, with what the system tells of it.
fn on_ext4(journals_data: Option<bool>, compresses: Option<bool>) -> &'static Model {
    let kernel = Model::leak();
    kernel.mount(FileSystem {
        journals_data,
        compresses,
        ..filesystem(FsKind::Ext, "ext4")
    });
    kernel
}

#[test]
fn a_journal_or_compression_opens_the_file_grade() {
    for (journals_data, compresses, word) in [
        (true, false, "data=journal leaves copies in the journal"),
        (
            false,
            true,
            "compressed data is written elsewhere than it stood",
        ),
    ] {
        let kernel = on_ext4(Some(journals_data), Some(compresses));
        let buffer = on(kernel).create(PATH, 1).unwrap();
        let expected = format!("open: {word}");
        let verdict = buffer.grade().of(Threat::BackingFile);
        assert_eq!(verdict.to_string(), expected);
    }
}

#[test]
fn what_the_system_will_not_tell_leaves_the_file_grade_unknown() {
    let sure = Some(false);
    for (journals_data, compresses) in [(None, sure), (sure, None), (sure, sure)] {
        let kernel = on_ext4(journals_data, compresses);
        let buffer = on(kernel).create(PATH, 1).unwrap();
        let verdict = buffer.grade().of(Threat::BackingFile).clone();
        let known = journals_data.is_some() && compresses.is_some();
        assert_eq!(verdict.is_closed(), known, "{verdict}");
        assert_eq!(verdict.to_string().starts_with("unknown: "), !known);
        assert_eq!(buffer.burn().unwrap().in_place.is_yes(), known);
    }
}

#[test]
fn a_burn_is_verified_and_reports_what_it_confirmed() {
    let kernel = Model::leak();
    let expected = Burned {
        bytes: 2 * PAGE as u64,
        verified: Confirmed::Yes,
        in_place: Confirmed::Yes,
        discarded: Confirmed::Yes,
    };
    assert_eq!(filled(kernel).burn().unwrap(), expected);
    assert_clean(kernel);
    kernel.mount(filesystem(FsKind::Ramfs, "ramfs"));
    let burned = filled(kernel).burn().unwrap();
    let no = |because: &str| Confirmed::No {
        because: because.to_owned(),
    };
    let cache = no("the file system reads its cache even when told to go past it");
    assert_eq!(burned.verified, cache);
    assert!(!burned.verified.is_yes());
    let mounted = no("the file system is mounted without discard");
    assert_eq!(burned.discarded, mounted);
    assert_eq!(burned.in_place, Confirmed::Yes);
    kernel.mount(filesystem(FsKind::Btrfs, "btrfs"));
    let elsewhere = no("an overwrite goes elsewhere, and the old blocks keep their bytes");
    assert_eq!(filled(kernel).burn().unwrap().in_place, elsewhere);
}

#[test]
fn a_burn_that_fails_keeps_the_name_and_can_be_tried_again() {
    for (call, goes_on) in BURN {
        let kernel = Model::leak();
        let buffer = filled(kernel);
        kernel.refuse(call, REFUSED);
        let burned = buffer.burn();
        if goes_on {
            let discarded = burned.unwrap().discarded;
            assert!(matches!(discarded, Confirmed::No { .. }), "{call:?}");
            assert_clean(kernel);
            continue;
        }
        let refused = match burned {
            Err(Error::File { refused, .. }) => refused,
            other => panic!("{call:?}: {other:?}"),
        };
        assert_eq!(refused.call, call);
        let left = kernel.disk(Path::new(PATH)).expect("the name is kept");
        assert!(left.iter().all(|byte| *byte == 0), "{call:?}");
        assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
        kernel.grant(call);
        let again = burn_file_on(kernel, PATH, &mut |_, _| {}).unwrap();
        assert!(again.verified.is_yes(), "{call:?}");
        assert_clean(kernel);
    }
}

#[test]
fn a_file_too_long_to_be_written_to_is_burned_through_a_mapping() {
    for passes in [0, 1] {
        let kernel = Model::leak();
        let buffer = filled(kernel);
        kernel.refuse_after(passes, Call::Write, ErrorKind::FileTooLarge);
        let burned = buffer.burn().unwrap();
        assert_eq!(
            (burned.bytes, burned.verified),
            (2 * PAGE as u64, Confirmed::Yes)
        );
        assert_clean(kernel);
    }
    let kernel = Model::leak();
    // Without a mapping of the owner's that was wiped before.
    let left = kernel.create(Path::new(PATH)).unwrap();
    left.write(0, &[0xA5; PAGE + 1]).unwrap();
    drop(left);
    kernel.refuse(Call::Write, ErrorKind::FileTooLarge);
    kernel.refuse(Call::MapFile, REFUSED);
    assert!(
        burn_file_on(kernel, PATH, &mut |_, _| {}).is_err(),
        "the control"
    );
    let stood = kernel.disk(Path::new(PATH)).unwrap();
    assert_eq!(stood, [0xA5; PAGE + 1], "nothing else overwrites it");
    kernel.refuse(Call::Allocate, ErrorKind::StorageFull);
    match burn_file_on(kernel, PATH, &mut |_, _| {}).unwrap_err() {
        Error::File { refused, .. } => assert_eq!(refused.call, Call::Write, "what to mend"),
        other => panic!("{other}"),
    }
    kernel.grant(Call::Allocate);
    kernel.grant(Call::MapFile);
    let burned = burn_file_on(kernel, PATH, &mut |_, _| {}).unwrap();
    assert_eq!(
        (burned.bytes, burned.verified),
        (PAGE as u64 + 1, Confirmed::Yes)
    );
    assert_clean(kernel);
}

#[test]
fn where_a_store_may_fault_a_burn_makes_none() {
    for (kind, name, faults) in [(FsKind::Btrfs, "btrfs", true), (FsKind::Ext, "ext4", false)] {
        let kernel = Model::leak();
        kernel.mount(filesystem(kind, name));
        let buffer = filled(kernel);
        kernel.refuse(Call::Write, ErrorKind::StorageFull);
        let error = buffer.burn().unwrap_err();
        assert!(
            error.to_string().contains("to write to the file"),
            "{error}"
        );
        let stands = kernel.disk(Path::new(PATH)).unwrap();
        assert_eq!(
            stands == canary(),
            faults,
            "{name}: stored into the mapping"
        );
        kernel.grant(Call::Write);
        let burned = burn_file_on(kernel, PATH, &mut |_, _| {}).unwrap();
        assert!(burned.verified.is_yes());
        assert_eq!(kernel.named(), 0);
    }
}

#[test]
fn a_medium_that_keeps_the_bytes_is_found_out() {
    let kernel = Model::leak();
    let buffer = filled(kernel);
    kernel.drop_writes();
    let error = buffer.burn().unwrap_err();
    let expected = "/disk/secret: the system refused to read the file from its medium: \
                    the medium does not hold the zeros that were written to it";
    assert_eq!(error.to_string(), expected);
    assert_eq!(kernel.disk(Path::new(PATH)).unwrap(), canary());
}

#[test]
fn drop_and_panic_burn_too() {
    let kernel = Model::leak();
    drop(filled(kernel));
    assert_clean(kernel);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _buffer = filled(kernel);
        panic!("while it lives")
    }));
    assert!(unwound.is_err());
    assert_clean(kernel);
}

#[test]
fn a_file_left_behind_is_burned_and_a_living_one_is_not() {
    let kernel = Model::leak();
    let buffer = filled(kernel);
    let error = burn_file_on(kernel, PATH, &mut |_, _| {}).unwrap_err();
    let expected = "/disk/secret: the system refused to open the file: the file's owner is alive";
    assert_eq!(error.to_string(), expected);
    assert_eq!(*buffer, canary());
    kernel.refuse(Call::Write, REFUSED);
    drop(buffer);
    kernel.grant(Call::Write);
    let mut told = Vec::new();
    let _ = burn_file_on(kernel, PATH, &mut |done, whole| told.push((done, whole))).unwrap();
    let pages = 2 * PAGE as u64;
    assert_eq!(told, [(pages, 2 * pages), (2 * pages, 2 * pages)]);
    let gone = burn_file_on(kernel, PATH, &mut |_, _| {}).unwrap_err();
    assert!(
        gone.to_string().ends_with("there is no such file"),
        "{gone}"
    );
}

#[test]
fn write_back_tells_when_the_medium_refuses() {
    let kernel = Model::leak();
    let buffer = filled(kernel);
    kernel.refuse(Call::Flush, REFUSED);
    let error = buffer.write_back().unwrap_err();
    let expected = "/disk/secret: the system refused to write the mapping back: \
                    the model was told to refuse";
    assert_eq!(error.to_string(), expected);
    assert_eq!(*buffer, canary());
}

#[test]
fn a_child_leaves_its_parents_file_alone() {
    for asked in [true, false] {
        let kernel = Model::leak();
        let buffer = filled(kernel);
        kernel.fork();
        assert!(matches!(buffer.write_back(), Err(Error::Elsewhere)));
        if asked {
            let error = buffer.burn().unwrap_err();
            let expected =
                "the buffer belongs to the parent process; make one of this process's own";
            assert_eq!(error.to_string(), expected);
        } else {
            drop(buffer);
        }
        assert_eq!(kernel.disk(Path::new(PATH)).unwrap(), canary());
        assert_eq!((kernel.named(), kernel.mapped()), (1, 1));
    }
}

#[test]
fn debug_shows_no_content() {
    let buffer = filled(Model::leak());
    let expected = "Confined { path: \"/disk/secret\", len: 8192, .. }";
    assert_eq!(format!("{buffer:?}"), expected);
}
