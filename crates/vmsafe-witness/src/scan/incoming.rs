//! Bytes that come when they come: from a pipe whose writer may wait for hours.
//!
//! A thread of its own reads them. So what came is searched as soon as no more comes, and a scan
//! that is stopped does not wait for a read that may never end.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::source::{ByteSource, patiently};

/// Bytes that are read at once: as many as a pipe holds.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait to be searched.
const MOST_WAITING: usize = 4;
/// After so long without a byte, those that came are searched.
const PAUSE: Duration = Duration::from_millis(20);
/// And after so long at the latest, however they drip.
const LONGEST: Duration = Duration::from_millis(200);

/// What one read gave; nothing at the end.
#[derive(Default)]
struct Chunk {
    bytes: Zeroizing<Vec<u8>>,
    filled: usize,
}

/// What another thread reads.
pub(crate) struct Incoming {
    chunks: Receiver<io::Result<Chunk>>,
    /// Takes chunks back, to be filled again.
    used: Sender<Chunk>,
    chunk: Chunk,
    given: usize,
    /// What comes behind the chunk, if that is known.
    last: Option<io::Result<()>>,
}

impl Incoming {
    /// Begins to read. The thread ends with the bytes, or with the first that nobody wants.
    pub(crate) fn new(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (send, chunks) = mpsc::sync_channel(MOST_WAITING);
        let (used, free) = mpsc::channel();
        thread::Builder::new().spawn(move || read_all(reader, &send, &free))?;
        Ok(Self {
            chunks,
            used,
            chunk: Chunk::default(),
            given: 0,
            last: None,
        })
    }

    /// Waits for the next chunk. False at the end; an error that says so if none has come.
    fn receive(&mut self, wait: Duration) -> io::Result<bool> {
        match self.last.take() {
            Some(Ok(())) => {
                self.last = Some(Ok(()));
                return Ok(false);
            }
            Some(Err(error)) => return Err(error),
            None => {}
        }
        let chunk = self
            .chunks
            .recv_timeout(wait)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => io::ErrorKind::WouldBlock.into(),
                RecvTimeoutError::Disconnected => io::Error::other("its reader panicked"),
            })??;
        if chunk.filled == 0 {
            self.last = Some(Ok(()));
            return Ok(false);
        }
        let used = core::mem::replace(&mut self.chunk, chunk);
        // A reader that has ended needs none.
        self.used.send(used).ok();
        self.given = 0;
        Ok(true)
    }
}

impl ByteSource for Incoming {
    const ALIGNMENT: u64 = 1;
    const CAN_SKIP: bool = false;
    const CAN_WAIT: bool = true;

    fn read_block(&mut self, _at: u64, block: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        let mut filled = 0;
        while filled < block.len() {
            if self.given == self.chunk.filled {
                if filled > 0 && begun.elapsed() > LONGEST {
                    break;
                }
                match self.receive(PAUSE) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if filled == 0 => return Err(error),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // What came before the error is searched.
                    Err(error) => {
                        self.last = Some(Err(error));
                        break;
                    }
                }
            }
            let fresh = &self.chunk.bytes[self.given..self.chunk.filled];
            let count = fresh.len().min(block.len() - filled);
            block[filled..filled + count].copy_from_slice(&fresh[..count]);
            self.given += count;
            filled += count;
        }
        Ok(filled)
    }
}

/// Reads to the end, or up to an error.
fn read_all(mut reader: impl Read, send: &SyncSender<io::Result<Chunk>>, free: &Receiver<Chunk>) {
    loop {
        let mut chunk = free.try_recv().unwrap_or_default();
        chunk.bytes.resize(CHUNK, 0);
        let read = patiently(|| reader.read(&mut chunk.bytes)).map_err(|error| {
            // Of this kind is what only means that nothing has come.
            match error.kind() {
                io::ErrorKind::WouldBlock => io::Error::other(error),
                _ => error,
            }
        });
        let is_last = !matches!(read, Ok(1..));
        let said = read.map(|filled| Chunk { filled, ..chunk });
        if send.send(said).is_err() || is_last {
            return;
        }
    }
}
