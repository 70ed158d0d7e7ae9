//! Owns format version 1 of the tape: what the bytes of a segment mean.
//!
//! A segment is a header, then frames without a space between them. Everything is little-endian
//! and every offset is a multiple of 64, so that a mapped segment hands out its records in place.
//!
//! ```text
//!  0                  256
//!  ├── segment header ──┬─ frame header ─┬─ records ──────┬─ frame header ─┬─ records ─┬─ …
//!  │ 256 bytes          │ 64 bytes       │ 64 bytes each  │ 64 bytes       │           │
//! ```
//!
//! Segment header:
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 8 | `RINGTAPE` |
//! | 8 | 2 | format version: 1 |
//! | 10 | 2 | bytes of this header: 256 |
//! | 12 | 2 | bytes of a record: 64 |
//! | 14 | 2 | version of the event's schema |
//! | 16 | 4 | id of the event's schema |
//! | 20 | 4 | zero |
//! | 24 | 16 | id of the journal, drawn when it was made |
//! | 40 | 8 | number of the segment, from 1 |
//! | 48 | 8 | sequence of the first record |
//! | 56 | 8 | when it was made, UNIX nanoseconds |
//! | 64 | 8 | most bytes that the segment may have |
//! | 72 | 56 | name of the bus, UTF-8, padded with zeros |
//! | 128 | 56 | name of the event's schema, likewise |
//! | 184 | 68 | zero |
//! | 252 | 4 | CRC-32C of bytes 0 to 251, in every format version |
//!
//! Frame header:
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 4 | `RTFR` |
//! | 4 | 4 | records: at most 4096; 0 is a *closing mark*, the last frame of a finished segment, which is never changed again |
//! | 8 | 8 | sequence of the first record, or the one that comes next |
//! | 16 | 8 | sequence after the last number that the records account for |
//! | 24 | 8 | least receive time in the segment so far, this frame included |
//! | 32 | 8 | greatest receive time, likewise: it never falls, so a time is found by halves |
//! | 40 | 8 | offset of this frame in its segment |
//! | 48 | 8 | the journal's id, lower half, plus the segment's number |
//! | 56 | 4 | CRC-32C of the records |
//! | 60 | 4 | CRC-32C of bytes 0 to 59 |
//!
//! A frame names its own place, so a stale or misplaced one is never taken for good. A record that
//! tells what the journal itself lacks (a gap of cause overrun or not journaled, feed 0) has the
//! first missing number as its own, and the next record the number after the last missing one;
//! between all other records numbers are dense.

use crate::record::{Content, Event, GapCause, Kind, RECORD_BYTES, Record, Schema, Sequence};
use crc_fast::{CrcAlgorithm, Digest};
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version that is written, and the newest that is read.
pub const FORMAT_VERSION: u16 = 1;
/// Bytes of a segment's header.
pub const SEGMENT_HEADER_BYTES: u64 = 256;
/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: u64 = 64;
/// The most records of a frame.
pub const FRAME_RECORDS_MAX: u32 = 4096;

const SEGMENT_MAGIC: [u8; 8] = *b"RINGTAPE";
const FRAME_MAGIC: [u8; 4] = *b"RTFR";
const NAME_BYTES: usize = 56;
/// Records that are looked at and summed in one go: 8 KiB, in the first cache.
const PIECE_RECORDS: usize = 128;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawSegmentHeader {
    magic: [u8; 8],
    format_version: U16,
    header_bytes: U16,
    record_bytes: U16,
    schema_version: U16,
    schema_id: U32,
    zero: U32,
    journal_id: [u8; 16],
    index: U64,
    first: U64,
    created_ns: U64,
    segment_bytes: U64,
    bus: [u8; NAME_BYTES],
    schema: [u8; NAME_BYTES],
    reserved: [u8; 68],
    crc: U32,
}

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawFrameHeader {
    magic: [u8; 4],
    count: U32,
    first: U64,
    end: U64,
    least_recv_ns: U64,
    greatest_recv_ns: U64,
    offset: U64,
    tag: U64,
    body_crc: U32,
    header_crc: U32,
}

