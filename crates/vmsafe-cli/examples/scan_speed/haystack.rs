//! The file that all engines search: half random bytes, a quarter zeros, a quarter programs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::ensure;
use tempfile::NamedTempFile;

/// Bytes of a needle.
const LEN: usize = 32;
/// Places of each needle.
pub(crate) const COPIES: u64 = 10;

/// Writes such a file of `size` bytes.
pub(crate) fn make(dir: &std::path::Path, size: u64) -> anyhow::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(dir)?;
    let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    let mut block = vec![0; 1 << 20];
    for _ in 0..size / 2 / (1 << 20) {
        getrandom::fill(&mut block)?;
        out.write_all(&block)?;
    }
    io::copy(&mut io::repeat(0).take(size / 4), &mut out)?;
    let mut left = size / 4;
    while left > 0 {
        let before = left;
        for program in programs()? {
            left -= io::copy(&mut File::open(program)?.take(left), &mut out)?;
        }
        ensure!(left < before, "there are no programs in /usr/bin");
    }
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    Ok(file)
}

/// Programs and libraries that can be read, in the order of their names.
fn programs() -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for dir in ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"] {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry?.path();
            if path.is_file() && File::open(&path).is_ok() {
                paths.push(path);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

/// Needles of letters, so that no tool stumbles over a line feed in one.
pub(crate) fn needles(count: u64) -> anyhow::Result<Vec<String>> {
    let mut needles = Vec::new();
    for _ in 0..count {
        let mut needle = [0; LEN];
        getrandom::fill(&mut needle)?;
        let letters = needle.map(|byte| b'a' + byte % 26);
        needles.push(String::from_utf8(letters.to_vec())?);
    }
    Ok(needles)
}

/// Needles of any bytes.
pub(crate) fn byte_needles(count: usize) -> anyhow::Result<Vec<[u8; LEN]>> {
    let mut needles = vec![[0; LEN]; count];
    for needle in &mut needles {
        getrandom::fill(needle)?;
    }
    Ok(needles)
}

/// Writes each needle to ten places, one in each stretch of the file, so that no two overlap.
pub(crate) fn plant(
    file: &mut File,
    needles: &[String],
    byte_needles: &[[u8; LEN]],
) -> anyhow::Result<()> {
    let letters = needles.iter().map(String::as_bytes);
    let all: Vec<&[u8]> = letters
        .chain(byte_needles.iter().map(<[u8; LEN]>::as_slice))
        .collect();
    let size = file.seek(SeekFrom::End(0))?;
    let count = all.len() as u64;
    let stretch = size / (count * COPIES);
    ensure!(stretch > 2 * LEN as u64, "the file is too small");
    for copy in 0..COPIES {
        for (number, needle) in (0..).zip(&all) {
            let start = (copy * count + number) * stretch;
            let place = start + getrandom::u64()? % (stretch - LEN as u64);
            file.seek(SeekFrom::Start(place))?;
            file.write_all(needle)?;
        }
    }
    file.sync_all()?;
    Ok(())
}
