//! What the common suite cannot ask of these systems, and what each alone has.

use std::io::ErrorKind;

use super::*;
use crate::Mapping;

fn page() -> Mapping {
    Mapping::new(&Bsd, Source::Anonymous, Bsd.page_size()).unwrap()
}

#[test]
fn there_is_no_secret_memory() {
    let refused = Bsd.map(Source::Secret, Bsd.page_size());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn the_record_shows_a_lock_on_all_pages_or_on_none() {
    let mut pages = Mapping::new(&Bsd, Source::Anonymous, 3 * Bsd.page_size()).unwrap();
    pages.wipe();
    assert!(!pages.facts().unwrap().locked, "the control");
    pages.lock().unwrap();
    assert!(pages.facts().unwrap().locked);
    let refused = pages.advise(Advice::PageOut).unwrap_err();
    assert_eq!(
        (refused.call, refused.kind()),
        (Call::PageOut, ErrorKind::InvalidInput)
    );
}

#[test]
fn a_child_is_kept_from_a_page() {
    let mut page = page();
    page.on_fork(Source::Anonymous, Fork::Absent).unwrap();
    assert!(page.facts().unwrap().dont_fork || !own::EVIDENCE.absent.conclusive);
}

#[cfg(not(target_os = "macos"))]
#[test]
fn pages_hide_from_cores_and_show_it() {
    let page = page();
    page.advise(Advice::DontDump).unwrap();
    assert!(page.facts().unwrap().dont_dump);
}

#[cfg(target_os = "macos")]
#[test]
fn a_page_that_may_vanish_does_when_it_is_purged() {
    let len = Bsd.page_size();
    let mut page = Mapping::vanishing(&Bsd, len).unwrap();
    let start = std::ptr::NonNull::new(page.as_mut_slice().as_mut_ptr()).unwrap();
    let span = Span { start, len };
    let mut seen = [0; 5];
    page.copy_in(0, b"there");
    page.let_vanish(true).unwrap();
    page.let_vanish(false).unwrap();
    page.copy_out(0, &mut seen);
    assert_eq!(&seen, b"there", "nothing pressed");
    page.let_vanish(true).unwrap();
    own::purge(span).unwrap();
    page.let_vanish(false).unwrap();
    page.copy_out(0, &mut seen);
    assert_eq!(seen, [0; 5]);
}
