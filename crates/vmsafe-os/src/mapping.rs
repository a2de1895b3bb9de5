//! Mapping: the one place where an address becomes a slice.
//!
//! A `Mapping` owns a [`Region`] from the moment that it is mapped to the moment that it is
//! unmapped, and gives its memory back zeroed, on every path: drop, unwinding, and half-done
//! construction. The one exception is said by name, [`Mapping::leave_to_file`].
//!
//! ```text
//!   guard page │ inner: what as_slice() lends │ guard page
//!   ◄──────────────────── outer ────────────────────────►
//! ```
//!
//! After a fork the child may not have the pages at all. The mapping remembers the
//! [epoch](Kernel::epoch) that it was made in, and in a later one it neither wipes nor unmaps what
//! is not there.

use std::ptr::{self, NonNull};

use zeroize::Zeroize;

use crate::contract::{Access, Advice, Answer, Facts, Fork, Kernel, Region, Source, Span, Store};

/// Owned pages between two guards, zeroed before they go back.
#[derive(Debug)]
pub struct Mapping {
    kernel: &'static dyn Kernel,
    region: Region,
    epoch: u64,
    access: Access,
    /// False once the content was handed over to the file.
    is_wiped: bool,
}

impl Mapping {
    /// Maps `len` bytes (a multiple of the page size) from `source`.
    ///
    /// # Errors
    /// As [`Kernel::map`].
    pub fn new(kernel: &'static dyn Kernel, source: Source, len: usize) -> Answer<Self> {
        Ok(Self::own(kernel, kernel.map(source, len)?))
    }

    /// Maps the first `len` bytes of a file.
    ///
    /// # Errors
    /// As [`Store::map`].
    pub fn of(kernel: &'static dyn Kernel, store: &dyn Store, len: usize) -> Answer<Self> {
        Ok(Self::own(kernel, store.map(len)?))
    }

    /// Maps `len` bytes that can be allowed to vanish.
    ///
    /// # Errors
    /// As [`Kernel::map_vanishing`].
    pub fn vanishing(kernel: &'static dyn Kernel, len: usize) -> Answer<Self> {
        Ok(Self::own(kernel, kernel.map_vanishing(len)?))
    }

    fn own(kernel: &'static dyn Kernel, region: Region) -> Self {
        Self {
            kernel,
            region,
            epoch: kernel.epoch(),
            access: Access::ReadWrite,
            is_wiped: true,
        }
    }

