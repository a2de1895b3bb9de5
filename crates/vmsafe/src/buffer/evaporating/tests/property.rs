//! Random writes and losses: what is lent is exact, or nothing is.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const CAPACITY: usize = 2 * PAYLOAD + 100;

#[derive(Clone, Debug)]
enum Act {
    Write(Vec<u8>),
    /// A write-back that got as far as this byte.
    Loss(usize),
    Flip {
        file: usize,
        byte: usize,
    },
    /// A filling that fails after it has put something into the slot.
    Failed,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => vec(any::<u8>(), 0..=CAPACITY).prop_map(Act::Write),
        1 => (0..=PAGE).prop_map(Act::Loss),
        1 => (0_usize..3, 0..PAGE).prop_map(|(file, byte)| Act::Flip { file, byte }),
        1 => Just(Act::Failed),
    ]
}

/// What the buffer held last, and whether anything happened to it since.
struct Naive {
    held: Option<Vec<u8>>,
    touched: bool,
}

fn perform(act: Act, kernel: &Model, buffer: &mut Evaporating, naive: &mut Naive) {
    match act {
        Act::Write(bytes) => {
            buffer.write(&bytes).unwrap();
            naive.held = Some(bytes);
            naive.touched = false;
        }
        Act::Loss(until) => {
            kernel.write_back_all(until);
            naive.touched |= until > HEAD;
        }
        Act::Flip { file, byte } => {
            kernel.flip(file, byte);
            naive.touched |= byte >= HEAD;
        }
        Act::Failed => {
            let failed = buffer.fill(|slot| {
                slot.fill(0xA5);
                Err(Error::Elsewhere)
            });
            assert!(failed.is_err());
        }
    }
}

proptest! {
    #[test]
    fn the_exact_bytes_or_none(acts in vec(act(), 1..24)) {
        let kernel = Model::leak();
        let mut buffer = on(kernel).create_in(DIR, CAPACITY).unwrap();
        let mut naive = Naive { held: None, touched: false };
        for act in acts {
            perform(act, kernel, &mut buffer, &mut naive);
            match (buffer.with(<[u8]>::to_vec), &naive.held) {
                (Ok(lent), Some(held)) => prop_assert_eq!(&lent, held),
                (Ok(lent), None) => prop_assert!(false, "lent {} bytes of nothing", lent.len()),
                (Err(Evaporated), None) => {}
                (Err(Evaporated), Some(_)) => prop_assert!(naive.touched, "lost without a loss"),
            }
        }
        drop(buffer);
        assert_clean(kernel);
    }
}
