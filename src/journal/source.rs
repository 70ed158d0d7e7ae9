//! Owns looking for frames in a segment.

use super::bytes::{self, Bytes};
use super::directory::{self, SegmentEntry};
use super::format::{
    FRAME_HEADER_BYTES, FRAME_RECORDS_MAX, FrameHeader, NoFrame, NoHeader, SEGMENT_HEADER_BYTES,
    SegmentHeader, checksum,
};
use crate::error::{Error, Result};
use crate::record::{Event, RECORD_BYTES, Record, Sequence};
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use zerocopy::{FromBytes, IntoBytes};

/// The most of a growing segment that is mapped, whatever its header says: 64 GiB.
pub(super) const SEGMENT_BYTES_MAX: u64 = 64 << 30;
/// The longest frame.
const FRAME_BYTES_MAX: u64 = FRAME_HEADER_BYTES + FRAME_RECORDS_MAX as u64 * RECORD_BYTES as u64;
/// What is read at once where frames are looked for, and how near a search by halves goes.
const SCAN_BYTES: usize = 16 << 10;

/// How records show that they are not what was written.
pub(super) const OTHER_RECORDS: NoFrame = "the frame's records have another checksum";
/// How a frame shows that its segment was changed after it was finished.
pub(super) const BEHIND_MARK: NoFrame = "a frame lies behind the closing mark";
/// What a segment lacks that is not the last one and ends in its header.
pub(super) const NO_HEADER: &str = "the segment's header is missing";

const _: () = assert!(SEGMENT_HEADER_BYTES == 256);
const _: () = assert!(SCAN_BYTES.is_multiple_of(RECORD_BYTES));

/// A segment that is open for reading.
#[derive(Debug)]
pub(super) struct Source<E> {
    event: PhantomData<fn() -> E>,
    pub(super) entry: SegmentEntry,
    pub(super) header: SegmentHeader,
    tag: u64,
    content: Bytes,
}

