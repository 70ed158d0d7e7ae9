//! Owns the baseline of reading: a mapped file, as bare as it can be.

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
        let file = File::open(path).unwrap();
        // SAFETY: asks that nobody changes the file or makes it shorter: the bench wrote it, closed
        // it, and removes it only after the mapping is gone.
        Self(unsafe { Mmap::map(&file) }.unwrap())
    }

    /// Returns `count` records from byte `at` on.
    pub(super) fn records(&self, at: u64, count: usize) -> &[Record<MarketEvent>] {
        let at = usize::try_from(at).unwrap();
        <[Record<MarketEvent>]>::ref_from_bytes(&self.0[at..at + count * 64]).unwrap()
    }
}
