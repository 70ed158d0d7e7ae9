//! Owns what is counted while a file is turned into packets.

use super::{LineProtocol, LineTally, Ranges};
use ringtape::feed::moldudp64::SessionId;
use ringtape::feed::{SessionName, session_name};
use std::collections::BTreeMap;

/// Runs of numbers that a session remembers. A session with more gaps than that forgets its lowest
/// run: a late copy of those numbers would then be played once more, which receivers drop as a
/// duplicate.
const RUNS_MAX: usize = 65_536;

/// Counts over a whole file, before lines are arbitrated: a message that two lines brought counts
/// twice.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Packets of the feed, heartbeats and ends of session among them; 0 for a file without a
    /// transport.
    pub packets: u64,
    /// Packets without messages that keep the session alive.
    pub heartbeats: u64,
    /// Packets that end a session; a venue repeats them.
    pub session_ends: u64,
    /// Messages.
    pub messages: u64,
    /// Messages by the first byte.
    pub messages_by_type: [u64; 256],
    /// Messages of CME by their template.
    pub messages_by_template: BTreeMap<u16, u64>,
    /// Messages of length 0, which have no type.
    pub empty_messages: u64,
    /// Messages that are shorter than their type, or whose values do not fit.
    pub malformed_messages: u64,
    /// Messages of a type that their protocol does not have.
    pub unknown_messages: u64,
    /// Messages that no datagram is large enough for.
    pub oversized_messages: u64,
    /// Datagrams of the feed that break its format.
    pub malformed_packets: u64,
    /// Datagrams of something else.
    pub foreign_datagrams: u64,
    /// Packets of more sessions than are told apart.
    pub excess_session_packets: u64,
    /// Packets whose session and sequence were zeroed, and which are numbered in their order.
    pub unnumbered_packets: u64,
    /// The sessions, in the order of their first packets.
    pub sessions: Vec<SessionTally>,
    /// The lines, in the order of their first packets.
    pub lines: Vec<LineTally>,
}

/// One session, its lines arbitrated.
#[derive(Clone, Debug)]
pub struct SessionTally {
    /// What its lines speak.
    pub protocol: LineProtocol,
    /// Its name, as records have it.
    pub id: SessionName,
    /// The name in its packets as they are played, for MoldUDP64.
    pub wire_name: SessionId,
    /// Whether the file itself names it. A BinaryFILE does not.
    pub named: bool,
    /// Lowest number that was brought; `None` where there was no message.
    pub first: Option<u64>,
    /// Highest number that was brought.
    pub last: Option<u64>,
    /// Different numbers that were brought.
    pub numbers: u64,
    /// Different messages that were brought: as many as numbers, where messages are numbered.
    pub messages: u64,
    /// How often the venue began to number again.
    pub restarts: u64,
    /// The number that will come next, by what packets said and brought.
    pub next: u64,
    /// What was brought since the last restart, and its first and last number.
    seen: Ranges,
    bounds: Option<(u64, u64)>,
    /// Numbers brought before the last restart.
    numbers_before: u64,
    /// Gaps, and numbers in them, that are not in `seen` any more.
    forgotten_gaps: u64,
    missing_before: u64,
    first_message: Option<Vec<u8>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            packets: 0,
            heartbeats: 0,
            session_ends: 0,
            messages: 0,
            messages_by_type: [0; 256],
            messages_by_template: BTreeMap::new(),
            empty_messages: 0,
            malformed_messages: 0,
            unknown_messages: 0,
            oversized_messages: 0,
            malformed_packets: 0,
            foreign_datagrams: 0,
            excess_session_packets: 0,
            unnumbered_packets: 0,
            sessions: Vec::new(),
            lines: Vec::new(),
        }
    }
}

