use std::io::Cursor;

use super::*;

const NOTES_AT: u64 = 0x1000;
const STACK_AT: u64 = 0x2000;
const TEXT_AT: u64 = 0x4000;

fn words(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn note(kind: u32, desc: &[u8]) -> Vec<u8> {
    let len = u32::try_from(desc.len()).unwrap();
    let mut bytes: Vec<u8> = [5, len, kind]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.extend(b"CORE\0\0\0\0");
    bytes.extend(desc);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn status(thread: u32, stack_pointer: u64) -> Vec<u8> {
    let mut bytes = vec![0; 336];
    bytes[32..36].copy_from_slice(&thread.to_le_bytes());
    bytes[112 + 19 * 8..][..8].copy_from_slice(&stack_pointer.to_le_bytes());
    note(1, &bytes)
}

fn program_header(kind: u32, flags: u32, offset: u64, address: u64, len: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = [kind, flags]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.extend(words(&[offset, address, 0, len, len, 4]));
    bytes
}

/// A core dump of two threads, with a stack and a mapped file.
fn core() -> Vec<u8> {
    core_with("/bin/victim")
}

fn core_with(path: &str) -> Vec<u8> {
    let files = [
        words(&[1, 4096, 0x40_0000, 0x40_1000, 0]),
        format!("{path}\0").into_bytes(),
    ]
    .concat();
    let notes = [
        status(100, 0x7000_0ff0),
        note(0x4649_4c45, &files),
        note(0x202, &[0; 64]),
        status(101, 0xdead_0000),
        note(0x202, &[0; 64]),
    ]
    .concat();
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    bytes.resize(16, 0);
    bytes.extend([4_u16, 62].iter().flat_map(|half| half.to_le_bytes()));
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(words(&[0, 64, 0]));
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(
        [64_u16, 56, 3, 0, 0, 0]
            .iter()
            .flat_map(|half| half.to_le_bytes()),
    );
    bytes.extend(program_header(4, 0, NOTES_AT, 0, notes.len() as u64));
    bytes.extend(program_header(1, 6, STACK_AT, 0x7000_0000, 0x1000));
    bytes.extend(program_header(1, 5, TEXT_AT, 0x40_0000, 0x1000));
    bytes.resize(0x1000, 0);
    bytes.extend(notes);
    bytes.resize(0x5000, 0);
    bytes
}

fn read(bytes: &[u8]) -> io::Result<Option<CoreDump>> {
    CoreDump::read(Cursor::new(bytes))
}

#[test]
fn names_memory_stacks_and_registers() {
    let core = read(&core()).unwrap().unwrap();
    assert_eq!(core.segment_count(), 2);
    let ids: Vec<u32> = core.threads().iter().map(|thread| thread.id).collect();
    assert_eq!(ids, [100, 101]);
    let place = |offset| core.place(offset).to_string();
    assert_eq!(
        place(STACK_AT + 0x10),
        "address 0x70000010 (rw-, stack of thread 100)"
    );
    assert_eq!(place(TEXT_AT + 0x20), "address 0x400020 (r-x, /bin/victim)");
    assert_eq!(place(NOTES_AT + 20), "general registers of thread 100");
    let second = 356 + 16 + 56 + 12 + 84;
    assert_eq!(
        place(NOTES_AT + second + 30),
        "general registers of thread 101"
    );
    assert_eq!(
        place(NOTES_AT + second + 356 + 30),
        "extended registers of thread 101"
    );
    assert_eq!(place(3), "core dump header");
    assert_eq!(place(STACK_AT + 0x1000), "core dump header");
    assert_eq!(place(1 << 40), "core dump header");
}

#[test]
fn findings_in_one_file_share_its_name_and_of_a_long_one_the_end_is_kept() {
    let long = format!("/{}/victim", "a".repeat(4000));
    let changed = core_with(&long);
    let core = read(&changed).unwrap().unwrap();
    let path = |offset| match core.place(offset) {
        CorePlace::Memory { file, .. } => file.unwrap(),
        other => panic!("{other:?}"),
    };
    let (one, other) = (path(TEXT_AT), path(TEXT_AT + 9));
    assert!(Arc::ptr_eq(&one, &other));
    assert!(one.starts_with("…aaa") && one.ends_with("/victim"), "{one}");
    assert_eq!(one.len(), "…".len() + 256);
}

#[test]
fn what_is_no_core_dump_is_told_apart() {
    assert!(read(b"").unwrap().is_none());
    assert!(read(&[0; 5000]).unwrap().is_none());
    let mut program = core();
    program[16] = 2;
    assert!(read(&program).unwrap().is_none());
}

#[test]
fn damage_is_an_error_or_a_part_and_never_a_panic() {
    let whole = core();
    for len in 0..whole.len().min(0x1400) {
        let _ = read(&whole[..len]);
    }
    let error = read(&whole[..100]).unwrap_err().to_string();
    assert!(error.starts_with("the core dump is damaged"), "{error}");
    for at in (0..0x100).chain(0x1000..0x1400) {
        for value in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            if let Ok(Some(core)) = read(&changed) {
                for offset in (0..0x5000).step_by(99) {
                    let _ = core.place(offset);
                }
            }
        }
    }
    let mut huge_notes = whole;
    huge_notes[64 + 32..64 + 40].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let error = read(&huge_notes).unwrap_err().to_string();
    assert_eq!(error, "the notes of the core dump are too long");
}
