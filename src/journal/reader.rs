//! Owns reading a journal: in order, from any place, while it is written or after.

mod opened;
mod records;

use super::directory::{self, SegmentEntry};
use super::format::{FrameHeader, Identity, NoFrame, number_after};
use super::source::{Found, NotOpened, OTHER_RECORDS, Source, gone, misplaced};
use crate::error::{Error, Result};
use crate::record::{Event, Record, Sequence};
use std::path::PathBuf;

pub use opened::Journal;
pub use records::Records;

/// A frame's records, in the segment's own memory.
#[derive(Debug)]
pub struct Frame<'a, E: Event> {
    /// The frame's header; where reading began inside the frame, its numbers are those of the
    /// whole.
    pub header: FrameHeader,
    /// The number of its segment.
    pub segment: u64,
    /// Its records, from where reading began.
    pub records: &'a [Record<E>],
}

/// Where in a frame reading begins.
#[derive(Clone, Copy, Debug)]
enum From {
    Start,
    Sequence(Sequence),
    Time(u64),
}

/// Reads a journal frame by frame, and goes on when there is more.
#[derive(Debug)]
pub struct Reader<E> {
    directory: PathBuf,
    identity: Identity,
    segments: Vec<SegmentEntry>,
    /// Which of the segments is being read.
    position: usize,
    source: Option<Source<E>>,
    /// Where the next frame begins.
    offset: u64,
    /// The sequence that comes next.
    expected: Option<Sequence>,
    from: From,
    verifies: bool,
    /// Whether the segment's closing mark was read.
    finished: bool,
    /// Bytes behind the last whole frame of the segments that were left.
    torn_bytes_before: u64,
    /// Bytes behind the last whole frame, where there was none the last time.
    torn_bytes: u64,
}

impl<E: Event> Reader<E> {
    fn new(journal: &Journal<E>, position: usize) -> Self {
        Self {
            directory: journal.directory().to_owned(),
            identity: journal.identity().clone(),
            segments: journal.segments().to_vec(),
            position,
            source: None,
            offset: super::format::SEGMENT_HEADER_BYTES,
            expected: None,
            from: From::Start,
            verifies: true,
            finished: false,
            torn_bytes_before: 0,
            torn_bytes: 0,
        }
    }

