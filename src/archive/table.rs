//! Owns the seek table: where each frame is, in the archived and in the plain file.

use super::{ArchiveError, FRAME_BYTES_MAX, FRAMES_MAX};
use std::fs::File;
use std::os::unix::fs::FileExt;
use zstd::zstd_safe;

/// What a skippable frame with a seek table starts with.
const TABLE_MAGIC: u32 = 0x184D_2A5E;
/// What the file ends with.
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;
/// Magic and size of the skippable frame.
const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 12;
const FOOTER_BYTES: usize = 9;

/// Bits of the footer's descriptor.
const HAS_CHECKSUMS: u8 = 1 << 7;
const RESERVED: u8 = 0b0111_1100;

// Sizes that a table holds never overflow the sums of offsets, nor its own size field.
const _: () = assert!(FRAMES_MAX * ENTRY_BYTES + FOOTER_BYTES <= u32::MAX as usize);
const _: () = assert!(FRAME_BYTES_MAX + FRAME_BYTES_MAX / 128 <= u32::MAX as usize);

/// One frame of an archived file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Where it starts in the archived file.
    pub(super) archived_offset: u64,
    /// Where its first byte is in the plain file.
    pub(super) plain_offset: u64,
    /// At most zstd's bound for `plain_bytes`.
    pub(super) archived_bytes: usize,
    /// 0 to [`FRAME_BYTES_MAX`].
    pub(super) plain_bytes: usize,
    /// XXH64 of the plain bytes, the low 32 bits.
    pub(super) checksum: u32,
}

/// The frames in the order of the file; each begins where the one before ends.
#[derive(Debug, Default)]
pub(super) struct Table {
    frames: Vec<Frame>,
}

impl Table {
    /// Reads the table at the end of a file. Believes no size before it was compared with the
    /// file's, and allocates no more than the table has bytes in the file, times three.
    pub(super) fn read(file: &File, file_bytes: u64) -> Result<Self, ArchiveError> {
        let os = |os| ArchiveError::Os {
            action: "reading the seek table of an archived file",
            os,
        };
        let mut footer = [0; FOOTER_BYTES];
        let Some(footer_offset) = file_bytes.checked_sub(FOOTER_BYTES as u64) else {
            return Err(ArchiveError::NoSeekTable);
        };
        file.read_exact_at(&mut footer, footer_offset).map_err(os)?;
        let count = footer_count(&footer)?;

        let table_bytes = HEADER_BYTES + ENTRY_BYTES * count + FOOTER_BYTES;
        let Some(table_offset) = file_bytes.checked_sub(table_bytes as u64) else {
            return Err(damaged(format!(
                "{count} frames need a table of {table_bytes} bytes, and the file has {file_bytes}"
            )));
        };
        let mut bytes = vec![0; HEADER_BYTES + ENTRY_BYTES * count];
        file.read_exact_at(&mut bytes, table_offset).map_err(os)?;
        let (header, entries) = bytes.split_at(HEADER_BYTES);
        let (magic, size) = (u32_at(header, 0), u32_at(header, 4));
        if magic != TABLE_MAGIC || size as usize != table_bytes - HEADER_BYTES {
            return Err(damaged(format!("no table of {count} frames begins there")));
        }
        Self::from_entries(entries, table_offset)
    }

    /// Makes the table of entries, which must describe all `archived_bytes` in front of it.
    fn from_entries(entries: &[u8], archived_bytes: u64) -> Result<Self, ArchiveError> {
        let mut table = Self {
            frames: Vec::with_capacity(entries.len() / ENTRY_BYTES),
        };
        for (index, entry) in entries.chunks_exact(ENTRY_BYTES).enumerate() {
            let (archived, plain) = (u32_at(entry, 0) as usize, u32_at(entry, 4) as usize);
            if plain > FRAME_BYTES_MAX {
                return Err(ArchiveError::Unsupported {
                    what: format!(
                        "archive frame {index} has {plain} plain bytes, and {FRAME_BYTES_MAX} are \
                         the most"
                    ),
                });
            }
            if archived > zstd_safe::compress_bound(plain) {
                return Err(damaged(format!(
                    "zstd makes no frame of {archived} bytes from {plain}, as frame {index} claims"
                )));
            }
            table.push(archived, plain, u32_at(entry, 8));
        }
        if table.archived_bytes() != archived_bytes {
            return Err(damaged(format!(
                "its frames have {} bytes, and {archived_bytes} are in front of it",
                table.archived_bytes()
            )));
        }
        Ok(table)
    }

