//! Owns what `convert` reports.

use super::recorder::Recorded;
use crate::output::{Table, thousands};
use crate::packets::Packets;
use crate::trading_date::TradingDate;
use ringtape::record::Sequence;
use serde::Serialize;
use std::path::Path;

/// What was converted. The keys are stable; all numbers are integers, and `null` where there is
/// nothing to count.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
    format: &'static str,
    compression: Option<&'static str>,
    feed: &'static str,
    /// As it stands in the journal, also where the file does not name it.
    session: String,
    trading_date: Option<String>,
    journal: String,
    journal_id: String,
    bus: String,
    /// Different numbers of the session.
    messages: u64,
    records: u64,
    events: u64,
    gaps: u64,
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    segments: u64,
    bytes: u64,
    /// Packets of other sessions.
    left_out_packets: u64,
    malformed: u64,
    truncated_tail_bytes: u64,
    /// Of the records that were written now.
    digest: String,
    pub(super) warnings: Vec<String>,
}

impl Report {
    pub(super) fn new(
        file: &Path,
        packets: &Packets,
        session: usize,
        left_out_packets: u64,
        trading_date: Option<TradingDate>,
        recorded: Recorded,
    ) -> Self {
        let (source, tally, end) = (packets.source(), packets.tally(), packets.end());
        let mut warnings = end.warnings();
        let session = &tally.sessions[session];
        let name = session.played_name();
        if left_out_packets > 0 {
            let names = tally.sessions.iter().map(|session| session.played_name());
            let others: Vec<String> = names.filter(|other| *other != name).collect();
            warnings.push(format!(
                "{left_out_packets} packets of other sessions were left out: --session takes one of {}",
                others.join(", ")
            ));
        }
        if recorded.cut_bytes > 0 {
            warnings.push(format!(
                "{} bytes that a crash had torn off the journal were cut",
                recorded.cut_bytes
            ));
        }
        if crate::interrupt::requested() {
            warnings.push("stopped before the end of the file".to_owned());
        }
        Self {
            file: file.display().to_string(),
            format: source.format().name(),
            compression: source.compression().map(|compression| compression.name()),
            feed: packets.feed(),
            session: name,
            trading_date: trading_date.and_then(|date| Some(date.date()?.to_string())),
            journal: recorded.directory.display().to_string(),
            journal_id: format!("{:032x}", recorded.journal_id),
            bus: recorded.bus,
            messages: session.messages,
            records: recorded.records,
            events: recorded.events,
            gaps: recorded.gaps,
            first_sequence: recorded.first.map(Sequence::get),
            last_sequence: recorded.last.map(Sequence::get),
            segments: recorded.segments,
            bytes: recorded.bytes,
            left_out_packets,
            malformed: tally.malformed(),
            truncated_tail_bytes: end.truncated_tail_bytes,
            digest: recorded.digest.to_string(),
            warnings,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let sequence = |number: Option<u64>| number.map_or("-".to_owned(), thousands);
        let mut facts = Table::default();
        facts.row(["session", &self.session]);
        facts.row(["trading date", self.trading_date.as_deref().unwrap_or("-")]);
        facts.row(["journal", &self.journal_id]);
        facts.row(["bus", &self.bus]);
        for (name, count) in [
            ("messages", self.messages),
            ("records", self.records),
            ("  of them events", self.events),
            ("  of them gaps", self.gaps),
        ] {
            facts.row([name, &thousands(count)]);
        }
        facts.row(["first sequence", &sequence(self.first_sequence)]);
        facts.row(["last sequence", &sequence(self.last_sequence)]);
        facts.row(["segments", &thousands(self.segments)]);
        facts.row(["bytes", &thousands(self.bytes)]);
        facts.row(["digest", &self.digest]);
        format!(
            "{}: {}, feed {}, to {}\n\n{}",
            self.file,
            self.format,
            self.feed,
            self.journal,
            facts.render()
        )
    }
}
