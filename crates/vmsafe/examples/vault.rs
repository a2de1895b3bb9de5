//! A vault: a file of `name=secret` lines, read straight into locked memory and sealed line by
//! line. However long it is, the clear text of one line is in memory at a time, and that is locked.
//!
//! ```text
//! cargo run --example vault -- FILE NAME
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;

use vmsafe::{SealedBytes, SecretVec};

/// Reads a vault, and seals what it holds, each secret for its own name.
fn open(path: &str) -> Result<BTreeMap<String, SealedBytes>, Box<dyn Error>> {
    let mut text = SecretVec::new()?;
    text.read_to_end(File::open(path)?)?;
    let mut vault = BTreeMap::new();
    text.expose(|text| {
        for line in text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let equals = line.iter().position(|byte| *byte == b'=');
            let (name, secret) = line.split_at(equals.ok_or("a line without =")?);
            let name = std::str::from_utf8(name)?.to_owned();
            let mut value = SecretVec::new()?;
            value.extend_from_slice(&secret[1..])?;
            let sealed = SealedBytes::seal_for(name.as_bytes(), &value)?;
            vault.insert(name, sealed);
        }
        Ok(vault)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(name)) = (arguments.next(), arguments.next()) else {
        return Err("usage: vault FILE NAME".into());
    };
    let vault = open(&path)?;
    println!("{} secrets sealed", vault.len());
    let sealed = vault.get(&name).ok_or("no secret of that name")?;
    let secret = sealed.unseal(name.as_bytes())?;
    secret.expose(|bytes| println!("{name}: {} bytes, opened for this line only", bytes.len()));
    Ok(())
}
