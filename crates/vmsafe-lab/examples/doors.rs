//! Which doors this user can open on this machine, and what would open the others.

use vmsafe_lab::{Opening, doors, machine};

fn main() -> vmsafe_lab::Result<()> {
    println!("{:#?}", machine()?);
    for (door, opening) in doors("vmsafe demo")? {
        match opening {
            Opening::Open => println!("{door:?}: open"),
            Opening::Closed { because, remedy } => println!("{door:?}: {because}; {remedy}"),
        }
    }
    Ok(())
}
