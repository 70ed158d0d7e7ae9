//! Archiving and reading an archive take memory for a frame, not for the file.
//!
//! A binary of its own: what it looks at is the peak of the whole process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ringtape::archive::{self, Archive};
use std::fs;
use std::io::{self, Read};

const FRAME_BYTES: usize = 256 << 10;
const PLAIN_BYTES: u64 = 64 << 20;
/// Far above what 256 KiB frames need, zstd's own tables included, and far below the file.
const GROWTH_BYTES_MAX: u64 = 16 << 20;

/// The most memory that this process ever had, in bytes.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn memory_is_bounded_by_the_frame_and_not_by_the_file() {
    let before = peak_bytes();
    let mut file = tempfile::tempfile().unwrap();
    let mut plain = io::repeat(0x5a).take(PLAIN_BYTES);
    let summary = archive::compress(&mut plain, &mut file, FRAME_BYTES, 1).unwrap();
    assert_eq!(summary.plain_bytes, PLAIN_BYTES);

    let mut archive = Archive::open(file).unwrap();
    let mut into = vec![0; FRAME_BYTES / 2 + 1];
    let mut offset = 0;
    while offset < PLAIN_BYTES {
        let found = archive.read_at(offset, &mut into).unwrap();
        assert!(found > 0 && into[..found].iter().all(|&byte| byte == 0x5a));
        offset += found as u64;
    }
    let growth = peak_bytes() - before;
    assert!(growth < GROWTH_BYTES_MAX, "grew by {growth} bytes");
}
