//! The FUSE protocol, as far as a server of one file speaks it (`linux/fuse.h`, version 7.31).
//!
//! Bytes in, bytes out; nothing here touches the kernel. A request is a header, a fixed part and,
//! for a write, the data; [`Request::parse`] borrows from the buffer that was read. A [`Reply`] is
//! built in a buffer that exists already: a thread that serves a block device does not allocate.

/// A request of the kernel, with what its reply must repeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) unique: u64,
    pub(crate) call: Call<'a>,
}

/// What the kernel asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Call<'a> {
    /// The first of all; the flags are the features that the kernel offers.
    Init {
        flags: u32,
    },
    /// GETATTR and SETATTR: nothing of this file can be changed by its attributes.
    Attributes,
    Open,
    Read {
        offset: u64,
        size: usize,
    },
    Write {
        offset: u64,
        data: &'a [u8],
    },
    /// A discard: a range that must read as zeros.
    Punch {
        offset: u64,
        len: u64,
    },
    StatFs,
    /// Flush, fsync, release, access, destroy: answered with success.
    Nothing,
    /// Forget and interrupt: not answered at all.
    Silent,
    Unknown,
}

impl<'a> Request<'a> {
    /// Reads a request; `None` if it is shorter than its own kind.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let body = bytes.get(IN_HEADER..)?;
        let call = match u32_at(bytes, 4)? {
            INIT => Call::Init {
                flags: u32_at(body, 12)?,
            },
            GETATTR | SETATTR => Call::Attributes,
            OPEN => Call::Open,
            READ => {
                let size = usize::try_from(u32_at(body, 16)?).ok()?;
                Call::Read {
                    offset: u64_at(body, 8)?,
                    size,
                }
            }
            WRITE => {
                let size = usize::try_from(u32_at(body, 16)?).ok()?;
                let data = body.get(WRITE_IN..)?.get(..size)?;
                Call::Write {
                    offset: u64_at(body, 8)?,
                    data,
                }
            }
            FALLOCATE => match u32_at(body, 24)? {
                // Zeroing a range and punching it out mean the same to a reader.
                PUNCH_KEEP | ZERO | ZERO_KEEP => Call::Punch {
                    offset: u64_at(body, 8)?,
                    len: u64_at(body, 16)?,
                },
                _ => Call::Unknown,
            },
            STATFS => Call::StatFs,
            FLUSH | FSYNC | RELEASE | ACCESS | DESTROY => Call::Nothing,
            FORGET | BATCH_FORGET | INTERRUPT => Call::Silent,
            _ => Call::Unknown,
        };
        Some(Self {
            unique: u64_at(bytes, 8)?,
            call,
        })
    }
}

/// A reply in the making: a header of fixed place, and what follows it.
pub(crate) struct Reply {
    buffer: Vec<u8>,
    len: usize,
}

impl Reply {
    /// Every page is touched here, so that none has to be found while a request waits.
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0xff; OUT_HEADER + MAX_DATA],
            len: OUT_HEADER,
        }
    }

    /// Success without a body.
    pub(crate) fn done(&mut self) {
        self.set(0, 0);
    }

    /// A failure, by its positive error number.
    pub(crate) fn failed(&mut self, errno: i32) {
        self.set(errno.saturating_neg(), 0);
    }

    /// The room for the data of a read, which becomes the body; `None` if it was asked for more
    /// than the handshake allows.
    pub(crate) fn data(&mut self, size: usize) -> Option<&mut [u8]> {
        if size > MAX_DATA {
            return None;
        }
        self.set(0, size);
        self.buffer.get_mut(OUT_HEADER..OUT_HEADER + size)
    }

    pub(crate) fn init(&mut self, offered: u32) {
        let flags = offered & (ASYNC_READ | BIG_WRITES | MAX_PAGES);
        self.fields(&[7, 31, 0, flags]);
        self.push(&(MAX_BACKGROUND).to_ne_bytes());
        self.push(&(MAX_BACKGROUND / 4 * 3).to_ne_bytes());
        self.push(&u32::try_from(MAX_DATA).unwrap_or(u32::MAX).to_ne_bytes());
        self.push(&1_u32.to_ne_bytes());
        self.push(
            &u16::try_from(MAX_DATA / 4096)
                .unwrap_or(u16::MAX)
                .to_ne_bytes(),
        );
        self.push(&[0; 34]);
    }

    pub(crate) fn attributes(&mut self, size: u64) {
        // Valid for a day: nobody but us changes the file's length, and we never do.
        self.fields(&[86400, 0, 0, 0]);
        for word in [1, size, size / 512, 0, 0, 0] {
            self.push(&word.to_ne_bytes());
        }
        let mode = 0o100_600;
        for word in [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0_u32] {
            self.push(&word.to_ne_bytes());
        }
    }

    /// Past the page cache: each write of the device above becomes a request here, as it is.
    pub(crate) fn opened(&mut self) {
        self.fields(&[0, 0, DIRECT_IO, 0]);
    }

    pub(crate) fn written(&mut self, size: usize) {
        self.fields(&[u32::try_from(size).unwrap_or(0), 0]);
    }

    pub(crate) fn stat_fs(&mut self) {
        self.set(0, 0);
        self.push(&[0; 80]);
    }

    /// The message for the kernel.
    pub(crate) fn message(&mut self, unique: u64) -> &[u8] {
        let len = u32::try_from(self.len).unwrap_or(0);
        self.put(0, &len.to_ne_bytes());
        self.put(8, &unique.to_ne_bytes());
        self.buffer.get(..self.len).unwrap_or_default()
    }

    fn fields(&mut self, words: &[u32]) {
        self.set(0, 0);
        for word in words {
            self.push(&word.to_ne_bytes());
        }
    }

    fn set(&mut self, error: i32, body: usize) {
        self.len = OUT_HEADER + body;
        self.put(4, &error.to_ne_bytes());
    }

    fn push(&mut self, bytes: &[u8]) {
        self.put(self.len, bytes);
        self.len += bytes.len();
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.buffer.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u32::from_ne_bytes(*word))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| u64::from_ne_bytes(*word))
}

