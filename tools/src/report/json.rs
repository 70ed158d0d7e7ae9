//! Owns the keys that scripts rely on.

use super::latency::{Hop, hops};
use super::{Replayed, Told, anomalies, feed_lines, lines, link_anomalies, link_counts};
use crate::recorded::CaptureJson;
use crate::worst::{self, Moment};
use ringtape::latency::{Histogram, Summary};
use ringtape::net::ActiveBackend;
use ringtape::pipeline::{FeedReport, Report, SubscriberReport};
use ringtape::record::{Gap, GapCause};
use ringtape::stage::RecordOutcome;
use serde::Serialize;
use std::collections::BTreeMap;

/// A run, with the keys that scripts rely on.
#[derive(Debug, Serialize)]
pub struct RunJson<'a> {
    /// Whether every number is accounted for.
    closes: bool,
    /// Whether nothing was lost at all.
    lossless: bool,
    /// Datagrams and messages that may have brought numbers that no ledger knows of.
    unaccounted: u64,
    ledger: Vec<LedgerJson>,
    subscribers: Vec<SubscriberJson>,
    /// The slowest records of all subscribers.
    worst: Vec<Moment>,
    journal: Option<JournalJson>,
    net: NetJson,
    cores: Vec<CoreJson>,
    /// How often, and how long in all, a lossless subscriber made the feeds wait.
    waits: u64,
    waited_ns: u64,
    /// What two replays of the tape gave, where there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<&'a Replayed>,
    /// Of a run that was fed from a capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<&'a CaptureJson>,
    errors: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LedgerJson {
    feed: String,
    expected: u64,
    delivered: u64,
    delivered_by: BTreeMap<&'static str, u64>,
    lost: u64,
    causes: BTreeMap<&'static str, u64>,
    closes: bool,
    messages: u64,
    events: u64,
    instruments: u64,
    heartbeats: u64,
    /// Requests for missing numbers, and how many numbers they asked for.
    requests: u64,
    requested: u64,
    /// What explains or accompanies a loss; only what happened.
    anomalies: BTreeMap<&'static str, u64>,
    /// What became of the connections of a feed on TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<BTreeMap<&'static str, u64>>,
    /// Whether the venue rejected it, for an operator to mend.
    rejected: bool,
    lines: Vec<FeedLineJson>,
}

#[derive(Debug, Serialize)]
struct FeedLineJson {
    name: String,
    packets: u64,
    won: u64,
    duplicates: u64,
    late: u64,
    went_back: u64,
    mismatched: u64,
    silences: u64,
    longest_silence_ns: u64,
    /// How much earlier than another line it brought what both brought, once for each packet.
    ahead_ns: Option<SummaryJson>,
}

#[derive(Debug, Serialize)]
struct SubscriberJson {
    name: String,
    published: u64,
    handled: u64,
    overrun: u64,
    left_behind: u64,
    closes: bool,
    events: u64,
    gaps: u64,
    overruns: u64,
    sessions: u64,
    dead_letters: u64,
    digest: String,
    latency_ns: Option<LatencyJson>,
    /// The hop budget: each hop with its share of the whole.
    hops_ns: Option<BTreeMap<&'static str, HopJson>>,
    error: Option<String>,
    /// What each `on_gap` was given, and how many more there were than are listed.
    gap_list: Vec<GapJson>,
    gap_list_cut: u64,
}

