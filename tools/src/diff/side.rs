//! Owns one side of a comparison: records in order, of a journal or a capture.

use crate::follow::{Calendar, Follower};
use crate::packets::{DEFAULT_SESSION, Packets};
use crate::progress::Progress;
use crate::source::Source;
use crate::tape;
use crate::trading_date::TradingDate;
use anyhow::Result;
use ringtape::journal::{Journal, Reader};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record, Sequence};
use std::path::Path;

/// The number of a capture's feed: it is not compared.
const FEED: u8 = 1;

/// A recording that is being compared.
#[derive(Debug)]
pub(super) struct Side {
    recording: Recording,
    progress: Progress,
    /// Records that were read and not yet compared.
    held: Vec<Record<MarketEvent>>,
    compared: usize,
}

#[derive(Debug)]
enum Recording {
    Journal {
        reader: Box<Reader<MarketEvent>>,
        read_bytes: u64,
    },
    Capture(Box<Capture>),
}

#[derive(Debug)]
struct Capture {
    packets: Packets,
    calendar: Calendar,
    /// Follows the first session, once there is one.
    follower: Option<Follower>,
    ended: bool,
}

/// How a side ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) warnings: Vec<String>,
    pub(super) damaged: bool,
}

impl Side {
    pub(super) fn open(path: &Path, date: Option<TradingDate>, json: bool) -> Result<Self> {
        let (recording, progress) = if path.is_dir() {
            let journal = Journal::open(path)?;
            let bytes = tape::file_bytes(journal.segments());
            let recording = Recording::Journal {
                reader: Box::new(journal.reader()),
                read_bytes: 0,
            };
            (recording, Progress::over(bytes, false, json))
        } else {
            let source = Source::open(path)?;
            let progress = Progress::start(&source, false, json);
            let capture = Capture {
                calendar: Calendar::new(source.format(), date)?,
                packets: Packets::new(source, DEFAULT_SESSION),
                follower: None,
                ended: false,
            };
            (Recording::Capture(Box::new(capture)), progress)
        };
        Ok(Self {
            recording,
            progress,
            held: Vec::new(),
            compared: 0,
        })
    }

    pub(super) fn is_capture(&self) -> bool {
        matches!(self.recording, Recording::Capture(_))
    }

    /// Returns the next record, and passes over session marks `by_content`.
    pub(super) fn next(&mut self, by_content: bool) -> Result<Option<Record<MarketEvent>>> {
        loop {
            if let Some(record) = self.held.get(self.compared) {
                self.compared += 1;
                if by_content && matches!(record.content(), Content::Session(_)) {
                    continue;
                }
                return Ok(Some(*record));
            }
            self.held.clear();
            self.compared = 0;
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Reads on. Returns whether there was anything.
    fn read(&mut self) -> Result<bool> {
        match &mut self.recording {
            Recording::Journal { reader, read_bytes } => {
                let Some(frame) = reader.next()? else {
                    return Ok(false);
                };
                self.held.extend_from_slice(frame.records);
                *read_bytes += frame.header.frame_bytes();
                self.progress.set(*read_bytes);
            }
            Recording::Capture(capture) => {
                if capture.ended {
                    return Ok(false);
                }
                self.held.extend_from_slice(capture.read()?);
                self.progress.update(capture.packets.source());
            }
        }
        Ok(true)
    }

    /// Takes the progress bar away, and tells how reading ended.
    pub(super) fn finish(&self) -> Ended {
        self.progress.finish();
        match &self.recording {
            Recording::Journal { reader, .. } => {
                let torn_bytes = reader.torn_bytes();
                let warning = format!(
                    "{torn_bytes} bytes at the end are not a whole frame: torn off, or still being \
                     written"
                );
                Ended {
                    warnings: (torn_bytes > 0).then_some(warning).into_iter().collect(),
                    damaged: false,
                }
            }
            Recording::Capture(capture) => {
                let end = capture.packets.end();
                let mut warnings = end.warnings();
                if capture.packets.tally().sessions.len() > 1 {
                    warnings.push("several sessions: the first one was compared".to_owned());
                }
                Ended {
                    warnings,
                    damaged: end.damage.is_some(),
                }
            }
        }
    }
}

impl Capture {
    /// Returns the records of the next packet, and behind the last those of the session's end.
    fn read(&mut self) -> Result<&[Record<MarketEvent>]> {
        let Some(packet) = self.packets.read() else {
            self.ended = true;
            return Ok(match &mut self.follower {
                None => &[],
                Some(follower) => {
                    let session = &self.packets.tally().sessions[0];
                    follower.end(session)
                }
            });
        };
        if packet.session != 0 {
            return Ok(&[]);
        }
        let ts_ns = packet.ts_ns;
        let midnight_ns = self.calendar.midnight_ns(ts_ns)?;
        let recv_ns = self.calendar.recv_ns(ts_ns, midnight_ns);
        if self.follower.is_none() {
            let protocol = self.packets.tally().sessions[0].protocol;
            self.follower = Some(Follower::new(protocol, FEED, midnight_ns, Sequence::FIRST)?);
        }
        let follower = self.follower.as_mut().expect("invariant: it was just made");
        Ok(follower.follow(self.packets.current(), recv_ns))
    }
}
