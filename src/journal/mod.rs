//! Owns the tape: segments of records on disk, written by one and read by anyone.
//!
//! A journal is a directory. Its [`format`](FORMAT_VERSION) is described in `journal/format.rs`;
//! nothing but the segments tells what is in it, so there is no index that could disagree. One
//! [`Writer`] at a time appends whole frames; any number of [`Reader`]s, in any process, follow.
//!
//! * A process that is killed leaves at most a *torn tail*: part of a frame, at the end. The next
//!   writer cuts it and says how many bytes; readers stop before it.
//! * A damaged frame with a whole one behind it is *corruption*: named, with segment and byte,
//!   never cut and never skipped by a reader. [`verify`] lists all of them. After a loss of power,
//!   frames that were not yet durable can be damaged in this way too.
//! * A finished segment has a closing mark and is never changed again; it can be archived or
//!   removed from the front.
//! * What the journal itself lacks is a gap record in it.
//!
//! Knows nothing of threads and rings (`stage`), and of what handlers do (`replay`).

mod bytes;
mod counters;
mod directory;
mod format;
#[allow(
    unsafe_code,
    reason = "maps files, which the language cannot see being changed"
)]
mod map;
mod reader;
mod recovery;
mod retention;
mod segment;
mod source;
mod verify;
mod writer;

pub use counters::JournalCounters;
pub use directory::SegmentEntry;
pub(crate) use format::number_after;
pub use format::{
    FORMAT_VERSION, FRAME_HEADER_BYTES, FRAME_RECORDS_MAX, FrameHeader, Identity,
    SEGMENT_HEADER_BYTES,
};
pub use reader::{Frame, Journal, Reader, Records};
#[cfg(feature = "archive")]
pub use retention::{ArchivedSegment, archive};
pub use retention::{FinishedSegment, Retention, delete, finished_segments};
pub use verify::{Damage, Findings, Verdict, verify};
pub use writer::{Config, Recovery, SEGMENT_BYTES_MIN, SyncPolicy, Writer};
