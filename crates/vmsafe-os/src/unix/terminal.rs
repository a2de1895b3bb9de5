//! Terminal: /dev/tty, termios(3).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The controlling terminal with its echo off.
#[derive(Debug)]
pub(crate) struct Terminal {
    tty: File,
    before: Termios,
}

impl Terminal {
    pub(crate) fn open(prompt: &str) -> io::Result<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&tty)?;
        let mut silent = before.clone();
        silent.local_modes &= !LocalModes::ECHO;
        silent.local_modes |= LocalModes::ICANON | LocalModes::ECHONL;
        // From here on its end switches the echo on again, whatever fails.
        let mut terminal = Self { tty, before };
        // What was typed ahead was echoed already: it is thrown away.
        tcsetattr(&terminal.tty, OptionalActions::Flush, &silent)?;
        terminal.tty.write_all(prompt.as_bytes())?;
        Ok(terminal)
    }

    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.tty, into)?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody to tell; a terminal that is gone needs no echo.
        let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.before);
    }
}