/// The largest read or write, bytes: the kernel's own limit of 256 pages.
pub(crate) const MAX_DATA: usize = 1 << 20;
/// The kernel hands a request only to a buffer that could take the largest.
pub(crate) const MAX_REQUEST: usize = MAX_DATA + 4096;

const IN_HEADER: usize = 40;
const OUT_HEADER: usize = 16;
const WRITE_IN: usize = 40;
const MAX_BACKGROUND: u16 = 64;

const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const ACCESS: u32 = 34;
const INTERRUPT: u32 = 36;
const DESTROY: u32 = 38;
const BATCH_FORGET: u32 = 42;
const FALLOCATE: u32 = 43;

const ASYNC_READ: u32 = 1;
const BIG_WRITES: u32 = 1 << 5;
const MAX_PAGES: u32 = 1 << 22;
const DIRECT_IO: u32 = 1;

const PUNCH_KEEP: u32 = 0x03;
const ZERO: u32 = 0x10;
const ZERO_KEEP: u32 = 0x11;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(opcode: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; IN_HEADER];
        bytes[4..8].copy_from_slice(&opcode.to_ne_bytes());
        bytes[8..16].copy_from_slice(&77_u64.to_ne_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_write_lends_its_data_and_a_cut_one_is_nothing() {
        let mut body = vec![0; WRITE_IN];
        body[8..16].copy_from_slice(&4096_u64.to_ne_bytes());
        body[16..20].copy_from_slice(&3_u32.to_ne_bytes());
        body.extend_from_slice(b"abc");
        let bytes = request(WRITE, &body);
        let parsed = Request::parse(&bytes).expect("whole");
        assert_eq!(
            parsed,
            Request {
                unique: 77,
                call: Call::Write {
                    offset: 4096,
                    data: b"abc"
                }
            }
        );
        for cut in 0..bytes.len() {
            assert_eq!(Request::parse(&bytes[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn replies_have_the_lengths_that_the_kernel_checks() {
        let mut reply = Reply::new();
        let mut length = |build: fn(&mut Reply)| {
            build(&mut reply);
            reply.message(77).len() - OUT_HEADER
        };
        assert_eq!(length(|r| r.init(u32::MAX)), 64);
        assert_eq!(length(|r| r.attributes(1 << 20)), 104);
        assert_eq!(length(Reply::opened), 16);
        assert_eq!(length(|r| r.written(5)), 8);
        assert_eq!(length(Reply::stat_fs), 80);
        assert_eq!(length(Reply::done), 0);
        assert_eq!(
            length(|r| assert_eq!(r.data(9).map(|d| d.len()), Some(9))),
            9
        );
    }

    #[test]
    fn an_error_is_negative_and_too_large_a_read_has_no_room() {
        let mut reply = Reply::new();
        reply.failed(5);
        let message = reply.message(77);
        assert_eq!(message[4..8], (-5_i32).to_ne_bytes());
        assert_eq!(message[8..16], 77_u64.to_ne_bytes());
        assert!(reply.data(MAX_DATA + 1).is_none());
    }
}
