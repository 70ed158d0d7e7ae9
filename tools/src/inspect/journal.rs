//! Owns the inspection of a journal.

use super::report::Report;
use crate::cli::Outcome;
use crate::progress::Progress;
use crate::{interrupt, reading, tape, watched};
use anyhow::Result;
use ringtape::book::Books;
use ringtape::error::Error;
use ringtape::feed::itch;
use ringtape::journal::{Frame, Identity, Journal};
use ringtape::market::{EventKind, Flags, MarketEvent};
use ringtape::record::{
    Content, DeadLetter, Digest, Gap, GapCause, Record, Sequence, Session, SessionMark,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was found in a journal.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) directory: PathBuf,
    pub(super) identity: Identity,
    pub(super) segments: u64,
    pub(super) archived: bool,
    pub(super) records: u64,
    pub(super) first: Option<Sequence>,
    pub(super) last: Option<Sequence>,
    /// Least and greatest receive time.
    pub(super) recv_ns: Option<(u64, u64)>,
    /// Numbers of ours that the journal lacks.
    pub(super) records_missing: u64,
    pub(super) messages: u64,
    pub(super) messages_by_type: [u64; 256],
    pub(super) unknown_messages: u64,
    /// Numbers of the feeds that were lost because what brought them broke the format.
    pub(super) malformed: u64,
    /// Feed and number of each instrument that was named.
    pub(super) instruments: BTreeSet<(u8, u32)>,
    pub(super) sessions: Vec<SessionRecorded>,
    /// The books of each feed.
    pub(super) books: BTreeMap<u8, Books>,
    pub(super) torn_bytes: u64,
    pub(super) digest: Digest,
    pub(super) warnings: Vec<String>,
    /// Which of the sessions each feed is in.
    current: BTreeMap<u8, usize>,
    /// Records that this version does not know.
    strange: u64,
}

/// One session of a feed, from its start, or from the beginning of the journal.
#[derive(Debug, Default)]
pub(super) struct SessionRecorded {
    /// `None` where the journal does not have its start.
    pub(super) name: Option<String>,
    pub(super) feed: u8,
    pub(super) ended: bool,
    /// Lowest and highest number that was delivered.
    pub(super) first: Option<u64>,
    pub(super) last: Option<u64>,
    pub(super) messages: u64,
    /// Runs of numbers that the feed lost, and the numbers in them.
    pub(super) gaps: u64,
    pub(super) missing: u64,
    /// How often the venue began to number again.
    pub(super) restarts: u64,
    pub(super) events: u64,
    pub(super) first_event_ns: Option<u64>,
    pub(super) last_event_ns: Option<u64>,
    /// The number that comes next, once one was told in full.
    next: Option<u64>,
    /// The number after the last gap.
    gap_end: Option<u64>,
    /// Whether numbers are known by their low 32 bits only.
    cut: bool,
}

