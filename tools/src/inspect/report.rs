//! Owns what `inspect` reports.

use super::book::BookReport;
use super::capture::Given;
use super::journal::{Recorded, SessionRecorded};
use crate::new_york::{self, UNIX_NS_MIN, wall_or_time_of_day};
use crate::output::{Table, thousands};
use crate::packets::{LineTally, Packets, SessionTally, by_letter};
use crate::source::{Compression, Format};
use crate::trading_date::TradingDate;
use ringtape::record::Sequence;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What is in a file or a journal. The keys are stable; all numbers are integers, and `null` where
/// there is nothing to count.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
    format: &'static str,
    compression: Option<&'static str>,
    feed: &'static str,
    /// Packets of the feed on all lines; 0 where there is no transport.
    packets: u64,
    heartbeats: u64,
    ends_of_session: u64,
    /// On all lines, before arbitration; of a journal after it, without malformed ones.
    messages: u64,
    messages_by_type: BTreeMap<String, u64>,
    empty_messages: u64,
    unknown_messages: u64,
    /// After arbitration. A message may bring more than one event.
    events: u64,
    instruments: u64,
    sessions: Vec<SessionReport>,
    /// Destinations, where the file has a transport.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<LineReport>,
    /// Packets and messages that break the format; of a journal the numbers lost for it.
    malformed: u64,
    truncated_tail_bytes: u64,
    /// Datagrams that are not the feed's.
    other_datagrams: u64,
    trading_date: Option<String>,
    /// UNIX nanoseconds; since midnight in New York where `trading_date` is `null`.
    first_event_ns: Option<u64>,
    last_event_ns: Option<u64>,
    /// Of the first session: that is what `play` plays. Of a journal, of all its records.
    digest: Option<String>,
    book: BookReport,
    #[serde(flatten)]
    journal: Option<JournalReport>,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SessionReport {
    /// `null` where the file does not name it; the numbers are then places in the file.
    session: Option<String>,
    /// What its lines speak, where the file has a transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    /// After arbitration.
    messages: u64,
    /// Different numbers that were brought: messages, or packets where the venue numbers those.
    #[serde(skip_serializing_if = "Option::is_none")]
    numbers: Option<u64>,
    /// Runs of numbers that no line brought.
    gaps: u64,
    /// Numbers in them.
    missing: u64,
    restarts: u64,
    events: u64,
    digest: Option<String>,
    /// The number of its feed in a journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<u8>,
    /// Whether the journal has its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<bool>,
}

/// A destination.
#[derive(Debug, Serialize)]
struct LineReport {
    /// Its address.
    name: String,
    protocol: &'static str,
    session: Option<String>,
    datagrams: u64,
    /// Numbers that it was the first to bring.
    won: u64,
    duplicates: u64,
    /// Packets that were copies of another line's, byte for byte.
    identical: u64,
    /// Packets with the number of another line's and other bytes.
    different: u64,
    /// Capture time minus the other line's, of packets that begin with the same number.
    skew_ns: Option<SkewReport>,
}

#[derive(Debug, Serialize)]
struct SkewReport {
    count: u64,
    min: i64,
    p50: i64,
    p99: i64,
    max: i64,
}

/// What only a journal has.
#[derive(Debug, Serialize)]
struct JournalReport {
    journal_id: String,
    bus: String,
    segments: u64,
    records: u64,
    /// Our own numbers, not the feed's.
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    /// Numbers of ours that the journal lacks, as gaps in it say.
    records_missing: u64,
    first_recv_ns: Option<u64>,
    last_recv_ns: Option<u64>,
}

impl Report {
    pub(super) fn of_capture(
        file: &Path,
        packets: &Packets,
        trading_date: Option<TradingDate>,
        followed: &[Given],
    ) -> Self {
        let (source, tally, end) = (packets.source(), packets.tally(), packets.end());
        let mut warnings = end.warnings();
        if source.format() != Format::Itch50BinaryFile && tally.sessions.is_empty() {
            warnings
                .push("no datagram is of a feed that is known: no message was decoded".to_owned());
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
            messages_by_type: tally.by_type(),
            empty_messages: tally.empty_messages,
            unknown_messages: tally.unknown_messages,
            events: followed.iter().map(|session| session.events).sum(),
            instruments: followed.iter().map(|session| session.instruments).sum(),
            sessions: sessions
                .map(|(tally, given)| SessionReport::new(tally, given))
                .collect(),
            lines: tally
                .lines
                .iter()
                .map(|line| LineReport::new(line, &tally.sessions))
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
            digest: followed.first().map(|session| session.digest.to_string()),
            book: BookReport::new(followed.iter().map(|session| &session.books)),
            journal: None,
            warnings,
        }
    }

