//! Owns archived files: compressed with zstd, and still read at any offset.
//!
//! Knows files, not what is in them. It names, replaces, syncs and deletes none: when a plain file
//! may go is for its owner to decide.
//!
//! The format is the public *zstd seekable format*: the plain bytes cut into frames, each
//! compressed on its own, and a seek table behind them inside a skippable frame. An ordinary
//! `zstd -d` therefore gives the plain bytes back, without this library.
//!
//! ```text
//! ┌────────────┬────────────┬─────┬─────────────────────────────────────────────────────────────┐
//! │ zstd frame │ zstd frame │ ... │ skippable frame: the seek table                             │
//! └────────────┴────────────┴─────┴─────────────────────────────────────────────────────────────┘
//!
//!        0                  4                        8                              8 + 12 n
//!        ├──────────────────┼────────────────────────┼──────────────────────────────┤
//! table  │ magic 0x184D2A5E │ bytes behind this: u32 │ n entries                    │ footer
//!        └──────────────────┴────────────────────────┴──────────────────────────────┘
//!        0                    4                 8                               12
//!        ├────────────────────┼─────────────────┼───────────────────────────────┤
//! entry  │ archived bytes u32 │ plain bytes u32 │ XXH64 of plain, low 32 bits   │
//!        └────────────────────┴─────────────────┴───────────────────────────────┘
//!        0                    4                 5                               9
//!        ├────────────────────┼─────────────────┼───────────────────────────────┤
//! footer │ n: u32             │ descriptor u8   │ magic 0x8F92EAB1              │
//!        └────────────────────┴─────────────────┴───────────────────────────────┘
//! descriptor: bit 7 = entries have checksums; bits 6 to 2 are 0; bits 1 and 0 mean nothing
//! ```
//!
//! All integers are little-endian. The seek table has no checksum of its own, so a flipped bit in
//! it could move everything behind; that is why each frame also states its plain size in its own
//! header, and [`Archive::open`] compares all of them. Damage is then an error or does not matter:
//! wrong bytes would have to pass a 32-bit checksum.
//!
//! Writers that stream do not know the size when they write the header (Facebook's own
//! `seekable_format`, `zeekstd`). What they wrote is refused rather than trusted.
//!
//! Needs the cargo feature `archive`, which compiles zstd's C code.

mod table;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use table::{Frame, Table};
use xxhash_rust::xxh64::xxh64;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// The largest archive frame: 64 MiB of plain bytes. Who writes or reads needs about twice a
/// frame, so this bounds what a hostile file can ask for.
pub const FRAME_BYTES_MAX: usize = 64 << 20;

/// The most frames of one archive: 2²⁰, whose seek table takes 32 MiB in memory.
pub const FRAMES_MAX: usize = 1 << 20;

/// What one zstd frame starts with. The versions before 0.8 started with others.
const FRAME_MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// The longest frame header, magic included.
const FRAME_HEADER_BYTES_MAX: usize = 18;

/// An archived file, read as if it were plain.
///
/// Memory: the frame that was read last, plain and archived, and 32 bytes for each frame of the
/// file. Reading forward decompresses each frame once.
///
/// # Examples
///
/// ```
/// use ringtape::archive::{self, Archive};
///
/// let plain: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
/// let mut file = tempfile::tempfile()?;
/// let summary = archive::compress(&mut plain.as_slice(), &mut file, 64 << 10, 3)?;
/// assert_eq!(summary.plain_bytes, 400_000);
/// assert!(summary.archived_bytes < summary.plain_bytes);
///
/// let mut archive = Archive::open(file)?;
/// let mut number = [0; 4];
/// assert_eq!(archive.read_at(4 * 77_777, &mut number)?, 4);
/// assert_eq!(u32::from_le_bytes(number), 77_777);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Archive {
    file: File,
    table: Table,
    decompressor: Decompressor<'static>,
    /// The frame whose plain bytes are in `plain`, checked.
    held: Option<usize>,
    plain: Vec<u8>,
    /// The same frame as it is in the file; kept for its allocation.
    archived: Vec<u8>,
    /// The frame that was found damaged last, and how that showed. Who looks through it for what is
    /// left reads it piece by piece, and would decompress it for each.
    damaged: Option<(usize, String)>,
}

