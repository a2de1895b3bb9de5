//! Needles from text: one a line, as `hex:…`, `base64:…` or `text:…`.

use std::io::{self, Read};

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use memchr::memchr;
use zeroize::{Zeroize, Zeroizing};

use super::{LONGEST_NEEDLE, NeedleError, NeedleId, Needles};

/// Hex doubles a needle; the prefix and a line end come on top.
const LONGEST_LINE: usize = 2 * LONGEST_NEEDLE + 16;
/// What some editors begin a text of UTF-8 with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Bytes that are read at once.
const BLOCK: usize = 64 * 1024;

impl Needles {
    /// Adds the needle that `line` spells as `hex:…`, `base64:…` or `text:…`, and wipes `line`,
    /// also when it is refused. A line end is not part of the needle.
    ///
    /// # Errors
    ///
    /// As [`Needles::push`], and [`NeedleError::Prefix`], [`NeedleError::Hex`] or
    /// [`NeedleError::Base64`] if the line cannot be read.
    pub fn push_line<L: AsRef<[u8]> + Zeroize>(
        &mut self,
        line: &mut L,
    ) -> Result<NeedleId, NeedleError> {
        let mut room = Zeroizing::new(vec![0; line.as_ref().len()]);
        let added = self.push_spelled(line.as_ref(), &mut room);
        line.zeroize();
        added
    }

    /// Reads needles, one a line. Blank lines, lines that start with `#` and a byte order mark of
    /// UTF-8 before the first are skipped; each buffer on the way is wiped.
    ///
    /// # Errors
    ///
    /// [`NeedleError::Line`] names the first line that was refused, [`NeedleError::Read`] says
    /// that reading failed.
    pub fn read_from(mut reader: impl Read) -> Result<Self, NeedleError> {
        let mut lines = Lines::new();
        let mut block = Zeroizing::new(vec![0; BLOCK]);
        loop {
            match reader.read(&mut block) {
                Ok(0) => break lines.finish(),
                Ok(filled) => lines.take(&block[..filled])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error.into()),
            }
        }
    }

    /// `room` is at least as long as `line`.
    fn push_spelled(&mut self, line: &[u8], room: &mut [u8]) -> Result<NeedleId, NeedleError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(text) = line.strip_prefix(b"text:") {
            self.push(text)
        } else if let Some(digits) = line.strip_prefix(b"hex:") {
            let bytes = base16ct::mixed::decode(digits, room);
            self.push(bytes.map_err(|_| NeedleError::Hex)?)
        } else if let Some(digits) = line.strip_prefix(b"base64:") {
            self.push(decode_base64(digits, room)?)
        } else {
            Err(NeedleError::Prefix)
        }
    }
}

/// Takes lines in as they come.
struct Lines {
    needles: Needles,
    /// A line that began in an earlier block. It never grows: a growing vector would leave its old
    /// content behind.
    begun: Zeroizing<Vec<u8>>,
    room: Zeroizing<Vec<u8>>,
    number: u64,
}

impl Lines {
    fn new() -> Self {
        Self {
            needles: Needles::new(),
            begun: Zeroizing::new(Vec::with_capacity(LONGEST_LINE)),
            room: Zeroizing::new(vec![0; LONGEST_LINE]),
            number: 1,
        }
    }

    fn take(&mut self, mut block: &[u8]) -> Result<(), NeedleError> {
        while let Some(end) = memchr(b'\n', block) {
            let (line, rest) = block.split_at(end);
            if self.begun.is_empty() {
                self.push(line)?;
            } else {
                self.push_begun(line)?;
            }
            block = &rest[1..];
        }
        self.begin(block)
    }

    fn finish(mut self) -> Result<Needles, NeedleError> {
        self.push_begun(&[])?;
        Ok(self.needles)
    }

    fn begin(&mut self, part: &[u8]) -> Result<(), NeedleError> {
        if part.len() > LONGEST_LINE - self.begun.len() {
            return Err(at_line(self.number, NeedleError::LineTooLong));
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    fn push_begun(&mut self, end: &[u8]) -> Result<(), NeedleError> {
        self.begin(end)?;
        let mut line = core::mem::take(&mut self.begun);
        self.push(&line)?;
        line.as_mut_slice().zeroize();
        line.clear();
        self.begun = line;
        Ok(())
    }

    fn push(&mut self, line: &[u8]) -> Result<(), NeedleError> {
        let told = |because| at_line(self.number, because);
        if line.len() > LONGEST_LINE {
            return Err(told(NeedleError::LineTooLong));
        }
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(behind) if self.number == 1 => behind,
            _ => line,
        };
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if !blank && line[0] != b'#' {
            self.needles
                .push_spelled(line, &mut self.room)
                .map_err(told)?;
        }
        self.number += 1;
        Ok(())
    }
}

fn at_line(number: u64, because: NeedleError) -> NeedleError {
    NeedleError::Line {
        number,
        because: Box::new(because),
    }
}

fn decode_base64<'a>(digits: &[u8], room: &'a mut [u8]) -> Result<&'a [u8], NeedleError> {
    let url = digits.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let padded = digits.len().is_multiple_of(4);
    let decoded = match (url, padded) {
        (false, true) => Base64::decode(digits, room),
        (false, false) => Base64Unpadded::decode(digits, room),
        (true, true) => Base64Url::decode(digits, room),
        (true, false) => Base64UrlUnpadded::decode(digits, room),
    };
    decoded.map_err(|_| NeedleError::Base64)
}