    pub(super) fn of_journal(recorded: Recorded) -> Self {
        let times = recorded.sessions.iter();
        let first_event_ns = times.clone().filter_map(|s| s.first_event_ns).min();
        let last_event_ns = times.filter_map(|s| s.last_event_ns).max();
        Self {
            file: recorded.directory.display().to_string(),
            format: "journal",
            compression: recorded.archived.then_some(Compression::Zstd.name()),
            feed: recorded.feed(),
            packets: 0,
            heartbeats: 0,
            ends_of_session: 0,
            messages: recorded.messages,
            messages_by_type: by_letter(&recorded.messages_by_type),
            empty_messages: 0,
            unknown_messages: recorded.unknown_messages,
            events: recorded.sessions.iter().map(|session| session.events).sum(),
            instruments: recorded.instruments.len() as u64,
            sessions: recorded
                .sessions
                .iter()
                .map(SessionReport::of_journal)
                .collect(),
            lines: Vec::new(),
            malformed: recorded.malformed,
            truncated_tail_bytes: recorded.torn_bytes,
            other_datagrams: 0,
            // Event times of a day that was not known are less than a day.
            trading_date: first_event_ns
                .filter(|&ns| ns >= UNIX_NS_MIN)
                .map(|ns| new_york::date(ns).to_string()),
            first_event_ns,
            last_event_ns,
            digest: Some(recorded.digest.to_string()),
            book: BookReport::new(recorded.books.values()),
            journal: Some(JournalReport {
                journal_id: format!("{:032x}", recorded.identity.id),
                bus: recorded.identity.bus,
                segments: recorded.segments,
                records: recorded.records,
                first_sequence: recorded.first.map(Sequence::get),
                last_sequence: recorded.last.map(Sequence::get),
                records_missing: recorded.records_missing,
                first_recv_ns: recorded.recv_ns.map(|(first, _)| first),
                last_recv_ns: recorded.recv_ns.map(|(_, last)| last),
            }),
            warnings: recorded.warnings,
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
        if let Some(journal) = &self.journal {
            journal.rows(&mut facts);
        } else {
            facts.row(["packets", &thousands(self.packets)]);
            facts.row(["  of them heartbeats", &thousands(self.heartbeats)]);
            facts.row([
                "  of them ends of session",
                &thousands(self.ends_of_session),
            ]);
            facts.row(["other datagrams", &thousands(self.other_datagrams)]);
        }
        for (name, count) in [
            ("messages", self.messages),
            ("events", self.events),
            ("instruments", self.instruments),
            ("malformed", self.malformed),
            ("truncated tail, bytes", self.truncated_tail_bytes),
        ] {
            facts.row([name, &thousands(count)]);
        }
        self.book.rows(&mut facts);
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
        if self.lines.len() > 1 {
            _ = write!(text, "\n{}", lines_text(&self.lines));
        }
        text
    }

    fn wall(&self, event_ns: Option<u64>) -> String {
        match (event_ns, &self.trading_date, &self.journal) {
            (None, ..) => "-".to_owned(),
            // A journal may hold days that were known and others that were not.
            (Some(ns), _, Some(_)) => wall_or_time_of_day(ns),
            (Some(ns), Some(_), None) => new_york::wall(ns),
            (Some(ns), None, None) => new_york::time_of_day(ns),
        }
    }
}

impl SessionReport {
    fn new(tally: &SessionTally, given: &Given) -> Self {
        Self {
            session: tally.name(),
            protocol: tally.named.then(|| tally.protocol.name()),
            first_sequence: tally.first,
            last_sequence: tally.last,
            messages: tally.messages,
            numbers: Some(tally.numbers),
            gaps: tally.gaps(),
            missing: tally.missing(),
            restarts: tally.restarts,
            events: given.events,
            digest: Some(given.digest.to_string()),
            feed: None,
            ended: None,
        }
    }

    fn of_journal(session: &SessionRecorded) -> Self {
        Self {
            session: session.name.clone(),
            protocol: None,
            first_sequence: session.first,
            last_sequence: session.last,
            messages: session.messages,
            numbers: None,
            gaps: session.gaps,
            missing: session.missing,
            restarts: session.restarts,
            events: session.events,
            digest: None,
            feed: Some(session.feed),
            ended: Some(session.ended),
        }
    }
}

impl LineReport {
    fn new(line: &LineTally, sessions: &[SessionTally]) -> Self {
        Self {
            name: line.address.to_string(),
            protocol: line.protocol.name(),
            session: sessions.get(line.session).and_then(SessionTally::name),
            datagrams: line.datagrams,
            won: line.won,
            duplicates: line.duplicates,
            identical: line.identical,
            different: line.different,
            skew_ns: line.skew().map(|skew| SkewReport {
                count: skew.count,
                min: skew.min,
                p50: skew.p50,
                p99: skew.p99,
                max: skew.max,
            }),
        }
    }
}

fn lines_text(lines: &[LineReport]) -> String {
    let mut table = Table::default();
    table.row([
        "line",
        "datagrams",
        "won",
        "duplicates",
        "identical",
        "different",
        "skew, ns: min",
        "p50",
        "p99",
        "max",
    ]);
    for line in lines {
        let skew = |of: fn(&SkewReport) -> i64| {
            let skew = line.skew_ns.as_ref();
            skew.map_or("-".to_owned(), |skew| of(skew).to_string())
        };
        table.row([
            &line.name,
            &thousands(line.datagrams),
            &thousands(line.won),
            &thousands(line.duplicates),
            &thousands(line.identical),
            &thousands(line.different),
            &skew(|skew| skew.min),
            &skew(|skew| skew.p50),
            &skew(|skew| skew.p99),
            &skew(|skew| skew.max),
        ]);
    }
    table.render()
}

impl JournalReport {
    fn rows(&self, facts: &mut Table) {
        let sequence = |number: Option<u64>| number.map_or("-".to_owned(), thousands);
        let wall = |ns: Option<u64>| ns.map_or("-".to_owned(), wall_or_time_of_day);
        facts.row(["journal", &self.journal_id]);
        facts.row(["bus", &self.bus]);
        facts.row(["segments", &thousands(self.segments)]);
        facts.row(["records", &thousands(self.records)]);
        facts.row(["  missing", &thousands(self.records_missing)]);
        facts.row(["first sequence", &sequence(self.first_sequence)]);
        facts.row(["last sequence", &sequence(self.last_sequence)]);
        facts.row(["first received, New York", &wall(self.first_recv_ns)]);
        facts.row(["last received, New York", &wall(self.last_recv_ns)]);
    }
}
