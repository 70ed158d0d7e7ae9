//! Owns the baseline of the replay bench: a mapped file of which one word a cache line is read.

use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a file and sums the first word of each 64 bytes, which in a segment are the stamps of its
/// records. Unmaps it again: a replay, too, opens what it reads.
pub(super) fn sum_of_stamps(path: &Path) -> u64 {
    let file = File::open(path).expect("the segment was just written");
    // SAFETY: asks that nobody changes the file while it is mapped. The bench wrote it, in a folder
    // of its own, and has closed it.
    let map = unsafe { Mmap::map(&file) }.expect("a file can be mapped");
    let (lines, _) = map.as_chunks::<64>();
    lines.iter().fold(0, |sum: u64, line| {
        let stamp = line.first_chunk().expect("a line has 8 bytes");
        sum.wrapping_add(u64::from_le_bytes(*stamp))
    })
}