const _: () = assert!(size_of::<RawSegmentHeader>() == 256);
const _: () = assert!(size_of::<RawSegmentHeader>() as u64 == SEGMENT_HEADER_BYTES);
const _: () = assert!(std::mem::offset_of!(RawSegmentHeader, journal_id) == 24);
const _: () = assert!(std::mem::offset_of!(RawSegmentHeader, bus) == 72);
const _: () = assert!(std::mem::offset_of!(RawSegmentHeader, crc) == 252);
const _: () = assert!(size_of::<RawFrameHeader>() == 64);
const _: () = assert!(size_of::<RawFrameHeader>() as u64 == FRAME_HEADER_BYTES);
const _: () = assert!(std::mem::offset_of!(RawFrameHeader, offset) == 40);
const _: () = assert!(std::mem::offset_of!(RawFrameHeader, header_crc) == 60);
// Records lie aligned in a mapped segment.
const _: () = assert!(size_of::<RawSegmentHeader>().is_multiple_of(RECORD_BYTES));
const _: () = assert!(size_of::<RawFrameHeader>().is_multiple_of(RECORD_BYTES));

/// The names and the id of a journal, the same in all of its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Drawn at random when the journal was made.
    pub id: u128,
    /// The name of the bus that it records.
    pub bus: String,
    /// The name of the event's schema.
    pub schema_name: String,
    /// The schema's id.
    pub schema_id: u32,
    /// The schema's version.
    pub schema_version: u16,
}

impl Identity {
    pub(super) fn new(id: u128, bus: &str, schema: Schema) -> Self {
        Self {
            id,
            bus: bus.to_owned(),
            schema_name: schema.name.to_owned(),
            schema_id: schema.id,
            schema_version: schema.version,
        }
    }

    /// Returns whether records of this journal are `schema`'s.
    #[must_use]
    pub fn is_of(&self, schema: Schema) -> bool {
        (self.schema_id, self.schema_version) == (schema.id, schema.version)
    }
}

/// A segment's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Whose segment it is.
    pub(super) identity: Identity,
    /// Its number, from 1.
    pub(super) index: u64,
    /// The sequence of its first record.
    pub(super) first: Sequence,
    /// When it was made, UNIX nanoseconds.
    pub(super) created_ns: u64,
    /// The most bytes that it may have.
    pub(super) segment_bytes: u64,
}

/// Why the first bytes of a file are not the header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// It begins with something else.
    NotASegment,
    /// Fewer bytes than a header has, or only zeros: the file had just been made.
    Unfinished,
    /// Written by a newer version of this library.
    Newer(u16),
    /// The checksum differs, or a field has a value that is never written.
    Damaged(&'static str),
}

