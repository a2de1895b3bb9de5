//! Compressed streams: core dumps and images are often stored so.
//!
//! The decoders are written without unsafe code. Each of the three formats is a row of frames; the
//! stream ends where a frame ends and nothing follows, anything else is an error.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The most memory that the history of a zstd frame may ask for, in bytes; `zstd` writes at most
/// 8 MiB unless told otherwise.
const MOST_HISTORY: u64 = 32 << 20;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// As by `gzip`.
    Gzip,
    /// As by `zstd`.
    Zstd,
    /// As by `lz4`.
    Lz4,
}

impl Compression {
    /// What a stream that begins so is compressed with.
    #[must_use]
    pub fn detect(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [4, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            _ => None,
        }
    }

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// The content of a compressed stream. A stream that is damaged or cut short ends in an error.
    pub fn reader<'a>(self, compressed: impl Read + Send + 'a) -> Box<dyn Read + Send + 'a> {
        let source = BufReader::with_capacity(1 << 16, compressed);
        match self {
            Self::Gzip => Box::new(Lasting::new(MultiGzDecoder::new(source))),
            Self::Zstd => Box::new(Lasting::new(Zstd::new(source))),
            Self::Lz4 => Box::new(Lasting::new(Lz4::new(source))),
        }
    }
}

/// A reader whose first error is its last word: who reads a block in several steps may set an error
/// aside for the bytes before it, and asks again; a decoder would go on somewhere, or say "end".
struct Lasting<R> {
    source: R,
    failed: Option<(io::ErrorKind, String)>,
}

impl<R> Lasting<R> {
    fn new(source: R) -> Self {
        Self {
            source,
            failed: None,
        }
    }
}

impl<R: Read> Read for Lasting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, text)) = &self.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let read = self.source.read(into);
        if let Err(error) = &read
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
        read
    }
}

/// Frame after frame of zstd.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
    /// Why the frame broke off; told once all that was decoded before is given.
    failed: Option<io::Error>,
}

/// A block that is raw, empty and the last, and room for a checksum that is not looked at.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MOST_HISTORY);
        Self {
            source,
            decoder,
            in_frame: false,
            failed: None,
        }
    }

    /// Begins the next frame; false at the end of all.
    fn begin(&mut self) -> io::Result<bool> {
        use FrameDecoderError::ReadFrameHeaderError as Header;
        if self.source.fill_buf()?.is_empty() {
            return Ok(false);
        }
        match self.decoder.reset(&mut self.source) {
            Ok(()) => self.in_frame = true,
            Err(Header(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let skipped =
                    io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                if skipped < length.into() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, max }) => {
                return Err(io::Error::other(format!(
                    "its window of {requested} bytes is larger than the {max} that are kept in \
                     memory: decompress it (zstd -dc --long=31) and scan what comes out"
                )));
            }
            Err(error) => return Err(io::Error::other(error)),
        }
        Ok(true)
    }

    /// Decodes a block. Where that fails, the frame is ended: the decoder keeps a whole window of
    /// what it decoded for the blocks to come, and gives it at the end of the frame only.
    fn decode(&mut self) -> io::Result<()> {
        let one = || BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.decoder.decode_blocks(&mut self.source, one()) else {
            return Ok(());
        };
        let error = io::Error::other(error);
        if self.decoder.decode_blocks(&LAST_BLOCK[..], one()).is_err() {
            return Err(error);
        }
        self.failed = Some(error);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.in_frame = false;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (stored, computed) = (
            self.decoder.get_checksum_from_data(),
            self.decoder.get_calculated_checksum(),
        );
        if stored.is_some() && stored != computed {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "wrong checksum"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                if !self.begin()? {
                    return Ok(0);
                }
            } else if self.decoder.can_collect() > 0 {
                return self.decoder.read(into);
            } else if self.decoder.is_finished() {
                self.end()?;
            } else {
                self.decode()?;
            }
        }
    }
}

/// Frame after frame of lz4. Each gets a decoder of its own: their block sizes may differ.
struct Lz4<R: Read> {
    state: Lz4State<R>,
}

enum Lz4State<R: Read> {
    Between(Watched<R>),
    In(Box<lz4_flex::frame::FrameDecoder<Watched<R>>>),
    /// The stream ended, or gave an error.
    Over,
}

impl<R: BufRead> Lz4<R> {
    fn new(source: R) -> Self {
        Self {
            state: Lz4State::Between(Watched {
                source,
                ended: false,
            }),
        }
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match core::mem::replace(&mut self.state, Lz4State::Over) {
                Lz4State::Over => return Ok(0),
                Lz4State::Between(mut watched) => {
                    if watched.source.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    self.state =
                        Lz4State::In(Box::new(lz4_flex::frame::FrameDecoder::new(watched)));
                }
                Lz4State::In(mut decoder) => {
                    let count = decoder.read(into)?;
                    if count > 0 || into.is_empty() {
                        self.state = Lz4State::In(decoder);
                        return Ok(count);
                    }
                    // The decoder says "nothing" at the end of a frame, and also where the source
                    // ends in the middle of one; only then has it run into the end of the source.
                    let watched = decoder.into_inner();
                    if watched.ended {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.state = Lz4State::Between(watched);
                }
            }
        }
    }
}

/// A reader that remembers whether its end was read.
struct Watched<R> {
    source: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        self.ended |= count == 0 && !into.is_empty();
        Ok(count)
    }
}
