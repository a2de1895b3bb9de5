//! What the kernel says of the pages, who can reach them, and what they hold at their end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use vmsafe::{Confined, Demand, Error, Evaporating, Fork, Locked, Source, Threat};
use vmsafe_lab::{Advice, Copied, page_out_self, readable_copy, smaps};
use vmsafe_os::model::Steps;

use crate::stage::{KINDS, Room, alone, full, page, pages};

fn copied(range: Range<usize>) -> Copied {
    readable_copy(range).expect("a pipe").1
}

fn shows(range: &Range<usize>, flag: &str) -> bool {
    let mappings = smaps::mappings_of_self(range).expect("smaps");
    !mappings.is_empty() && mappings.iter().all(|mapping| mapping.has(flag))
}

#[test]
fn the_kernel_confirms_what_the_grade_says() {
    let _alone = alone();
    for (source, fork) in KINDS {
        let Some(buffer) = full(source, fork, 9000, 1) else {
            continue;
        };
        let range = pages(&buffer);
        for threat in [Threat::Swap, Threat::CoreDump, Threat::Fork] {
            assert!(
                buffer.grade().of(threat).is_closed(),
                "{source:?} {fork:?} {threat}"
            );
        }
        assert!(
            shows(&range, "lo") && shows(&range, "dd"),
            "{source:?} {fork:?}"
        );
        assert_eq!(shows(&range, "wf"), fork == Fork::Wiped);
        assert_eq!(shows(&range, "dc"), fork != Fork::Wiped);
        assert!(matches!(page_out_self(range), Ok(Advice::Refused)));
    }
    let plain = vec![1_u8; 64 * page()];
    let range = pages(&plain[page()..32 * page()]);
    assert!(!shows(&range, "lo") && !shows(&range, "dd"), "the control");
    assert!(
        matches!(page_out_self(range), Ok(Advice::Taken { .. })),
        "the control"
    );
}

#[test]
fn both_guards_fault_and_nothing_between_them() {
    let _alone = alone();
    let room = Room::new("guards");
    let confined = Confined::create(room.file("secret"), 2 * page()).unwrap();
    let locked: Vec<_> = KINDS
        .iter()
        .filter_map(|(source, fork)| full(*source, *fork, 2 * page(), 1))
        .collect();
    let inside = locked.iter().map(|buffer| &buffer[..]);
    for bytes in inside.chain([&confined[..]]) {
        let range = pages(bytes);
        assert_eq!(copied(range.clone()), Copied::Whole, "the control");
        let faulted = Copied::Faulted { after: 0 };
        for guard in [
            range.start - page()..range.start,
            range.end..range.end + page(),
        ] {
            assert_eq!(copied(guard.start..guard.start + 1), faulted);
            assert_eq!(copied(guard.end - 1..guard.end), faulted);
        }
    }
}

#[test]
fn neighbours_stay_locked_when_others_go() {
    let _alone = alone();
    for (source, fork) in KINDS {
        let mut buffers: Vec<_> = (0..16)
            .filter_map(|byte| full(source, fork, page(), byte))
            .collect();
        while buffers.len() > 1 {
            let mut turn = 0;
            buffers.retain(|_| {
                turn += 1;
                turn % 2 == 0
            });
            for buffer in &buffers {
                let range = pages(buffer);
                assert!(shows(&range, "lo"), "{source:?} {fork:?}");
                assert!(matches!(page_out_self(range), Ok(Advice::Refused)));
            }
        }
        assert!(
            buffers
                .iter()
                .all(|buffer| buffer.iter().all(|byte| *byte == 15))
        );
    }
}

#[test]
fn only_secret_memory_is_out_of_a_debuggers_reach() {
    let _alone = alone();
    let read = |buffer: &Locked| {
        let mut memory = File::open("/proc/self/mem").unwrap();
        let at = buffer.as_ptr().addr() as u64;
        memory.seek(SeekFrom::Start(at)).unwrap();
        let mut byte = [0];
        memory.read_exact(&mut byte).map(|()| byte[0])
    };
    let pages = full(Source::Anonymous, Fork::Absent, 1, 0xA5).unwrap();
    assert_eq!(read(&pages).unwrap(), 0xA5, "the control");
    assert!(!pages.grade().of(Threat::ProcessRead).is_closed());
    if let Some(secret) = full(Source::Secret, Fork::Absent, 1, 0xA5) {
        assert!(read(&secret).is_err());
        assert!(secret.grade().of(Threat::ProcessRead).is_closed());
    }
}