/// Reads a journal to its end, or to its damage.
pub(super) fn inspect(directory: &Path, json: bool) -> Result<(Report, Outcome)> {
    let journal = Journal::<MarketEvent>::open(directory)?;
    let mut recorded = Recorded::new(&journal);
    let progress = Progress::over(tape::file_bytes(journal.segments()), false, json);
    let mut reader = journal.reader();
    let mut read_bytes = 0;
    let mut outcome = Outcome::Passed;
    loop {
        if interrupt::requested() {
            let stopped = "stopped before the end of the journal".to_owned();
            recorded.warnings.push(stopped);
            outcome = Outcome::Interrupted;
            break;
        }
        match reader.next() {
            Ok(Some(frame)) => {
                recorded.frame(&frame);
                read_bytes += frame.header.frame_bytes();
                progress.set(read_bytes);
            }
            Ok(None) => break,
            Err(damage @ Error::Corrupt { .. }) => {
                recorded.warnings.push(format!(
                    "the journal is damaged, what came before was read: {damage}"
                ));
                outcome = Outcome::Failed;
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    progress.finish();
    recorded.torn_bytes = reader.torn_bytes();
    recorded.warn();
    Ok((Report::of_journal(recorded), outcome))
}

impl Recorded {
    fn new(journal: &Journal<MarketEvent>) -> Self {
        let segments = journal.segments();
        Self {
            directory: journal.directory().to_owned(),
            identity: journal.identity().clone(),
            segments: segments.len() as u64,
            archived: segments.iter().any(|segment| segment.archived),
            records: 0,
            first: None,
            last: None,
            recv_ns: None,
            records_missing: 0,
            messages: 0,
            messages_by_type: [0; 256],
            unknown_messages: 0,
            malformed: 0,
            instruments: BTreeSet::new(),
            sessions: Vec::new(),
            books: BTreeMap::new(),
            torn_bytes: 0,
            digest: Digest::new(),
            warnings: Vec::new(),
            current: BTreeMap::new(),
            strange: 0,
        }
    }

    /// Returns the name that reports give what the messages are of.
    pub(super) fn feed(&self) -> &'static str {
        if self.unknown_messages * 2 < self.messages {
            "nasdaq-itch50"
        } else {
            "unknown"
        }
    }

    fn frame(&mut self, frame: &Frame<'_, MarketEvent>) {
        let header = &frame.header;
        self.first.get_or_insert(header.first);
        self.last = Some(Sequence::new(header.end.get() - 1));
        let (least, greatest) = self.recv_ns.unwrap_or((u64::MAX, 0));
        self.recv_ns = Some((
            least.min(header.least_recv_ns),
            greatest.max(header.greatest_recv_ns),
        ));
        self.records += frame.records.len() as u64;
        for record in frame.records {
            self.digest.record(record);
            self.tell_books(record);
            match record.content() {
                Content::Event(event) => self.event(event),
                Content::Gap(gap) => self.gap(gap),
                Content::Session(session) => self.mark(&session),
                Content::DeadLetter(letter) => self.dead_letter(letter),
                Content::Invalid => self.strange += 1,
            }
        }
    }

    /// What the recorder lost may be of any feed.
    fn tell_books(&mut self, record: &Record<MarketEvent>) {
        match reading::feed_of(record) {
            Some(feed) => {
                let books = self.books.entry(feed);
                watched::tell(books.or_insert_with(|| watched::books(feed)), record);
            }
            None => {
                for books in self.books.values_mut() {
                    watched::tell(books, record);
                }
            }
        }
    }

    fn event(&mut self, event: &MarketEvent) {
        let head = &event.head;
        if head.kind == EventKind::INSTRUMENT {
            self.instruments.insert((head.feed, head.instrument));
        }
        let message_type = itch::message_type(event);
        // An event that was made beside a message, or the first of its group.
        let is_part = !head.flags.contains(Flags::LAST) || head.flags.contains(Flags::DERIVED);
        match message_type {
            Some(message_type) => self.messages_by_type[usize::from(message_type)] += 1,
            None if is_part => {}
            None => self.unknown_messages += 1,
        }
        let is_message = message_type.is_some() || !is_part;
        self.messages += u64::from(is_message);

        let session = self.session_of(head.feed);
        session.events += 1;
        session.first_event_ns.get_or_insert(head.ts_event_ns);
        session.last_event_ns = Some(head.ts_event_ns);
        if is_message {
            let number = session.whole_number(event.message);
            session.delivered(number);
        }
    }

    /// Sums saturate: a gap says what it likes, and none of its numbers has to be in the file.
    fn gap(&mut self, gap: Gap) {
        if !tape::is_of_feed(gap.cause) {
            self.records_missing = self.records_missing.saturating_add(gap.count());
            return;
        }
        if gap.cause == GapCause::Malformed {
            self.malformed = self.malformed.saturating_add(gap.count());
        }
        let session = self.session_of(gap.feed);
        // A run that was lost for two causes is two records.
        session.gaps += u64::from(session.gap_end != Some(gap.first));
        session.missing = session.missing.saturating_add(gap.count());
        session.next = Some(gap.last.saturating_add(1));
        session.gap_end = session.next;
    }

    fn mark(&mut self, mark: &Session) {
        match mark.mark {
            SessionMark::End => {
                self.session_of(mark.feed).ended = true;
                self.current.remove(&mark.feed);
                return;
            }
            SessionMark::Restart => {
                let session = self.session_of(mark.feed);
                session.restarts += 1;
                session.next = Some(mark.feed_sequence);
                session.gap_end = None;
                return;
            }
            SessionMark::Silent | SessionMark::Resumed => return,
            _ => {}
        }
        let name = mark.id.split(|byte| *byte == 0).next().unwrap_or_default();
        self.current.insert(mark.feed, self.sessions.len());
        self.sessions.push(SessionRecorded {
            name: Some(name.trim_ascii().escape_ascii().to_string()),
            feed: mark.feed,
            next: Some(mark.feed_sequence),
            ..SessionRecorded::default()
        });
    }

    fn dead_letter(&mut self, letter: &DeadLetter) {
        self.messages += 1;
        self.messages_by_type[usize::from(letter.head[0])] += 1;
        self.unknown_messages += 1;
        self.session_of(letter.feed).delivered(letter.feed_sequence);
    }

    /// Returns the session that a feed is in; one without a name where its start is not there.
    fn session_of(&mut self, feed: u8) -> &mut SessionRecorded {
        let index = *self.current.entry(feed).or_insert_with(|| {
            self.sessions.push(SessionRecorded {
                feed,
                ..SessionRecorded::default()
            });
            self.sessions.len() - 1
        });
        &mut self.sessions[index]
    }

    /// Says what the reader of the report should know.
    fn warn(&mut self) {
        let cut = self.sessions.iter().filter(|session| session.cut).count() as u64;
        for (count, what) in [
            (
                self.torn_bytes,
                "bytes at the end are not a whole frame: torn off, or still being written",
            ),
            (
                self.records_missing,
                "records are missing in the journal, as its gaps say: the counts are without them",
            ),
            (
                self.strange,
                "records are of kinds that this version does not know",
            ),
            (
                self.unknown_messages,
                "messages are of types that ITCH 5.0 does not have",
            ),
            (
                cut,
                "sessions began before the journal: of their numbers the low 32 bits are known",
            ),
        ] {
            if count > 0 {
                self.warnings.push(format!("{count} {what}"));
            }
        }
    }
}

impl SessionRecorded {
    /// Returns the venue's number of which an event keeps the low half.
    fn whole_number(&mut self, low: u32) -> u64 {
        self.cut |= self.next.is_none();
        tape::whole_number(self.next, low)
    }

    fn delivered(&mut self, number: u64) {
        self.messages += 1;
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        self.last = Some(self.last.map_or(number, |last| last.max(number)));
        self.next = Some(number.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_start_the_low_half_is_all_that_is_known() {
        let mut session = SessionRecorded::default();
        assert_eq!(session.whole_number(77), 77);
        assert!(session.cut);
    }
}
