//! The header of a Linux swap file or partition, and what an offset behind it means.
//!
//! ```text
//! page 0                                       page 1      page 2
//! | boot | header | bad pages | …   SWAPSPACE2 | slot 1    | slot 2    | …
//! 0      1024     1536                    page size
//! ```

use core::fmt;

/// What stands before the magic in the first page, from byte 1024 on.
const HEADER: usize = 1024;
const BAD_PAGES: usize = 1536;
const MAGIC: usize = 10;
/// Page sizes that Linux runs with.
const PAGE_SIZES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// The bytes that hold a header of any page size.
pub(super) const LONGEST_HEADER: usize = 65536;

/// The header of a swap area.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwapHeader {
    /// Bytes of a page, and of a slot.
    pub page_size: u64,
    /// The last slot.
    pub last_page: u32,
    /// Slots that are never used because the medium is bad there, in order.
    pub bad_pages: Vec<u32>,
    /// The identity that `mkswap` gave it.
    pub uuid: [u8; 16],
    /// The name that it was given, empty if none.
    pub label: String,
    /// What the area holds besides pages.
    pub state: SwapState,
}

/// What a swap area is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwapState {
    /// Swap, or not in use.
    Swap,
    /// It holds the image of a hibernated system.
    Hibernated,
}

/// What an offset in a swap area is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SwapPlace {
    /// In the header page.
    Header,
    /// In a page that was swapped out, now or at some earlier time.
    Slot {
        /// The slot, as `/proc/PID/pagemap` numbers it.
        slot: u64,
        /// Bytes from its start.
        offset: u64,
    },
    /// In a slot that is marked as bad.
    Bad {
        /// The slot.
        slot: u64,
    },
    /// Behind the last slot.
    Behind,
}

impl SwapHeader {
    /// Reads the header from the first bytes of an area, `None` if they are none.
    ///
    /// 64 KiB suffice for any page size.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let found = PAGE_SIZES
            .iter()
            .find_map(|&size| Some((size, state(bytes.get(..size)?)?)));
        let (page_size, state) = found?;
        let page = &bytes[..page_size];
        // The byte order is that of the machine; the version is 1 in it.
        let number: fn([u8; 4]) -> u32 = match field(page, HEADER) {
            [1, 0, 0, 0] => u32::from_le_bytes,
            [0, 0, 0, 1] => u32::from_be_bytes,
            _ => return None,
        };
        let bad_count = number(field(page, HEADER + 8)) as usize;
        let bad = page[BAD_PAGES..page_size - MAGIC].as_chunks().0;
        let bad = bad.get(..bad_count)?.iter();
        let mut bad_pages: Vec<u32> = bad.map(|raw| number(*raw)).collect();
        bad_pages.sort_unstable();
        Some(Self {
            page_size: page_size as u64,
            last_page: number(field(page, HEADER + 4)),
            bad_pages,
            uuid: field(page, HEADER + 12),
            label: text(&field::<16>(page, HEADER + 28)),
            state,
        })
    }

    /// What the byte at `offset` of the area belongs to.
    #[must_use]
    pub fn place(&self, offset: u64) -> SwapPlace {
        let slot = offset / self.page_size;
        // Each finding has a place, and there may be as many findings as bad pages.
        let is_bad = |slot: u64| {
            let number = u32::try_from(slot);
            number.is_ok_and(|number| self.bad_pages.binary_search(&number).is_ok())
        };
        if slot == 0 {
            SwapPlace::Header
        } else if slot > u64::from(self.last_page) {
            SwapPlace::Behind
        } else if is_bad(slot) {
            SwapPlace::Bad { slot }
        } else {
            SwapPlace::Slot {
                slot,
                offset: offset % self.page_size,
            }
        }
    }
}

impl fmt::Display for SwapPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("swap header"),
            Self::Slot { slot, offset } => write!(f, "swap slot {slot}+{offset:#x}"),
            Self::Bad { slot } => write!(f, "bad swap slot {slot}"),
            Self::Behind => f.write_str("behind the last swap slot"),
        }
    }
}

