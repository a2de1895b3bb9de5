//! A password prompt: from the terminal straight into locked memory, compared in constant time.
//!
//! ```text
//! cargo run --example password
//! ```

use std::io;

use vmsafe::SecretString;

fn main() -> io::Result<()> {
    let first = SecretString::prompt("new password: ")?;
    if first.is_empty() {
        println!("an empty password protects nothing");
        return Ok(());
    }
    let again = SecretString::prompt("once more: ")?;
    if first == again {
        println!("they are the same, {} bytes long", first.len());
    } else {
        println!("they differ");
    }
    Ok(())
}
