//! Owns the way from a capture file or a journal to handlers: one for each of its feeds.
//!
//! A capture has a feed for each session in it, a journal one for each number in its records. What
//! the handlers do with their records is not known here.

mod moment;
mod streams;

use crate::packets::SessionTally;
use crate::progress::Progress;
use crate::sessions::Sessions;
use crate::source::Format;
use crate::trading_date::TradingDate;
use crate::{interrupt, tape};
use anyhow::{Result, ensure};
use ringtape::error::Error;
use ringtape::journal::{Journal, Reader};
use ringtape::market::{EventKind, MarketEvent};
use ringtape::record::{Content, Record, Sequence};
use std::path::Path;

pub(crate) use self::moment::Moment;
pub(crate) use self::streams::{FEED_OF_CAPTURE, Origin, Stream, Streams, feed_of};

/// A capture file or a journal that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    input: Input,
    /// What was wrong with it: nothing behind it is read.
    damage: Option<String>,
    /// Whether there were events that follow from books, of which no book can be made.
    has_derived: bool,
}

#[derive(Debug)]
enum Input {
    Capture(Box<Sessions>),
    Journal(Box<Tape>),
}

/// A journal, and how far it was read.
#[derive(Debug)]
struct Tape {
    reader: Reader<MarketEvent>,
    progress: Progress,
    read_bytes: u64,
}

/// Records that belong together: those of a packet, or of a journal's frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// The session of a capture that they are of; those of a journal name their feed.
    pub(crate) session: Option<(usize, &'a SessionTally)>,
    pub(crate) records: &'a [Record<MarketEvent>],
}

impl<'a> Part<'a> {
    /// Returns the records up to the first that was received after a time, and the rest.
    pub(crate) fn split(self, recv_ns: u64) -> (Self, Self) {
        let later = |record: &Record<MarketEvent>| record.ts_recv_ns() > recv_ns;
        let count = self.records.iter().position(later);
        let (now, rest) = self.records.split_at(count.unwrap_or(self.records.len()));
        let part = |records: &'a [Record<MarketEvent>]| Self { records, ..self };
        (part(now), part(rest))
    }
}

impl Reading {
    /// Opens a capture file, or a journal where `path` is a directory. With `quiet` there is no
    /// progress bar unless standard output is a terminal.
    pub(crate) fn open(path: &Path, date: Option<TradingDate>, quiet: bool) -> Result<Self> {
        let input = if path.is_dir() {
            ensure!(
                date.is_none(),
                "--date is for files: the times of a journal were fixed when it was written"
            );
            let journal = Journal::<MarketEvent>::open(path)?;
            let bytes = tape::file_bytes(journal.segments());
            Input::Journal(Box::new(Tape {
                reader: journal.reader(),
                progress: Progress::over(bytes, false, quiet),
                read_bytes: 0,
            }))
        } else {
            Input::Capture(Box::new(Sessions::open(path, date, quiet)?))
        };
        Ok(Self {
            input,
            damage: None,
            has_derived: false,
        })
    }

    /// Returns what comes next; `None` at the end, at damage and after Ctrl-C. At the end of a
    /// journal a later call may return what was written since.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) fn next(&mut self) -> Result<Option<Part<'_>>> {
        if interrupt::requested() || self.damage.is_some() {
            return Ok(None);
        }
        match &mut self.input {
            Input::Capture(sessions) => {
                let brought = sessions.read(|_| Ok(Some(Sequence::FIRST)))?;
                Ok(brought.map(|brought| Part {
                    session: Some((brought.session, brought.tally)),
                    records: brought.records,
                }))
            }
            Input::Journal(tape) => match tape.reader.next() {
                Ok(Some(frame)) => {
                    tape.read_bytes += frame.header.frame_bytes();
                    tape.progress.set(tape.read_bytes);
                    self.has_derived = self.has_derived || frame.records.iter().any(is_derived);
                    Ok(Some(Part {
                        session: None,
                        records: frame.records,
                    }))
                }
                Ok(None) => {
                    tape.progress.finish();
                    Ok(None)
                }
                Err(damage @ Error::Corrupt { .. }) => {
                    tape.progress.finish();
                    self.damage = Some(format!(
                        "the journal is damaged, what came before was read: {damage}"
                    ));
                    Ok(None)
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Takes the progress bar away.
    pub(crate) fn finish(&self) {
        match &self.input {
            Input::Capture(sessions) => sessions.finish(),
            Input::Journal(tape) => tape.progress.finish(),
        }
    }

    /// Takes the progress bar away for good.
    pub(crate) fn hide_progress(&mut self) {
        match &mut self.input {
            Input::Capture(sessions) => sessions.hide_progress(),
            Input::Journal(tape) => tape.progress = Progress::hidden(),
        }
    }

    /// Returns whether this is a journal, to which more may be written.
    pub(crate) fn is_journal(&self) -> bool {
        matches!(self.input, Input::Journal(_))
    }

    /// Returns whether more sessions may come than were seen.
    pub(crate) fn may_bring_sessions(&self) -> bool {
        match &self.input {
            // The file is one session.
            Input::Capture(sessions) => {
                sessions.packets().source().format() != Format::Itch50BinaryFile
            }
            Input::Journal(_) => false,
        }
    }

    /// Returns whether all that was read was sound.
    pub(crate) fn is_whole(&self) -> bool {
        match &self.input {
            Input::Capture(sessions) => sessions.packets().end().damage.is_none(),
            Input::Journal(_) => self.damage.is_none(),
        }
    }

    /// Returns what the user should know of what was read.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.damage.iter().cloned().collect();
        if self.has_derived {
            warnings.push(
                "it has events that were derived from books: of those no book or bar is made, but \
                 of the journal that they were derived from"
                    .to_owned(),
            );
        }
        match &self.input {
            Input::Capture(sessions) => warnings.extend(sessions.packets().end().warnings()),
            Input::Journal(tape) if tape.reader.torn_bytes() > 0 => warnings.push(format!(
                "{} bytes at the end are not a whole frame: torn off, or still being written",
                tape.reader.torn_bytes()
            )),
            Input::Journal(_) => {}
        }
        warnings
    }
}

fn is_derived(record: &Record<MarketEvent>) -> bool {
    match record.content() {
        // They are the last of the kinds.
        Content::Event(event) => {
            (EventKind::BBO.0..=EventKind::VWAP.0).contains(&event.head.kind.0)
        }
        _ => false,
    }
}
