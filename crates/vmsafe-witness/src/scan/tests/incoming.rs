//! Bytes that come when they come.

use std::sync::mpsc::{Receiver, channel};

use super::*;

/// Gives what is sent, a read each; the end once nobody can send any more.
struct Pipe(Receiver<io::Result<Vec<u8>>>);

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let sent = self.0.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
        into[..sent.len()].copy_from_slice(&sent);
        Ok(sent.len())
    }
}

#[test]
fn what_came_is_told_before_more_comes() {
    let wanted = needle(21, 40);
    let searcher = searcher(&[&wanted]);
    let (send, pipe) = channel();
    send.send(Ok(wanted.clone())).unwrap();
    // What is sent next waits until the first is told: else this would never end.
    let mut waiting = Some(send);
    let mut told = Vec::new();
    let report = scan_incoming(&searcher, Pipe(pipe), &mut |progress| {
        told.extend(progress.fresh.iter().map(|hit| hit.offset));
        if !told.is_empty()
            && let Some(send) = waiting.take()
        {
            // A needle that comes in two parts, behind noise.
            send.send(Ok(vec![7; 100])).unwrap();
            send.send(Ok(wanted[..15].to_vec())).unwrap();
            send.send(Ok(wanted[15..].to_vec())).unwrap();
        }
    });
    assert_eq!(offsets(&report), [(0, 0), (140, 0)]);
    assert_eq!(told, [0, 140]);
    assert_eq!(report.covered_bytes, 180);
    assert!(report.is_complete());
}

#[test]
fn a_stop_does_not_wait_for_what_never_comes() {
    let wanted = needle(22, 40);
    let searcher = searcher(&[&wanted]);
    let (send, pipe) = channel();
    send.send(Ok(wanted)).unwrap();
    let report = scan_incoming(&searcher, Pipe(pipe), &mut |progress| {
        if progress.hits > 0 {
            progress.stop();
        }
    });
    // The sender still lives: the last read has not ended.
    send.send(Ok(vec![1])).ok();
    assert_eq!(offsets(&report), [(0, 0)]);
    assert_eq!(report.gaps[0].because, "the scan was stopped");
}

#[test]
fn what_comes_is_what_a_stream_gives() {
    let wanted = needle(23, 64);
    let searcher = searcher(&[&wanted]);
    let mut hay = vec![9; 3 * BLOCK + 100];
    for place in [0, BLOCK - 20, 2 * BLOCK - 64, 3 * BLOCK + 36] {
        hay[place..place + 64].copy_from_slice(&wanted);
    }
    let streamed = scan_stream(&searcher, &mut &*hay, &mut |_| {});
    let alone = scan_stream_alone(&searcher, &mut &*hay, &mut |_| {});
    assert_eq!(alone, streamed);
    let all = Cursor::new(hay.clone());
    assert_eq!(scan_incoming(&searcher, all, &mut |_| {}), streamed);
    let (send, pipe) = channel();
    let parts = hay.chunks(60_001).map(<[u8]>::to_vec);
    parts.for_each(|part| send.send(Ok(part)).unwrap());
    drop(send);
    assert_eq!(scan_incoming(&searcher, Pipe(pipe), &mut |_| {}), streamed);
}

#[test]
fn what_breaks_off_is_a_gap_behind_what_came() {
    struct Bomb(Cursor<Vec<u8>>);
    impl Read for Bomb {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            match self.0.read(into)? {
                0 => panic!("a reader that panics"),
                count => Ok(count),
            }
        }
    }
    let wanted = needle(24, 40);
    let searcher = searcher(&[&wanted]);
    let kinds = [io::ErrorKind::Other, io::ErrorKind::WouldBlock];
    let mut reports: Vec<_> = kinds
        .into_iter()
        .map(|kind| {
            let (send, pipe) = channel();
            send.send(Ok(wanted.clone())).unwrap();
            send.send(Err(kind.into())).unwrap();
            scan_incoming(&searcher, Pipe(pipe), &mut |_| {})
        })
        .collect();
    let bomb = Bomb(Cursor::new(wanted.clone()));
    reports.push(scan_incoming(&searcher, bomb, &mut |_| {}));
    for report in reports {
        assert_eq!(offsets(&report), [(0, 0)]);
        let because = &report.gaps[0].because;
        assert!(because.starts_with("reading failed: "), "{because}");
    }
}