impl SegmentHeader {
    pub(super) fn to_bytes(&self) -> [u8; 256] {
        let mut raw = RawSegmentHeader {
            magic: SEGMENT_MAGIC,
            format_version: U16::new(FORMAT_VERSION),
            header_bytes: U16::new(256),
            record_bytes: U16::new(64),
            schema_version: U16::new(self.identity.schema_version),
            schema_id: U32::new(self.identity.schema_id),
            zero: U32::new(0),
            journal_id: self.identity.id.to_le_bytes(),
            index: U64::new(self.index),
            first: U64::new(self.first.get()),
            created_ns: U64::new(self.created_ns),
            segment_bytes: U64::new(self.segment_bytes),
            bus: padded(&self.identity.bus),
            schema: padded(&self.identity.schema_name),
            reserved: [0; 68],
            crc: U32::new(0),
        };
        raw.crc = U32::new(checksum([&raw.as_bytes()[..252]]));
        zerocopy::transmute!(raw)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NoHeader> {
        let start = &bytes[..bytes.len().min(size_of::<RawSegmentHeader>())];
        if start.iter().all(|byte| *byte == 0) {
            return Err(NoHeader::Unfinished);
        }
        let Ok((raw, _)) = RawSegmentHeader::ref_from_prefix(bytes) else {
            return Err(if SEGMENT_MAGIC.starts_with(&start[..start.len().min(8)]) {
                NoHeader::Unfinished
            } else {
                NoHeader::NotASegment
            });
        };
        let sound = raw.crc.get() == checksum([&raw.as_bytes()[..252]]);
        if raw.magic != SEGMENT_MAGIC {
            return Err(if sound {
                NoHeader::NotASegment
            } else {
                NoHeader::Damaged("the segment's header is not one")
            });
        }
        if !sound {
            return Err(NoHeader::Damaged(
                "the segment's header has another checksum",
            ));
        }
        if raw.format_version.get() > FORMAT_VERSION {
            return Err(NoHeader::Newer(raw.format_version.get()));
        }
        let (Some(bus), Some(schema_name)) = (unpadded(&raw.bus), unpadded(&raw.schema)) else {
            return Err(NoHeader::Damaged(
                "a name in the segment's header is not UTF-8",
            ));
        };
        let layout = (raw.header_bytes.get(), raw.record_bytes.get());
        let numbers = 1..=Sequence::MAX.get();
        if layout != (256, 64) || raw.index.get() == 0 || !numbers.contains(&raw.first.get()) {
            return Err(NoHeader::Damaged(
                "the segment's header has a value that version 1 never writes",
            ));
        }
        Ok(Self {
            identity: Identity {
                id: u128::from_le_bytes(raw.journal_id),
                bus,
                schema_name,
                schema_id: raw.schema_id.get(),
                schema_version: raw.schema_version.get(),
            },
            index: raw.index.get(),
            first: Sequence::new(raw.first.get()),
            created_ns: raw.created_ns.get(),
            segment_bytes: raw.segment_bytes.get(),
        })
    }

    /// What each frame of the segment carries in its header.
    pub(super) fn tag(&self) -> u64 {
        let [low, _]: [u64; 2] = zerocopy::transmute!(self.identity.id.to_le_bytes());
        u64::from_le(low).wrapping_add(self.index)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Records; 0 in a closing mark.
    pub count: u32,
    /// The sequence of the first record, or the one that comes next.
    pub first: Sequence,
    /// The sequence after the last that the records account for.
    pub end: Sequence,
    /// The least receive time in the segment so far, this frame included.
    pub least_recv_ns: u64,
    /// The greatest receive time in the segment so far, this frame included.
    pub greatest_recv_ns: u64,
    /// Where the frame begins in its segment, in bytes.
    pub offset: u64,
    pub(super) body_crc: u32,
}

/// Why there is no good frame at a place.
pub(super) type NoFrame = &'static str;

impl FrameHeader {
    /// Describes the records of both slices, of which the first must have the number `first`. The
    /// frame's place is to be filled in.
    ///
    /// # Panics
    ///
    /// For more records than a frame may have, and for other numbers.
    pub(super) fn of<E: Event>(records: [&[Record<E>]; 2], first: Sequence) -> Self {
        let count = u32::try_from(records[0].len() + records[1].len())
            .ok()
            .filter(|count| *count <= FRAME_RECORDS_MAX)
            .expect("a frame has at most FRAME_RECORDS_MAX records");
        let (mut least, mut greatest) = (u64::MAX, 0);
        let mut end = first;
        let mut dense = true;
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        // Piece by piece, so that the checksum finds the bytes where the look at them left them.
        for piece in records.iter().flat_map(|slice| slice.chunks(PIECE_RECORDS)) {
            let mut after = end;
            let mut events = true;
            for record in piece {
                events &= record.is_event_with(after);
                after = after.next();
                least = least.min(record.ts_recv_ns());
                greatest = greatest.max(record.ts_recv_ns());
            }
            if events {
                end = after;
            } else {
                // Rare: something else than events is among them, and may account for more numbers
                // than its own.
                for record in piece {
                    dense &= record.sequence() == end;
                    end = number_after(record);
                }
            }
            digest.update(piece.as_bytes());
        }
        assert!(dense, "a journal's numbers are dense: {first} comes next");
        Self {
            count,
            first,
            end,
            least_recv_ns: least,
            greatest_recv_ns: greatest,
            offset: 0,
            body_crc: crc32(&digest),
        }
    }

    pub(super) fn to_bytes(self, tag: u64) -> [u8; 64] {
        let mut raw = RawFrameHeader {
            magic: FRAME_MAGIC,
            count: U32::new(self.count),
            first: U64::new(self.first.get()),
            end: U64::new(self.end.get()),
            least_recv_ns: U64::new(self.least_recv_ns),
            greatest_recv_ns: U64::new(self.greatest_recv_ns),
            offset: U64::new(self.offset),
            tag: U64::new(tag),
            body_crc: U32::new(self.body_crc),
            header_crc: U32::new(0),
        };
        raw.header_crc = U32::new(checksum([&raw.as_bytes()[..60]]));
        zerocopy::transmute!(raw)
    }

    /// Reads the header of the frame that a segment with `tag` has at `offset`.
    pub(super) fn parse(bytes: &[u8; 64], tag: u64, offset: u64) -> Result<Self, NoFrame> {
        let raw: &RawFrameHeader = zerocopy::transmute_ref!(bytes);
        if raw.magic != FRAME_MAGIC {
            return Err("no frame begins here");
        }
        if raw.header_crc.get() != checksum([&raw.as_bytes()[..60]]) {
            return Err("the frame's header has another checksum");
        }
        if raw.tag.get() != tag || raw.offset.get() != offset {
            return Err("the frame belongs to another place or another journal");
        }
        let header = Self {
            count: raw.count.get(),
            first: Sequence::new(raw.first.get()),
            end: Sequence::new(raw.end.get()),
            least_recv_ns: raw.least_recv_ns.get(),
            greatest_recv_ns: raw.greatest_recv_ns.get(),
            offset,
            body_crc: raw.body_crc.get(),
        };
        let numbers = raw.end.get().checked_sub(raw.first.get());
        let plausible = header.count <= FRAME_RECORDS_MAX
            && raw.end.get() <= Sequence::MAX.get()
            && raw.first.get() > 0
            && numbers.is_some_and(|numbers| numbers >= u64::from(header.count))
            && (header.count > 0 || header.first == header.end);
        if !plausible {
            return Err("the frame's header has values that are never written");
        }
        Ok(header)
    }

    /// Returns whether this is the mark at the end of a finished segment.
    #[must_use]
    pub const fn is_closing_mark(&self) -> bool {
        self.count == 0
    }

    /// Returns the bytes of the header and the records.
    #[must_use]
    pub const fn frame_bytes(&self) -> u64 {
        FRAME_HEADER_BYTES + self.count as u64 * RECORD_BYTES as u64
    }
}

/// The CRC-32C of all the parts, one behind the other.
pub(super) fn checksum<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    parts.iter().for_each(|part| digest.update(part));
    crc32(&digest)
}

fn crc32(digest: &Digest) -> u32 {
    u32::try_from(digest.finalize()).expect("invariant: this checksum has 32 bits")
}

/// The number that follows `record` in a journal.
pub(crate) fn number_after<E: Event>(record: &Record<E>) -> Sequence {
    // Most records are none, and are not taken apart.
    if record.kind() != Some(Kind::Gap) {
        return record.sequence().next();
    }
    match record.content() {
        Content::Gap(gap)
            if matches!(gap.cause, GapCause::Overrun | GapCause::NotJournaled)
                && gap.first == record.sequence().get() =>
        {
            Sequence::new(gap.last.saturating_add(1))
        }
        _ => record.sequence().next(),
    }
}

/// The longest that a name can be, in bytes.
pub(super) const NAME_BYTES_MAX: usize = NAME_BYTES;

fn padded(name: &str) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    let kept = name.len().min(NAME_BYTES);
    bytes[..kept].copy_from_slice(&name.as_bytes()[..kept]);
    bytes
}

fn unpadded(bytes: &[u8; NAME_BYTES]) -> Option<String> {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    std::str::from_utf8(&bytes[..end]).ok().map(str::to_owned)
}
