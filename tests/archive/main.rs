//! An archived file reads as the plain one did, at any offset; an ordinary zstd unpacks it; and
//! damage is an error, never wrong bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../captures/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod captures;
mod damage;
mod forged;

use proptest::collection::vec;
use proptest::prelude::*;
use ringtape::archive::{self, Archive, ArchiveError, FRAME_BYTES_MAX, Summary};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use xxhash_rust::xxh3::xxh3_64;

/// One file for many archives, so that a test of thousands does not make thousands of files.
struct Scratch(File);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempfile().unwrap())
    }

    fn open(&self, bytes: &[u8]) -> Result<Archive, ArchiveError> {
        self.0.set_len(0).unwrap();
        self.0.write_all_at(bytes, 0).unwrap();
        Archive::open(self.0.try_clone().unwrap())
    }
}

fn archived(plain: &[u8], frame_bytes: usize) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = archive::compress(&mut &*plain, &mut bytes, frame_bytes, 3).unwrap();
    assert_eq!(summary.plain_bytes, plain.len() as u64);
    assert_eq!(summary.archived_bytes, bytes.len() as u64);
    assert_eq!(summary.frames, plain.len().div_ceil(frame_bytes));
    (bytes, summary)
}

/// Reads past the end, so that an archive that is too long shows.
fn read(archive: &mut Archive, offset: usize, bytes: usize) -> io::Result<Vec<u8>> {
    let mut into = vec![0xa5; bytes];
    let found = archive.read_at(offset as u64, &mut into)?;
    into.truncate(found);
    Ok(into)
}

/// Bytes of which a part repeats, as records do.
fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes.div_ceil(8) as u64)
        .flat_map(|n| [n / 3, xxh3_64(&n.to_le_bytes())][usize::from(n % 5 == 0)].to_le_bytes())
        .take(bytes)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_part_reads_as_in_the_plain_file(
        plain in prop_oneof![
            vec(any::<u8>(), 0..5_000),
            (0..20_000_usize).prop_map(sample),
        ],
        frame_bytes in 1..7_000_usize,
        level in -5..=9,
        reads in vec((0..22_000_usize, 0..9_000_usize), 1..40),
    ) {
        // One frame for each byte is tested below; here it would be thousands of them.
        let frame_bytes = frame_bytes.max(plain.len() / 200 + 1);
        let mut bytes = Vec::new();
        archive::compress(&mut plain.as_slice(), &mut bytes, frame_bytes, level)?;
        let mut archive = Scratch::new().open(&bytes)?;
        prop_assert_eq!(archive.plain_bytes(), plain.len() as u64);
        for (offset, length) in reads {
            let expected = &plain[offset.min(plain.len())..(offset + length).min(plain.len())];
            prop_assert!(read(&mut archive, offset, length)? == expected, "{} {}", offset, length);
        }
    }

}

#[test]
fn every_offset_and_length_of_a_small_file_reads_right() {
    let plain = sample(50);
    for frame_bytes in [1, 7, 49, 50, 51] {
        let (bytes, _) = archived(&plain, frame_bytes);
        let mut archive = Scratch::new().open(&bytes).unwrap();
        for offset in 0..=52 {
            for length in 0..=52 {
                let expected = &plain[offset.min(50)..(offset + length).min(50)];
                assert_eq!(read(&mut archive, offset, length).unwrap(), expected);
            }
        }
        for offset in [u64::MAX, u64::MAX - 1] {
            assert_eq!(archive.read_at(offset, &mut [0; 4]).unwrap(), 0);
        }
    }
}

#[test]
fn an_ordinary_zstd_decoder_gives_the_plain_bytes() {
    for plain in [sample(0), sample(1), sample(100_000)] {
        for frame_bytes in [999, 4_096, 1 << 20] {
            let (bytes, _) = archived(&plain, frame_bytes);
            assert!(zstd::decode_all(bytes.as_slice()).unwrap() == plain);
        }
    }
}

#[test]
fn the_zstd_program_tests_and_unpacks_an_archive() {
    let plain = sample(100_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archived");
    fs::write(&path, archived(&plain, 4_096).0).unwrap();
    let zstd = |option| {
        let mut command = Command::new("zstd");
        command
            .arg(option)
            .arg("--stdout")
            .stdin(File::open(&path).unwrap());
        command.stderr(Stdio::null()).output()
    };
    if let Err(error) = zstd("--test") {
        let may_not = std::env::var("RINGTAPE_NO_SKIP").is_ok_and(|value| value == "1");
        assert!(!may_not, "not to be skipped here: zstd: {error}");
        eprintln!("SKIPPED: zstd: {error}");
        return;
    }
    assert!(zstd("--test").unwrap().status.success());
    let unpacked = zstd("--decompress").unwrap();
    assert!(unpacked.status.success());
    assert!(unpacked.stdout == plain);
}

#[test]
fn real_market_data_comes_back_and_is_smaller() {
    let Some(path) = captures::market_data("nasdaq-itch50/2020-01-30.head-1mib.itch50") else {
        return;
    };
    let plain = fs::read(path).unwrap();
    let (bytes, _) = archived(&plain, 64 << 10);
    assert!(bytes.len() < plain.len());
    let mut archive = Scratch::new().open(&bytes).unwrap();
    assert!(read(&mut archive, 0, plain.len() + 1).unwrap() == plain);
    for offset in (0..plain.len()).step_by(77_777).rev() {
        let expected = &plain[offset..plain.len().min(offset + 64)];
        assert_eq!(read(&mut archive, offset, 64).unwrap(), expected);
    }
}

/// Gives one byte a call, is interrupted before each, and fails at the end if told to.
struct Trickle<'a>(&'a [u8], bool, Option<io::ErrorKind>);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match self.2 {
            Some(kind) if self.0.is_empty() => Err(kind.into()),
            _ => self.0.read(&mut into[..1]),
        }
    }
}

#[test]
fn a_source_that_gives_little_at_a_time_makes_the_same_archive() {
    let plain = sample(1_000);
    let mut bytes = Vec::new();
    let mut source = Trickle(&plain, false, None);
    archive::compress(&mut source, &mut bytes, 300, 3).unwrap();
    assert!(bytes == archived(&plain, 300).0);
}

#[test]
fn a_source_or_a_target_that_fails_fails_the_archive() {
    let plain = sample(1_000);
    let mut source = Trickle(&plain, false, Some(io::ErrorKind::TimedOut));
    let error = archive::compress(&mut source, io::sink(), 300, 3).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);

    let (_, summary) = archived(&plain, 300);
    for room in 0..usize::try_from(summary.archived_bytes).unwrap() {
        let mut full = vec![0; room];
        let error = archive::compress(&mut plain.as_slice(), full.as_mut_slice(), 300, 3);
        assert_eq!(
            error.unwrap_err().kind(),
            io::ErrorKind::WriteZero,
            "{room}"
        );
    }
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_range() {
    for (frame_bytes, level, expected) in [
        (0, 3, "use 1 to 67108864"),
        (FRAME_BYTES_MAX + 1, 3, "use 1 to 67108864"),
        (1, 23, "zstd level 23: use -131072..=22"),
        (1, i32::MIN, "use -131072..=22"),
    ] {
        let error = archive::compress(&mut io::empty(), io::sink(), frame_bytes, level);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_archive_may_move_to_another_thread() {
    fn moves<T: Send>() {}
    moves::<Archive>();
    moves::<ArchiveError>();
}
