//! Terminal: a line that is typed without being shown.

use std::io::{self, Read};

use crate::system::terminal as system;

/// The terminal of this process, without echo until it is dropped. Gives one line, without its end,
/// straight into the reader's memory.
#[derive(Debug)]
pub struct Terminal {
    inner: system::Terminal,
    ended: bool,
}

impl Terminal {
    /// Opens it, and shows `prompt`.
    ///
    /// # Errors
    /// When this process has no terminal, or its echo cannot be switched off.
    pub fn open(prompt: &str) -> io::Result<Self> {
        Ok(Self {
            inner: system::Terminal::open(prompt)?,
            ended: false,
        })
    }
}

impl Read for Terminal {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let read = self.inner.read(into)?;
        // A terminal in line mode gives no byte of the next line with this one.
        self.ended = into[..read].last() == Some(&b'\n');
        Ok(read - usize::from(self.ended))
    }
}
