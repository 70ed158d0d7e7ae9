//! Owns the way from the records of a journal to packets.
//!
//! Where one datagram ended and the next began is not on the tape: messages of one receive time
//! and consecutive numbers share a packet as far as they fit. The numbers are the venue's, so those
//! that the tape lacks (a gap of the feed, a message without bytes) stay missing. What cannot be
//! sent though it is on the tape is counted in [`Unsent`].

mod messages;
mod unsent;

use self::messages::{Messages, Numbered};
use super::framing::PACKET_BYTES;
use super::{Head, Packet, Tally};
use crate::{interrupt, tape};
use anyhow::{Result, bail, ensure};
use ringtape::error::Error;
use ringtape::feed::itch;
use ringtape::feed::moldudp64::{PacketWriter, SessionId};
use ringtape::journal::Journal;
use ringtape::market::MarketEvent;
use ringtape::record::{Content, Record};
use std::collections::BTreeSet;
use std::path::Path;

pub use self::unsent::Unsent;

/// The packets of one feed of a journal.
#[derive(Debug)]
pub struct Tape {
    messages: Messages,
    /// The message that was read last and is not in a packet yet.
    waiting: Option<Numbered>,
    buffer: Vec<u8>,
    tally: Tally,
    /// Messages whose numbers all came before.
    repeated_messages: u64,
    file_bytes: Option<u64>,
}

impl Tape {
    /// Opens a journal; `substitute` names the session that began before it. Without `feed` its
    /// only feed is taken, to find which the whole journal is read once.
    ///
    /// # Errors
    ///
    /// When the directory is no journal of market events, or has several feeds and none is named.
    pub fn open(directory: &Path, feed: Option<u8>, substitute: SessionId) -> Result<Self> {
        let journal = Journal::<MarketEvent>::open(directory)?;
        let feed = match feed {
            Some(feed) => feed,
            None => only_feed(&journal)?,
        };
        Ok(Self {
            messages: Messages::new(&journal, feed, substitute),
            waiting: None,
            buffer: Vec::with_capacity(PACKET_BYTES),
            tally: Tally::default(),
            repeated_messages: 0,
            file_bytes: tape::file_bytes(journal.segments()),
        })
    }

    /// Returns the next packet; `None` at the end, whichever it is ([`Tape::damage`]).
    pub fn read(&mut self) -> Option<Packet<'_>> {
        let head = self.advance()?;
        Some(head.with(&self.buffer))
    }

    /// Returns the bytes of the packet that was read last.
    #[must_use]
    pub fn current(&self) -> &[u8] {
        &self.buffer
    }

    /// Returns what was counted so far. A session's next number is also what its end, or a gap
    /// behind its last message, told.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Returns the feed whose records are taken.
    #[must_use]
    pub fn feed(&self) -> u8 {
        self.messages.feed()
    }

    /// Returns the feeds that were seen so far.
    #[must_use]
    pub fn feeds(&self) -> BTreeSet<u8> {
        self.messages.feeds()
    }

    /// Returns what of a session could not be sent so far; complete once [`Tape::read`] returned
    /// `None`.
    #[must_use]
    pub fn unsent(&self, session: usize) -> &Unsent {
        self.messages.unsent(session)
    }

    /// Returns why reading stopped before the end of the journal, if it did.
    #[must_use]
    pub fn damage(&self) -> Option<&Error> {
        self.messages.damage()
    }

    /// Returns how many bytes at the end are no whole frame.
    #[must_use]
    pub fn torn_bytes(&self) -> u64 {
        self.messages.torn_bytes()
    }

    /// Returns how many bytes of the journal were read.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.messages.read_bytes()
    }

    /// Returns how many bytes the journal has, where that can be told.
    #[must_use]
    pub fn file_bytes(&self) -> Option<u64> {
        self.file_bytes
    }

    /// Returns what a report warns of, as sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(damage) = self.damage() {
            warnings.push(match damage {
                Error::Corrupt { .. } => {
                    format!("the journal is damaged, what came before was read: {damage}")
                }
                _ => format!("the journal could not be read to its end: {damage}"),
            });
        }
        let counted = [
            (
                self.torn_bytes(),
                "bytes at the end are not a whole frame: torn off, or still being written",
            ),
            (
                self.messages.gap_numbers(),
                "numbers are gaps of the feed on the tape, and stay missing",
            ),
            (
                self.messages.missing_records(),
                "records are missing in the journal, as its gaps say: what they held stays missing",
            ),
            (
                self.repeated_messages,
                "messages have numbers that came before in their session: they were not sent again",
            ),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        warnings.extend(counted.map(|(count, what)| format!("{count} {what}")));
        if self.tally.sessions.iter().any(|session| !session.named) {
            warnings.push(
                "the journal begins inside a session: its name is not known, and of its numbers \
                 the low 32 bits are"
                    .to_owned(),
            );
        }
        warnings.extend(self.tally.notes());
        warnings
    }

    /// Packs messages until there is a packet with a number that did not come before.
    fn advance(&mut self) -> Option<Head> {
        loop {
            let (first, count) = self.pack()?;
            let head = Head {
                ts_ns: first.recv_ns,
                session: first.session,
                first: first.number,
                count,
                messages: count,
            };
            let session = &mut self.tally.sessions[head.session];
            let new = session.bring(head.first, count, &first.bytes);
            session.messages += new;
            if new > 0 {
                return Some(head);
            }
            self.repeated_messages += count;
        }
    }

    /// Packs the next messages; returns the first and how many there are.
    fn pack(&mut self) -> Option<(Numbered, u64)> {
        let Self {
            messages,
            waiting,
            buffer,
            tally,
            ..
        } = self;
        let first = waiting.take().or_else(|| messages.next(tally))?;
        buffer.resize(PACKET_BYTES, 0);
        let session = tally.sessions[first.session].wire_name;
        let mut writer = PacketWriter::new(buffer, session, first.number);
        let (mut count, mut next) = (0, Some(first));
        while let Some(message) = next
            && message.follows(&first, count)
            && writer.push(&message.bytes)
        {
            tally.message(&message.bytes, itch::bytes_min, itch::is_sound);
            count += 1;
            next = messages.next(tally);
        }
        *waiting = next;
        let packet_bytes = writer.finish().len();
        buffer.truncate(packet_bytes);
        Some((first, count))
    }
}

