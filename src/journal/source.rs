//! Owns the bytes of a segment that is read: mapped, or decompressed from its archive.

use super::directory::SegmentEntry;
use super::format::{
    FRAME_HEADER_BYTES, FrameHeader, NoFrame, NoHeader, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use super::map::Map;
use crate::error::{Error, Result};
use crate::record::{Event, RECORD_BYTES, Record};
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use zerocopy::{FromBytes, IntoBytes};

/// The most of a growing segment that is mapped, whatever its header says: 64 GiB.
pub(super) const SEGMENT_BYTES_MAX: u64 = 64 << 30;

const _: () = assert!(SEGMENT_HEADER_BYTES == 256);

/// A segment that is open for reading.
#[derive(Debug)]
pub(super) struct Source<E> {
    event: PhantomData<fn() -> E>,
    pub(super) entry: SegmentEntry,
    pub(super) header: SegmentHeader,
    tag: u64,
    file: File,
    map: Map,
}

/// What a file is instead of a segment.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// It had just been made when its writer ended: nothing was ever in it.
    Unfinished { bytes: u64 },
    /// It cannot be read as a segment.
    Error(Error),
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What is at a place of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A frame whose header is good and whose records are within the file.
    Frame(FrameHeader),
    /// The file ends here.
    End,
    /// Something else.
    Bad(NoFrame),
}

impl<E: Event> Source<E> {
    /// Opens a segment and checks its header.
    pub(super) fn open(entry: &SegmentEntry) -> std::result::Result<Self, NotOpened> {
        let path = entry.path.display();
        let failed = |os| Error::os(format!("read {path}"), os);
        let file = File::open(&entry.path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut start = [0; 256];
        let have = read_up_to(&file, &mut start).map_err(failed)?;
        let header = match SegmentHeader::parse(&start[..have]) {
            Ok(header) => header,
            Err(NoHeader::Unfinished) if bytes <= SEGMENT_HEADER_BYTES => {
                return Err(NotOpened::Unfinished { bytes });
            }
            Err(why) => return Err(refuse(entry, why).into()),
        };
        check(entry, &header, E::SCHEMA)?;
        let mapped = bytes.max(header.segment_bytes.min(SEGMENT_BYTES_MAX));
        let map = Map::new(&file, mapped)
            .map_err(|os| Error::os(format!("map {path} ({mapped} bytes)"), os))?;
        Ok(Self {
            entry: entry.clone(),
            tag: header.tag(),
            header,
            file,
            map,
            event: PhantomData,
        })
    }

    /// Returns how long the segment is now.
    pub(super) fn bytes(&self) -> Result<u64> {
        let bytes = self.file.metadata().map_err(|os| self.failed(os))?.len();
        Ok(bytes.min(self.map.bytes()))
    }

    /// Returns what is at `offset` of a file that has `bytes`.
    pub(super) fn look(&mut self, offset: u64, bytes: u64) -> Result<Found> {
        if offset >= bytes {
            return Ok(Found::End);
        }
        if bytes - offset < FRAME_HEADER_BYTES {
            return Ok(Found::Bad("the file ends inside a frame's header"));
        }
        let Some(raw) = self.map.get(offset, FRAME_HEADER_BYTES) else {
            return Ok(Found::Bad("the frame lies beyond the segment's own limit"));
        };
        let raw: &[u8; 64] = raw
            .first_chunk()
            .expect("invariant: 64 bytes were asked for");
        Ok(match FrameHeader::parse(raw, self.tag, offset) {
            Err(why) => Found::Bad(why),
            Ok(frame) if frame.frame_bytes() > bytes - offset => {
                Found::Bad("the file ends inside a frame's records")
            }
            Ok(frame) => Found::Frame(frame),
        })
    }

    /// Returns the records of a frame that [`look`](Self::look) found.
    pub(super) fn records(&mut self, frame: &FrameHeader) -> Result<&[Record<E>]> {
        let body = u64::from(frame.count) * RECORD_BYTES as u64;
        let bytes = self
            .map
            .get(frame.offset + FRAME_HEADER_BYTES, body)
            .unwrap_or_default();
        Ok(<[Record<E>]>::ref_from_bytes(bytes)
            .expect("invariant: frames lie at multiples of 64 in a mapping of whole pages"))
    }

    /// Returns whether a frame that [`look`](Self::look) found has its checksum.
    pub(super) fn is_whole(&mut self, frame: &FrameHeader) -> Result<bool> {
        let records = self.records(frame)?;
        Ok(crc32c::crc32c(records.as_bytes()) == frame.body_crc)
    }

    /// Returns the first whole frame behind `offset`, where there is none that counts: what was
    /// only torn off has none.
    pub(super) fn whole_frame_behind(&mut self, offset: u64, bytes: u64) -> Result<Option<u64>> {
        let mut at = (offset / FRAME_HEADER_BYTES + 1) * FRAME_HEADER_BYTES;
        while at < bytes {
            if let Found::Frame(frame) = self.look(at, bytes)?
                && self.is_whole(&frame)?
            {
                return Ok(Some(at));
            }
            at += FRAME_HEADER_BYTES;
        }
        Ok(None)
    }

    pub(super) fn corrupt(&self, offset: u64, reason: impl Into<String>) -> Error {
        Error::Corrupt {
            segment: self.entry.path.clone(),
            offset,
            reason: reason.into(),
        }
    }

    fn failed(&self, os: io::Error) -> Error {
        Error::os(format!("read {}", self.entry.path.display()), os)
    }
}

/// Sees that a header belongs where it was found, and that its records are `schema`'s.
fn check(
    entry: &SegmentEntry,
    header: &SegmentHeader,
    schema: crate::record::Schema,
) -> Result<()> {
    let path = entry.path.clone();
    if !header.identity.is_of(schema) {
        let found = &header.identity;
        return Err(Error::Journal {
            path,
            problem: format!(
                "holds events of schema {} (id {:#x}, version {}), not {} (id {:#x}, version {})",
                found.schema_name,
                found.schema_id,
                found.schema_version,
                schema.name,
                schema.id,
                schema.version
            ),
            remedy: "read it with the event type that it was written with",
        });
    }
    if (header.index, header.first) != (entry.index, entry.first) {
        return Err(Error::Corrupt {
            segment: path,
            offset: 0,
            reason: format!(
                "its name says segment {} from record {}, its header {} from {}",
                entry.index, entry.first, header.index, header.first
            ),
        });
    }
    Ok(())
}

fn refuse(entry: &SegmentEntry, why: NoHeader) -> Error {
    let path = entry.path.clone();
    match why {
        NoHeader::Newer(version) => Error::Journal {
            path,
            problem: format!(
                "has format version {version}, and this ringtape reads up to {}",
                super::FORMAT_VERSION
            ),
            remedy: "read it with the ringtape that wrote it, or a newer one",
        },
        NoHeader::NotASegment => Error::Corrupt {
            segment: path,
            offset: 0,
            reason: "it is no segment".to_owned(),
        },
        NoHeader::Unfinished => Error::Corrupt {
            segment: path,
            offset: 0,
            reason: "the segment's header is missing".to_owned(),
        },
        NoHeader::Damaged(how) => Error::Corrupt {
            segment: path,
            offset: 0,
            reason: how.to_owned(),
        },
    }
}

fn read_up_to(file: &File, into: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        match file.read_at(&mut into[have..], have as u64) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
