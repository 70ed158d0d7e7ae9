//! Owns what `inspect` reports.

use super::follow::Followed;
use crate::new_york;
use crate::output::{Table, thousands};
use crate::packets::{Packets, SessionTally};
use crate::source::Format;
use crate::trading_date::TradingDate;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What is in a file. The keys are stable; all numbers are integers, and `null` where there is
/// nothing to count.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
    format: &'static str,
    compression: Option<&'static str>,
    feed: &'static str,
    /// Packets of the feed on all lines; 0 for a file without a transport.
    packets: u64,
    heartbeats: u64,
    ends_of_session: u64,
    /// On all lines, before arbitration.
    messages: u64,
    messages_by_type: BTreeMap<String, u64>,
    empty_messages: u64,
    unknown_messages: u64,
    /// After arbitration. A message may bring more than one event.
    events: u64,
    instruments: u64,
    sessions: Vec<SessionReport>,
    /// Packets and messages that break the format.
    malformed: u64,
    truncated_tail_bytes: u64,
    /// Datagrams that are not the feed's.
    other_datagrams: u64,
    trading_date: Option<String>,
    /// UNIX nanoseconds; since midnight in New York where `trading_date` is `null`.
    first_event_ns: Option<u64>,
    last_event_ns: Option<u64>,
    /// Of the first session: that is what `play` plays.
    digest: Option<String>,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SessionReport {
    /// `null` where the file does not name it; the numbers are then places in the file.
    session: Option<String>,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    /// After arbitration.
    messages: u64,
    /// Runs of numbers that no line brought.
    gaps: u64,
    /// Numbers in them.
    missing: u64,
    restarts: u64,
    events: u64,
    digest: String,
}

impl Report {
    pub(super) fn new(
        file: &Path,
        packets: &Packets,
        trading_date: Option<TradingDate>,
        followed: &[Followed],
    ) -> Self {
        let (source, tally, end) = (packets.source(), packets.tally(), packets.end());
        let mut warnings = end.warnings();
        if source.format() != Format::Itch50BinaryFile && tally.sessions.is_empty() {
            warnings
                .push("no datagram is a packet of MoldUDP64: no message was decoded".to_owned());
        }
        if tally.sessions.len() > 1 {
            warnings.push("several sessions: the digest is of the first one".to_owned());
        }
        if crate::interrupt::requested() {
            warnings.push("stopped before the end of the file".to_owned());
        }
        let sessions = tally.sessions.iter().zip(followed);
        Self {
            file: file.display().to_string(),
            format: source.format().name(),
            compression: source.compression().map(|compression| compression.name()),
            feed: packets.feed(),
            packets: tally.packets,
            heartbeats: tally.heartbeats,
            ends_of_session: tally.session_ends,
            messages: tally.messages,
            messages_by_type: tally.by_letter(),
            empty_messages: tally.empty_messages,
            unknown_messages: tally.unknown_messages,
            events: followed.iter().map(|session| session.events).sum(),
            instruments: followed.iter().map(|session| session.instruments).sum(),
            sessions: sessions
                .map(|(tally, given)| SessionReport::new(tally, given))
                .collect(),
            malformed: tally.malformed(),
            truncated_tail_bytes: end.truncated_tail_bytes,
            other_datagrams: tally.foreign_datagrams,
            trading_date: trading_date.and_then(|date| Some(date.date()?.to_string())),
            first_event_ns: followed
                .iter()
                .filter_map(|session| session.first_event_ns)
                .min(),
            last_event_ns: followed
                .iter()
                .filter_map(|session| session.last_event_ns)
                .max(),
            digest: followed.first().map(|session| session.digest.clone()),
            warnings,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        let compression = self
            .compression
            .map(|name| format!(" in {name}"))
            .unwrap_or_default();
        // Writing to a String cannot fail.
        _ = writeln!(
            text,
            "{}: {}{compression}, feed {}\n",
            self.file, self.format, self.feed
        );

        let mut facts = Table::default();
        for (name, count) in [
            ("packets", self.packets),
            ("  of them heartbeats", self.heartbeats),
            ("  of them ends of session", self.ends_of_session),
            ("messages", self.messages),
            ("events", self.events),
            ("instruments", self.instruments),
            ("malformed", self.malformed),
            ("other datagrams", self.other_datagrams),
            ("truncated tail, bytes", self.truncated_tail_bytes),
        ] {
            facts.row([name, &thousands(count)]);
        }
        facts.row(["first event, New York", &self.wall(self.first_event_ns)]);
        facts.row(["last event, New York", &self.wall(self.last_event_ns)]);
        facts.row(["digest", self.digest.as_deref().unwrap_or("-")]);
        text.push_str(&facts.render());

        if !self.messages_by_type.is_empty() {
            let mut types = Table::default();
            types.row(["type", "messages"]);
            for (letter, &messages) in &self.messages_by_type {
                types.row([letter, &thousands(messages)]);
            }
            _ = write!(text, "\n{}", types.render());
        }
        if !self.sessions.is_empty() {
            let mut sessions = Table::default();
            sessions.row([
                "session", "first", "last", "messages", "gaps", "missing", "restarts",
            ]);
            for session in &self.sessions {
                let number = |number: Option<u64>| number.map_or("-".to_owned(), thousands);
                sessions.row([
                    session.session.as_deref().unwrap_or("(none)"),
                    &number(session.first_sequence),
                    &number(session.last_sequence),
                    &thousands(session.messages),
                    &thousands(session.gaps),
                    &thousands(session.missing),
                    &thousands(session.restarts),
                ]);
            }
            _ = write!(text, "\n{}", sessions.render());
        }
        text
    }

    fn wall(&self, event_ns: Option<u64>) -> String {
        match (event_ns, &self.trading_date) {
            (None, _) => "-".to_owned(),
            (Some(ns), Some(_)) => new_york::wall(ns),
            (Some(ns), None) => new_york::time_of_day(ns),
        }
    }
}

impl SessionReport {
    fn new(tally: &SessionTally, given: &Followed) -> Self {
        Self {
            session: tally.name(),
            first_sequence: tally.first,
            last_sequence: tally.last,
            messages: tally.messages,
            gaps: tally.gaps(),
            missing: tally.missing(),
            restarts: tally.restarts,
            events: given.events,
            digest: given.digest.clone(),
        }
    }
}