/// What a file is instead of a segment.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// It had just been made when its writer ended: nothing was ever in it.
    Unfinished { bytes: u64 },
    /// It was deleted since it was listed, and not because it was archived.
    Gone,
    /// It cannot be read as a segment.
    Error(Error),
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        match error {
            Error::Os { os, .. } if os.kind() == io::ErrorKind::NotFound => Self::Gone,
            error => Self::Error(error),
        }
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
    /// Opens a segment and checks its header; as an archive, where it was archived since it was
    /// listed.
    pub(super) fn open(entry: &SegmentEntry) -> std::result::Result<Self, NotOpened> {
        match Self::open_file(entry) {
            // An archive has its name before the plain file is deleted.
            Err(NotOpened::Gone) if !entry.archived => Self::open_file(&entry.to_archived()),
            opened => opened,
        }
    }

    fn open_file(entry: &SegmentEntry) -> std::result::Result<Self, NotOpened> {
        let (content, start, have) = Bytes::open(entry, mapped_bytes)?;
        let header = match SegmentHeader::parse(&start[..have]) {
            Ok(header) => header,
            Err(NoHeader::Unfinished) => {
                let bytes = content.length().map_err(|os| failed(entry, os))?;
                if bytes > SEGMENT_HEADER_BYTES {
                    return Err(refuse(entry, NoHeader::Unfinished).into());
                }
                return Err(NotOpened::Unfinished { bytes });
            }
            Err(why) => return Err(refuse(entry, why).into()),
        };
        check(entry, &header, E::SCHEMA)?;
        Ok(Self {
            entry: entry.clone(),
            tag: header.tag(),
            header,
            content,
            event: PhantomData,
        })
    }

    /// Returns how long the segment is now.
    pub(super) fn bytes(&self) -> Result<u64> {
        self.content.length().map_err(|os| self.failed(os))
    }

    /// Returns whether the file still has a name.
    pub(super) fn is_linked(&self) -> Result<bool> {
        self.content.is_linked().map_err(|os| self.failed(os))
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
        let raw: &[u8; 64] = match self.content.lend(offset, FRAME_HEADER_BYTES) {
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
        match self
            .content
            .records(frame.offset + FRAME_HEADER_BYTES, frame.count as usize)
        {
            Ok(bytes) => Ok(<[Record<E>]>::ref_from_bytes(bytes)
                .expect("invariant: frames lie at multiples of 64, and whole in memory")),
            Err(os) if os.kind() == io::ErrorKind::InvalidData => Err(Error::Corrupt {
                segment: self.entry.path.clone(),
                offset: frame.offset,
                reason: os.to_string(),
            }),
            Err(os) => Err(failed(&self.entry, os)),
        }
    }

    /// Returns whether a frame that [`look`](Self::look) found has its checksum.
    pub(super) fn is_whole(&mut self, frame: &FrameHeader) -> Result<bool> {
        match self.records(frame) {
            Ok(records) => Ok(checksum([records.as_bytes()]) == frame.body_crc),
            Err(Error::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
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
        let (mut offset, mut end) = self.near(|_| true)?;
        while let Found::Frame(frame) = self.look(offset, bytes)? {
            offset += frame.frame_bytes();
            end = frame.end;
        }
        Ok(end)
    }

    /// Returns where a frame begins from which a walk soon comes to the last frame that is `before`
    /// some place; it is true of every frame up to that one and of none behind it. Halves the
    /// distance, so it looks at few frames.
    pub(super) fn near(
        &mut self,
        before: impl Fn(&FrameHeader) -> bool,
    ) -> Result<(u64, Sequence)> {
        let bytes = self.bytes()?;
        let (mut low, mut first) = (SEGMENT_HEADER_BYTES, self.header.first);
        let mut high = bytes;
        while high.saturating_sub(low) > SCAN_BYTES as u64 {
            let middle = low + (high - low) / 2;
            match self.frame_behind(middle, high, bytes)? {
                Some(frame) if before(&frame) => {
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
    fn read(&mut self, into: &mut [u8], offset: u64) -> Result<usize> {
        let read = self.content.read(into, offset);
        read.map_err(|os| failed(&self.entry, os))
    }

    pub(super) fn corrupt(&self, offset: u64, reason: impl Into<String>) -> Error {
        Error::Corrupt {
            segment: self.entry.path.clone(),
            offset,
            reason: reason.into(),
        }
    }

    fn failed(&self, os: io::Error) -> Error {
        failed(&self.entry, os)
    }
}

/// How a whole frame shows that it does not belong where it is.
pub(super) fn misplaced(finished: bool, frame: &FrameHeader, expected: Sequence) -> String {
    if finished {
        BEHIND_MARK.to_owned()
    } else {
        format!(
            "the frame begins with record {}, and {expected} comes next",
            frame.first
        )
    }
}

fn failed(entry: &SegmentEntry, os: io::Error) -> Error {
    Error::os(format!("read {}", entry.path.display()), os)
}

/// How much to map of a file that begins with `start` and is `bytes` long now: a segment that is
/// being written grows.
fn mapped_bytes(start: &[u8], bytes: u64) -> u64 {
    let most = SegmentHeader::parse(start).map_or(0, |header| header.segment_bytes);
    bytes.max(most.min(SEGMENT_BYTES_MAX))
}

/// Returns when a segment was made, UNIX nanoseconds, whatever events it holds; `None` for one that
/// has no header yet.
pub(super) fn created_ns(entry: &SegmentEntry) -> Result<Option<u64>> {
    let (start, have) = bytes::read_start(entry)?;
    match SegmentHeader::parse(&start[..have]) {
        Ok(header) => Ok(Some(header.created_ns)),
        Err(NoHeader::Unfinished) => Ok(None),
        Err(why) => Err(refuse(entry, why)),
    }
}

/// How a segment is told that was deleted since it was listed.
pub(super) fn gone(entry: &SegmentEntry) -> Error {
    Error::Journal {
        path: entry.path.clone(),
        problem: "was deleted while the journal was read".to_owned(),
        remedy: "read the journal again, from what is left of it",
    }
}

/// How a segment without a header is refused that is not the last.
pub(super) fn unfinished(entry: &SegmentEntry) -> Error {
    refuse(entry, NoHeader::Unfinished)
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
            reason: NO_HEADER.to_owned(),
        },
        NoHeader::Damaged(how) => Error::Corrupt {
            segment: path,
            offset: 0,
            reason: how.to_owned(),
        },
    }
}
