//! Looks for keys that nobody named: `cargo run --release --example find_keys FILE…`, or with the
//! names of the files on standard input, one a line.
use std::fs::File;
use std::io::{self, BufRead};
use std::time::Instant;

use vmsafe_witness::{Medium, Needles, Searcher, Wanted};

fn main() {
    let searcher = Searcher::with(&Needles::new(), &Wanted::everything());
    let started = Instant::now();
    let (mut bytes, mut keys, mut incomplete) = (0, 0, 0);
    let mut look_into = |path: &str| {
        let Ok(file) = File::open(path) else {
            return incomplete += 1;
        };
        let medium = Medium::detect(&file).unwrap_or(Medium::Plain);
        let report = medium.scan(&searcher, &file, None, &mut |_| {});
        bytes += report.covered_bytes;
        keys += report.key_count;
        incomplete += u64::from(!report.is_complete());
        for key in &report.keys {
            let place = medium.place(key.offset).map(|place| place.to_string());
            let place = place.unwrap_or_else(|| format!("offset {}", key.offset));
            println!(
                "{path}: {} {} at {place}, key {}",
                key.kind, key.form, key.fingerprint
            );
        }
    };
    let paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        io::stdin()
            .lock()
            .lines()
            .map_while(Result::ok)
            .for_each(|path| look_into(&path));
    } else {
        paths.iter().for_each(|path| look_into(path));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{bytes} bytes in {seconds:.1} s, {keys} keys, {incomplete} files not read to the end"
    );
}