/// What is watched, and how many bytes of it were not zero at the last step of the kernel.
static WATCHED: Mutex<(Option<Range<usize>>, usize)> = Mutex::new((None, 0));

fn look(_step: u64) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(range) = watched.0.clone() {
        let (bytes, copied) = readable_copy(range).expect("a pipe");
        // Gone already: what the last look saw stands.
        if copied == Copied::Whole {
            watched.1 = bytes.iter().filter(|byte| **byte != 0).count();
        }
    }
}

fn watch(bytes: &[u8]) {
    *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) = (Some(pages(bytes)), 0);
    look(0);
}

/// Bytes that were not zero at the last step. Ends the watch.
fn seen() -> usize {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.0 = None;
    watched.1
}

#[test]
fn pages_are_zero_when_they_are_given_back() {
    let _alone = alone();
    let kernel = Steps::leak(vmsafe_os::native(), look);
    for hibernation in [Demand::Prefer, Demand::Accept] {
        let options = Locked::options()
            .kernel(kernel)
            .demand(Threat::Hibernation, hibernation);
        let mut buffer = options.create(9000).unwrap();
        buffer.fill(0xA5);
        watch(&buffer);
        drop(buffer);
        assert_eq!(seen(), 0, "after a drop");
        let failed = options.create_with(9000, |bytes| {
            bytes.fill(0xA5);
            watch(bytes);
            Err(Error::Elsewhere)
        });
        assert!(failed.is_err());
        assert_eq!(seen(), 0, "after a failed filling");
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            options.create_with::<Error>(9000, |bytes| {
                bytes.fill(0xA5);
                watch(bytes);
                panic!("in the filling")
            })
        }));
        assert!(unwound.is_err());
        assert_eq!(seen(), 0, "after a panic");
        let mut buffer = options.create(9000).unwrap();
        buffer.fill(0xA5);
        watch(&buffer);
        assert_eq!(seen(), 9000, "the control: before the drop");
    }
}

#[test]
fn the_loan_of_an_evaporating_is_zero_afterwards() {
    let _alone = alone();
    let room = Room::new("loan");
    let mut buffer = Evaporating::create_in(room.path(), 5000).unwrap();
    buffer.write(&[0xA5; 5000]).unwrap();
    // Twice: a write-back may come between, and is no failure of this test.
    let lent = (0..2).find_map(|_| {
        buffer
            .with(|bytes| (bytes.as_ptr().addr(), bytes.len()))
            .ok()
    });
    let (start, len) = lent.expect("two write-backs within a moment");
    let (bytes, copied) = readable_copy(start..start + len).unwrap();
    assert_eq!(copied, Copied::Whole);
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn an_evaporating_notices_a_real_loss() {
    let _alone = alone();
    let room = Room::new("loss");
    let mut buffer = Evaporating::create_in(room.path(), 5000).unwrap();
    assert!(room.is_empty(), "its files have no name");
    buffer.write(&[0xA5; 5000]).unwrap();
    let dir = File::open(room.path()).unwrap();
    vmsafe_os::lab::sync_filesystem(&dir).unwrap();
    let lost = buffer.with(|_| ());
    let restored = buffer.or_restore(
        |slot| {
            slot[..5000].fill(0x5A);
            Ok::<_, Error>(5000)
        },
        |bytes| bytes.iter().filter(|byte| **byte == 0x5A).count(),
    );
    assert_eq!(restored.unwrap(), 5000);
    let on_a_disk = buffer.lifetime() != vmsafe::Lifetime::UntilDropped;
    assert_eq!(lost.is_err(), on_a_disk, "{lost:?} {:?}", buffer.lifetime());
}
