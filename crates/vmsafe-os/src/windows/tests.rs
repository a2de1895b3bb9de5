//! What the common suite cannot ask of Windows, and what Windows alone has.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::*;
use crate::Mapping;
use crate::filesystem::FsKind;

fn pages(count: usize) -> Mapping {
    let len = count * Windows.page_size();
    Mapping::new(&Windows, Source::Anonymous, len).unwrap()
}

/// A directory of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("vmsafe-os-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn guards_stand_on_both_sides() {
    let folder = Folder::new("guards");
    let store = Windows.create(&folder.0.join("file")).unwrap();
    let page = Windows.page_size();
    store.allocate(page as u64).unwrap();
    let readable = |address: usize| {
        let start = std::ptr::NonNull::new(std::ptr::without_provenance_mut(address)).unwrap();
        memory::peek(Span { start, len: 1 })
    };
    for mapping in [
        pages(2),
        Mapping::of(&Windows, store.as_ref(), page).unwrap(),
    ] {
        let (first, end) = (mapping.address(), mapping.address() + mapping.len());
        assert!(readable(first) && readable(end - 1), "the control");
        assert!(!readable(first - 1) && !readable(end));
    }
}

#[test]
fn access_is_taken_and_given_back() {
    let mut page = pages(1);
    page.as_mut_slice().fill(0xA5);
    page.protect(Access::None).unwrap();
    assert!(!page.peek().unwrap());
    page.protect(Access::Read).unwrap();
    assert!(page.peek().unwrap());
    assert_eq!(page.as_slice()[9], 0xA5);
}

#[test]
fn a_lock_is_granted_counted_and_ended_with_its_mapping() {
    let page = pages(3);
    page.lock().unwrap();
    let held = Windows.lock_limit().unwrap().used;
    assert!(held >= page.len() as u64);
    // Locks of other tests come and go: ask for more than they have.
    let many = pages(64);
    many.lock().unwrap();
    assert!(Windows.lock_limit().unwrap().used >= many.len() as u64);
    let facts = page.facts().unwrap();
    assert!(facts.dont_fork && facts.wipe_on_fork);
    let expected = if facts.locked {
        ErrorKind::InvalidInput
    } else {
        ErrorKind::Unsupported
    };
    assert_eq!(
        page.advise(Advice::PageOut).unwrap_err().kind(),
        expected,
        "never granted, for it would end a lock that does not show"
    );
}

#[test]
fn pages_without_access_cannot_be_locked() {
    let mut page = pages(1);
    page.protect(Access::None).unwrap();
    assert_eq!(page.lock().unwrap_err().call, Call::Lock);
    page.protect(Access::ReadWrite).unwrap();
    page.lock().unwrap();
}

#[test]
fn exclusion_from_reports_is_granted_or_refused_by_name() {
    let page = pages(1);
    match page.advise(Advice::DontDump) {
        Ok(()) => assert!(!page.facts().unwrap().dont_dump, "windows does not say"),
        Err(refused) => {
            assert_eq!(refused.call, Call::DontDump);
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
        }
    }
}

#[test]
fn a_living_file_is_shut_to_every_other_opener() {
    let folder = Folder::new("shut");
    let path = folder.0.join("file");
    let store = Windows.create(&path).unwrap();
    let error = fs::File::open(&path).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(32), "a sharing violation");
    drop(store);
    assert!(fs::File::open(&path).is_ok(), "the control");
}

#[test]
fn a_file_without_a_name_can_still_be_mapped() {
    let folder = Folder::new("nameless");
    let path = folder.0.join("file");
    let store = Windows.create(&path).unwrap();
    store.unlink().unwrap();
    store.allocate(512).unwrap();
    let mut page = Mapping::of(&Windows, store.as_ref(), Windows.page_size()).unwrap();
    page.copy_in(512, b"behind the end");
    let mut seen = [0; 14];
    page.copy_out(512, &mut seen);
    assert_eq!(&seen, b"behind the end");
    assert_eq!(store.len().unwrap(), 512);
    drop((page, store));
    assert!(!path.exists());
}

#[test]
fn a_mapping_longer_than_its_file_is_refused() {
    let folder = Folder::new("short");
    let store = Windows.create(&folder.0.join("file")).unwrap();
    store.allocate(512).unwrap();
    let two = Mapping::of(&Windows, store.as_ref(), 2 * Windows.page_size());
    assert_eq!(two.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(store.len().unwrap(), 512, "and does not lengthen it");
}

#[test]
fn folders_and_second_names_are_no_files_of_ours() {
    let folder = Folder::new("names");
    let refused = Windows.reopen(&folder.0).unwrap_err();
    assert_eq!(refused.call, Call::Reopen);
    let (path, other) = (folder.0.join("file"), folder.0.join("other"));
    drop(Windows.create(&path).unwrap());
    fs::hard_link(&path, &other).unwrap();
    let refused = Windows.reopen(&path).unwrap_err();
    assert!(refused.to_string().contains("another name"), "{refused}");
    fs::remove_file(&other).unwrap();
    Windows.reopen(&path).unwrap();
}

#[test]
fn the_volume_has_a_name_and_a_kind() {
    let folder = Folder::new("volume");
    let store = Windows.create(&folder.0.join("file")).unwrap();
    let place = store.filesystem().unwrap();
    assert!(!place.name.is_empty());
    assert_eq!(place.kind == FsKind::Ntfs, place.name.starts_with("NTFS"));
}

#[test]
fn there_is_no_secret_memory_and_no_fork() {
    let refused = Windows.map(Source::Secret, Windows.page_size());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    let mut page = pages(1);
    for fork in [Fork::Absent, Fork::Wiped, Fork::Moved] {
        page.on_fork(Source::Anonymous, fork).unwrap();
    }
    assert!(page.is_present());
}