/// Returns the feed of a journal that has one only.
fn only_feed(journal: &Journal<MarketEvent>) -> Result<u8> {
    let feeds = feeds(journal)?;
    let directory = journal.directory().display();
    let Some(&feed) = feeds.first() else {
        bail!("{directory} holds no record of a feed: nothing to play");
    };
    ensure!(
        feeds.len() == 1,
        "{directory} has records of several feeds, {}: choose one with --feed",
        feeds_text(&feeds)
    );
    Ok(feed)
}

/// Writes which feeds there are.
pub(crate) fn feeds_text(feeds: &BTreeSet<u8>) -> String {
    let ids: Vec<String> = feeds.iter().map(u8::to_string).collect();
    match ids.as_slice() {
        [] => "none of any feed".to_owned(),
        [id] => format!("those of feed {id}"),
        _ => format!("those of feeds {}", ids.join(", ")),
    }
}

/// Reads a journal for its feeds, to its end or its damage, which whoever plays it meets again.
fn feeds(journal: &Journal<MarketEvent>) -> Result<BTreeSet<u8>> {
    let (mut reader, mut seen) = (journal.reader(), [false; 256]);
    while !interrupt::requested() {
        match reader.next() {
            Ok(Some(frame)) => {
                let feeds = frame.records.iter().filter_map(feed_of);
                feeds.for_each(|feed| seen[usize::from(feed)] = true);
            }
            Ok(None) => break,
            Err(damage) if !seen.contains(&true) => return Err(damage.into()),
            Err(_) => break,
        }
    }
    Ok(ids(&seen))
}

/// Returns the numbers of the feeds that were seen.
fn ids(seen: &[bool; 256]) -> BTreeSet<u8> {
    let feeds = (0..=u8::MAX).zip(seen);
    feeds.filter(|(_, seen)| **seen).map(|(id, _)| id).collect()
}

/// Returns the feed that a record is of; `None` where it is of the journal itself, or not known to
/// this version.
fn feed_of(record: &Record<MarketEvent>) -> Option<u8> {
    match record.content() {
        Content::Event(event) => Some(event.head.feed),
        Content::Gap(gap) => tape::is_of_feed(gap.cause).then_some(gap.feed),
        Content::Session(session) => Some(session.feed),
        Content::DeadLetter(letter) => Some(letter.feed),
        Content::Invalid => None,
    }
}
