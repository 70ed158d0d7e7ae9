//! A file that was an archive, and of which something changed or is missing.

use super::{Scratch, archived, read, sample};
use ringtape::archive::ArchiveError;
use std::error::Error;
use std::io;
use std::os::unix::fs::FileExt;

#[test]
fn every_flipped_bit_is_found_or_does_not_matter() {
    const FRAME_BYTES: usize = 96;
    let plain = sample(400);
    let (good, summary) = archived(&plain, FRAME_BYTES);
    let scratch = Scratch::new();
    let mut harmless = Vec::new();
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(mut archive) = scratch.open(&bytes) else {
            continue;
        };
        assert_eq!(archive.plain_bytes(), plain.len() as u64, "bit {bit}");
        let mut found = 0;
        for (index, expected) in plain.chunks(FRAME_BYTES).enumerate() {
            match read(&mut archive, index * FRAME_BYTES, FRAME_BYTES) {
                Ok(bytes) => assert_eq!(bytes, expected, "bit {bit}"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "bit {bit}");
                    found += 1;
                }
            }
        }
        assert!(
            found <= 1,
            "bit {bit} is in one frame, and {found} are damaged"
        );
        if found == 0 {
            harmless.push(bit);
        }
    }
    // A bit inside a frame may not matter: one of the header means nothing, and a match may point
    // at the same bytes elsewhere. Of the seek table all matter but two that mean nothing.
    let table = usize::try_from(summary.archived_bytes).unwrap() - 8 - 12 * summary.frames - 9;
    let descriptor = (good.len() - 5) * 8;
    harmless.retain(|bit| bit / 8 >= table);
    assert_eq!(harmless, [descriptor, descriptor + 1]);
}

/// Looking for what is left reads a damaged frame piece by piece: decompressing it for each piece
/// took minutes for a megabyte.
#[test]
fn a_frame_that_was_found_damaged_is_not_decompressed_again() {
    let plain = sample(400);
    let (good, _) = archived(&plain, 96);
    let mut bytes = good.clone();
    bytes[good.len() / 4] ^= 0xff;
    let scratch = Scratch::new();
    let mut archive = scratch.open(&bytes).unwrap();
    let reads: Vec<_> = (0..5)
        .map(|frame| read(&mut archive, frame * 96, 8))
        .collect();
    let damaged = reads.iter().position(Result::is_err).unwrap();
    let first = reads[damaged].as_ref().unwrap_err().to_string();

    // Whoever reads the file again would now find it whole.
    scratch.0.write_all_at(&good, 0).unwrap();
    let again = read(&mut archive, damaged * 96 + 64, 8).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::InvalidData);
    assert_eq!(again.to_string(), first);
    assert_eq!(read(&mut archive, 0, 8).unwrap(), &plain[..8]);
}

#[test]
fn a_file_that_was_cut_at_any_byte_is_no_archive() {
    let (good, _) = archived(&sample(400), 96);
    let scratch = Scratch::new();
    for cut in 0..good.len() {
        let error = scratch.open(&good[..cut]).unwrap_err();
        assert!(matches!(error, ArchiveError::NoSeekTable), "{cut}: {error}");
        if cut > 0 {
            let error = scratch.open(&good[cut..]).unwrap_err().to_string();
            assert!(
                error.contains("no ") || error.contains("damaged"),
                "{cut}: {error}"
            );
        }
    }
    let longer = [&good[..], &[0]].concat();
    assert!(matches!(
        scratch.open(&longer),
        Err(ArchiveError::NoSeekTable)
    ));
}

#[test]
fn damage_in_one_frame_leaves_the_others_readable() {
    let plain = sample(1_000);
    let (mut bytes, _) = archived(&plain, 100);
    let magic = 0xFD2F_B528_u32.to_le_bytes();
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(&magic))
        .collect();
    bytes[starts[4] - 1] ^= 1;
    let mut archive = Scratch::new().open(&bytes).unwrap();
    assert_eq!(read(&mut archive, 0, 300).unwrap(), &plain[..300]);
    for offset in [300, 200, 399] {
        let error = read(&mut archive, offset, 200).unwrap_err();
        let inner = error.source().is_none() && error.get_ref().unwrap().is::<ArchiveError>();
        assert!(inner, "{error:?}");
        assert!(
            error.to_string().contains("archive frame 3, at byte"),
            "{error}"
        );
    }
    assert_eq!(read(&mut archive, 400, 700).unwrap(), &plain[400..]);
}
