//! Owns the baseline of reading: a mapped file, as bare as it can be.

#![allow(dead_code, reason = "each bench uses its own part")]

use memmap2::Mmap;
use ringtape::market::MarketEvent;
use ringtape::record::Record;
use std::fs::File;
use std::path::Path;
use zerocopy::FromBytes;

/// A file that nobody changes while it is mapped.
pub(super) struct Mapped(Mmap);

impl Mapped {
    pub(super) fn open(path: &Path) -> Self {
        let file = File::open(path).expect("the segment was just written");
        // SAFETY: asks that nobody changes the file or makes it shorter: the bench wrote it, closed
        // it, and removes it only after the mapping is gone.
        Self(unsafe { Mmap::map(&file) }.expect("a file can be mapped"))
    }

    /// Returns `count` records from byte `at` on.
    pub(super) fn records(&self, at: u64, count: usize) -> &[Record<MarketEvent>] {
        let at = usize::try_from(at).expect("fits");
        <[Record<MarketEvent>]>::ref_from_bytes(&self.0[at..at + count * 64])
            .expect("records lie at multiples of 64")
    }
}

/// Maps a file and sums the first word of each 64 bytes, which in a segment are the stamps of its
/// records. Unmaps it again: a replay, too, opens what it reads.
pub(super) fn sum_of_stamps(path: &Path) -> u64 {
    let Mapped(map) = Mapped::open(path);
    let (lines, _) = map.as_chunks::<64>();
    lines.iter().fold(0, |sum: u64, line| {
        let stamp = line.first_chunk().expect("a line has 8 bytes");
        sum.wrapping_add(u64::from_le_bytes(*stamp))
    })
}
