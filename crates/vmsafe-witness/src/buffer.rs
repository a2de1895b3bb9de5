//! A read buffer that direct I/O accepts, wiped at its end.

use core::ops::Range;

use zeroize::Zeroize;

/// Direct I/O wants buffer, offset and length in multiples of the device's block; a page is enough
/// for every device in use, and an unaligned buffer costs a cached read much of its speed.
pub(crate) const PAGE: usize = 4096;

/// `carry` bytes of room, then a page-aligned block.
///
/// ```text
/// |        carry | block (aligned)                     |
///          ^ the end of the block before, right-aligned
/// ```
///
/// So a block is read where it lies, and searched together with what came before it.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    block: Range<usize>,
    /// Behind these bytes there never was anything.
    used: usize,
}

impl Buffer {
    pub(crate) fn new(carry: usize, block: usize) -> Self {
        let bytes = vec![0; carry + block + PAGE];
        let start = carry + bytes[carry..].as_ptr().align_offset(PAGE);
        Self {
            bytes,
            block: start..start + block,
            used: start,
        }
    }

    /// How many bytes of the aligned part there are.
    pub(crate) fn block_len(&self) -> usize {
        self.block.len()
    }

    /// The first `len` bytes of the aligned part, to read into.
    pub(crate) fn block(&mut self, len: usize) -> &mut [u8] {
        let Range { start, end } = self.block;
        let block = &mut self.bytes[start..end][..len];
        self.used = self.used.max(start + len);
        block
    }

    /// Places `carried` directly before byte `from` of the block.
    pub(crate) fn place_carry(&mut self, carried: &[u8], from: usize) {
        let end = self.block.start + from;
        self.bytes[end - carried.len()..end].copy_from_slice(carried);
    }

    /// Bytes `from - carried..to` of the block, counted from its start.
    pub(crate) fn piece(&self, carried: usize, from: usize, to: usize) -> &[u8] {
        &self.bytes[self.block.start + from - carried..self.block.start + to]
    }

    /// Where the buffer lies in our memory.
    pub(crate) fn addresses(&self) -> Range<u64> {
        let range = self.bytes.as_ptr_range();
        range.start.addr() as u64..range.end.addr() as u64
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // To wipe what was never touched would take as long as to read a small file.
        self.bytes[..self.used].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_is_aligned_and_follows_the_carry() {
        for carry in [0, 1, 31, 4095, 4096, 5000] {
            let mut buffer = Buffer::new(carry, 2 * PAGE);
            let block = buffer.block(2 * PAGE);
            assert_eq!(block.as_ptr().addr() % PAGE, 0, "carry {carry}");
            block.fill(2);
            buffer.place_carry(&vec![1; carry], 3);
            let piece = buffer.piece(carry, 3, 8);
            assert_eq!(piece[..carry], vec![1; carry]);
            assert_eq!(piece[carry..], [2; 5]);
        }
    }
}
