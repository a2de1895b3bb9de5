//! A server that keeps the keys of 10,000 sessions: each in locked memory, all of them under the
//! lock limit of an ordinary user.
//!
//! ```text
//! cargo run --example sessions
//! ```

use std::collections::HashMap;

use vmsafe::{Heap, Secret};

/// What a session has to keep to itself.
struct Session {
    key: Secret<[u8; 32]>,
    sent: u64,
}

/// The sessions of a server, by number.
#[derive(Default)]
struct Sessions {
    all: HashMap<u64, Session>,
}

impl Sessions {
    /// A new session. When no more memory may be locked the client is turned away, with a reason
    /// that tells the operator which setting to change; no key is ever kept unlocked.
    fn accept(&mut self, number: u64) -> Result<(), vmsafe::Error> {
        let key = Secret::random()?;
        self.all.insert(number, Session { key, sent: 0 });
        Ok(())
    }

    /// The pad of the next record. A real server would run its cipher here, in a scope.
    fn next_pad(&mut self, number: u64) -> Option<u8> {
        let session = self.all.get_mut(&number)?;
        session.sent += 1;
        let place = usize::try_from(session.sent % 32).ok()?;
        Some(session.key.expose(|key| key[place]))
    }

    /// The end of a session: its key is zeroed here and now.
    fn close(&mut self, number: u64) {
        self.all.remove(&number);
    }
}

fn main() -> Result<(), vmsafe::Error> {
    let heap = Heap::global()?;
    let mut sessions = Sessions::default();
    for number in 0..10_000 {
        sessions.accept(number)?;
    }
    let pads = (0..10_000).filter_map(|number| sessions.next_pad(number));
    println!("{} records sealed", pads.count());
    let stats = heap.stats();
    println!(
        "{} keys in {} locked bytes, {} mappings",
        stats.count, stats.locked, stats.chunks
    );
    match heap.plan(32)?.limit {
        Some(more) => println!("{more} more fit under the lock limit"),
        None => println!("this process has no lock limit"),
    }
    (0..10_000).for_each(|number| sessions.close(number));
    heap.trim();
    println!(
        "{} bytes locked after the last session",
        heap.stats().locked
    );
    Ok(())
}
