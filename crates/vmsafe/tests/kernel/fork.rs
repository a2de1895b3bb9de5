//! What children find, whatever they do, and what the parent keeps.

use std::io::{Read, Write};
use std::ops::Range;
use std::process::Command;

use vmsafe::{Evaporating, Fork, Locked, Source};
use vmsafe_lab::{Advice, ended_by, fork_lingering, page_out_self, smaps};

use crate::stage::{FAULT, KINDS, Room, alone, child, full, holdings, page, pages, status};

const LEN: usize = 9000;

/// What this process's own record says of the pages: in memory for good, or not to be reached.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Locked,
    Shut,
    Weak,
}

fn found(range: &Range<usize>) -> Found {
    let mappings = smaps::mappings_of_self(range).expect("smaps");
    let whole = mappings
        .iter()
        .map(|mapping| mapping.range.len())
        .sum::<usize>();
    let all = |test: fn(&smaps::Mapping) -> bool| !mappings.is_empty() && mappings.iter().all(test);
    if all(|mapping| mapping.name.starts_with("/secretmem")) {
        return Found::Locked;
    }
    if all(|mapping| mapping.has("lo") && mapping.has("dd")) {
        let refused = matches!(page_out_self(range.clone()), Ok(Advice::Refused));
        return if refused { Found::Locked } else { Found::Weak };
    }
    let shut = all(|mapping| !mapping.has("rd") && !mapping.has("wr")) && whole >= range.len();
    if shut { Found::Shut } else { Found::Weak }
}

fn all(bytes: &[u8], byte: u8) -> bool {
    !bytes.is_empty() && bytes.iter().all(|own| *own == byte)
}

#[test]
fn a_child_of_absent_faults_and_finds_the_place_shut() {
    let _alone = alone();
    for source in [Source::Secret, Source::Anonymous] {
        let Some(buffer) = full(source, Fork::Absent, LEN, 0xA5) else {
            continue;
        };
        let range = pages(&buffer);
        let read = child(|| assert!(all(&buffer, 0xA5)));
        assert_eq!(ended_by(read), FAULT, "{source:?}: {read}");
        let looked = child(|| {
            assert!(!buffer.is_present());
            assert_eq!(found(&range), Found::Shut);
            let grandchild = child(|| assert!(all(&buffer, 0xA5)));
            assert_eq!(ended_by(grandchild), FAULT);
        });
        assert!(looked.success(), "{source:?}: {looked}");
        assert!(all(&buffer, 0xA5));
        let control = vec![0xA5; LEN];
        let read = child(|| assert!(all(&control, 0xA5)));
        assert!(read.success(), "the control, an ordinary vector: {read}");
    }
}

#[test]
fn a_child_of_wiped_finds_zeros_that_are_locked() {
    let _alone = alone();
    let mut buffer = full(Source::Anonymous, Fork::Wiped, LEN, 0xA5).unwrap();
    let range = pages(&buffer);
    let ended = child(|| {
        assert!(buffer.is_present());
        assert!(all(&buffer, 0));
        assert_eq!(found(&range), Found::Locked);
        assert!(status("VmLck") >= 12);
        buffer.fill(0x5A);
        let grandchild = child(|| {
            assert!(all(&buffer, 0));
            assert_eq!(found(&range), Found::Locked);
        });
        assert!(grandchild.success());
        assert!(all(&buffer, 0x5A));
    });
    assert!(ended.success(), "{ended}");
    assert!(all(&buffer, 0xA5));
}

#[test]
fn a_child_of_moved_has_a_locked_copy_of_its_own() {
    let _alone = alone();
    for source in [Source::Secret, Source::Anonymous] {
        let Some(mut buffer) = full(source, Fork::Moved, LEN, 0xA5) else {
            continue;
        };
        let range = pages(&buffer);
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        let (mut back, mut answer) = std::io::pipe().unwrap();
        let lingering = fork_lingering(|| {
            assert!(buffer.is_present());
            assert!(all(&buffer, 0xA5));
            assert_eq!(found(&range), Found::Locked);
            reader.read_exact(&mut [0]).unwrap();
            assert!(
                all(&buffer, 0xA5),
                "the parent's write is seen in the child"
            );
            buffer.fill(0x5A);
            answer.write_all(&[1]).unwrap();
            let grandchild = child(|| {
                assert!(all(&buffer, 0x5A));
                assert_eq!(found(&range), Found::Locked);
                buffer.fill(0x11);
            });
            assert!(grandchild.success());
            assert!(
                all(&buffer, 0x5A),
                "the grandchild's write is seen in the child"
            );
        });
        let lingering = lingering.unwrap();
        buffer.fill(0x77);
        writer.write_all(&[1]).unwrap();
        back.read_exact(&mut [0]).unwrap();
        assert!(
            all(&buffer, 0x77),
            "the child's write is seen in the parent"
        );
        let ended = lingering.wait().unwrap();
        assert!(ended.success(), "{source:?}: {ended}");
        assert!(all(&buffer, 0x77));
        assert_eq!(found(&range), Found::Locked);
    }
}

