//! Owns the mapping of a segment: the one place where a file's bytes are lent as memory.

use memmap2::{Mmap, MmapOptions};
use std::fs::File;
use std::io;

/// A file's bytes as memory, mapped up to a length that it may still grow to.
#[derive(Debug)]
pub(super) struct Map(Mmap);

impl Map {
    /// Maps `bytes` of a file, which may be more than it has now.
    pub(super) fn new(file: &File, bytes: u64) -> io::Result<Self> {
        let length = usize::try_from(bytes.max(1)).map_err(io::Error::other)?;
        let mut options = MmapOptions::new();
        // SAFETY: `map` asks that nobody changes the bytes while they are lent, and that nobody
        // shortens the file. The writer of a journal only appends: frames that are whole, and only
        // those are lent, stay as they are until retention removes the file, which leaves this
        // mapping alone. What is cut after a crash lies behind the last whole frame. Who lends
        // (`Source`) asks for the file's length before each frame and lends nothing beyond it, so
        // a file that somebody else shortened is an error; only who shortens it in the instant
        // between the question and the reading ends the process with SIGBUS. Any bytes are a valid
        // record (`FromBytes`), so foreign bytes are wrong, and never undefined.
        unsafe { options.len(length).map(file) }.map(Self)
    }

    /// Returns how much is mapped.
    pub(super) fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns the bytes from `offset` on. Who asks has seen that the file has them.
    pub(super) fn get(&self, offset: u64, bytes: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(bytes).ok()?)?;
        self.0.get(start..end)
    }
}
