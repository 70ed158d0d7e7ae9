//! The reader of the zstd seekable format by those who made the format reads our archives.

use ringtape::archive;
use zstd_safe::seekable::Seekable;

const FRAME_BYTES: usize = 1_000;

#[test]
fn the_formats_own_reader_finds_every_part_of_an_archive() {
    let plain: Vec<u8> = (0..5_000_u16).flat_map(|n| (n / 3).to_le_bytes()).collect();
    let mut bytes = Vec::new();
    archive::compress(&mut plain.as_slice(), &mut bytes, FRAME_BYTES, 3).expect("in memory");

    let mut reader = Seekable::create();
    reader.init_buff(&bytes).expect("a seek table");
    assert_eq!(reader.num_frames(), 10);
    for (offset, length) in [
        (0, 10_000),
        (9_999, 1),
        (1_000, 1_000),
        (999, 2),
        (4_321, 3_210),
    ] {
        let mut into = vec![0; length];
        let found = reader.decompress(into.as_mut_slice(), offset as u64);
        assert_eq!(found, Ok(length), "{length} at {offset}");
        assert_eq!(into, plain[offset..offset + length], "{length} at {offset}");
    }
}

#[test]
fn the_formats_own_reader_compares_our_checksums() {
    let plain = [5; 2 * FRAME_BYTES];
    let mut bytes = Vec::new();
    archive::compress(&mut plain.as_slice(), &mut bytes, FRAME_BYTES, 3).expect("in memory");
    let first_checksum = bytes.len() - 9 - 12 - 4;
    bytes[first_checksum] ^= 1;
    let mut reader = Seekable::create();
    reader.init_buff(&bytes).expect("a seek table");
    // It gets to a frame's checksum when it goes on to the next one.
    let found = reader.decompress(vec![0; 2 * FRAME_BYTES].as_mut_slice(), 0);
    assert!(found.is_err(), "{found:?}");
}