impl Tally {
    /// Counts a message of a protocol that says how short its types may be, and which messages are
    /// sound.
    pub(super) fn message(
        &mut self,
        message: &[u8],
        bytes_min: fn(u8) -> Option<usize>,
        is_sound: fn(&[u8]) -> bool,
    ) {
        self.messages += 1;
        let Some(&kind) = message.first() else {
            self.empty_messages += 1;
            return;
        };
        self.messages_by_type[usize::from(kind)] += 1;
        if bytes_min(kind).is_none() {
            self.unknown_messages += 1;
        } else if !is_sound(message) {
            self.malformed_messages += 1;
        }
    }

    /// Counts a message of CME.
    pub(super) fn template(&mut self, template: u16) {
        self.messages += 1;
        *self.messages_by_template.entry(template).or_default() += 1;
    }

    /// Returns the counts of messages by the letter of their type, or the number of their template.
    #[must_use]
    pub fn by_type(&self) -> BTreeMap<String, u64> {
        let mut by_type = by_letter(&self.messages_by_type);
        let templates = self.messages_by_template.iter();
        by_type.extend(templates.map(|(template, &messages)| (template.to_string(), messages)));
        by_type
    }

    /// Returns what the lines speak, each protocol once.
    #[must_use]
    pub fn protocols(&self) -> Vec<LineProtocol> {
        let mut protocols: Vec<LineProtocol> = Vec::new();
        for session in &self.sessions {
            if !protocols.contains(&session.protocol) {
                protocols.push(session.protocol);
            }
        }
        protocols
    }

    /// Returns how many packets and messages broke the format.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed_packets + self.malformed_messages + self.oversized_messages
    }

    /// Returns whether the messages are mostly those that the protocol is known to have.
    #[must_use]
    pub fn is_known(&self) -> bool {
        let strange = self.unknown_messages + self.malformed_messages + self.empty_messages;
        strange * 2 <= self.messages
    }

    /// Returns what the reader of a report should know.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let counted = [
            (
                self.malformed_packets,
                "datagrams of the feed break its format",
            ),
            (
                self.malformed_messages,
                "messages are shorter than their type, or their values do not fit",
            ),
            (
                self.oversized_messages,
                "messages do not fit into a datagram",
            ),
            (
                self.unknown_messages,
                "messages are of types that the protocol does not have",
            ),
            (
                self.foreign_datagrams,
                "datagrams are of no feed that is known here",
            ),
            (
                self.excess_session_packets,
                "packets of further sessions were left out",
            ),
            (
                self.unnumbered_packets,
                "packets have their session and sequence zeroed: their messages are numbered in \
                 the order of the file",
            ),
        ];
        let mut notes: Vec<String> = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        for session in self.sessions.iter().filter(|session| session.restarts > 0) {
            let (name, restarts) = (session.name().unwrap_or_default(), session.restarts);
            notes.push(match session.protocol {
                LineProtocol::MoldUdp64 => format!(
                    "session {name} starts again from number 1: what comes then counts as a \
                     duplicate"
                ),
                _ => format!("session {name} begins to number again: {restarts} times"),
            });
        }
        notes
    }
}

/// Returns counts of messages by type letter; a byte that is no letter is written `0x07`.
#[must_use]
pub fn by_letter(messages_by_type: &[u64; 256]) -> BTreeMap<String, u64> {
    let types = (0..=u8::MAX).zip(messages_by_type);
    types
        .filter(|(_, messages)| **messages > 0)
        .map(|(kind, &messages)| match kind.is_ascii_graphic() {
            true => (char::from(kind).to_string(), messages),
            false => (format!("{kind:#04x}"), messages),
        })
        .collect()
}

impl SessionTally {
    pub(super) fn new(wire_name: SessionId, named: bool) -> Self {
        Self {
            protocol: LineProtocol::MoldUdp64,
            id: session_name(&wire_name),
            wire_name,
            named,
            first: None,
            last: None,
            numbers: 0,
            messages: 0,
            restarts: 0,
            next: 1,
            seen: Ranges::default(),
            bounds: None,
            numbers_before: 0,
            forgotten_gaps: 0,
            missing_before: 0,
            first_message: None,
        }
    }

