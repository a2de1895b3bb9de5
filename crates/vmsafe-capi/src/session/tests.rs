//! What each function means for both kinds, through the model.

use std::io::ErrorKind;
use std::path::Path;

use vmsafe::Verdict;
use vmsafe_os::model::{Model, PAGE};
use vmsafe_os::{Call, FileSystem, FsKind};

use super::*;

const KEY: &str = "/disk/key";

fn on(kernel: &'static Model, mapsize: c_int, places: Places) -> Result<Session, Fault> {
    Session::open(kernel, Some(c"/disk/key"), mapsize, places)
}

fn mounted(kind: FsKind, journals_data: bool) -> &'static Model {
    let kernel = Model::leak();
    kernel.mount(FileSystem {
        kind,
        name: format!("{kind:?}"),
        journals_data: Some(journals_data),
        compresses: Some(false),
        discards: false,
    });
    kernel
}

fn code(opened: Result<Session, Fault>) -> Option<Code> {
    opened.err().map(|fault| fault.code)
}

fn file_verdict(session: &Session) -> &Verdict {
    session.grade().of(Threat::BackingFile)
}

#[test]
fn the_page_is_refused_where_its_tail_may_reach_a_disk_and_2001_takes_it() {
    let disks = [
        (FsKind::Ext, false),
        (FsKind::Ext, true),
        (FsKind::Xfs, false),
        (FsKind::Btrfs, true),
        (FsKind::Network, false),
        (FsKind::Fuse, false),
        (FsKind::Other, false),
    ];
    for (kind, journals) in disks {
        let kernel = mounted(kind, journals);
        assert_eq!(
            code(on(kernel, 512, Places::Judged)),
            Some(Code::Place),
            "{kind:?}"
        );
        assert_eq!((kernel.named(), kernel.mapped()), (0, 0), "nothing is left");
        let session = on(kernel, 512, Places::Any).unwrap();
        assert!(!file_verdict(&session).is_closed(), "{kind:?}");
    }
    for kind in [FsKind::Btrfs, FsKind::Fat, FsKind::Ntfs] {
        let session = on(mounted(kind, false), 512, Places::Judged).unwrap();
        assert!(
            matches!(file_verdict(&session), Verdict::Unknown { .. }),
            "{kind:?}"
        );
    }
    for kind in [FsKind::Tmpfs, FsKind::TmpfsNoSwap, FsKind::Ramfs] {
        let session = on(mounted(kind, false), 512, Places::Judged).unwrap();
        assert!(file_verdict(&session).is_closed(), "{kind:?}");
        assert!(session.grade().of(Threat::Swap).is_closed(), "{kind:?}");
    }
}

#[test]
fn shared_memory_is_refused_where_the_page_could_not_be_locked() {
    let kernel = mounted(FsKind::Tmpfs, false);
    // The page that watches is secret memory, and needs no lock.
    kernel.refuse(Call::Lock, ErrorKind::OutOfMemory);
    assert_eq!(code(on(kernel, 512, Places::Judged)), Some(Code::Place));
    let session = on(kernel, 512, Places::Any).unwrap();
    assert!(matches!(
        session.grade().of(Threat::Swap),
        Verdict::Open { .. }
    ));
}

#[test]
fn what_could_not_be_kept_from_dumps_is_refused_and_2001_takes_it() {
    let kernel = mounted(FsKind::Ramfs, false);
    kernel.refuse_after(1, Call::DontDump, ErrorKind::PermissionDenied);
    assert_eq!(code(on(kernel, 512, Places::Judged)), Some(Code::Unmet));
    assert_eq!(kernel.named(), 0);
    kernel.refuse_after(1, Call::DontDump, ErrorKind::PermissionDenied);
    assert!(on(kernel, 512, Places::Any).is_ok());
}

#[test]
fn a_full_lock_limit_and_a_full_disk_have_codes_of_their_own() {
    let kernel = mounted(FsKind::Ramfs, false);
    kernel.limit_locks(0);
    kernel.refuse(Call::MapSecret, ErrorKind::WouldBlock);
    assert_eq!(code(on(kernel, 512, Places::Judged)), Some(Code::Limit));
    let kernel = mounted(FsKind::Ext, false);
    kernel.refuse(Call::Allocate, ErrorKind::StorageFull);
    assert_eq!(code(on(kernel, 4096, Places::Judged)), Some(Code::File));
    assert_eq!(kernel.named(), 0, "no file is left");
}

#[test]
fn a_loss_is_told_whole_or_in_part_and_a_new_store_is_watched_anew() {
    let kernel = mounted(FsKind::Btrfs, false);
    let mut session = on(kernel, 512, Places::Judged).unwrap();
    assert!(!session.is_lost().unwrap());
    assert!(!session.mark().unwrap());
    assert!(!session.is_lost().unwrap());
    // Marked as zero, a partial loss changes nothing; the guard goes with the whole.
    kernel.write_back(Path::new(KEY), PAGE);
    assert!(session.is_lost().unwrap());
    assert!(session.mark().unwrap(), "a loss came before");
    assert!(!session.mark().unwrap() && !session.is_lost().unwrap());
    kernel.flip(0, 700);
    assert!(session.is_lost().unwrap(), "one bit of what was marked");
    kernel.flip(0, 700);
    assert!(!session.is_lost().unwrap());
    kernel.flip(0, 100);
    assert!(
        !session.is_lost().unwrap(),
        "the head is the file's, and may change"
    );
}

#[test]
fn a_burn_leaves_zeros_and_the_pointer_and_the_end_leaves_nothing() {
    for (kind, mapsize) in [(FsKind::Btrfs, 512), (FsKind::Ext, 8192)] {
        let kernel = mounted(kind, false);
        let mut session = on(kernel, mapsize, Places::Judged).unwrap();
        let start = session.start();
        kernel.flip(0, 10);
        kernel.write_back(Path::new(KEY), 0);
        let disk = || kernel.disk(Path::new(KEY)).unwrap();
        assert!(disk().iter().any(|byte| *byte != 0), "the control");
        let burned = session.wipe();
        // What btrfs overwrites goes elsewhere.
        let expected = (kind == FsKind::Btrfs).then_some(Code::Unconfirmed);
        assert_eq!(burned.err().map(|fault| fault.code), expected);
        assert!(disk().iter().all(|byte| *byte == 0) && session.start() == start);
        assert_eq!(session.is_lost().unwrap(), mapsize == 512);
        assert_eq!(session.burn().err().map(|fault| fault.code), expected);
        assert_eq!(
            (kernel.named(), kernel.mapped(), kernel.dirty_unmaps()),
            (0, 0, 0)
        );
    }
}

#[test]
fn a_burn_that_fails_says_so_and_keeps_the_name() {
    let kernel = mounted(FsKind::Ramfs, false);
    let session = on(kernel, 512, Places::Judged).unwrap();
    kernel.refuse(Call::Write, ErrorKind::Other);
    assert_eq!(session.burn().unwrap_err().code, Code::File);
    assert_eq!((kernel.named(), kernel.dirty_unmaps()), (1, 0));
}