impl Archive {
    /// Opens an archived file and checks its seek table against the file and against the header of
    /// each frame: one small read for each. The file's own position is neither used nor moved.
    ///
    /// # Errors
    ///
    /// When the file has no seek table, or one that does not fit the file, or frames that this
    /// library does not read; when reading fails.
    pub fn open(file: File) -> Result<Self, ArchiveError> {
        let os = |os| ArchiveError::Os {
            action: "opening an archived file",
            os,
        };
        let file_bytes = file.metadata().map_err(os)?.len();
        let table = Table::read(&file, file_bytes)?;
        for (index, frame) in table.frames().iter().enumerate() {
            check_header(&file, index, frame)?;
        }
        Ok(Self {
            file,
            table,
            decompressor: Decompressor::new().map_err(os)?,
            held: None,
            plain: Vec::new(),
            archived: Vec::new(),
            damaged: None,
        })
    }

    /// Returns the size of the plain file in bytes.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.table.plain_bytes()
    }

    /// Reads plain bytes from `offset` on and returns how many: as many as `into` takes, or what
    /// is left of the file; 0 at its end and beyond.
    ///
    /// Decompresses the frames that it needs, except for the one that it decompressed last and the
    /// one that it last found damaged.
    ///
    /// # Errors
    ///
    /// When a frame that it needs is damaged or cannot be read: then what is in `into` means
    /// nothing. Damage has the kind [`io::ErrorKind::InvalidData`] and an [`ArchiveError`] inside.
    /// Other frames can still be read.
    pub fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            let Some(index) = self.table.frame_at(offset.saturating_add(done as u64)) else {
                break;
            };
            self.hold(index)?;
            let skipped = offset + done as u64 - self.table.frames()[index].plain_offset;
            let skipped = usize::try_from(skipped).expect("invariant: an offset inside the frame");
            let found = &self.plain[skipped..];
            let bytes = found.len().min(into.len() - done);
            into[done..done + bytes].copy_from_slice(&found[..bytes]);
            done += bytes;
        }
        Ok(done)
    }

    /// Sees that a frame is in `plain`, unless it is damaged.
    fn hold(&mut self, index: usize) -> Result<(), ArchiveError> {
        if self.held == Some(index) {
            return Ok(());
        }
        let frame = self.table.frames()[index];
        if let Some((damaged, what)) = &self.damaged
            && *damaged == index
        {
            return Err(ArchiveError::frame(index, &frame, what.clone()));
        }
        self.held = None;
        self.archived.resize(frame.archived_bytes, 0);
        self.file
            .read_exact_at(&mut self.archived, frame.archived_offset)
            .map_err(|os| ArchiveError::Os {
                action: "reading a frame of an archived file",
                os,
            })?;
        if let Err(what) = self.decompress(&frame) {
            self.damaged = Some((index, what.clone()));
            return Err(ArchiveError::frame(index, &frame, what));
        }
        self.held = Some(index);
        Ok(())
    }

    /// Decompresses the frame that is in `archived` into `plain`, or says how it is damaged.
    fn decompress(&mut self, frame: &Frame) -> Result<(), String> {
        // `decompress` would go on with a second frame, even one of an old version.
        if zstd_safe::find_frame_compressed_size(&self.archived) != Ok(self.archived.len()) {
            return Err("it does not end where the seek table says".to_owned());
        }
        self.plain.clear();
        self.plain.reserve_exact(frame.plain_bytes);
        self.decompressor
            .decompress_to_buffer(&self.archived, &mut self.plain)
            .map_err(|zstd| format!("zstd says: {zstd}"))?;
        if self.plain.len() != frame.plain_bytes {
            return Err("it has not the plain size of the seek table".to_owned());
        }
        if checksum(&self.plain) != frame.checksum {
            return Err("it has not the checksum of the seek table".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("file", &self.file)
            .field("plain_bytes", &self.plain_bytes())
            .field("frames", &self.table.frames().len())
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// What [`compress`] read and wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Bytes read from the source.
    pub plain_bytes: u64,
    /// Bytes written to the target, with the seek table.
    pub archived_bytes: u64,
    /// Frames written; 0 for an empty source.
    pub frames: usize,
}

/// Archives all that `source` gives into `target`, which it flushes and does not sync.
///
/// `frame_bytes` of plain data go into each frame, from 1 to [`FRAME_BYTES_MAX`]: it is what a
/// reader decompresses to read one byte, and small frames compress less (1 MiB is a good start).
/// `level` is zstd's, −131,072 (fastest) to 22 (smallest); 0 is zstd's default. Memory: about twice
/// a frame, and what zstd needs for the level.
///
/// # Errors
///
/// When `frame_bytes` or `level` is out of range, or the source has more than [`FRAMES_MAX`] such
/// frames; when reading or writing fails. The target then holds a useless part.
pub fn compress(
    source: &mut impl Read,
    mut target: impl Write,
    frame_bytes: usize,
    level: i32,
) -> io::Result<Summary> {
    let wrong = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
    if !(1..=FRAME_BYTES_MAX).contains(&frame_bytes) {
        let what = format!("archive frames of {frame_bytes} bytes: use 1 to {FRAME_BYTES_MAX}");
        return Err(wrong(what));
    }
    let levels = zstd::compression_level_range();
    if !levels.contains(&level) {
        let what = format!("zstd level {level}: use {levels:?}");
        return Err(wrong(what));
    }
    let mut compressor = Compressor::new(level)?;
    // Costs 4 bytes a frame, and lets an ordinary `zstd -t` find damage too.
    compressor.include_checksum(true)?;
    let mut table = Table::default();
    let mut plain = Vec::with_capacity(frame_bytes);
    let mut archived = Vec::with_capacity(zstd_safe::compress_bound(frame_bytes));
    loop {
        plain.clear();
        (&mut *source)
            .take(frame_bytes as u64)
            .read_to_end(&mut plain)?;
        if plain.is_empty() {
            break;
        }
        if table.frames().len() == FRAMES_MAX {
            let what = format!("more than {FRAMES_MAX} archive frames: make them larger");
            return Err(wrong(what));
        }
        archived.clear();
        compressor.compress_to_buffer(&plain, &mut archived)?;
        target.write_all(&archived)?;
        table.push(archived.len(), plain.len(), checksum(&plain));
    }
    let table_bytes = table.to_bytes();
    target.write_all(&table_bytes)?;
    target.flush()?;
    Ok(Summary {
        plain_bytes: table.plain_bytes(),
        archived_bytes: table.archived_bytes() + table_bytes.len() as u64,
        frames: table.frames().len(),
    })
}

/// Why a file cannot be read as an archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// There is no seek table where one must be.
    #[error(
        "no seek table at the end: this is no archive, or its end is missing; \
         read a plain file as it is, restore a cut one from its copy"
    )]
    NoSeekTable,

    /// The seek table contradicts itself or the file.
    #[error("the seek table is damaged: {what}; restore the file from its copy")]
    SeekTable {
        /// What contradicts what.
        what: String,
    },

    /// A frame is not what the seek table says, or is no frame.
    #[error(
        "archive frame {frame}, at byte {offset}, is damaged: {what}; \
         restore the file from its copy"
    )]
    Frame {
        /// The frame's number in the file, from 0.
        frame: usize,
        /// Where it starts in the archived file, in bytes.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },

    /// A file of this format, but written in a way that this library does not read.
    #[error(
        "not an archive that can be read here: {what}; \
         unpack it with `zstd -d`, and archive it again"
    )]
    Unsupported {
        /// What is asked of an archive, and is missing.
        what: String,
    },

    /// A system call failed.
    #[error("{action}: {os}")]
    Os {
        /// What was being done.
        action: &'static str,
        /// What the kernel said.
        os: io::Error,
    },
}