    /// Adds the next frame.
    pub(super) fn push(&mut self, archived_bytes: usize, plain_bytes: usize, checksum: u32) {
        self.frames.push(Frame {
            archived_offset: self.archived_bytes(),
            plain_offset: self.plain_bytes(),
            archived_bytes,
            plain_bytes,
            checksum,
        });
    }

    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The size of all frames in the archived file.
    pub(super) fn archived_bytes(&self) -> u64 {
        self.frames
            .last()
            .map_or(0, |last| last.archived_offset + last.archived_bytes as u64)
    }

    /// The size of the plain file.
    pub(super) fn plain_bytes(&self) -> u64 {
        self.frames
            .last()
            .map_or(0, |last| last.plain_offset + last.plain_bytes as u64)
    }

    /// Returns the frame with the plain byte at `offset`, or `None` at the end and beyond.
    pub(super) fn frame_at(&self, offset: u64) -> Option<usize> {
        // By their ends, so that a frame with nothing in it is never the answer.
        let index = self
            .frames
            .partition_point(|frame| frame.plain_offset + frame.plain_bytes as u64 <= offset);
        (index < self.frames.len()).then_some(index)
    }

    /// Returns the table as it stands in the file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let number = |n: usize| u32::try_from(n).expect("invariant: within the limits above");
        let body_bytes = ENTRY_BYTES * self.frames.len() + FOOTER_BYTES;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body_bytes);
        bytes.extend_from_slice(&TABLE_MAGIC.to_le_bytes());
        bytes.extend_from_slice(&number(body_bytes).to_le_bytes());
        for frame in &self.frames {
            bytes.extend_from_slice(&number(frame.archived_bytes).to_le_bytes());
            bytes.extend_from_slice(&number(frame.plain_bytes).to_le_bytes());
            bytes.extend_from_slice(&frame.checksum.to_le_bytes());
        }
        bytes.extend_from_slice(&number(self.frames.len()).to_le_bytes());
        bytes.push(HAS_CHECKSUMS);
        bytes.extend_from_slice(&FOOTER_MAGIC.to_le_bytes());
        bytes
    }
}

/// Checks a footer and returns the number of frames.
fn footer_count(footer: &[u8; FOOTER_BYTES]) -> Result<usize, ArchiveError> {
    let (count, descriptor) = (u32_at(footer, 0) as usize, footer[4]);
    if u32_at(footer, 5) != FOOTER_MAGIC {
        return Err(ArchiveError::NoSeekTable);
    }
    if descriptor & RESERVED != 0 {
        return Err(damaged(format!("its descriptor is {descriptor:#04x}")));
    }
    if descriptor & HAS_CHECKSUMS == 0 {
        return Err(ArchiveError::Unsupported {
            what: "its seek table has no checksums".to_owned(),
        });
    }
    if count > FRAMES_MAX {
        return Err(ArchiveError::Unsupported {
            what: format!("it has {count} frames, and {FRAMES_MAX} are the most"),
        });
    }
    Ok(count)
}

fn damaged(what: String) -> ArchiveError {
    ArchiveError::SeekTable { what }
}

/// Reads the number at `at`, which the caller keeps inside of `bytes`.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let number = bytes[at..].first_chunk();
    u32::from_le_bytes(*number.expect("invariant: inside of a part with a fixed size"))
}
