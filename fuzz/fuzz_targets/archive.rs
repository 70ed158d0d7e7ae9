//! Any bytes as an archived file, and as the one frame of an archive; an archive with one byte
//! damaged, or its end missing. Opened and read without a panic, and what is read of a damaged one
//! is right or an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringtape::archive::{self, Archive};
use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// More than this of a forged archive is not read: a frame may hold far more than the input.
const READ_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    forged(input);
    if let Some((&[plain_low, plain_high], frame)) = input.split_first_chunk::<2>() {
        forged(&in_one_frame([plain_low, plain_high], frame));
    }
    if let Some((&[frame_bytes, flip, at_low, at_high], plain)) = input.split_first_chunk::<4>() {
        let at = u16::from_le_bytes([at_low, at_high]);
        damaged(1 + usize::from(frame_bytes), flip, at.into(), plain);
    }
});

/// Reads what can be read, at both ends.
fn forged(bytes: &[u8]) {
    let Some(mut archive) = open(bytes) else {
        return;
    };
    let plain_bytes = archive.plain_bytes();
    let mut into = vec![0; READ_BYTES_MAX];
    if let Ok(found) = archive.read_at(0, &mut into) {
        assert_eq!(found as u64, plain_bytes.min(READ_BYTES_MAX as u64));
    }
    if let Ok(found) = archive.read_at(plain_bytes.saturating_sub(1), &mut into) {
        assert_eq!(found as u64, plain_bytes.min(1));
    }
}

/// Makes an archive of one frame, of which everything but the magic number is free.
fn in_one_frame(plain_bytes: [u8; 2], frame: &[u8]) -> Vec<u8> {
    let archived_bytes = u32::try_from(4 + frame.len()).expect("a short input");
    let mut bytes = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(frame);
    for number in [0x184D_2A5E, 12 + 9, archived_bytes] {
        bytes.extend_from_slice(&u32::to_le_bytes(number));
    }
    bytes.extend_from_slice(&[plain_bytes[0], plain_bytes[1], 0, 0]);
    // No checksum, one frame, checksums present, the magic number at the end.
    bytes.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0, 0x80, 0xb1, 0xea, 0x92, 0x8f]);
    bytes
}

/// Archives, changes one byte or cuts there, and compares all that can still be read.
fn damaged(frame_bytes: usize, flip: u8, at: usize, plain: &[u8]) {
    let mut bytes = Vec::new();
    archive::compress(&mut &*plain, &mut bytes, frame_bytes, 1).expect("in memory");
    let at = at % bytes.len();
    if flip == 0 {
        bytes.truncate(at);
        // Plain bytes that were stored as they are may hold a seek table and end up last; but the
        // frame that they stand in was cut.
        if let Some(mut archive) = open(&bytes) {
            let mut into = vec![0; plain.len()];
            assert!(archive.read_at(0, &mut into).is_err(), "cut at {at}");
        }
        return;
    }
    bytes[at] ^= flip;
    let Some(mut archive) = open(&bytes) else {
        return;
    };
    assert_eq!(archive.plain_bytes(), plain.len() as u64);
    for (index, expected) in plain.chunks(frame_bytes).enumerate() {
        let mut into = vec![0; expected.len()];
        let offset = (index * frame_bytes) as u64;
        if let Ok(found) = archive.read_at(offset, &mut into) {
            assert_eq!(&into[..found], expected, "flipped {flip:#04x} at {at}");
        }
    }
}

/// Opens bytes through one file, which is written anew each time.
fn open(bytes: &[u8]) -> Option<Archive> {
    thread_local! {
        static FILE: RefCell<Option<File>> = const { RefCell::new(None) };
    }
    FILE.with_borrow_mut(|file| {
        let file = file.get_or_insert_with(|| tempfile::tempfile().expect("a temporary file"));
        file.set_len(0).expect("a file of ours");
        file.write_all_at(bytes, 0).expect("a file of ours");
        Archive::open(file.try_clone().expect("a file of ours")).ok()
    })
}