#[derive(Debug, Serialize)]
struct JournalJson {
    directory: String,
    bus: String,
    journal_id: String,
    /// The number with which this run began.
    first_sequence: u64,
    /// The last number that a killed process would have left behind; 0 if there is none.
    last_sequence: u64,
    /// The last number that a loss of power would have left behind, as far as the sync policy knows.
    durable_sequence: u64,
    published: u64,
    written: u64,
    not_journaled: u64,
    closes: bool,
    /// What is missing, and how many numbers of further runs are not listed.
    not_journaled_list: Vec<NotJournaledJson>,
    not_journaled_cut: u64,
    segments: u64,
    frames: u64,
    bytes: u64,
    syncs: u64,
    sync_failures: u64,
    /// What a crash had torn off, and was cut before this run.
    torn_bytes: u64,
    failures: u64,
    /// The first of them.
    failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct NotJournaledJson {
    first: u64,
    last: u64,
    cause: &'static str,
}

impl From<&RecordOutcome> for JournalJson {
    fn from(outcome: &RecordOutcome) -> Self {
        let RecordOutcome {
            directory,
            identity,
            first,
            recovery,
            account,
            counters,
            failure,
            failures,
        } = outcome;
        Self {
            directory: directory.display().to_string(),
            bus: identity.bus.clone(),
            journal_id: format!("{:032x}", identity.id),
            first_sequence: first.get(),
            last_sequence: counters.written.get(),
            durable_sequence: counters.durable.get(),
            published: account.published,
            written: account.written,
            not_journaled: account.missing(),
            closes: account.closes(),
            not_journaled_list: account
                .not_journaled
                .iter()
                .map(|loss| NotJournaledJson {
                    first: loss.first.get(),
                    last: loss.last.get(),
                    cause: loss.cause.name(),
                })
                .collect(),
            not_journaled_cut: account.not_listed,
            segments: counters.segments.get(),
            frames: counters.frames.get(),
            bytes: counters.bytes.get(),
            syncs: counters.syncs.get(),
            sync_failures: counters.sync_failures.get(),
            torn_bytes: recovery.torn_bytes,
            failures: *failures,
            failure: failure.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Debug, Serialize)]
struct GapJson {
    /// 0 for an overrun, whose numbers are the bus's.
    feed: u8,
    first: u64,
    last: u64,
    cause: &'static str,
}

#[derive(Debug, Serialize)]
struct SummaryJson {
    count: u64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    p9999: u64,
    max: u64,
    out_of_range: u64,
}

#[derive(Debug, Serialize)]
struct LatencyJson {
    #[serde(flatten)]
    summary: SummaryJson,
    /// Of the samples in range, to the nanosecond.
    sum: u64,
}

#[derive(Debug, Serialize)]
struct HopJson {
    #[serde(flatten)]
    summary: SummaryJson,
    sum: u64,
    /// Thousandths of the sum of all hops.
    share_e3: u64,
}

#[derive(Debug, Serialize)]
struct NetJson {
    backend: String,
    /// Why it is not io_uring, where that was hoped for.
    refused: Option<String>,
    datagrams: u64,
    bytes: u64,
    batches: u64,
    enters: u64,
    /// Calls that brought nothing: not each is the start of a batch.
    enters_idle: u64,
    rearms: u64,
    kernel_drops: u64,
    lines: Vec<NetLineJson>,
    streams: Vec<StreamJson>,
}

#[derive(Debug, Serialize)]
struct StreamJson {
    name: String,
    address: String,
    connects: u64,
    refused: u64,
    closed: u64,
    failed: u64,
    stalled: u64,
    reads: u64,
    bytes: u64,
    sent_bytes: u64,
}

#[derive(Debug, Serialize)]
struct NetLineJson {
    name: String,
    address: String,
    datagrams: u64,
    bytes: u64,
    truncated: u64,
    empty: u64,
    rearms: u64,
    kernel_drops: u64,
    errors: u64,
    /// Datagrams sent to a re-request server, those that could not be, and how often it told that
    /// nobody listens.
    sent: u64,
    send_errors: u64,
    refused: u64,
    receive_buffer_asked_bytes: usize,
    receive_buffer_granted_bytes: usize,
}

#[derive(Debug, Serialize)]
struct CoreJson {
    core: usize,
    wait: String,
    stages: Vec<String>,
}

impl From<Summary> for SummaryJson {
    fn from(summary: Summary) -> Self {
        let Summary {
            count,
            p50,
            p90,
            p99,
            p999,
            p9999,
            max,
            out_of_range,
        } = summary;
        Self {
            count,
            p50,
            p90,
            p99,
            p999,
            p9999,
            max,
            out_of_range,
        }
    }
}

impl From<&Histogram> for LatencyJson {
    fn from(histogram: &Histogram) -> Self {
        Self {
            summary: histogram.summary().into(),
            sum: integer(histogram.sum_ns()),
        }
    }
}

impl From<Hop> for HopJson {
    fn from(hop: Hop) -> Self {
        Self {
            summary: hop.summary.into(),
            sum: integer(hop.sum_ns),
            share_e3: hop.share_e3,
        }
    }
}

/// A sum as readers of JSON take it: 584 years of nanoseconds, and no more.
fn integer(sum_ns: u128) -> u64 {
    u64::try_from(sum_ns).unwrap_or(u64::MAX)
}

impl From<&FeedReport> for LedgerJson {
    fn from(feed: &FeedReport) -> Self {
        let ledger = &feed.ledger;
        let causes = GapCause::FEED
            .map(|cause| (cause.name(), ledger.lost_for(cause)))
            .into_iter();
        Self {
            feed: feed.name.clone(),
            expected: ledger.expected,
            delivered: ledger.delivered(),
            delivered_by: BTreeMap::from([
                ("first_arrival", ledger.first_arrival),
                ("other_line", ledger.other_line),
                ("reordered", ledger.reordered),
                ("rerequested", ledger.rerequested),
            ]),
            lost: ledger.lost(),
            causes: causes.collect(),
            closes: ledger.closes(),
            messages: ledger.messages,
            events: ledger.events,
            instruments: ledger.instruments,
            heartbeats: ledger.heartbeats,
            requests: ledger.requests,
            requested: ledger.requested,
            anomalies: anomalies(feed),
            link: feed.link.as_ref().map(|link| {
                let counts = link_counts(link, ledger.heartbeats).into_iter();
                counts.chain(link_anomalies(link)).collect()
            }),
            rejected: feed.rejected,
            lines: feed_lines(feed)
                .map(|(name, line, ahead)| FeedLineJson {
                    name: name.to_owned(),
                    packets: line.packets,
                    won: line.won,
                    duplicates: line.duplicates,
                    late: line.late,
                    went_back: line.went_back,
                    mismatched: line.mismatched,
                    silences: line.silences,
                    longest_silence_ns: line.longest_silence_ns,
                    ahead_ns: ahead.map(|&ahead| ahead.into()),
                })
                .collect(),
        }
    }
}

impl SubscriberJson {
    fn new(report: &SubscriberReport, told: Option<&Told>) -> Self {
        let SubscriberReport {
            name,
            account,
            tally,
            digest,
            latency,
            error,
        } = report;
        Self {
            name: name.clone(),
            published: account.published,
            handled: account.handled,
            overrun: account.overrun,
            left_behind: account.left_behind,
            closes: account.closes(),
            events: tally.events,
            gaps: tally.gaps,
            overruns: tally.overruns,
            sessions: tally.sessions,
            dead_letters: tally.dead_letters,
            digest: digest.to_string(),
            latency_ns: latency
                .as_ref()
                .map(|latency| (&latency.wire_to_handler).into()),
            hops_ns: latency
                .as_ref()
                .and_then(hops)
                .map(|hops| hops.into_iter().map(|hop| (hop.name, hop.into())).collect()),
            error: error.as_ref().map(ToString::to_string),
            gap_list: told.map_or_else(Vec::new, |told| {
                told.gaps.iter().map(GapJson::from).collect()
            }),
            gap_list_cut: told.map_or(0, |told| told.gaps_cut),
        }
    }
}

impl From<&Gap> for GapJson {
    fn from(gap: &Gap) -> Self {
        let Gap {
            first,
            last,
            cause,
            feed,
        } = *gap;
        Self {
            feed,
            first,
            last,
            cause: cause.name(),
        }
    }
}

impl<'a> RunJson<'a> {
    /// Makes the object; `told` is in the order of the subscribers.
    #[must_use]
    pub fn new(report: &Report, told: &[Told]) -> Self {
        let subscribers = report.subscribers.iter().enumerate();
        Self {
            closes: report.closes(),
            lossless: report.is_lossless(),
            unaccounted: report.unaccounted(),
            ledger: report.feeds.iter().map(LedgerJson::from).collect(),
            subscribers: subscribers
                .map(|(index, subscriber)| SubscriberJson::new(subscriber, told.get(index)))
                .collect(),
            worst: worst::ranked(report),
            journal: report.journal.as_ref().map(JournalJson::from),
            net: NetJson::from(report),
            cores: report
                .cores
                .iter()
                .map(|core| CoreJson {
                    core: core.core,
                    wait: core.wait.name().to_owned(),
                    stages: core.stages.clone(),
                })
                .collect(),
            waits: report.waits,
            waited_ns: report.waited_ns,
            replay: None,
            capture: None,
            errors: report.errors.iter().map(ToString::to_string).collect(),
        }
    }
}

impl<'a> RunJson<'a> {
    /// Adds what replays of the run's tape gave.
    #[must_use]
    pub fn with_replay(self, replay: Option<&'a Replayed>) -> Self {
        Self { replay, ..self }
    }

