//! Owns the bytes of a segment that is read: mapped, or decompressed from its archive.

use super::directory::{self, SegmentEntry};
use super::format::{
    FRAME_HEADER_BYTES, FRAME_RECORDS_MAX, FrameHeader, NoFrame, NoHeader, SEGMENT_HEADER_BYTES,
    SegmentHeader, checksum,
};
use super::map::Map;
use crate::error::{Error, Result};
use crate::record::{Event, RECORD_BYTES, Record, Sequence};
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use zerocopy::{FromBytes, IntoBytes};

/// The most of a growing segment that is mapped, whatever its header says: 64 GiB.
pub(super) const SEGMENT_BYTES_MAX: u64 = 64 << 30;
/// The longest frame.
const FRAME_BYTES_MAX: u64 = FRAME_HEADER_BYTES + FRAME_RECORDS_MAX as u64 * RECORD_BYTES as u64;
/// What is read at once where frames are looked for, and how near a search by halves goes.
const SCAN_BYTES: usize = 16 << 10;

const _: () = assert!(SEGMENT_HEADER_BYTES == 256);
const _: () = assert!(SCAN_BYTES.is_multiple_of(RECORD_BYTES));

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
        let have = read_up_to(&file, &mut start, 0).map_err(failed)?;
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

    /// Returns whether the file still has a name.
    pub(super) fn is_linked(&self) -> Result<bool> {
        let links = self.file.metadata().map_err(|os| self.failed(os))?.nlink();
        Ok(links > 0)
    }

    /// Returns what is at `offset` of a file that has `bytes`.
    pub(super) fn look(&mut self, offset: u64, bytes: u64) -> Result<Found> {
        if offset >= bytes {
            return Ok(Found::End);
        }
        if bytes - offset < FRAME_HEADER_BYTES {
            return Ok(Found::Bad("the file ends inside a frame's header"));
        }
        let mut copy = [0; 64];
        // A writer that takes over cuts what was torn off, less than a frame. Nearer than that to
        // the end the bytes may go between the question for the length and the look, so they are
        // not looked at in the map, where that would be a signal.
        let raw: &[u8; 64] = match self.map.get(offset, FRAME_HEADER_BYTES) {
            Some(mapped) if bytes - offset > FRAME_BYTES_MAX => mapped
                .first_chunk()
                .expect("invariant: 64 bytes were asked for"),
            _ => {
                let have = self.read(&mut copy, offset)?;
                if have < copy.len() {
                    return Ok(Found::Bad("the file ends inside a frame's header"));
                }
                &copy
            }
        };
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
        Ok(checksum([records.as_bytes()]) == frame.body_crc)
    }

    /// Returns the first whole frame behind `offset`, where there is none that counts: what was
    /// only torn off has none.
    pub(super) fn whole_frame_behind(
        &mut self,
        offset: u64,
        bytes: u64,
    ) -> Result<Option<FrameHeader>> {
        let mut from = offset;
        while let Some(frame) = self.frame_behind(from, bytes, bytes)? {
            if self.is_whole(&frame)? {
                return Ok(Some(frame));
            }
            from = frame.offset;
        }
        Ok(None)
    }

    /// Returns the mark at the end of a finished segment.
    pub(super) fn closing_mark(&mut self) -> Result<Option<FrameHeader>> {
        let bytes = self.bytes()?;
        let offset = bytes.saturating_sub(FRAME_HEADER_BYTES);
        Ok(match self.look(offset.max(SEGMENT_HEADER_BYTES), bytes)? {
            Found::Frame(mark) if mark.is_closing_mark() => Some(mark),
            _ => None,
        })
    }

    /// Returns the sequence behind the last good frame before any that is not.
    fn end(&mut self) -> Result<Sequence> {
        if let Some(mark) = self.closing_mark()? {
            return Ok(mark.end);
        }
        let bytes = self.bytes()?;
        let (mut offset, mut end) = self.near(Sequence::MAX)?;
        while let Found::Frame(frame) = self.look(offset, bytes)? {
            offset += frame.frame_bytes();
            end = frame.end;
        }
        Ok(end)
    }

    /// Returns where a frame begins from which a walk over frames soon comes to `sequence`, or to
    /// the end. Halves the distance, so it does not look at most frames.
    pub(super) fn near(&mut self, sequence: Sequence) -> Result<(u64, Sequence)> {
        let bytes = self.bytes()?;
        let (mut low, mut first) = (SEGMENT_HEADER_BYTES, self.header.first);
        let mut high = bytes;
        while high.saturating_sub(low) > SCAN_BYTES as u64 {
            let middle = low + (high - low) / 2;
            match self.frame_behind(middle, high, bytes)? {
                Some(frame) if frame.first <= sequence => {
                    (low, first) = (frame.offset, frame.first);
                }
                _ => high = middle,
            }
        }
        Ok((low, first))
    }

    /// Returns the first frame that begins behind `offset` and before `until`, and whose header is
    /// good and whose records are within `bytes`.
    fn frame_behind(&mut self, offset: u64, until: u64, bytes: u64) -> Result<Option<FrameHeader>> {
        let mut at = (offset / FRAME_HEADER_BYTES + 1) * FRAME_HEADER_BYTES;
        let mut buffer = [0; SCAN_BYTES];
        while at < until {
            let have = self.read(&mut buffer, at)?;
            let (places, _) = buffer[..have].as_chunks::<64>();
            for place in places {
                if at < until
                    && let Ok(frame) = FrameHeader::parse(place, self.tag, at)
                    && frame.frame_bytes() <= bytes.saturating_sub(at)
                {
                    return Ok(Some(frame));
                }
                at += FRAME_HEADER_BYTES;
            }
            if places.is_empty() {
                break;
            }
        }
        Ok(None)
    }

    /// Copies bytes from the file, fewer where it ends.
    fn read(&self, into: &mut [u8], offset: u64) -> Result<usize> {
        read_up_to(&self.file, into, offset).map_err(|os| self.failed(os))
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

/// Sees that no segment is missing between two others.
pub(super) fn check_complete<E: Event>(directory: &Path, segments: &[SegmentEntry]) -> Result<()> {
    let Some((before, after)) = directory::hole(segments) else {
        return Ok(());
    };
    let end = match Source::<E>::open(before) {
        Ok(mut source) => source.end()?,
        Err(_) => before.first,
    };
    Err(Error::SegmentsMissing {
        directory: directory.to_owned(),
        first_segment: before.index + 1,
        last_segment: after.index - 1,
        first: end.get(),
        last: after.first.get() - 1,
    })
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