    /// Leaves out the checksums of the records; those of the headers are always compared.
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.verifies = false;
        self
    }

    /// Returns the next frame, or `None` where there is none *now*: while the journal is being
    /// written, a later call may return one.
    ///
    /// No allocation within a segment; one `fstat` for each frame, so that a file that became
    /// shorter is noticed.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] where a frame is damaged or records are missing, and there is more
    /// behind it; [`Error::Os`] where a segment cannot be read. The reader stays where it is.
    // Lends from itself, which `Iterator` cannot say.
    #[allow(clippy::should_implement_trait, reason = "lends from itself")]
    pub fn next(&mut self) -> Result<Option<Frame<'_, E>>> {
        loop {
            let Some(header) = self.advance(|source, frame, verifies| {
                Ok(if verifies && !source.is_whole(frame)? {
                    Err(OTHER_RECORDS)
                } else {
                    Ok(())
                })
            })?
            else {
                return Ok(None);
            };
            let skipped = self.skipped(&header)?;
            self.pass(&header);
            if skipped == header.count as usize {
                continue;
            }
            let source = self
                .source
                .as_mut()
                .expect("invariant: a frame was found in it");
            return Ok(Some(Frame {
                header,
                segment: source.entry.index,
                records: &source.records(&header)?[skipped..],
            }));
        }
    }

    /// Returns an iterator over copies of the records, from here on.
    pub fn records(&mut self) -> Records<'_, E> {
        Records {
            reader: self,
            frame: Vec::new(),
            returned: 0,
            failed: false,
        }
    }

    /// Returns the sequence that comes next, once something was read.
    #[must_use]
    pub fn expected(&self) -> Option<Sequence> {
        self.expected
    }

    /// Returns how many bytes lay behind the last whole frame of a segment: what a crash tore off.
    /// At the end of a journal that is being written they may still become a frame.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes_before + self.torn_bytes
    }

    /// Goes to the last frame that is `before` a place in the segment where it must be.
    fn go_near(&mut self, before: impl Fn(&FrameHeader) -> bool) -> Result<()> {
        if self.open()?
            && let Some(source) = &mut self.source
        {
            let (offset, first) = source.near(before)?;
            self.offset = offset;
            self.expected = Some(first);
        }
        Ok(())
    }

    /// Goes to the end of each finished segment whose closing mark may be skipped.
    fn skip_segments(&mut self, may_skip: impl Fn(&FrameHeader) -> bool) -> Result<()> {
        while self.position + 1 < self.segments.len() && self.open()? {
            let Some(source) = &mut self.source else {
                break;
            };
            match source.closing_mark()? {
                Some(mark) if may_skip(&mark) => {
                    self.source = None;
                    self.position += 1;
                    self.expected = Some(mark.end);
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// Goes to the first frame that is `wanted`, without looking at records. Returns where the
    /// journal ends if there is none.
    fn hop(&mut self, wanted: impl Fn(&FrameHeader) -> bool) -> Result<Option<Sequence>> {
        loop {
            match self.advance(|_, _, _| Ok(Ok(())))? {
                Some(frame) if wanted(&frame) => return Ok(None),
                Some(frame) => self.pass(&frame),
                None => {
                    let first = self.segments[self.position].first;
                    return Ok(Some(self.expected.unwrap_or(first)));
                }
            }
        }
    }

    /// Whether the frame that was found and not passed has its records.
    fn is_at_whole_frame(&mut self) -> Result<bool> {
        let offset = self.offset;
        let Some(source) = &mut self.source else {
            return Ok(false);
        };
        let bytes = source.bytes()?;
        match source.look(offset, bytes)? {
            Found::Frame(frame) => source.is_whole(&frame),
            Found::End | Found::Bad(_) => Ok(false),
        }
    }

    /// How many records of a frame lie before the place where reading begins.
    fn skipped(&mut self, frame: &FrameHeader) -> Result<usize> {
        let from = std::mem::replace(&mut self.from, From::Start);
        let source = self
            .source
            .as_mut()
            .expect("invariant: a frame was found in it");
        Ok(match from {
            From::Start => 0,
            From::Sequence(sequence) => source
                .records(frame)?
                .partition_point(|record| number_after(record) <= sequence),
            From::Time(recv_ns) => {
                let records = source.records(frame)?;
                let found = records
                    .iter()
                    .position(|record| record.ts_recv_ns() >= recv_ns);
                found.unwrap_or(records.len())
            }
        })
    }

    fn pass(&mut self, frame: &FrameHeader) {
        self.finished |= frame.is_closing_mark();
        self.offset = frame.offset + frame.frame_bytes();
        self.expected = Some(frame.end);
    }

    /// Finds the next frame with records and leaves it to be passed. `accept` may refuse it.
    fn advance(
        &mut self,
        mut accept: impl FnMut(
            &mut Source<E>,
            &FrameHeader,
            bool,
        ) -> Result<std::result::Result<(), NoFrame>>,
    ) -> Result<Option<FrameHeader>> {
        loop {
            if self.source.is_none() && !self.open()? {
                return Ok(None);
            }
            let source = self.source.as_mut().expect("invariant: it was just opened");
            let bytes = source.bytes()?;
            if bytes < self.offset {
                return Err(source.corrupt(bytes, "the file became shorter while it was read"));
            }
            let expected = self.expected.unwrap_or(source.header.first);
            let bad = match source.look(self.offset, bytes)? {
                Found::End => None,
                Found::Bad(why) => Some(why),
                Found::Frame(frame) if self.finished || frame.first != expected => {
                    if source.is_whole(&frame)? {
                        let reason = misplaced(self.finished, &frame, expected);
                        return Err(source.corrupt(self.offset, reason));
                    }
                    Some(OTHER_RECORDS)
                }
                Found::Frame(frame) => match accept(source, &frame, self.verifies)? {
                    Ok(()) if frame.is_closing_mark() => {
                        self.pass(&frame);
                        continue;
                    }
                    Ok(()) => return Ok(Some(frame)),
                    Err(why) => Some(why),
                },
            };
            if !self.end_segment(expected, bytes, bad)? {
                return Ok(None);
            }
        }
    }

    /// Deals with the end of the segment's good frames. Returns whether to look again.
    fn end_segment(
        &mut self,
        expected: Sequence,
        bytes: u64,
        bad: Option<NoFrame>,
    ) -> Result<bool> {
        let source = self.source.as_mut().expect("invariant: it is being read");
        if let Some(reason) = bad
            && source.whole_frame_behind(self.offset, bytes)?.is_some()
        {
            // A writer may have completed this frame, and the one behind it, since it was looked
            // at.
            return match source.look(self.offset, bytes)? {
                Found::Frame(frame) if frame.first == expected && source.is_whole(&frame)? => {
                    Ok(true)
                }
                _ => Err(source.corrupt(self.offset, reason)),
            };
        }
        self.torn_bytes = bytes - self.offset;
        // A segment has a successor once it has its closing mark, or was removed while it was
        // written; until then the directory need not be listed again and again.
        if self.position + 1 == self.segments.len() && (self.finished || !source.is_linked()?) {
            self.look_for_more()?;
        }
        let source = self.source.as_mut().expect("invariant: it is being read");
        let Some(next) = self.segments.get(self.position + 1) else {
            if self.finished || source.is_linked()? {
                return Ok(false);
            }
            let reason = "the segment was removed while it was written; open the journal again";
            return Err(source.corrupt(self.offset, reason));
        };
        if source.bytes()? != bytes {
            return Ok(true);
        }
        if next.first != expected {
            // Bytes in front of a loss are part of it, and not what a crash tore off the end.
            self.torn_bytes = 0;
            let lost = format!(
                "records {expected} to {} are missing before the next segment{}",
                next.first.get().saturating_sub(1),
                bad.map(|why| format!(": {why}")).unwrap_or_default()
            );
            return Err(source.corrupt(self.offset, lost));
        }
        self.torn_bytes_before += std::mem::take(&mut self.torn_bytes);
        self.position += 1;
        self.source = None;
        Ok(true)
    }

    /// Lists the directory again: a writer may have begun a new segment.
    fn look_for_more(&mut self) -> Result<()> {
        let last = self.segments[self.position].index;
        let listed = directory::list(&self.directory)?.segments;
        self.segments
            .extend(listed.into_iter().filter(|segment| segment.index > last));
        Ok(())
    }

    /// Looks for the segment at the position under another name: it may have been unpacked since
    /// the directory was listed. Returns whether there is one.
    fn find_again(&mut self) -> Result<bool> {
        let entry = &mut self.segments[self.position];
        let mut listed = directory::list(&self.directory)?.segments.into_iter();
        let found = listed.find(|segment| segment.index == entry.index);
        Ok(found.map(|found| *entry = found).is_some())
    }

    /// Opens the segment at the position. Returns whether there was anything in it.
    fn open(&mut self) -> Result<bool> {
        let mut opened = Source::open(&self.segments[self.position]);
        if matches!(opened, Err(NotOpened::Gone)) && self.find_again()? {
            opened = Source::open(&self.segments[self.position]);
        }
        let entry = &self.segments[self.position];
        match opened {
            Ok(source) => {
                if source.header.identity != self.identity {
                    return Err(source.corrupt(
                        0,
                        format!(
                            "it belongs to another journal, {}",
                            source.header.identity.bus
                        ),
                    ));
                }
                self.offset = super::format::SEGMENT_HEADER_BYTES;
                self.finished = false;
                self.torn_bytes = 0;
                self.source = Some(source);
                Ok(true)
            }
            Err(NotOpened::Unfinished { bytes }) if self.position + 1 == self.segments.len() => {
                self.torn_bytes = bytes;
                Ok(false)
            }
            Err(NotOpened::Unfinished { .. }) => Err(without_header(entry)),
            Err(NotOpened::Gone) => Err(gone(entry)),
            Err(NotOpened::Error(error)) => Err(error),
        }
    }
}

/// What a segment is that ends in its header and is not the last.
fn without_header(entry: &SegmentEntry) -> Error {
    Error::Corrupt {
        segment: entry.path.clone(),
        offset: 0,
        reason: "the segment has no header, and there is one behind it".to_owned(),
    }
}
