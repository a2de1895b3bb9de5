//! One suite, both kernels: what holds of the model holds of the running one.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, process};

use super::*;
use crate::model::Model;
use crate::{Mapping, native};

/// A kernel, and a directory of the test's own.
struct Bench {
    kernel: &'static dyn Kernel,
    dir: PathBuf,
    real: bool,
}

impl Bench {
    fn page(&self) -> usize {
        self.kernel.page_size()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether the kernel can be asked what it did; see `windows/tests.rs` for one that cannot.
    fn tells(&self) -> bool {
        self.kernel.evidence().locked.conclusive
    }

    /// Whether it marks, shows and pages out as Linux does.
    fn is_like_linux(&self) -> bool {
        self.kernel.evidence() == &Evidence::LINUX
    }

    /// Pages of this source; `None` when the kernel has none. Only of Linux are they expected.
    fn pages(&self, source: Source, count: usize) -> Option<Mapping> {
        match Mapping::new(self.kernel, source, count * self.page()) {
            Ok(pages) => Some(pages),
            Err(refused) if source == Source::Secret => {
                eprintln!("NOT RUN: {refused}");
                let demanded = std::env::var_os("CI").is_some() && self.is_like_linux();
                assert!(!demanded, "CI must run every test");
                None
            }
            Err(refused) => panic!("{refused}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if self.real {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn both() -> [Bench; 2] {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("vmsafe-os-{}-{number}", process::id());
    // A disk, where /tmp may be memory.
    let dir = [PathBuf::from("/var/tmp"), std::env::temp_dir()]
        .into_iter()
        .find_map(|dir| dir.canonicalize().ok())
        .expect("a directory for temporary files")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).expect("a directory of our own");
    [
        Bench {
            kernel: Model::leak(),
            dir: PathBuf::from("/disk"),
            real: false,
        },
        Bench {
            kernel: native(),
            dir,
            real: true,
        },
    ]
}

fn kind<T>(answer: Answer<T>) -> Option<(Call, ErrorKind)> {
    answer.err().map(|refused| (refused.call, refused.kind()))
}

#[test]
fn pages_are_zero_and_hold_what_is_stored() {
    for bench in both() {
        for source in [Source::Secret, Source::Anonymous] {
            let Some(mut pages) = bench.pages(source, 3) else {
                continue;
            };
            assert_eq!(pages.len(), 3 * bench.page());
            assert_eq!(pages.address() % bench.page(), 0);
            assert!(pages.as_slice().iter().all(|byte| *byte == 0));
            pages.as_mut_slice().fill(0xA5);
            assert!(pages.as_slice().iter().all(|byte| *byte == 0xA5));
            assert!(pages.is_present());
        }
    }
}

#[test]
fn odd_lengths_are_refused() {
    for bench in both() {
        for len in [0, 1, bench.page() - 1, bench.page() + 1] {
            for (source, call) in [
                (Source::Anonymous, Call::MapAnonymous),
                (Source::Secret, Call::MapSecret),
            ] {
                let refused = kind(bench.kernel.map(source, len));
                let expected = Some((call, ErrorKind::InvalidInput));
                // A kernel without secret memory refuses it for that reason.
                assert!(
                    refused == expected || (source == Source::Secret && refused.is_some()),
                    "{len} {refused:?}"
                );
            }
            let store = bench.kernel.create(&bench.file("odd")).unwrap();
            let refused = kind(store.map(len));
            assert_eq!(refused, Some((Call::MapFile, ErrorKind::InvalidInput)));
            store.unlink().unwrap();
        }
    }
}

#[test]
fn facts_show_what_was_asked_for() {
    for bench in both().into_iter().filter(Bench::is_like_linux) {
        let pages = bench.pages(Source::Anonymous, 2).unwrap();
        assert_eq!(pages.facts().unwrap(), Facts::default());
        let shown = |facts: &mut Facts, advice| match advice {
            Advice::DontDump => facts.dont_dump = true,
            Advice::DontFork => facts.dont_fork = true,
            Advice::WipeOnFork => facts.wipe_on_fork = true,
            Advice::Unmergeable | Advice::PageOut => {}
        };
        let mut expected = Facts::default();
        for advice in [Advice::DontDump, Advice::DontFork, Advice::WipeOnFork] {
            pages.advise(advice).unwrap();
            shown(&mut expected, advice);
            assert_eq!(pages.facts().unwrap(), expected, "{advice:?}");
        }
        pages.lock().unwrap();
        expected.locked = true;
        assert_eq!(pages.facts().unwrap(), expected);
    }
}

/// Whether a mark shows.
type Shows = fn(&Facts) -> bool;

#[test]
fn each_mark_shows_by_itself_where_the_kernel_shows_it() {
    for bench in both() {
        let evidence = bench.kernel.evidence();
        let marks: [(Advice, &Proof, Shows); 3] = [
            (Advice::DontDump, &evidence.dont_dump, |facts| {
                facts.dont_dump
            }),
            (Advice::DontFork, &evidence.absent, |facts| facts.dont_fork),
            (Advice::WipeOnFork, &evidence.wiped, |facts| {
                facts.wipe_on_fork
            }),
        ];
        for (advice, _, shows) in marks.iter().filter(|(_, proof, _)| proof.conclusive) {
            let page = bench.pages(Source::Anonymous, 1).unwrap();
            page.advise(*advice).unwrap();
            assert!(shows(&page.facts().unwrap()), "{advice:?}");
        }
    }
}

#[test]
fn secret_pages_are_locked_undumped_and_out_of_reach_from_birth() {
    for bench in both() {
        let plain = bench.pages(Source::Anonymous, 1).unwrap();
        assert!(plain.peek().unwrap(), "the control");
        let Some(mut secret) = bench.pages(Source::Secret, 1) else {
            continue;
        };
        secret.as_mut_slice().fill(1);
        let facts = secret.facts().unwrap();
        assert!(facts.locked && facts.secret && facts.dont_dump);
        assert!(!secret.peek().unwrap());
        let refused = kind(secret.advise(Advice::WipeOnFork));
        assert_eq!(refused, Some((Call::WipeOnFork, ErrorKind::InvalidInput)));
    }
}

#[test]
fn locked_pages_refuse_to_be_paged_out_and_others_do_not() {
    for bench in both().into_iter().filter(Bench::tells) {
        let pages = bench.pages(Source::Anonymous, 1).unwrap();
        let unlocked = kind(pages.advise(Advice::PageOut));
        let never = Some((Call::PageOut, ErrorKind::Unsupported));
        assert!(unlocked.is_none() || (unlocked == never && !bench.is_like_linux()));
        pages.lock().unwrap();
        let refused = Some((Call::PageOut, ErrorKind::InvalidInput));
        assert_eq!(kind(pages.advise(Advice::PageOut)), refused);
        if let Some(secret) = bench.pages(Source::Secret, 1) {
            assert_eq!(kind(secret.advise(Advice::PageOut)), refused);
        }
    }
}

#[test]
fn a_neighbour_keeps_its_lock() {
    for bench in both() {
        let pages: Vec<_> = (0..3)
            .filter_map(|_| bench.pages(Source::Anonymous, 1))
            .collect();
        pages.iter().for_each(|page| page.lock().unwrap());
        let mut pages = pages.into_iter();
        drop((pages.next(), pages.next()));
        let last = pages.next().unwrap();
        assert!(last.facts().unwrap().locked || !bench.tells());
    }
}

#[test]
fn an_epoch_stays_what_it_is() {
    for bench in both() {
        let epoch = bench.kernel.epoch();
        let others = [(); 4].map(|()| std::thread::spawn(|| native().epoch()));
        let others = others.map(|thread| thread.join().unwrap());
        assert!(!bench.real || others == [epoch; 4]);
        assert_eq!(bench.kernel.epoch(), epoch);
    }
}

#[test]
fn a_file_is_new_empty_and_its_owners() {
    for bench in both() {
        let path = bench.file("new");
        let store = bench.kernel.create(&path).unwrap();
        assert!(store.is_empty().unwrap());
        let again = kind(bench.kernel.create(&path));
        assert_eq!(again, Some((Call::Create, ErrorKind::AlreadyExists)));
        let living = kind(bench.kernel.reopen(&path));
        assert_eq!(living, Some((Call::Reopen, ErrorKind::ResourceBusy)));
        drop(store);
        let store = bench.kernel.reopen(&path).unwrap();
        let living = kind(bench.kernel.reopen(&path));
        assert_eq!(living, Some((Call::Reopen, ErrorKind::ResourceBusy)));
        store.unlink().unwrap();
        let shut = kind(bench.kernel.reopen(&path));
        drop(store);
        let gone = kind(bench.kernel.reopen(&path));
        assert_eq!(gone, Some((Call::Reopen, ErrorKind::NotFound)));
        // Some file systems of Windows keep the name, shut, until its owner is gone.
        let late = !bench.tells() && shut == living;
        assert!(late || shut == gone, "{shut:?}");
        let next = bench.kernel.create(&path).unwrap();
        next.unlink().unwrap();
    }
}

#[test]
fn lengths_grow_and_are_cut() {
    for bench in both() {
        let store = bench.kernel.create(&bench.file("long")).unwrap();
        store.set_len(100).unwrap();
        assert_eq!(store.len().unwrap(), 100);
        store.allocate(5000).unwrap();
        assert_eq!(store.len().unwrap(), 5000);
        store.allocate(10).unwrap();
        assert_eq!(store.len().unwrap(), 5000, "room is reserved, never taken");
        store.write(6000, b"xy").unwrap();
        assert_eq!(store.len().unwrap(), 6002);
        store.set_len(0).unwrap();
        assert!(store.is_empty().unwrap());
        store.unlink().unwrap();
    }
}

#[test]
fn a_mapping_and_its_file_are_one() {
    for bench in both() {
        let page = bench.page();
        let store = bench.kernel.create(&bench.file("one")).unwrap();
        store.allocate(2 * page as u64).unwrap();
        let mut pages = Mapping::of(bench.kernel, store.as_ref(), 2 * page).unwrap();
        store.write(page as u64 - 1, b"abc").unwrap();
        assert_eq!(&pages.as_slice()[page - 1..page + 2], b"abc");
        pages.as_mut_slice()[..3].copy_from_slice(b"xyz");
        pages.flush(store.as_ref()).unwrap();
        let mut back = vec![1; 3 * page];
        let (read, from) = store.read_back(0, &mut back).unwrap();
        assert_eq!(read, 2 * page);
        assert_eq!(
            (&back[..3], &back[page - 1..page + 2]),
            (&b"xyz"[..], &b"abc"[..])
        );
        // Whether the medium was asked depends on the disk; that it says so does not.
        assert!(bench.real || from == ReadBack::FromMedium);
        let (read, _) = store.read_back(2 * page as u64, &mut back).unwrap();
        assert_eq!(read, 0, "beyond the end");
        let punched = store.punch(2 * page as u64).is_ok();
        assert!(
            punched || !bench.is_like_linux(),
            "blocks can be given back"
        );
        assert_eq!(
            store.len().unwrap(),
            2 * page as u64,
            "given back, and as long"
        );
        assert!(!punched || pages.as_slice().iter().all(|byte| *byte == 0));
        drop(pages);
        store.unlink().unwrap();
    }
}

#[test]
fn what_lies_behind_the_end_is_lost_by_a_write_back() {
    for bench in both() {
        let store = bench.kernel.create(&bench.file("tail")).unwrap();
        store.set_len(512).unwrap();
        let mut page = Mapping::of(bench.kernel, store.as_ref(), bench.page()).unwrap();
        page.copy_in(500, &[0xA5; 24]);
        let mut seen = [0; 24];
        page.copy_out(500, &mut seen);
        assert_eq!(seen, [0xA5; 24], "the control");
        store.sync().unwrap();
        page.copy_out(500, &mut seen);
        assert_eq!(seen[..12], [0xA5; 12], "what the file holds stays");
        let kind = store.filesystem().unwrap().kind;
        if matches!(kind, FsKind::Ext | FsKind::Xfs | FsKind::Btrfs) {
            assert_eq!(seen[12..], [0; 12]);
        }
        assert_eq!(store.len().unwrap(), 512);
        drop(page);
        store.unlink().unwrap();
    }
}

#[test]
fn the_lock_limit_counts_what_is_locked() {
    // In a test program with other threads, others lock too: only the model's numbers are exact.
    for bench in both() {
        let before = bench.kernel.lock_limit().unwrap();
        let pages = bench.pages(Source::Anonymous, 2).unwrap();
        pages.lock().unwrap();
        let after = bench.kernel.lock_limit().unwrap();
        assert_eq!((after.soft, after.hard), (before.soft, before.hard));
        assert!(after.used >= 2 * bench.page() as u64);
        assert!(bench.real || after.used == before.used + 2 * bench.page() as u64);
    }
}
