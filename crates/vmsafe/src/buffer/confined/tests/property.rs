//! A `Confined` against a vector and a disk, over any order of stores, write-backs and its end.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Store {
        at: usize,
        bytes: Vec<u8>,
    },
    WriteBack,
    /// The kernel's own write-back, under pressure.
    Pressure,
    Refused(Call),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (any::<usize>(), vec(any::<u8>(), 0..300)).prop_map(|(at, bytes)| Act::Store { at, bytes }),
        Just(Act::WriteBack),
        Just(Act::Pressure),
        Just(Act::Refused(Call::Flush)),
    ]
}

/// How a buffer ends: burned, dropped, or killed at a step of its burn and burned by name.
#[derive(Clone, Debug)]
enum End {
    Burn,
    Drop,
    Crash(Call),
}

fn end() -> impl Strategy<Value = End> {
    let crash = prop::sample::select(vec![Call::Write, Call::Sync, Call::Unlink]);
    prop_oneof![Just(End::Burn), Just(End::Drop), crash.prop_map(End::Crash)]
}

fn finish(kernel: &'static Model, buffer: Confined, end: &End) {
    match end {
        End::Burn => assert!(buffer.burn().unwrap().verified.is_yes()),
        End::Drop => drop(buffer),
        End::Crash(call) => {
            kernel.refuse(*call, REFUSED);
            assert!(buffer.burn().is_err());
            kernel.grant(*call);
            assert!(
                burn_file_on(kernel, PATH, &mut |_, _| {})
                    .unwrap()
                    .verified
                    .is_yes()
            );
        }
    }
}

proptest! {
    #[test]
    fn holds_what_was_stored_and_ends_without_trace(
        len in 1_usize..3 * PAGE,
        acts in vec(act(), 0..20),
        end in end(),
    ) {
        let kernel = Model::leak();
        let mut buffer = on(kernel).create(PATH, len).unwrap();
        let mut naive = vec![0; len];
        for act in &acts {
            match act {
                Act::Store { at, bytes } => {
                    let at = at % len;
                    let size = bytes.len().min(len - at);
                    buffer[at..at + size].copy_from_slice(&bytes[..size]);
                    naive[at..at + size].copy_from_slice(&bytes[..size]);
                }
                Act::WriteBack => {
                    buffer.write_back().unwrap();
                    prop_assert_eq!(&kernel.disk(Path::new(PATH)).unwrap()[..len], &naive[..]);
                }
                Act::Pressure => kernel.write_back(Path::new(PATH), PAGE),
                Act::Refused(call) => {
                    kernel.refuse(*call, REFUSED);
                    prop_assert!(buffer.write_back().is_err());
                    kernel.grant(*call);
                }
            }
            prop_assert_eq!(&buffer[..], &naive[..]);
        }
        finish(kernel, buffer, &end);
        assert_clean(kernel);
    }
}