    /// Bytes that can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.inner.len
    }

    /// True when no byte can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The address of its first byte, for reports.
    #[must_use]
    pub fn address(&self) -> usize {
        self.region.inner.start.as_ptr().addr()
    }

    /// Where its first byte is, for a caller whose accesses the compiler cannot see.
    #[must_use]
    pub fn start(&self) -> NonNull<u8> {
        self.region.inner.start
    }

    /// The kernel that it came from.
    #[must_use]
    pub fn kernel(&self) -> &'static dyn Kernel {
        self.kernel
    }

    /// False in a child that the mapping was kept from, or that could not be given it: an access
    /// there faults.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.epoch == self.kernel.epoch() || self.kernel.is_inherited(self.region)
    }

    /// The bytes. Only for memory that nobody else changes; see [`Mapping::copy_out`].
    ///
    /// # Panics
    /// While [`Mapping::protect`] keeps it from being read.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.assert_open(self.access != Access::None);
        let Span { start, len } = self.region.inner;
        // SAFETY: map(2) made the span readable, zero-filled and `len` long, and it is readable
        // now; it is unmapped in drop only, which no borrow of `self` outlives, and `&self` lets
        // no writer in.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
    }

    /// The bytes, to change.
    ///
    /// # Panics
    /// While [`Mapping::protect`] keeps it from being changed.
    #[must_use]
    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.assert_open(self.access == Access::ReadWrite);
        let Span { start, len } = self.region.inner;
        // SAFETY: as in `as_slice`; `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), len) }
    }

    #[inline]
    fn assert_open(&self, is_open: bool) {
        assert!(is_open, "a mapping whose access is {:?}", self.access);
    }

    /// Copies bytes out that the kernel may change meanwhile: each byte is read once, so that what
    /// is checked afterwards is the copy that will be used.
    ///
    /// # Panics
    /// When the range does not lie within the mapping, and as [`Mapping::as_slice`].
    pub fn copy_out(&self, offset: usize, into: &mut [u8]) {
        self.assert_open(self.access != Access::None);
        let from = self.at(offset, into.len());
        for (i, byte) in into.iter_mut().enumerate() {
            // SAFETY: `at` checked that offset + into.len() lies within the span.
            let place = unsafe { from.add(i) };
            // SAFETY: the span is mapped and readable; a volatile read makes no claim that the
            // kernel leaves the byte alone.
            *byte = unsafe { ptr::read_volatile(place) };
        }
    }

    /// Copies bytes in that the kernel may change or lose at once.
    ///
    /// # Panics
    /// When the range does not lie within the mapping, and as [`Mapping::as_mut_slice`].
    pub fn copy_in(&mut self, offset: usize, bytes: &[u8]) {
        self.assert_open(self.access == Access::ReadWrite);
        let to = self.at(offset, bytes.len());
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: `at` checked that offset + bytes.len() lies within the span.
            let place = unsafe { to.add(i) };
            // SAFETY: the span is mapped and writable, and `&mut self` shuts other writers out.
            unsafe { ptr::write_volatile(place, *byte) };
        }
    }

    fn at(&self, offset: usize, len: usize) -> *mut u8 {
        let end = offset.checked_add(len);
        assert!(
            end.is_some_and(|end| end <= self.len()),
            "a copy beyond the end of a mapping"
        );
        // SAFETY: offset ≤ len of the span, so the pointer stays in the same mapping.
        unsafe { self.region.inner.start.as_ptr().add(offset) }
    }

    /// Zeroes all of it.
    ///
    /// # Panics
    /// As [`Mapping::as_mut_slice`].
    pub fn wipe(&mut self) {
        self.as_mut_slice().zeroize();
    }

    /// Keeps it in memory.
    ///
    /// # Errors
    /// As [`Kernel::lock`].
    pub fn lock(&self) -> Answer<()> {
        // SAFETY: the span is ours and mapped; a lock changes neither bytes nor access.
        unsafe { self.kernel.lock(self.region.inner) }
    }

    /// Asks for special treatment.
    ///
    /// # Errors
    /// As [`Kernel::advise`].
    pub fn advise(&self, advice: Advice) -> Answer<()> {
        // SAFETY: the span is ours and mapped; no advice of the contract changes its bytes here.
        unsafe { self.kernel.advise(self.region.inner, advice) }
    }

    /// Lets the bytes vanish at any time, or keeps what is there. Only [`Mapping::copy_out`] may
    /// read what may vanish.
    ///
    /// # Errors
    /// As [`Kernel::let_vanish`].
    pub fn let_vanish(&mut self, may: bool) -> Answer<()> {
        // SAFETY: the span is ours and mapped, and `&mut self` proves that nobody borrows it.
        unsafe { self.kernel.let_vanish(self.region.inner, may) }
    }

    /// Sets what an access does. Takes `&mut`, so that no slice of it is lent.
    ///
    /// # Errors
    /// As [`Kernel::protect`].
    pub fn protect(&mut self, access: Access) -> Answer<()> {
        // SAFETY: the span is ours and mapped, and `&mut self` proves that nobody borrows it.
        unsafe { self.kernel.protect(self.region.inner, access) }?;
        self.access = access;
        Ok(())
    }

    /// The kernel's own record of it.
    ///
    /// # Errors
    /// As [`Kernel::facts`].
    pub fn facts(&self) -> Answer<Facts> {
        self.kernel.facts(self.region.inner)
    }

    /// True when it can be read from outside the process.
    ///
    /// # Errors
    /// As [`Kernel::peek`].
    pub fn peek(&self) -> Answer<bool> {
        self.kernel.peek(self.region.inner)
    }

    /// Unmaps a file's pages as they are, for a caller who overwrites the file at once: where the
    /// file system may want space for a store, a full disk makes a fault of the store and an error
    /// of the write.
    pub fn leave_to_file(mut self) {
        self.is_wiped = false;
    }

    /// Decides what a child sees.
    ///
    /// # Errors
    /// As [`Kernel::advise`] and [`Kernel::on_fork`].
    pub fn on_fork(&mut self, source: Source, fork: Fork) -> Answer<()> {
        self.advise(match fork {
            Fork::Wiped => Advice::WipeOnFork,
            // A moved mapping is absent too, until its copy takes its place.
            Fork::Absent | Fork::Moved => Advice::DontFork,
        })?;
        // SAFETY: the region is ours until `unmap`, which ends the arrangement.
        unsafe { self.kernel.on_fork(self.region, source, fork) }
    }

    /// Writes a mapping of `store` back to its medium and waits.
    ///
    /// # Errors
    /// As [`Store::flush`].
    pub fn flush(&self, store: &dyn Store) -> Answer<()> {
        // SAFETY: the span is mapped; msync(2) reads it only.
        unsafe { store.flush(self.region.inner) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // In a child that the pages were kept from there is nothing to wipe, and touching it
        // faults.
        if !self.is_present() {
            return;
        }
        let writable = || self.access == Access::ReadWrite;
        if self.is_wiped && (writable() || self.protect(Access::ReadWrite).is_ok()) {
            self.wipe();
        }
        // SAFETY: drop runs once, and no borrow outlives it.
        let unmapped = unsafe { self.kernel.unmap(self.region) };
        // Wiped already; munmap(2) of a whole mapping of ours can fail for want of kernel memory
        // only, and leaking an empty page is the better half of that.
        drop(unmapped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Model, PAGE};

    fn page() -> Mapping {
        Mapping::new(Model::leak(), Source::Anonymous, PAGE).unwrap()
    }

    #[test]
    fn copies_reach_every_byte_and_none_beyond() {
        let mut page = page();
        page.copy_in(PAGE - 3, b"end");
        page.copy_in(0, b"start");
        page.copy_in(PAGE, b"");
        let mut end = [0; 3];
        page.copy_out(PAGE - 3, &mut end);
        assert_eq!((&end, &page.as_slice()[..5]), (b"end", &b"start"[..]));
        page.wipe();
        assert!(page.as_slice().iter().all(|byte| *byte == 0));
    }

    #[test]
    #[should_panic(expected = "a copy beyond the end of a mapping")]
    fn a_copy_beyond_the_end_panics() {
        page().copy_in(PAGE - 1, b"xx");
    }

    #[test]
    #[should_panic(expected = "a copy beyond the end of a mapping")]
    fn a_copy_whose_end_overflows_panics() {
        page().copy_out(usize::MAX, &mut [0; 2]);
    }

    #[test]
    fn what_is_left_to_its_file_goes_back_as_it_is() {
        for left in [true, false] {
            let kernel = Model::leak();
            let path = std::path::Path::new("/disk/left");
            let store = kernel.create(path).unwrap();
            store.allocate(PAGE as u64).unwrap();
            let mut page = Mapping::of(kernel, store.as_ref(), PAGE).unwrap();
            page.as_mut_slice().fill(1);
            if left {
                page.leave_to_file();
            } else {
                drop(page);
            }
            let stands = kernel.disk(path).unwrap();
            assert_eq!(stands, vec![u8::from(left); PAGE]);
            assert_eq!(
                (kernel.mapped(), kernel.dirty_unmaps()),
                (0, usize::from(left))
            );
        }
    }

    #[test]
    fn what_is_shut_is_lent_to_nobody() {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        let kernel = crate::native();
        let Ok(mut page) = Mapping::new(kernel, Source::Anonymous, kernel.page_size()) else {
            return;
        };
        let refuses = |page: &mut Mapping, work: fn(&mut Mapping)| {
            catch_unwind(AssertUnwindSafe(|| work(page))).is_err()
        };
        let reads: [fn(&mut Mapping); 2] = [
            |page| assert_eq!(page.as_slice()[0], 0),
            |page| page.copy_out(0, &mut [1; 4]),
        ];
        let writes: [fn(&mut Mapping); 3] = [
            |page| page.as_mut_slice()[0] = 0,
            |page| page.copy_in(0, &[0; 4]),
            Mapping::wipe,
        ];
        for (access, reading, writing) in [
            (Access::ReadWrite, true, true),
            (Access::Read, true, false),
            (Access::None, false, false),
        ] {
            page.protect(access).unwrap();
            assert!(
                reads
                    .iter()
                    .all(|work| refuses(&mut page, *work) != reading)
            );
            assert!(
                writes
                    .iter()
                    .all(|work| refuses(&mut page, *work) != writing)
            );
        }
    }

    #[test]
    fn a_mapping_that_is_half_protected_goes_back_zeroed() {
        let kernel = Model::leak();
        for access in [Access::None, Access::Read] {
            let mut page = Mapping::new(kernel, Source::Anonymous, PAGE).unwrap();
            page.as_mut_slice().fill(1);
            page.protect(access).unwrap();
            drop(page);
        }
        assert_eq!((kernel.mapped(), kernel.dirty_unmaps()), (0, 0));
    }
}
