//! Owns the way from the records of a journal to numbered messages.

use super::super::{SessionTally, Tally};
use super::{Unsent, feed_of, ids};
use crate::new_york;
use crate::tape::{is_of_feed, whole_number};
use ringtape::error::Error;
use ringtape::feed::itch::{Encoded, Encoder, Unencodable};
use ringtape::feed::moldudp64::SessionId;
use ringtape::journal::{Journal, Reader};
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Gap, Record, Sequence, Session, SessionMark};
use std::collections::BTreeSet;

/// Times below this count from midnight, which is as much as a message can say: 48 bits. As UNIX
/// nanoseconds they would be of the first days of 1970.
const UNIX_NS_MIN: u64 = 1 << 48;

/// One message with its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered {
    /// UNIX nanoseconds at which it was received.
    pub(super) recv_ns: u64,
    /// Which of [`Tally::sessions`] it belongs to.
    pub(super) session: usize,
    /// The venue's number, below `u64::MAX`.
    pub(super) number: u64,
    pub(super) bytes: Encoded,
}

impl Numbered {
    /// Tells whether the message may be the one behind `count` others from `first` on.
    pub(super) fn follows(&self, first: &Self, count: u64) -> bool {
        self.recv_ns == first.recv_ns
            && self.session == first.session
            && self.number.checked_sub(first.number) == Some(count)
    }
}

/// Reads a journal for the messages of one feed.
#[derive(Debug)]
pub(super) struct Messages {
    records: Records,
    feed: u8,
    substitute: SessionId,
    encoder: Encoder,
    /// Groups that the encoder had cut when that was last looked at.
    cut_groups: u64,
    /// Whether the midnight of the session's times is known.
    has_midnight: bool,
    current: Option<Current>,
    /// For each of the sessions.
    unsent: Vec<Unsent>,
    /// Those that the venue ended: what begins under the same name is another.
    ended: BTreeSet<usize>,
    gap_numbers: u64,
    missing_records: u64,
}

/// The session that the feed is in.
#[derive(Clone, Copy, Debug)]
struct Current {
    session: usize,
    /// The number that comes next, once one was told in full.
    next: Option<u64>,
}

impl Messages {
    pub(super) fn new(journal: &Journal<MarketEvent>, feed: u8, substitute: SessionId) -> Self {
        Self {
            records: Records {
                reader: journal.reader(),
                frame: Vec::new(),
                returned: 0,
                read_bytes: 0,
                damage: None,
                feeds: [false; 256],
            },
            feed,
            substitute,
            encoder: Encoder::new(feed, 0),
            cut_groups: 0,
            has_midnight: false,
            current: None,
            unsent: Vec::new(),
            ended: BTreeSet::new(),
            gap_numbers: 0,
            missing_records: 0,
        }
    }

    /// Returns the next message; `None` at the end of the journal, or at its damage.
    pub(super) fn next(&mut self, tally: &mut Tally) -> Option<Numbered> {
        loop {
            let Some(record) = self.records.next() else {
                self.settle_groups();
                return None;
            };
            let feed = feed_of(&record);
            if let Some(feed) = feed
                && feed != self.feed
            {
                continue;
            }
            let sequence = record.sequence();
            let found = match record.content() {
                Content::Event(event) => self.event(event, sequence, tally),
                Content::DeadLetter(letter) => {
                    let encoded = self.encoder.dead_letter(letter).map(Some);
                    self.number(encoded, |_| letter.feed_sequence, sequence, tally)
                }
                Content::Gap(gap) => self.gap(gap, tally),
                Content::Session(session) => self.mark(&session, tally),
                Content::Invalid => {
                    let current = self.current(tally);
                    self.unsent[current.session].unknown_record(sequence);
                    None
                }
            };
            if let Some((session, number, bytes)) = found {
                return Some(Numbered {
                    recv_ns: record.ts_recv_ns(),
                    session,
                    number,
                    bytes,
                });
            }
        }
    }

    fn event(
        &mut self,
        event: &MarketEvent,
        sequence: Sequence,
        tally: &mut Tally,
    ) -> Option<(usize, u64, Encoded)> {
        if !self.has_midnight {
            // A feed has one midnight for all its life, and each life begins with a session mark.
            self.encoder
                .set_midnight(midnight_ns(event.head.ts_event_ns));
            self.has_midnight = true;
        }
        let encoded = self.encoder.event(event);
        let number = |next| whole_number(next, event.message);
        self.number(encoded, number, sequence, tally)
    }

    /// Finds the place of what was encoded, or counts why it was not.
    fn number(
        &mut self,
        encoded: Result<Option<Encoded>, Unencodable>,
        number: impl FnOnce(Option<u64>) -> u64,
        sequence: Sequence,
        tally: &mut Tally,
    ) -> Option<(usize, u64, Encoded)> {
        let Current { session, next } = self.current(tally);
        let number = number(next);
        let following = number.checked_add(1);
        match (encoded, following) {
            (Err(why), _) => self.unsent[session].encoder(&why, sequence),
            (Ok(None), _) => {}
            (Ok(Some(_)), None) => self.unsent[session].number(number, sequence),
            (Ok(Some(bytes)), Some(_)) => {
                self.current = Some(Current {
                    session,
                    next: following,
                });
                return Some((session, number, bytes));
            }
        }
        None
    }

    fn gap(&mut self, gap: Gap, tally: &mut Tally) -> Option<(usize, u64, Encoded)> {
        if !is_of_feed(gap.cause) {
            self.missing_records = self.missing_records.saturating_add(gap.count());
            return None;
        }
        self.gap_numbers = self.gap_numbers.saturating_add(gap.count());
        let following = gap.last.saturating_add(1);
        let session = self.current(tally).session;
        tally.sessions[session].announce(following);
        self.current = Some(Current {
            session,
            next: Some(following),
        });
        None
    }

