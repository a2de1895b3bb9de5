//! How fast a watched disk takes writes while each is searched: `sudo` this example, with a
//! directory for the image as its argument.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use vmsafe_lab::{FsKind, Scratch};

const MIB: usize = 1 << 20;
const FILE_MIB: usize = 96;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| std::env::temp_dir().into());
    let mut piece = vec![0; MIB];
    getrandom::fill(&mut piece)?;
    let needle = *b"a needle that random bytes lack.";
    for kind in [FsKind::Ext4, FsKind::Xfs, FsKind::Btrfs] {
        let search = move |_: u64, bytes: &[u8]| {
            assert!(
                memchr::memmem::find(bytes, &needle).is_none(),
                "random bytes held a needle"
            );
        };
        let scratch = Scratch::create_watched(kind, &dir, search)?;
        let mut best = 0.0_f64;
        for round in 0..5 {
            let start = Instant::now();
            let mut file = File::create(scratch.path().join("file"))?;
            for _ in 0..FILE_MIB {
                file.write_all(&piece)?;
            }
            file.sync_all()?;
            let rate = (FILE_MIB * MIB) as f64 / 1e6 / start.elapsed().as_secs_f64();
            println!("{} round {round}: {rate:.0} MB/s", kind.name());
            best = best.max(rate);
        }
        let watch = scratch.watch().ok_or("not watched")?;
        println!(
            "{}: best {best:.0} MB/s, {} bytes searched",
            kind.name(),
            watch.bytes()
        );
    }
    Ok(())
}
