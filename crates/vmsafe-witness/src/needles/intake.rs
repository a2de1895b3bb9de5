//! Needles from text: one a line, as `hex:…`, `base64:…` or `text:…`.

use std::io::{self, Read};

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::{Zeroize, Zeroizing};

use super::{LONGEST_NEEDLE, NeedleError, NeedleId, Needles};

/// Hex doubles a needle; the prefix and a line end come on top.
const LONGEST_LINE: usize = 2 * LONGEST_NEEDLE + 16;

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
        let added = self.push_spelled(line.as_ref());
        line.zeroize();
        added
    }

    /// Reads needles, one a line. Blank lines and lines that start with `#` are skipped; each
    /// buffer on the way is wiped.
    ///
    /// # Errors
    ///
    /// [`NeedleError::Line`] names the first line that was refused, [`NeedleError::Read`] says
    /// that reading failed.
    pub fn read_from(mut reader: impl Read) -> Result<Self, NeedleError> {
        let mut needles = Self::new();
        let mut block = Zeroizing::new(vec![0; 4096]);
        // Never grows: a growing vector would leave its old content behind.
        let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
        let mut number = 1;
        loop {
            let filled = match reader.read(&mut block) {
                Ok(filled) => filled,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if filled == 0 {
                break needles.finish_line(&mut line, number)?;
            }
            for &byte in &block[..filled] {
                if byte == b'\n' {
                    needles.finish_line(&mut line, number)?;
                    number += 1;
                } else if line.len() == LONGEST_LINE {
                    return Err(at_line(number, NeedleError::LineTooLong));
                } else {
                    line.push(byte);
                }
            }
        }
        Ok(needles)
    }

    fn finish_line(
        &mut self,
        line: &mut Zeroizing<Vec<u8>>,
        number: u64,
    ) -> Result<(), NeedleError> {
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if !blank && line[0] != b'#' {
            self.push_spelled(line)
                .map_err(|error| at_line(number, error))?;
        }
        line.as_mut_slice().zeroize();
        line.clear();
        Ok(())
    }

    fn push_spelled(&mut self, line: &[u8]) -> Result<NeedleId, NeedleError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut room = Zeroizing::new(vec![0; line.len()]);
        if let Some(text) = line.strip_prefix(b"text:") {
            self.push(text)
        } else if let Some(digits) = line.strip_prefix(b"hex:") {
            let bytes = base16ct::mixed::decode(digits, &mut room);
            self.push(bytes.map_err(|_| NeedleError::Hex)?)
        } else if let Some(digits) = line.strip_prefix(b"base64:") {
            self.push(decode_base64(digits, &mut room)?)
        } else {
            Err(NeedleError::Prefix)
        }
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