    /// Adds what reading the capture was like that the run was fed from.
    #[must_use]
    pub fn with_capture(self, capture: Option<&'a CaptureJson>) -> Self {
        Self { capture, ..self }
    }
}

impl From<&Report> for NetJson {
    fn from(report: &Report) -> Self {
        let net = &report.net;
        Self {
            backend: report.receiver.backend.name().to_owned(),
            refused: match &report.receiver.backend {
                ActiveBackend::Mmsg { uring_refused } => uring_refused.clone(),
                ActiveBackend::Uring | ActiveBackend::Idle | ActiveBackend::Offline => None,
            },
            datagrams: net.datagrams(),
            bytes: net.bytes(),
            batches: net.batches.get(),
            enters: net.enters.get(),
            enters_idle: net.enters_idle.get(),
            rearms: net.rearms(),
            kernel_drops: net.kernel_drops(),
            streams: report
                .receiver
                .streams
                .iter()
                .zip(&*report.streams)
                .map(|(stream, counters)| StreamJson {
                    name: stream.name.clone(),
                    address: stream.address.to_string(),
                    connects: counters.connects.get(),
                    refused: counters.refused.get(),
                    closed: counters.closed.get(),
                    failed: counters.failed.get(),
                    stalled: counters.stalled.get(),
                    reads: counters.reads.get(),
                    bytes: counters.bytes.get(),
                    sent_bytes: counters.sent_bytes.get(),
                })
                .collect(),
            lines: lines(report)
                .map(|(line, counters)| NetLineJson {
                    name: line.name.clone(),
                    address: line.address.to_string(),
                    datagrams: counters.datagrams.get(),
                    bytes: counters.bytes.get(),
                    truncated: counters.truncated.get(),
                    empty: counters.empty.get(),
                    rearms: counters.rearms(),
                    kernel_drops: counters.kernel_drops.get(),
                    errors: counters.errors(),
                    sent: counters.sent.get(),
                    send_errors: counters.send_errors.get(),
                    refused: counters.refused.get(),
                    receive_buffer_asked_bytes: line.receive_buffer.asked_bytes,
                    receive_buffer_granted_bytes: line.receive_buffer.granted_bytes,
                })
                .collect(),
        }
    }
}