#[test]
fn twenty_generations_each_have_their_own() {
    let _alone = alone();
    for source in [Source::Secret, Source::Anonymous] {
        let Some(mut buffer) = full(source, Fork::Moved, LEN, 0) else {
            continue;
        };
        let before = holdings();
        let ended = child(|| descend(&mut buffer, 20, before));
        assert!(ended.success(), "{source:?}: {ended}");
        assert!(all(&buffer, 0));
    }
}

fn descend(buffer: &mut Locked, left: u8, first: (usize, usize)) {
    let range = pages(buffer);
    assert_eq!(found(&range), Found::Locked);
    // One that the fork itself may split or join; none for each generation.
    let now = holdings();
    assert!(
        now.0 <= first.0 + 4 && now.1 <= first.1,
        "{first:?} {now:?}"
    );
    buffer.fill(left);
    if left > 0 {
        let ended = child(|| {
            assert!(all(buffer, left));
            descend(buffer, left - 1, first);
        });
        assert!(ended.success(), "{left}: {ended}");
    }
    assert!(all(buffer, left));
}

#[test]
fn a_hundred_forks_leak_nothing() {
    let _alone = alone();
    for (source, fork) in KINDS {
        let Some(buffer) = full(source, fork, LEN, 0xA5) else {
            continue;
        };
        assert!(child(|| ()).success());
        let before = (holdings(), status("VmLck"));
        for _ in 0..100 {
            assert!(child(|| ()).success());
        }
        let after = (holdings(), status("VmLck"));
        // The threads of the test harness come and go, each with a stack and its guard.
        assert!(
            after.0.0 <= before.0.0 + 8,
            "{source:?} {fork:?}: {before:?} {after:?}"
        );
        assert_eq!(
            (after.0.1, after.1),
            (before.0.1, before.1),
            "{source:?} {fork:?}"
        );
        assert!(all(&buffer, 0xA5));
    }
}

#[test]
fn a_drop_in_the_child_crashes_nothing() {
    let _alone = alone();
    for (source, fork) in KINDS {
        let mut buffer = full(source, fork, LEN, 0xA5);
        if buffer.is_none() {
            continue;
        }
        let ended = child(|| {
            drop(buffer.take());
            let mut own = Locked::new(LEN).unwrap();
            own.fill(1);
            drop(own);
            assert!(child(|| ()).success(), "a fork after it");
        });
        assert!(ended.success(), "{source:?} {fork:?}: {ended}");
        assert!(all(buffer.as_ref().unwrap(), 0xA5));
    }
}

#[test]
fn a_child_that_dies_at_once_leaves_the_parent_whole() {
    let _alone = alone();
    for (source, fork) in KINDS {
        let Some(buffer) = full(source, fork, LEN, 0xA5) else {
            continue;
        };
        for _ in 0..20 {
            // Dropped: killed, whatever it was doing.
            drop(fork_lingering(std::thread::park).unwrap());
        }
        assert!(all(&buffer, 0xA5), "{source:?} {fork:?}");
        assert_eq!(found(&pages(&buffer)), Found::Locked);
    }
}

#[test]
fn buffers_of_every_kind_live_side_by_side_through_a_fork() {
    let _alone = alone();
    let buffers: Vec<_> = KINDS
        .iter()
        .filter_map(|(source, fork)| full(*source, *fork, page(), 0xA5).map(|own| (*fork, own)))
        .collect();
    let ended = child(|| {
        for (fork, buffer) in &buffers {
            match fork {
                Fork::Absent => assert_eq!(found(&pages(buffer)), Found::Shut),
                Fork::Wiped => assert!(all(buffer, 0)),
                Fork::Moved => assert!(all(buffer, 0xA5)),
            }
        }
    });
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_fork_amid_other_threads_neither_hangs_nor_tears() {
    let _alone = alone();
    let buffer = full(Source::Anonymous, Fork::Moved, LEN, 0xA5).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let busy = || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            drop(full(Source::Anonymous, Fork::Moved, page(), 1));
            drop(full(Source::Anonymous, Fork::Wiped, page(), 1));
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(busy);
        }
        let ended: Vec<_> = (0..60)
            .map(|_| child(|| assert!(all(&buffer, 0xA5))))
            .collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ended.iter().all(|status| status.success()), "{ended:?}");
    });
}

#[test]
fn a_program_started_beside_buffers_is_not_hindered() {
    let _alone = alone();
    let _buffers: Vec<_> = KINDS
        .iter()
        .filter_map(|(source, fork)| full(*source, *fork, LEN, 0xA5))
        .collect();
    assert!(Command::new("true").status().unwrap().success());
}

#[test]
fn a_childs_evaporating_is_its_own() {
    let _alone = alone();
    let room = Room::new("fork-evaporating");
    let mut buffer = Evaporating::create_in(room.path(), 100).unwrap();
    buffer.write(b"the parent's").unwrap();
    let ended = child(|| {
        assert!(buffer.with(|_| ()).is_err());
        assert!(buffer.write(b"the child's").is_err());
        let mut own = Evaporating::create_in(room.path(), 100).unwrap();
        own.write(b"its own").unwrap();
        assert_eq!(own.with(|bytes| bytes == b"its own"), Ok(true));
    });
    assert!(ended.success(), "{ended}");
    assert_eq!(buffer.with(|bytes| bytes == b"the parent's"), Ok(true));
}