fn state(page: &[u8]) -> Option<SwapState> {
    match &page[page.len() - MAGIC..] {
        b"SWAPSPACE2" => Some(SwapState::Swap),
        // Written over the magic by the kernel while it hibernates.
        b"S1SUSPEND\0" => Some(SwapState::Hibernated),
        _ => None,
    }
}

/// A field within the header's part of a page; every page is longer.
fn field<const LEN: usize>(page: &[u8], at: usize) -> [u8; LEN] {
    core::array::from_fn(|nth| page[at + nth])
}

fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(page_size: usize, big_endian: bool, bad: &[u32]) -> Vec<u8> {
        let number = |value: u32| {
            if big_endian {
                value.to_be_bytes()
            } else {
                value.to_le_bytes()
            }
        };
        let count = u32::try_from(bad.len()).unwrap();
        let mut page = vec![0; page_size];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        put(1024, &number(1));
        put(1028, &number(99));
        put(1032, &number(count));
        put(1036, &[7; 16]);
        put(1052, b"my swap\0");
        for (nth, bad) in bad.iter().enumerate() {
            put(1536 + 4 * nth, &number(*bad));
        }
        put(page_size - 10, b"SWAPSPACE2");
        page
    }

    #[test]
    fn reads_headers_of_every_page_size_and_byte_order() {
        for page_size in PAGE_SIZES {
            for big_endian in [false, true] {
                let mut bytes = header(page_size, big_endian, &[3, 5]);
                bytes.resize(LONGEST_HEADER, 0);
                let header = SwapHeader::parse(&bytes).unwrap();
                assert_eq!(header.page_size, page_size as u64);
                assert_eq!((header.last_page, &header.bad_pages[..]), (99, &[3, 5][..]));
                assert_eq!((header.uuid, header.label.as_str()), ([7; 16], "my swap"));
                assert_eq!(header.state, SwapState::Swap);
            }
        }
    }

    #[test]
    fn tells_what_an_offset_is() {
        let header = SwapHeader::parse(&header(4096, false, &[3])).unwrap();
        assert_eq!(header.place(4095), SwapPlace::Header);
        assert_eq!(
            header.place(2 * 4096 + 17),
            SwapPlace::Slot {
                slot: 2,
                offset: 17
            }
        );
        assert_eq!(header.place(3 * 4096), SwapPlace::Bad { slot: 3 });
        assert_eq!(
            header.place(99 * 4096),
            SwapPlace::Slot {
                slot: 99,
                offset: 0
            }
        );
        assert_eq!(header.place(100 * 4096), SwapPlace::Behind);
        assert_eq!(header.place(2 * 4096 + 17).to_string(), "swap slot 2+0x11");
    }

    #[test]
    fn every_bad_page_is_told_however_many_there_are_and_in_whichever_order() {
        let is_bad = |slot: &u32| slot % 3 == 1;
        let mut bad: Vec<u32> = (1..3000).filter(is_bad).collect();
        bad.reverse();
        bad.rotate_left(200);
        let mut bytes = header(16384, false, &bad);
        bytes[1028..1032].copy_from_slice(&3000_u32.to_le_bytes());
        let header = SwapHeader::parse(&bytes).unwrap();
        assert!(header.bad_pages.is_sorted());
        for slot in 1..=3000 {
            let place = header.place(u64::from(slot) * 16384);
            let bad = SwapPlace::Bad { slot: slot.into() };
            assert_eq!(place == bad, is_bad(&slot), "{place}");
        }
    }

    #[test]
    fn a_hibernated_system_is_told() {
        let mut bytes = header(4096, false, &[]);
        bytes[4086..].copy_from_slice(b"S1SUSPEND\0");
        assert_eq!(
            SwapHeader::parse(&bytes).unwrap().state,
            SwapState::Hibernated
        );
    }

    #[test]
    fn refuses_what_is_no_header() {
        assert_eq!(SwapHeader::parse(&[]), None);
        assert_eq!(SwapHeader::parse(&[0; 65536]), None);
        let good = header(4096, false, &[]);
        assert_eq!(SwapHeader::parse(&good[..4095]), None);
        let mut version = good.clone();
        version[1024] = 2;
        assert_eq!(SwapHeader::parse(&version), None);
        let mut too_many_bad = good;
        too_many_bad[1032..1036].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(SwapHeader::parse(&too_many_bad), None);
    }
}
