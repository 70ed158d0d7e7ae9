//! Files that nobody archived: parts of the format that need not fit each other.

use super::{Scratch, archived, read};
use proptest::collection::vec;
use proptest::prelude::*;
use ringtape::archive::{FRAME_BYTES_MAX, FRAMES_MAX};

/// A file of the format, made of parts that need not fit each other.
struct Forged {
    frames: Vec<u8>,
    magic: u32,
    size: Option<u32>,
    entries: Vec<[u32; 3]>,
    count: Option<u32>,
    descriptor: u8,
}

impl Forged {
    fn new(frames: Vec<u8>, entries: &[[u32; 3]]) -> Self {
        Self {
            frames,
            magic: 0x184D_2A5E,
            size: None,
            entries: entries.to_vec(),
            count: None,
            descriptor: 0x80,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let size = 12 * self.entries.len() + 9;
        let size = self.size.unwrap_or(u32::try_from(size).unwrap());
        let count = u32::try_from(self.entries.len()).unwrap();
        let mut bytes = self.frames.clone();
        bytes.extend(self.magic.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(self.entries.iter().flatten().flat_map(|n| n.to_le_bytes()));
        bytes.extend(self.count.unwrap_or(count).to_le_bytes());
        bytes.push(self.descriptor);
        bytes.extend(0x8F92_EAB1_u32.to_le_bytes());
        bytes
    }
}

proptest! {
    #[test]
    fn any_bytes_are_opened_and_read_without_a_panic(
        frames in vec(any::<u8>(), 0..100),
        entries in vec(any::<[u32; 3]>(), 0..4),
        descriptor in any::<u8>(),
    ) {
        let scratch = Scratch::new();
        for descriptor in [0x80, descriptor] {
            let bytes = Forged { descriptor, ..Forged::new(frames.clone(), &entries) }.bytes();
            if let Ok(mut archive) = scratch.open(&bytes) {
                // No random bytes begin with a frame's magic number: this is an empty table.
                prop_assert_eq!(read(&mut archive, 0, 10)?, []);
            }
        }
    }
}

#[test]
fn a_seek_table_that_does_not_fit_is_refused_with_its_reason() {
    let frame = |plain: &[u8]| {
        let (bytes, _) = archived(plain, plain.len());
        bytes[..bytes.len() - 8 - 12 - 9].to_vec()
    };
    let (one, two) = (frame(&[1; 50]), frame(&[2; 70]));
    let (a, b) = (
        u32::try_from(one.len()).unwrap(),
        u32::try_from(two.len()).unwrap(),
    );
    let both = [one, two].concat();
    let good = [[a, 50, 0], [b, 70, 0]];
    let forged = |entries: &[[u32; 3]]| Forged::new(both.clone(), entries);
    let max = u32::try_from(FRAME_BYTES_MAX).unwrap();
    let frames_max = u32::try_from(FRAMES_MAX).unwrap();

    let scratch = Scratch::new();
    let mut archive = scratch.open(&forged(&good).bytes()).unwrap();
    assert_eq!(archive.plain_bytes(), 120);
    let error = read(&mut archive, 0, 1).unwrap_err().to_string();
    assert!(error.contains("it has not the checksum"), "{error}");

    let cases = [
        (
            forged(&[[a, 51, 0], [b, 69, 0]]),
            "50 plain bytes, and the seek table 51",
        ),
        (forged(&[[a, 50, 0]]), "are in front of it"),
        (forged(&[[a, 50, 0], [b - 1, 70, 0]]), "are in front of it"),
        (
            forged(&[[a - 1, 50, 0], [b + 1, 70, 0]]),
            "no zstd frame starts here",
        ),
        (
            forged(&[[a, 50, 0], [0, 0, 0], [b, 70, 0]]),
            "no zstd frame starts here",
        ),
        (
            forged(&[[5, 50, 0], [a + b - 5, 70, 0]]),
            "cut or makes no sense",
        ),
        (forged(&[[a + b, 1 << 31, 0]]), "are the most"),
        (forged(&[[a + b, max + 1, 0]]), "are the most"),
        (
            forged(&[[u32::MAX, 50, 0], [b, 70, 0]]),
            "zstd makes no frame of 4294967295 bytes",
        ),
        (
            forged(&[[a, 50, 0], [u32::MAX, max, 0]]),
            "zstd makes no frame of",
        ),
        (
            Forged {
                count: Some(frames_max + 1),
                ..forged(&good)
            },
            "are the most",
        ),
        (
            Forged {
                count: Some(u32::MAX),
                ..forged(&good)
            },
            "are the most",
        ),
        (
            Forged {
                count: Some(frames_max),
                ..forged(&good)
            },
            "need a table of",
        ),
        (
            Forged {
                count: Some(1),
                ..forged(&good)
            },
            "no table of 1 frames begins there",
        ),
        (
            Forged {
                size: Some(u32::MAX),
                ..forged(&good)
            },
            "no table of 2 frames",
        ),
        (
            Forged {
                magic: 0x184D_2A5D,
                ..forged(&good)
            },
            "no table of 2 frames",
        ),
        (
            Forged {
                descriptor: 0,
                ..forged(&good)
            },
            "has no checksums",
        ),
        (
            Forged {
                descriptor: 0x84,
                ..forged(&good)
            },
            "its descriptor is 0x84",
        ),
    ];
    for (index, (forged, expected)) in cases.iter().enumerate() {
        let error = scratch.open(&forged.bytes()).unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "case {index}: {error}"
        );
    }
}

#[test]
fn a_frame_that_hides_a_second_one_is_refused() {
    // The first frame states all plain bytes that the table expects; the second has none.
    let frame = zstd::bulk::compress(&[7; 80], 3).unwrap();
    let empty = zstd::bulk::compress(&[], 3).unwrap();
    let both = [frame, empty].concat();
    let length = u32::try_from(both.len()).unwrap();
    let bytes = Forged::new(both, &[[length, 80, 0]]).bytes();
    let mut archive = Scratch::new().open(&bytes).unwrap();
    let error = read(&mut archive, 0, 1).unwrap_err().to_string();
    assert!(
        error.contains("does not end where the seek table says"),
        "{error}"
    );
}

#[test]
fn frames_that_do_not_state_their_plain_size_are_refused() {
    // As the writers of this format do that stream.
    let streamed = zstd::encode_all([7; 80].as_slice(), 3).unwrap();
    let length = u32::try_from(streamed.len()).unwrap();
    let error = Scratch::new().open(&Forged::new(streamed, &[[length, 80, 0]]).bytes());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("frame 0 does not state its plain size"),
        "{error}"
    );
    assert!(error.contains("zstd -d"), "{error}");
}

#[test]
fn an_empty_frame_between_others_is_passed_over() {
    let first = zstd::bulk::compress(b"before", 3).unwrap();
    let empty = zstd::bulk::compress(&[], 3).unwrap();
    let entry = |frame: &[u8], plain: &[u8]| {
        let checksum = xxhash_rust::xxh64::xxh64(plain, 0) & 0xffff_ffff;
        [frame.len(), plain.len(), usize::try_from(checksum).unwrap()]
            .map(|n| u32::try_from(n).unwrap())
    };
    let entries = [
        entry(&empty, b""),
        entry(&first, b"before"),
        entry(&empty, b""),
        entry(&first, b"before"),
        entry(&empty, b""),
    ];
    let frames = [&empty[..], &first, &empty, &first, &empty].concat();
    let mut archive = Scratch::new()
        .open(&Forged::new(frames, &entries).bytes())
        .unwrap();
    for offset in 0..13 {
        assert_eq!(
            read(&mut archive, offset, 20).unwrap(),
            &b"beforebefore"[offset..]
        );
    }
}
