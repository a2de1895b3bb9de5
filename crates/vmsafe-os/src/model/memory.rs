//! The model's memory: real pages of the program's own allocator, with what is known of each.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

use super::PAGE;
use crate::contract::{Facts, Fork, Region, Source, Span};

#[derive(Debug, Default)]
pub(super) struct Memory {
    pages: Vec<Pages>,
    pub(super) dirty_unmaps: usize,
    pub(super) ignores_advice: bool,
    pub(super) ignores_locks: bool,
    pub(super) vanishes: bool,
}

#[derive(Debug)]
struct Pages {
    region: Region,
    secret: bool,
    inherited: bool,
    may_vanish: bool,
    facts: Facts,
}

impl Memory {
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn map(&mut self, source: Option<Source>, len: usize) -> Region {
        let layout = layout(len);
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            alloc::handle_alloc_error(layout)
        };
        // SAFETY: one page into an allocation of at least three.
        let inner = unsafe { start.add(PAGE) };
        let region = Region {
            outer: Span {
                start,
                len: layout.size(),
            },
            inner: Span { start: inner, len },
        };
        let secret = source == Some(Source::Secret);
        let facts = Facts {
            locked: secret,
            secret,
            dont_dump: secret,
            ..Facts::default()
        };
        self.pages.push(Pages {
            region,
            secret,
            inherited: false,
            may_vanish: false,
            facts,
        });
        region
    }

    /// Counts a region that comes back dirty, granted or not.
    pub(super) fn inspect(&mut self, region: Region) {
        if bytes(region.inner).iter().any(|byte| *byte != 0) {
            self.dirty_unmaps += 1;
        }
    }

    pub(super) fn unmap(&mut self, region: Region) {
        let at = self.pages.iter().position(|pages| pages.region == region);
        self.pages.swap_remove(at.expect("a region that is mapped"));
        // SAFETY: allocated in `map` with this same layout, and no longer listed.
        unsafe { alloc::dealloc(region.outer.start.as_ptr(), layout(region.inner.len)) };
    }

    pub(super) fn facts_mut(&mut self, span: Span) -> &mut Facts {
        let pages = self
            .pages
            .iter_mut()
            .find(|pages| pages.region.inner == span);
        &mut pages.expect("a span that is mapped").facts
    }

    pub(super) fn is_secret(&self, span: Span) -> bool {
        self.pages
            .iter()
            .any(|pages| pages.region.inner == span && pages.secret)
    }

    /// False where nothing vanishes.
    pub(super) fn let_vanish(&mut self, span: Span, may: bool) -> bool {
        let mut pages = self.pages.iter_mut();
        let pages = pages.find(|pages| pages.region.inner == span);
        pages.expect("a span that is mapped").may_vanish = may;
        self.vanishes
    }

    /// Zeroes all that may vanish.
    pub(super) fn vanish(&mut self) {
        for pages in self.pages.iter().filter(|pages| pages.may_vanish) {
            let span = pages.region.inner;
            store(span, 0, &vec![0; span.len]);
        }
    }

    /// What a child shall find there.
    pub(super) fn arrange(&mut self, region: Region, fork: Fork) {
        let pages = self.pages.iter_mut().find(|pages| pages.region == region);
        pages.expect("a region that is mapped").inherited = fork != Fork::Absent;
    }

    pub(super) fn is_inherited(&self, region: Region) -> bool {
        self.pages
            .iter()
            .any(|pages| pages.region == region && pages.inherited)
    }

    /// Keeps all regions from this process.
    pub(super) fn shut(&mut self) {
        self.pages
            .iter_mut()
            .for_each(|pages| pages.inherited = false);
    }

    /// Bytes that are locked now.
    pub(super) fn locked(&self) -> usize {
        let locked = self.pages.iter().filter(|pages| pages.facts.locked);
        locked.map(|pages| pages.region.inner.len).sum()
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len + 2 * PAGE, PAGE).expect("a size that fits the address space")
}

/// A copy of the span's bytes.
pub(super) fn bytes(span: Span) -> Vec<u8> {
    let mut copy = vec![0; span.len];
    // SAFETY: the span is mapped (the callers hold the model's lock and took it from a list of live
    // regions), and the copy is as long.
    unsafe { std::ptr::copy_nonoverlapping(span.start.as_ptr(), copy.as_mut_ptr(), span.len) };
    copy
}

/// Overwrites the span's bytes from `offset`, as a kernel does behind a process's back.
pub(super) fn store(span: Span, offset: usize, new: &[u8]) {
    assert!(
        offset + new.len() <= span.len,
        "a store beyond the end of a region"
    );
    // SAFETY: the range lies within the span, as asserted.
    let to = unsafe { span.start.as_ptr().add(offset) };
    // SAFETY: the span is mapped, as for `bytes`; `new` is another allocation.
    unsafe { std::ptr::copy_nonoverlapping(new.as_ptr(), to, new.len()) };
}
