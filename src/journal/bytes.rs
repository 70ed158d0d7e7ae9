//! Owns the bytes of a segment that is read: mapped, or decompressed from its archive.

use super::directory::{SegmentEntry, open_regular};
use super::map::Map;
use crate::error::Error;
use crate::record::RECORD_BYTES;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
#[cfg(feature = "archive")]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The bytes of a segment.
#[derive(Debug)]
pub(super) enum Bytes {
    /// A plain file: headers near its end are copied, everything else is lent from the mapping.
    Plain { file: File, map: Map },
    /// An archive: everything is copied.
    #[cfg(feature = "archive")]
    Archived(Box<Archived>),
}

impl Bytes {
    /// Opens a segment's file; what is mapped of a plain one is `mapped_bytes` of what it begins
    /// with and how long it is.
    pub(super) fn open(
        entry: &SegmentEntry,
        mapped_bytes: impl FnOnce(&[u8], u64) -> u64,
    ) -> Result<(Self, [u8; 256], usize), Error> {
        let failed = |os| Error::os(format!("read {}", entry.path.display()), os);
        let file = open_regular(&entry.path, File::options().read(true)).map_err(failed)?;
        let mut start = [0; 256];
        if entry.archived {
            return Self::open_archived(entry, file, start);
        }
        let bytes = file.metadata().map_err(failed)?.len();
        let have = read_up_to(&file, &mut start, 0).map_err(failed)?;
        let mapped = mapped_bytes(&start[..have], bytes);
        let map = Map::new(&file, mapped).map_err(|os| {
            let path = entry.path.display();
            Error::os(format!("map {path} ({mapped} bytes)"), os)
        })?;
        Ok((Self::Plain { file, map }, start, have))
    }

    #[cfg(feature = "archive")]
    fn open_archived(
        entry: &SegmentEntry,
        file: File,
        mut start: [u8; 256],
    ) -> Result<(Self, [u8; 256], usize), Error> {
        let (archive, have) = open_archive(entry, file, &mut start)?;
        let archived = Archived {
            archive,
            records: Vec::new(),
            held: None,
        };
        Ok((Self::Archived(Box::new(archived)), start, have))
    }

    #[cfg(not(feature = "archive"))]
    fn open_archived(
        entry: &SegmentEntry,
        _: File,
        _: [u8; 256],
    ) -> Result<(Self, [u8; 256], usize), Error> {
        Err(Error::Journal {
            path: entry.path.clone(),
            problem: "is an archived segment, and this build reads none".to_owned(),
            remedy: "build with the cargo feature `archive`, or unpack it with `zstd -d`",
        })
    }

    /// Returns how many bytes there are now.
    pub(super) fn length(&self) -> io::Result<u64> {
        match self {
            Self::Plain { file, map } => Ok(file.metadata()?.len().min(map.bytes())),
            #[cfg(feature = "archive")]
            Self::Archived(archived) => Ok(archived.archive.plain_bytes()),
        }
    }

    /// Returns whether the file still has a name.
    pub(super) fn is_linked(&self) -> io::Result<bool> {
        match self {
            Self::Plain { file, .. } => Ok(file.metadata()?.nlink() > 0),
            #[cfg(feature = "archive")]
            Self::Archived(_) => Ok(true),
        }
    }

    /// Lends bytes where they lie in memory.
    pub(super) fn lend(&self, offset: u64, bytes: u64) -> Option<&[u8]> {
        match self {
            Self::Plain { map, .. } => map.get(offset, bytes),
            #[cfg(feature = "archive")]
            Self::Archived(_) => None,
        }
    }

    /// Copies bytes, fewer where they end. What is damaged in an archive reads as zeros, which are
    /// no frame and have no frame's checksum.
    pub(super) fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Plain { file, .. } => read_up_to(file, into, offset),
            #[cfg(feature = "archive")]
            Self::Archived(archived) => archived.read(into, offset),
        }
    }

    /// Lends the bytes of `count` records from `offset` on, aligned as records are; none where
    /// there are fewer. An archive that is damaged there is an error of kind
    /// [`io::ErrorKind::InvalidData`].
    pub(super) fn records(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        match self {
            Self::Plain { map, .. } => {
                let bytes = map.get(offset, (count * RECORD_BYTES) as u64);
                Ok(bytes.unwrap_or_default())
            }
            #[cfg(feature = "archive")]
            Self::Archived(archived) => archived.records(offset, count),
        }
    }
}

/// An archive, and the records that were read from it last.
#[cfg(feature = "archive")]
#[derive(Debug)]
pub(super) struct Archived {
    archive: crate::archive::Archive,
    records: Vec<Line>,
    /// Where they were read, and how many.
    held: Option<(u64, usize)>,
}

/// As much as a record, and aligned like one.
#[cfg(feature = "archive")]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Line([u8; RECORD_BYTES]);

#[cfg(feature = "archive")]
impl Archived {
    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.archive.read_at(offset, into) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
            other => return other,
        }
        // Some of it may be whole: all that is looked for lies at multiples of 64.
        let left = self.archive.plain_bytes().saturating_sub(offset);
        let bytes = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut at = offset;
        for part in into[..bytes].chunks_mut(RECORD_BYTES) {
            match self.archive.read_at(at, part) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => part.fill(0),
                Err(error) => return Err(error),
            }
            at += part.len() as u64;
        }
        Ok(bytes)
    }

    fn records(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        if self.held != Some((offset, count)) {
            self.held = None;
            if self.records.len() < count {
                self.records.resize(count, Line([0; RECORD_BYTES]));
            }
            let into = self.records[..count].as_mut_bytes();
            if self.archive.read_at(offset, into)? < count * RECORD_BYTES {
                return Ok(&[]);
            }
            self.held = Some((offset, count));
        }
        Ok(self.records[..count].as_bytes())
    }
}

/// Opens an archived segment and reads what it begins with; returns how much there was of it.
#[cfg(feature = "archive")]
fn open_archive(
    entry: &SegmentEntry,
    file: File,
    start: &mut [u8],
) -> Result<(crate::archive::Archive, usize), Error> {
    // Damage is said of the archive: a segment whose header reads as zeros looks unfinished.
    let refused = |os: io::Error| match os.kind() {
        io::ErrorKind::InvalidData => Error::Corrupt {
            segment: entry.path.clone(),
            offset: 0,
            reason: os.to_string(),
        },
        _ => Error::os(format!("read {}", entry.path.display()), os),
    };
    let opened = crate::archive::Archive::open(file).map_err(io::Error::from);
    let mut archive = opened.map_err(refused)?;
    let have = archive.read_at(0, start).map_err(refused)?;
    Ok((archive, have))
}

/// Reads what a segment begins with, whatever its events, and returns how much there was of it.
pub(super) fn read_start(entry: &SegmentEntry) -> Result<([u8; 256], usize), Error> {
    let failed = |os| Error::os(format!("read {}", entry.path.display()), os);
    let mut start = [0; 256];
    let file = open_regular(&entry.path, File::options().read(true)).map_err(failed)?;
    #[cfg(feature = "archive")]
    if entry.archived {
        let (_, have) = open_archive(entry, file, &mut start)?;
        return Ok((start, have));
    }
    let have = read_up_to(&file, &mut start, 0).map_err(failed)?;
    Ok((start, have))
}

fn read_up_to(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        match file.read_at(&mut into[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
