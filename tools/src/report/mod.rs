//! Owns how a run is told: one JSON object with stable keys, or a page for people.

mod json;
mod latency;
pub mod record;
mod replayed;
mod text;

use crate::strategies::{Noted, Verdict};
use ringtape::feed::{LineLedger, LinkLedger};
use ringtape::latency::Summary;
use ringtape::net::LineCounters;
use ringtape::pipeline::{FeedReport, LineReport, Report, Ticket};
use ringtape::record::Gap;
use std::collections::BTreeMap;

pub use json::RunJson;
pub(crate) use latency::micros;
pub use replayed::Replayed;
pub use text::{start_text, text};

/// What a strategy has to say at the end.
#[derive(Debug, Default)]
pub struct Told {
    /// What it found, in a line; `None` if it panicked.
    pub verdict: Option<String>,
    /// The gaps that it was shown.
    pub gaps: Vec<Gap>,
    /// How many more there were.
    pub gaps_cut: u64,
}

impl Told {
    /// Takes a strategy back from a report.
    pub(crate) fn take<H: Verdict + 'static>(
        report: &mut Report,
        ticket: Ticket<Noted<H>>,
    ) -> Self {
        report
            .take(ticket)
            .map_or_else(Self::default, |noted| Self {
                verdict: Some(noted.strategy.verdict()),
                gaps: noted.gaps,
                gaps_cut: noted.unlisted,
            })
    }
}

/// What went wrong beside the losses, or explains them: the counts that are not 0.
fn anomalies(feed: &FeedReport) -> BTreeMap<&'static str, u64> {
    let ledger = &feed.ledger;
    let over_lines = |count: fn(&LineLedger) -> u64| ledger.lines().iter().map(count).sum::<u64>();
    [
        ("malformed_short_header", ledger.malformed_short_header),
        ("malformed_block_past_end", ledger.malformed_block_past_end),
        ("malformed_trailing_bytes", ledger.malformed_trailing_bytes),
        (
            "malformed_sequence_overflow",
            ledger.malformed_sequence_overflow,
        ),
        ("malformed_messages", ledger.malformed_messages),
        ("truncated_datagrams", ledger.truncated_datagrams),
        ("cut_messages", ledger.cut_messages),
        ("foreign", ledger.foreign),
        ("wrong_session", ledger.wrong_session),
        ("ended_session", ledger.ended_session),
        ("left_sessions", ledger.left_sessions),
        ("contradicting_ends", ledger.contradicting_ends),
        ("unknown_messages", ledger.unknown_messages),
        ("unnumbered_messages", ledger.unnumbered_messages),
        ("empty_messages", ledger.empty_messages),
        ("book_breaks", ledger.book_breaks),
        ("untracked_updates", ledger.untracked_updates),
        ("before_start", ledger.before_start),
        ("after_end", ledger.after_end),
        ("late", over_lines(|line| line.late)),
        ("went_back", over_lines(|line| line.went_back)),
        ("mismatched", over_lines(|line| line.mismatched)),
        ("restarts", ledger.restarts),
        ("before_restart", ledger.before_restart),
        ("doubtful", ledger.doubtful),
        ("silences", ledger.silences),
        ("line_silences", over_lines(|line| line.silences)),
        ("wrong_answers", ledger.wrong_answers),
        ("unasked", ledger.unasked),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect()
}

/// What a connection's life is told by, in order: each is worth a line even when it is 0.
fn link_counts(link: &LinkLedger, heartbeats: u64) -> [(&'static str, u64); 6] {
    [
        ("connects", link.connects),
        ("reconnects", link.reconnects()),
        ("logins", link.logins),
        (
            "rejected",
            link.rejected_not_authorised + link.rejected_session,
        ),
        ("heartbeats_sent", link.heartbeats_sent),
        ("heartbeats_received", heartbeats),
    ]
}

/// Why a connection ended or was not made, and what came on it without being asked for.
fn link_anomalies(link: &LinkLedger) -> [(&'static str, u64); 15] {
    [
        ("refused", link.refused),
        ("connect_timeouts", link.connect_timeouts),
        ("closed_by_venue", link.closed_by_venue),
        ("silences", link.silences),
        ("rejected_not_authorised", link.rejected_not_authorised),
        ("rejected_session", link.rejected_session),
        ("garbage_type", link.garbage_type),
        ("garbage_length", link.garbage_length),
        ("garbage_field", link.garbage_field),
        ("garbage_state", link.garbage_state),
        ("cut_packets", link.cut_packets),
        ("discarded_bytes", link.discarded_bytes),
        ("abandoned_sessions", link.abandoned_sessions),
        ("unsequenced", link.unsequenced),
        ("debug", link.debug),
    ]
}

/// A feed's lines by name, with what they brought and how much earlier than another they were.
fn feed_lines(feed: &FeedReport) -> impl Iterator<Item = (&str, &LineLedger, Option<&Summary>)> {
    let names = feed.lines.iter().zip(feed.ledger.lines());
    names
        .enumerate()
        .map(|(index, (name, line))| (name.as_str(), line, feed.ahead.get(index)))
}

fn lines(report: &Report) -> impl Iterator<Item = (&LineReport, &LineCounters)> {
    report.receiver.lines.iter().zip(report.net.lines())
}