    fn mark(&mut self, mark: &Session, tally: &mut Tally) -> Option<(usize, u64, Encoded)> {
        match mark.mark {
            SessionMark::End => {
                let session = self.current(tally).session;
                tally.sessions[session].announce(mark.feed_sequence);
                self.ended.insert(session);
                return None;
            }
            // Numbers that come again mean other messages: as if it were a session of its own.
            SessionMark::Restart => {
                let session = self.current(tally).session;
                self.ended.insert(session);
            }
            SessionMark::Silent | SessionMark::Resumed => return None,
            _ => {}
        }
        self.settle_groups();
        let name = wire_name(&mark.id);
        let mut known = tally.sessions.iter().enumerate();
        let known = known.find(|(index, session)| {
            session.named && session.wire_name == name && !self.ended.contains(index)
        });
        let session = match known {
            Some((session, _)) => session,
            None => self.begin(SessionTally::new(name, true), tally),
        };
        self.has_midnight = false;
        self.current = Some(Current {
            session,
            next: Some(mark.feed_sequence),
        });
        None
    }

    /// Returns the session that the feed is in; one without a name where the journal does not have
    /// its start.
    fn current(&mut self, tally: &mut Tally) -> Current {
        if let Some(current) = self.current {
            return current;
        }
        let session = self.begin(SessionTally::new(self.substitute, false), tally);
        let current = Current {
            session,
            next: None,
        };
        self.current = Some(current);
        current
    }

    fn begin(&mut self, session: SessionTally, tally: &mut Tally) -> usize {
        tally.sessions.push(session);
        self.unsent.push(Unsent::default());
        self.unsent.len() - 1
    }

    /// Counts the groups of the session so far that lack their second half.
    fn settle_groups(&mut self) {
        let cut_groups = self.encoder.cut_groups();
        if let Some(current) = self.current {
            self.unsent[current.session].cut_groups(cut_groups - self.cut_groups);
        }
        self.cut_groups = cut_groups;
    }

    pub(super) fn feed(&self) -> u8 {
        self.feed
    }

    pub(super) fn feeds(&self) -> BTreeSet<u8> {
        ids(&self.records.feeds)
    }

    pub(super) fn unsent(&self, session: usize) -> &Unsent {
        &self.unsent[session]
    }

    /// Returns how many numbers the feed gave up.
    pub(super) fn gap_numbers(&self) -> u64 {
        self.gap_numbers
    }

    /// Returns how many records the journal lacks.
    pub(super) fn missing_records(&self) -> u64 {
        self.missing_records
    }

    pub(super) fn damage(&self) -> Option<&Error> {
        self.records.damage.as_ref()
    }

    pub(super) fn torn_bytes(&self) -> u64 {
        self.records.reader.torn_bytes()
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.records.read_bytes
    }
}

/// The records of a journal, until its end or its damage.
#[derive(Debug)]
struct Records {
    reader: Reader<MarketEvent>,
    /// Copies of a frame's records, because the frame lends from the reader.
    frame: Vec<Record<MarketEvent>>,
    returned: usize,
    read_bytes: u64,
    damage: Option<Error>,
    /// Which feeds were seen.
    feeds: [bool; 256],
}

impl Records {
    fn next(&mut self) -> Option<Record<MarketEvent>> {
        while self.returned == self.frame.len() {
            if self.damage.is_some() {
                return None;
            }
            match self.reader.next() {
                Ok(Some(frame)) => {
                    frame.records.clone_into(&mut self.frame);
                    self.read_bytes += frame.header.frame_bytes();
                    self.returned = 0;
                }
                Ok(None) => return None,
                Err(damage) => self.damage = Some(damage),
            }
        }
        let record = self.frame[self.returned];
        self.returned += 1;
        if let Some(feed) = feed_of(&record) {
            self.feeds[usize::from(feed)] = true;
        }
        Some(record)
    }
}

/// Returns the midnight in New York that a time counts from: its day's, or 0 where it is itself
/// counted from midnight.
fn midnight_ns(event_ns: u64) -> u64 {
    match event_ns {
        0..UNIX_NS_MIN => 0,
        _ => new_york::midnight_ns(new_york::date(event_ns)).unwrap_or(0),
    }
}

/// Returns a session's name as packets carry it: padded with spaces.
fn wire_name(id: &[u8; 16]) -> SessionId {
    let mut name = SessionId::from(*b"          ");
    let letters = id.iter().take_while(|byte| **byte != 0);
    name.iter_mut()
        .zip(letters)
        .for_each(|(to, from)| *to = *from);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_a_day_count_from_its_midnight_and_those_since_midnight_from_none() {
        let midnight = 1_692_676_800_000_000_000;
        let day_ns = 86_400_000_000_000;
        for (event_ns, expected) in [
            (0, 0),
            (day_ns - 1, 0),
            (UNIX_NS_MIN - 1, 0),
            (midnight, midnight),
            (midnight + day_ns - 1, midnight),
            (midnight + day_ns, midnight + day_ns),
        ] {
            assert_eq!(midnight_ns(event_ns), expected, "{event_ns}");
        }
    }

    #[test]
    fn a_session_is_named_as_its_packets_named_it() {
        assert_eq!(wire_name(b"000010059B\0\0\0\0\0\0"), *b"000010059B");
        assert_eq!(wire_name(b"DAY1      \0\0\0\0\0\0"), *b"DAY1      ");
        assert_eq!(wire_name(b"DAY1\0\0\0\0\0\0\0\0\0\0\0\0"), *b"DAY1      ");
    }
}
