//! Secrets that come out of a descriptor, or of anything else that can be read.

use std::io::{self, Read, Write};

use super::*;

#[test]
fn rows_read_to_the_end_of_anything() {
    let text: Vec<u8> = (0..10_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let mut row = SecretVec::new().unwrap();
    assert_eq!(row.read_to_end(&text[..]).unwrap(), 10_000);
    row.expose(|bytes| assert_eq!(bytes, text));
    let text = SecretString::read("passwort".as_bytes()).unwrap();
    text.expose(|text| assert_eq!(text, "passwort"));
}

#[test]
fn a_text_is_read_from_a_descriptor() {
    let (from, mut to) = io::pipe().unwrap();
    to.write_all(b"hunter2").unwrap();
    drop(to);
    let text = SecretString::read(from).unwrap();
    text.expose(|text| assert_eq!(text, "hunter2"));
}

#[test]
fn what_is_no_text_is_zeroed() {
    let mut bytes = SecretVec::new().unwrap();
    bytes.extend_from_slice(&[0xFF; 40]).unwrap();
    let at = bytes.expose(|bytes| NonNull::from(&bytes[0]));
    assert_eq!(bytes_at(at, 40), [0xFF; 40], "the control");
    assert_eq!(SecretString::from_utf8(bytes).unwrap_err(), NotUtf8);
    assert_eq!(bytes_at(at, 40), [0; 40]);
    let error = SecretString::read(&[0xFF_u8, 0xFE][..]).unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
}

/// Gives some bytes, then fails.
struct Breaks(usize);

impl Read for Breaks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = into.len().min(self.0);
        if len == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        into[..len].fill(0xA5);
        // A reader may write more than it counts.
        into[len..].fill(0x5A);
        self.0 -= len;
        Ok(len)
    }
}

#[test]
fn what_a_reader_leaves_behind_is_zeroed() {
    let mut row = SecretVec::new().unwrap();
    let error = row.read_to_end(Breaks(300)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    let at = row.expose(|bytes| NonNull::from(&bytes[0]));
    assert_eq!(bytes_at(at, 300), [0xA5; 300], "the control");
    assert_eq!(
        bytes_at(at, row.capacity())[300..],
        vec![0; row.capacity() - 300]
    );
    drop(row);
    assert_eq!(bytes_at(at, 300), [0; 300]);
}

/// Gives four bytes, then writes more and panics.
struct Panics(u8);

impl Read for Panics {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0 += 1;
        if self.0 == 2 {
            into.fill(0x5A);
            panic!("half way");
        }
        into[..4].fill(0xA5);
        Ok(4)
    }
}

#[test]
fn a_reader_that_panics_leaves_what_it_had_counted() {
    let mut row = SecretVec::new().unwrap();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| row.read_to_end(Panics(0))));
    assert!(caught.is_err());
    row.expose(|bytes| assert_eq!(bytes, [0xA5; 4]));
    let at = row.expose(|bytes| NonNull::from(&bytes[0]));
    assert_eq!(
        bytes_at(at, row.capacity())[4..],
        vec![0; row.capacity() - 4]
    );
}
