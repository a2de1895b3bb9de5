//! Where words go: results to standard output, everything else to standard error.
//!
//! Colour ends where a stream is no terminal or `NO_COLOR` is set; progress is drawn on a terminal
//! only. A reader that went away is no error: the exit code still tells the verdict.

mod progress;
mod table;

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

pub(crate) use progress::Progress;
pub(crate) use table::{Cell, Table, Tone, is_plain, plain};

/// The streams of one run.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Results as JSON, or for people.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// True when results are to be JSON: then standard output takes one document, nothing else.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A result as JSON, one line.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        forgive(self.json_of_many(value))
    }

    /// The same as one of many lines: that the reader went away is an error, since nobody waits for
    /// the others.
    pub(crate) fn json_of_many(&self, value: &impl Serialize) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut out, value)?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// A result that is written piece by piece: it may be longer than what memory should hold.
    pub(crate) fn piecewise(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        forgive(write(&mut out).and_then(|()| out.flush()))
    }

    /// Help or the version, as the parser lays them out.
    pub(crate) fn page(&self, page: &clap::Error) -> io::Result<()> {
        forgive(page.print().and_then(|()| io::stdout().flush()))
    }

    /// A line of a result.
    pub(crate) fn line(&self, text: impl Display) -> io::Result<()> {
        forgive(writeln!(anstream::stdout(), "{text}"))
    }

    /// A table of results.
    pub(crate) fn table(&self, table: &Table) -> io::Result<()> {
        self.line(table.render(terminal_width()))
    }

    /// A result as it is.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        forgive(stdout.write_all(bytes).and_then(|()| stdout.flush()))
    }

    /// Something worth knowing that is no result.
    pub(crate) fn note(&self, text: impl Display) {
        complain(format_args!("vmsafe: {text}"));
    }

    /// Something that should be mended.
    pub(crate) fn warn(&self, text: impl Display) {
        let (on, off) = (Tone::Doubtful.start(), Tone::end());
        complain(format_args!("vmsafe: {on}warning{off}: {text}"));
    }

    /// The error that ended the run.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let (on, off) = (Tone::Bad.start(), Tone::end());
        let text = plain(&told(error));
        complain(format_args!("vmsafe: {on}error{off}: {text}"));
    }

    /// Progress over `total` bytes, or over an unknown number of them.
    pub(crate) fn progress(&self, what: &str, total: Option<u64>) -> Progress {
        Progress::bytes(what, total)
    }

    /// Progress over `total` steps.
    pub(crate) fn steps(&self, what: &str, total: u64) -> Progress {
        Progress::steps(what, total)
    }
}

/// An error and its causes, each once: many an error's own text ends with its cause already.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    told
}

/// There is nobody to tell that standard error is gone.
fn complain(text: impl Display) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// What came of writing, where a reader that went away is no error.
pub(crate) fn forgive(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Columns of the terminal, `None` if standard output is none.
fn terminal_width() -> Option<u16> {
    let term = console::Term::stdout();
    term.is_term()
        .then(|| term.size_checked().map(|(_, columns)| columns))
        .flatten()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let (outer, inner) = (
            "cannot open /x: Is a directory; name a file",
            "Is a directory",
        );
        let doubled = anyhow!(inner).context(outer);
        assert_eq!(told(&doubled), outer);
        let chained = anyhow!(inner)
            .context("cannot open /x")
            .context("cannot begin");
        assert_eq!(told(&chained), format!("{chained:#}"), "the control");
    }
}
