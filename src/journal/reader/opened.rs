//! Owns a journal that is there to be read: what is in it, and where reading begins.

use super::{From, Reader, without_header};
use crate::error::{Error, Result};
use crate::journal::directory::{self, SegmentEntry};
use crate::journal::format::Identity;
use crate::journal::source::{self, NotOpened, Source};
use crate::record::{Event, Sequence};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A journal that is there to be read, by this process or while another writes it.
///
/// # Examples
///
/// ```
/// use ringtape::journal::{Config, Journal, Writer};
/// use ringtape::market::MarketEvent;
/// use ringtape::record::{Gap, GapCause, Record, Sequence};
///
/// let directory = std::env::temp_dir().join(format!("ringtape-doc-{}", std::process::id()));
/// let mut writer = Writer::<MarketEvent>::open(Config::new(&directory), 0)?;
/// let gap = Gap { first: 7, last: 9, cause: GapCause::Absent, feed: 1 };
/// let record = Record::gap(Sequence::FIRST, 1_700_000_000_000_000_000, gap);
/// writer.append([&[record], &[]], 0)?;
/// writer.close()?;
///
/// let journal = Journal::<MarketEvent>::open(&directory)?;
/// let mut reader = journal.reader();
/// while let Some(frame) = reader.next()? {
///     assert_eq!(frame.records[0].sequence(), Sequence::FIRST);
/// }
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Journal<E> {
    directory: PathBuf,
    segments: Vec<SegmentEntry>,
    identity: Identity,
    event: PhantomData<fn() -> E>,
}

/// How often a directory is listed when its first segment is deleted before it is opened.
const OPENINGS: usize = 8;

impl<E: Event> Journal<E> {
    /// Lists a directory and reads the header of its first segment. Takes no lock: a journal can
    /// be read while it is written.
    ///
    /// # Errors
    ///
    /// [`Error::Journal`] for a directory that is no journal, or one of other events or a newer
    /// format; [`Error::SegmentsMissing`]; [`Error::Corrupt`] for a damaged header.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory = directory.into();
        for _ in 1..OPENINGS {
            if let Some(journal) = Self::open_listed(&directory)? {
                return Ok(journal);
            }
        }
        Self::open_listed(&directory)?.ok_or_else(|| Error::Journal {
            path: directory,
            problem: "loses its oldest segments faster than they can be opened".to_owned(),
            remedy: "open it when nobody deletes from it",
        })
    }

    /// Opens a journal; `None` where its first segment was deleted since it was listed.
    fn open_listed(directory: &Path) -> Result<Option<Self>> {
        let segments = directory::list_existing(directory)?;
        source::check_complete::<E>(directory, &segments)?;
        let directory = directory.to_owned();
        match Source::<E>::open(&segments[0]) {
            Ok(source) => Ok(Some(Self {
                identity: source.header.identity,
                directory,
                segments,
                event: PhantomData,
            })),
            Err(NotOpened::Gone) => Ok(None),
            Err(NotOpened::Error(error)) => Err(error),
            Err(NotOpened::Unfinished { .. }) if segments.len() > 1 => {
                Err(without_header(&segments[0]))
            }
            Err(NotOpened::Unfinished { .. }) => Err(Error::Journal {
                path: directory,
                problem: "is no journal yet: its first segment has no header".to_owned(),
                remedy: "record to it, or remove the segment",
            }),
        }
    }

    /// Returns who recorded what.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the journal's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the segments that there were when the journal was opened.
    #[must_use]
    pub fn segments(&self) -> &[SegmentEntry] {
        &self.segments
    }

    /// Returns the sequence of the first record that is still there.
    #[must_use]
    pub fn first(&self) -> Sequence {
        self.segments[0].first
    }

    /// Returns the sequence that comes after the last record that is there now. Opens the last
    /// segment and hops over its frames; reads all of them where the last one is torn.
    ///
    /// # Errors
    ///
    /// What [`Reader::next`] gives.
    pub fn end(&self) -> Result<Sequence> {
        let last = self.segments.len() - 1;
        let mut reader = Reader::new(self, last);
        let mut last_frame = None;
        while let Some(frame) = reader.advance(|_, _, _| Ok(Ok(())))? {
            reader.pass(&frame);
            last_frame = Some(frame);
        }
        if let (Some(frame), Some(source)) = (&last_frame, &mut reader.source)
            && !source.is_whole(frame)?
        {
            // A loss of power can keep a frame's header and not its records, and so can more than
            // one frame end.
            reader = Reader::new(self, last);
            while reader.next()?.is_some() {}
        }
        let begun = reader.segments[reader.position].first;
        Ok(reader.expected.unwrap_or(begun))
    }

    /// Reads from the beginning.
    #[must_use]
    pub fn reader(&self) -> Reader<E> {
        Reader::new(self, 0)
    }

    /// Reads from the record that accounts for `sequence`: its own, or the gap in which it lies.
    /// Opens one segment, finds the frame by halves and compares its checksum.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for a sequence before the first record or behind the last, and what
    /// [`Reader::next`] gives.
    pub fn reader_at(&self, sequence: Sequence) -> Result<Reader<E>> {
        if sequence < self.first() {
            return Err(Error::config(
                format!("sequence {sequence} in {}", self.directory.display()),
                format!("the journal begins with {}", self.first()),
            ));
        }
        let behind = self
            .segments
            .partition_point(|segment| segment.first <= sequence);
        let mut reader = Reader::new(self, behind - 1);
        reader.go_near(|frame| frame.first <= sequence)?;
        let end = match reader.hop(|frame| frame.end > sequence)? {
            Some(end) => Some(end),
            // Its frame's header is there. If the records are not, they were torn off, or reading
            // them is an error.
            None if reader.is_at_whole_frame()? => None,
            None => self.end().ok().filter(|end| *end <= sequence),
        };
        if let Some(end) = end {
            return Err(Error::config(
                format!("sequence {sequence} in {}", self.directory.display()),
                format!("the journal ends before {end}"),
            ));
        }
        reader.from = From::Sequence(sequence);
        Ok(reader)
    }

    /// Reads from the first record, in the order of the journal, that was received at `recv_ns`
    /// (UNIX nanoseconds) or later; from the end where there is none. Reads the closing marks of
    /// the segments before that record's, and finds the frame in its own by halves. Exact although
    /// receive times need not rise: a frame's header has the greatest so far.
    ///
    /// # Errors
    ///
    /// What [`Reader::next`] gives.
    pub fn reader_at_time(&self, recv_ns: u64) -> Result<Reader<E>> {
        let mut reader = Reader::new(self, 0);
        reader.skip_segments(|mark| mark.greatest_recv_ns < recv_ns)?;
        reader.go_near(|frame| frame.greatest_recv_ns < recv_ns)?;
        reader.hop(|frame| frame.greatest_recv_ns >= recv_ns)?;
        reader.from = From::Time(recv_ns);
        Ok(reader)
    }
}