    /// A session that its packets name.
    pub(super) fn of(protocol: LineProtocol, id: SessionName) -> Self {
        let mut wire_name = SessionId::default();
        wire_name.copy_from_slice(&id[..10]);
        Self {
            protocol,
            id,
            ..Self::new(wire_name, true)
        }
    }

    /// Returns the session's name without its padding; `None` where the file has none.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.named.then(|| self.played_name())
    }

    /// Returns the name, without padding, that the session's packets carry when they are played.
    #[must_use]
    pub fn played_name(&self) -> String {
        let id = String::from_utf8_lossy(&self.id);
        id.trim_matches(|c: char| c.is_whitespace() || c == '\0')
            .to_owned()
    }

    /// Returns how many runs of numbers are missing, also before the number that a heartbeat or
    /// the end of the session announced.
    #[must_use]
    pub fn gaps(&self) -> u64 {
        self.forgotten_gaps + self.open_gaps()
    }

    fn open_gaps(&self) -> u64 {
        let inside = (self.seen.len() as u64).saturating_sub(1);
        let behind = self
            .bounds
            .is_some_and(|(_, last)| last.saturating_add(1) < self.next);
        inside + u64::from(behind)
    }

    /// Returns how many numbers are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing_before + self.open_missing()
    }

    fn open_missing(&self) -> u64 {
        let brought = self.numbers - self.numbers_before;
        self.bounds
            .map_or(0, |(first, _)| (self.next - first).saturating_sub(brought))
    }

    /// Takes note that the venue began to number again.
    pub(super) fn restart(&mut self) {
        self.restarts += 1;
        self.missing_before = self.missing();
        self.forgotten_gaps = self.gaps();
        self.numbers_before = self.numbers;
        self.seen = Ranges::default();
        self.bounds = None;
        self.next = 1;
    }

    /// Takes note of the numbers that a packet brought; returns how many of them are new.
    pub(super) fn bring(&mut self, first: u64, count: u64, first_message: &[u8]) -> u64 {
        let last = first.saturating_add(count - 1);
        self.announce(last.saturating_add(1));
        let new = self.seen.insert(first..=last);
        self.numbers += new;
        let (lowest, highest) = self.bounds.unwrap_or((first, last));
        self.bounds = Some((lowest.min(first), highest.max(last)));
        self.first = Some(self.first.map_or(first, |lowest| lowest.min(first)));
        self.last = Some(self.last.map_or(last, |highest| highest.max(last)));
        if self.seen.len() > RUNS_MAX {
            self.seen.forget_first();
            self.forgotten_gaps += 1;
        }
        if first == 1 && self.protocol == LineProtocol::MoldUdp64 {
            let known = self
                .first_message
                .get_or_insert_with(|| first_message.to_vec());
            if known != first_message {
                first_message.clone_into(known);
                self.restarts += 1;
            }
        }
        new
    }

    /// Takes note of the number that a packet says will come next.
    pub(super) fn announce(&mut self, next: u64) {
        self.next = self.next.max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_in_each_sequence_of_a_session_that_restarts() {
        let mut session = SessionTally::of(LineProtocol::Deep10, session_name(b"D1-1"));
        assert_eq!(session.bring(1, 3, &[]), 3);
        assert_eq!(session.bring(6, 1, &[]), 1);
        session.announce(9);
        assert_eq!((session.gaps(), session.missing()), (2, 4), "4, 5 and 7, 8");
        session.restart();
        assert_eq!((session.gaps(), session.missing()), (2, 4));
        assert_eq!(session.bring(1, 2, &[]), 2, "the same numbers are new");
        assert_eq!(session.bring(2, 2, &[]), 1);
        assert_eq!((session.gaps(), session.missing()), (2, 4));
        assert_eq!(session.bring(9, 1, &[]), 1);
        assert_eq!((session.gaps(), session.missing()), (3, 9));
        assert_eq!((session.first, session.last), (Some(1), Some(9)));
        assert_eq!((session.numbers, session.restarts), (8, 1));
    }
}
