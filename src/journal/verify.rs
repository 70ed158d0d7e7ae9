//! Owns the verdict on a journal: is every byte what was written, and is anything missing.

use super::directory::{self, SegmentEntry};
use super::format::{FrameHeader, SEGMENT_HEADER_BYTES, number_after};
use super::source::{self, BEHIND_MARK, Found, NO_HEADER, NotOpened, OTHER_RECORDS, Source};
use crate::error::{Error, Result};
use crate::record::{Content, Event, Sequence};
use std::path::{Path, PathBuf};

/// What a journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte belongs to a whole frame.
    Clean,
    /// A segment ends in bytes that a crash tore off; nothing is missing before or behind them.
    Torn,
    /// Damaged, or records are missing.
    Corrupt,
    /// There is no record.
    Empty,
}

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub segment: PathBuf,
    /// Where, in bytes.
    pub offset: u64,
    /// How it shows.
    pub reason: String,
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Segments.
    pub segments: u64,
    /// Whole frames, without closing marks.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// How many of those are events.
    pub events: u64,
    /// The sequence of the first record.
    pub first: Option<Sequence>,
    /// The last sequence that the records account for.
    pub last: Option<Sequence>,
    /// Bytes that a crash tore off.
    pub torn_bytes: u64,
    /// Whether the last segment has no header yet: its writer ended as it made it.
    pub unfinished: bool,
    /// Whether the last segment ends with a closing mark: the writer ended in good order.
    pub closed: bool,
    /// Every damaged place.
    pub damage: Vec<Damage>,
}

impl Findings {
    /// Returns the verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.damage.is_empty() {
            Verdict::Corrupt
        } else if self.torn_bytes > 0 || self.unfinished {
            Verdict::Torn
        } else if self.records == 0 {
            Verdict::Empty
        } else {
            Verdict::Clean
        }
    }

    fn damaged(&mut self, segment: &Path, offset: u64, reason: impl Into<String>) {
        self.damage.push(Damage {
            segment: segment.to_owned(),
            offset,
            reason: reason.into(),
        });
    }
}

/// Reads a whole journal, header by header and record by record, also behind what is damaged.
/// `progress` is called after each segment with how many there are in all.
///
/// # Errors
///
/// When the directory is no journal, or cannot be read. Damage is not an error but a finding.
pub fn verify<E: Event>(directory: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Findings> {
    let mut findings = Findings::default();
    let segments = directory::list_existing(directory)?;
    let mut walk = Walk {
        expected: None,
        index: None,
        identity: None,
    };
    for (position, entry) in segments.iter().enumerate() {
        let last = position + 1 == segments.len();
        walk.segment::<E>(entry, last, &mut findings)?;
        findings.segments += 1;
        progress(findings.segments, segments.len() as u64);
    }
    Ok(findings)
}

/// Where the walk through a journal is.
struct Walk {
    /// The sequence that comes next; `None` where that is not known.
    expected: Option<Sequence>,
    /// The number of the last segment.
    index: Option<u64>,
    identity: Option<super::Identity>,
}

impl Walk {
    fn segment<E: Event>(
        &mut self,
        entry: &SegmentEntry,
        last: bool,
        findings: &mut Findings,
    ) -> Result<()> {
        findings.closed = false;
        if let Some(before) = self.index.replace(entry.index)
            && before + 1 != entry.index
        {
            let missing = format!(
                "segments {} to {} are missing before it",
                before + 1,
                entry.index - 1
            );
            findings.damaged(&entry.path, 0, missing);
        }
        let mut source = match Source::<E>::open(entry) {
            Ok(source) => source,
            Err(NotOpened::Unfinished { bytes }) if last => {
                findings.torn_bytes += bytes;
                findings.unfinished = true;
                return Ok(());
            }
            Err(NotOpened::Unfinished { .. }) => {
                findings.damaged(&entry.path, 0, NO_HEADER);
                return Ok(());
            }
            Err(NotOpened::Error(Error::Corrupt { offset, reason, .. })) => {
                findings.damaged(&entry.path, offset, reason);
                return Ok(());
            }
            Err(NotOpened::Gone) => return Err(source::gone(entry)),
            Err(NotOpened::Error(error)) => return Err(error),
        };
        let identity = self
            .identity
            .get_or_insert_with(|| source.header.identity.clone());
        if *identity != source.header.identity {
            findings.damaged(&entry.path, 0, "it belongs to another journal");
            return Ok(());
        }
        self.check_follows(source.header.first, entry, 0, findings);
        self.frames(&mut source, findings)
    }

    fn frames<E: Event>(&mut self, source: &mut Source<E>, findings: &mut Findings) -> Result<()> {
        let bytes = source.bytes()?;
        let mut offset = SEGMENT_HEADER_BYTES;
        loop {
            let why = match source.look(offset, bytes)? {
                Found::End => return Ok(()),
                Found::Frame(frame) if source.is_whole(&frame)? => {
                    self.frame(source, &frame, findings)?;
                    offset += frame.frame_bytes();
                    continue;
                }
                Found::Frame(_) => OTHER_RECORDS,
                Found::Bad(why) => why,
            };
            findings.closed = false;
            let Some(behind) = source.whole_frame_behind(offset, bytes)? else {
                findings.torn_bytes += bytes - offset;
                return Ok(());
            };
            let reason = match self.expected {
                Some(expected) if expected < behind.first => {
                    let last = behind.first.get() - 1;
                    format!("{why}; records {expected} to {last} are lost")
                }
                _ => why.to_owned(),
            };
            findings.damaged(&source.entry.path, offset, reason);
            self.expected = None;
            offset = behind.offset;
        }
    }

    fn frame<E: Event>(
        &mut self,
        source: &mut Source<E>,
        frame: &FrameHeader,
        findings: &mut Findings,
    ) -> Result<()> {
        let entry = source.entry.clone();
        if findings.closed {
            findings.damaged(&entry.path, frame.offset, BEHIND_MARK);
        }
        self.check_follows(frame.first, &entry, frame.offset, findings);
        findings.closed = frame.is_closing_mark();
        self.expected = Some(frame.end);
        if frame.is_closing_mark() {
            return Ok(());
        }
        findings.frames += 1;
        findings.first.get_or_insert(frame.first);
        findings.last = Some(Sequence::new(frame.end.get() - 1));
        let mut expected = frame.first;
        let mut sound = true;
        for record in source.records(frame)? {
            sound &= record.sequence() == expected;
            expected = number_after(record);
            let content = record.content();
            sound &= !matches!(content, Content::Invalid);
            findings.events += u64::from(matches!(content, Content::Event(_)));
            findings.records += 1;
        }
        if !sound || expected != frame.end {
            findings.damaged(
                &entry.path,
                frame.offset,
                "the records' numbers or kinds are none that are ever written",
            );
        }
        Ok(())
    }

    fn check_follows(
        &mut self,
        first: Sequence,
        entry: &SegmentEntry,
        offset: u64,
        findings: &mut Findings,
    ) {
        if let Some(expected) = self.expected
            && expected != first
        {
            let reason = if expected < first {
                format!(
                    "records {expected} to {} are missing before it",
                    first.get().saturating_sub(1)
                )
            } else {
                format!("it begins with record {first}, and {expected} comes next")
            };
            findings.damaged(&entry.path, offset, reason);
        }
        self.expected = Some(first);
    }
}