impl ArchiveError {
    fn frame(index: usize, frame: &Frame, what: String) -> Self {
        Self::Frame {
            frame: index,
            offset: frame.archived_offset,
            what,
        }
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        let kind = match &error {
            ArchiveError::Os { os, .. } => os.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Checks that a frame starts where the seek table says, with the plain size that it says.
fn check_header(file: &File, index: usize, frame: &Frame) -> Result<(), ArchiveError> {
    let damaged = |what| ArchiveError::frame(index, frame, what);
    let mut header = [0; FRAME_HEADER_BYTES_MAX];
    let header = &mut header[..frame.archived_bytes.min(FRAME_HEADER_BYTES_MAX)];
    file.read_exact_at(header, frame.archived_offset)
        .map_err(|os| ArchiveError::Os {
            action: "reading a frame header of an archived file",
            os,
        })?;
    if !header.starts_with(&FRAME_MAGIC) {
        return Err(damaged("no zstd frame starts here".to_owned()));
    }
    match zstd_safe::get_frame_content_size(header) {
        Ok(Some(bytes)) if bytes == frame.plain_bytes as u64 => Ok(()),
        Ok(Some(bytes)) => Err(damaged(format!(
            "it says that it has {bytes} plain bytes, and the seek table {}",
            frame.plain_bytes
        ))),
        Ok(None) => Err(ArchiveError::Unsupported {
            what: format!("archive frame {index} does not state its plain size"),
        }),
        Err(_) => Err(damaged("its header is cut or makes no sense".to_owned())),
    }
}

/// The format's checksum of a frame's plain bytes.
fn checksum(plain: &[u8]) -> u32 {
    (xxh64(plain, 0) & 0xffff_ffff) as u32
}
