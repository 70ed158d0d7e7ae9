//! Owns how a run is told: one JSON object with stable keys, or a page for people.

use crate::output::{Table, thousands};
use crate::strategies::{Noted, Verdict};
use ringtape::feed::LineLedger;
use ringtape::latency::{Latency, Summary};
use ringtape::net::{ActiveBackend, LineCounters};
use ringtape::pipeline::{
    CoreReport, FeedReport, LineReport, ReceiverReport, Report, SubscriberReport, Ticket,
};
use ringtape::record::{Gap, GapCause};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A run, with the keys that scripts rely on.
#[derive(Debug, Serialize)]
pub struct RunJson {
    /// Whether every number is accounted for.
    closes: bool,
    /// Whether nothing was lost at all.
    lossless: bool,
    /// Datagrams and messages that may have brought numbers that no ledger knows of.
    unaccounted: u64,
    ledger: Vec<LedgerJson>,
    subscribers: Vec<SubscriberJson>,
    net: NetJson,
    cores: Vec<CoreJson>,
    /// How often, and how long in all, a lossless subscriber made the feeds wait.
    waits: u64,
    waited_ns: u64,
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
    /// What explains or accompanies a loss; only what happened.
    anomalies: BTreeMap<&'static str, u64>,
    lines: Vec<FeedLineJson>,
}

#[derive(Debug, Serialize)]
struct FeedLineJson {
    packets: u64,
    won: u64,
    duplicates: u64,
    late: u64,
    went_back: u64,
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
    latency_ns: Option<SummaryJson>,
    hops_ns: Option<BTreeMap<&'static str, SummaryJson>>,
    error: Option<String>,
    /// What each `on_gap` was given, and how many more there were than are listed.
    gap_list: Vec<GapJson>,
    gap_list_cut: u64,
}

#[derive(Debug, Serialize)]
struct GapJson {
    /// 0 for an overrun, whose numbers are the bus's.
    feed: u8,
    first: u64,
    last: u64,
    cause: &'static str,
}

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

/// The hops that were measured, in order of the way.
fn hops(latency: &Latency) -> Option<[(&'static str, Summary); 3]> {
    let hops = [
        ("wire_to_seen", latency.wire_to_seen.summary()),
        ("seen_to_published", latency.seen_to_published.summary()),
        (
            "published_to_handler",
            latency.published_to_handler.summary(),
        ),
    ];
    hops.iter()
        .any(|(_, hop)| hop.count + hop.out_of_range > 0)
        .then_some(hops)
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
        ("wrong_session", ledger.wrong_session),
        ("ended_session", ledger.ended_session),
        ("contradicting_ends", ledger.contradicting_ends),
        ("unknown_messages", ledger.unknown_messages),
        ("empty_messages", ledger.empty_messages),
        ("before_start", ledger.before_start),
        ("after_end", ledger.after_end),
        ("late", over_lines(|line| line.late)),
        ("went_back", over_lines(|line| line.went_back)),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .collect()
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
            ]),
            lost: ledger.lost(),
            causes: causes.collect(),
            closes: ledger.closes(),
            messages: ledger.messages,
            events: ledger.events,
            instruments: ledger.instruments,
            heartbeats: ledger.heartbeats,
            anomalies: anomalies(feed),
            lines: ledger
                .lines()
                .iter()
                .map(|line| FeedLineJson {
                    packets: line.packets,
                    won: line.won,
                    duplicates: line.duplicates,
                    late: line.late,
                    went_back: line.went_back,
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
                .map(|latency| latency.wire_to_handler.summary().into()),
            hops_ns: latency.as_ref().and_then(hops).map(|hops| {
                hops.into_iter()
                    .map(|(name, summary)| (name, summary.into()))
                    .collect()
            }),
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

impl RunJson {
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
            errors: report.errors.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&Report> for NetJson {
    fn from(report: &Report) -> Self {
        let net = &report.net;
        Self {
            backend: report.receiver.backend.name().to_owned(),
            refused: match &report.receiver.backend {
                ActiveBackend::Mmsg { uring_refused } => uring_refused.clone(),
                ActiveBackend::Uring => None,
            },
            datagrams: net.datagrams(),
            bytes: net.bytes(),
            batches: net.batches.get(),
            enters: net.enters.get(),
            enters_idle: net.enters_idle.get(),
            rearms: net.rearms(),
            kernel_drops: net.kernel_drops(),
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
                    receive_buffer_asked_bytes: line.receive_buffer.asked_bytes,
                    receive_buffer_granted_bytes: line.receive_buffer.granted_bytes,
                })
                .collect(),
        }
    }
}

fn lines(report: &Report) -> impl Iterator<Item = (&LineReport, &LineCounters)> {
    report.receiver.lines.iter().zip(report.net.lines())
}

/// Writes what is known when a run starts: what receives, where, and which core runs what.
pub fn start_text(receiver: &ReceiverReport, cores: &[CoreReport]) -> String {
    let mut text = format!("receiving with {}\n", receiver.backend);
    for line in &receiver.lines {
        let buffer = &line.receive_buffer;
        // Writing to a String cannot fail, here and below.
        _ = write!(text, "  line {} on {}", line.name, line.address);
        if buffer.granted_bytes < buffer.asked_bytes {
            _ = write!(
                text,
                ", socket buffer {} of the {} bytes asked for: raise net.core.rmem_max",
                thousands(buffer.granted_bytes as u64),
                thousands(buffer.asked_bytes as u64),
            );
        }
        text.push('\n');
    }
    for core in cores {
        _ = writeln!(
            text,
            "  core {}: {} ({})",
            core.core,
            core.stages.join(", "),
            core.wait.name()
        );
    }
    text
}

/// Writes a whole run for people: the ledger first, because it says whether to believe the rest.
#[must_use]
pub fn text(report: &Report, told: &[Told]) -> String {
    let mut text = String::new();
    for error in &report.errors {
        _ = writeln!(text, "FAILED: {error}");
    }
    for feed in &report.feeds {
        feed_text(&mut text, feed);
    }
    subscribers_text(&mut text, report);
    latency_text(&mut text, report);
    net_text(&mut text, report);
    text.push('\n');
    for (subscriber, told) in report.subscribers.iter().zip(told) {
        if let Some(verdict) = &told.verdict {
            _ = writeln!(text, "{}: {verdict}", subscriber.name);
        }
    }
    _ = writeln!(text, "\n{}", verdict(report));
    text
}

fn verdict(report: &Report) -> String {
    let unaccounted = report.unaccounted();
    if !report.closes() {
        "THE LEDGER DOES NOT CLOSE: numbers are missing without a cause.".to_owned()
    } else if unaccounted > 0 {
        format!(
            "The ledger closes, but {} datagrams or messages may have brought numbers that it knows \
             nothing of: see what was dropped, refused or of another session.",
            thousands(unaccounted)
        )
    } else if !report.is_lossless() {
        "Data was lost, and the ledger says where: it closes.".to_owned()
    } else if report.feeds.iter().all(|feed| feed.ledger.expected == 0) {
        "Nothing arrived: no feed was told of any message.".to_owned()
    } else {
        "Nothing was lost, and the ledger closes.".to_owned()
    }
}

fn feed_text(text: &mut String, feed: &FeedReport) {
    let ledger = &feed.ledger;
    _ = writeln!(text, "\nfeed {}", feed.name);
    let mut table = Table::default();
    let mut row = |name: &str, count: u64| table.row([name, &thousands(count)]);
    row("expected", ledger.expected);
    row("= delivered", ledger.delivered());
    row("    first arrival", ledger.first_arrival);
    row("    healed by the other line", ledger.other_line);
    row("    reordered on its line", ledger.reordered);
    row("+ lost", ledger.lost());
    for cause in GapCause::FEED
        .into_iter()
        .filter(|cause| ledger.lost_for(*cause) > 0)
    {
        row(&format!("    {}", cause.name()), ledger.lost_for(cause));
    }
    for (name, count) in anomalies(feed) {
        row(&format!("beside: {}", name.replace('_', " ")), count);
    }
    text.push_str(&table.render());
}

fn subscribers_text(text: &mut String, report: &Report) {
    let mut table = Table::default();
    table.row([
        "subscriber",
        "published",
        "= handled",
        "+ overrun",
        "+ left",
        "events",
        "gaps",
    ]);
    for SubscriberReport {
        name,
        account,
        tally,
        ..
    } in &report.subscribers
    {
        table.row([
            name,
            &thousands(account.published),
            &thousands(account.handled),
            &thousands(account.overrun),
            &thousands(account.left_behind),
            &thousands(tally.events),
            &thousands(tally.gaps),
        ]);
    }
    _ = write!(text, "\n{}", table.render());
    for subscriber in &report.subscribers {
        _ = writeln!(text, "  digest {}  {}", subscriber.digest, subscriber.name);
        if let Some(error) = &subscriber.error {
            _ = writeln!(text, "  FAILED: {error}");
        }
    }
}

fn latency_text(text: &mut String, report: &Report) {
    let mut table = Table::default();
    table.row([
        "latency, µs",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "p99.99",
        "max",
        "count",
        "out",
    ]);
    let mut row = |name: &str, summary: Summary| {
        table.row([
            name,
            &micros(summary.p50),
            &micros(summary.p90),
            &micros(summary.p99),
            &micros(summary.p999),
            &micros(summary.p9999),
            &micros(summary.max),
            &thousands(summary.count),
            &thousands(summary.out_of_range),
        ]);
    };
    let mut measured = false;
    for subscriber in &report.subscribers {
        let Some(latency) = &subscriber.latency else {
            continue;
        };
        measured = true;
        let name = format!("{}: wire to handler", subscriber.name);
        row(&name, latency.wire_to_handler.summary());
        for (name, hop) in hops(latency).into_iter().flatten() {
            row(&format!("  {}", name.replace('_', " ")), hop);
        }
    }
    if measured {
        _ = write!(text, "\n{}", table.render());
    }
}

/// Nanoseconds as microseconds with one decimal, without floating point.
fn micros(ns: u64) -> String {
    let tenths = ns.saturating_add(50) / 100;
    format!("{}.{}", thousands(tenths / 10), tenths % 10)
}

fn net_text(text: &mut String, report: &Report) {
    let net = &report.net;
    _ = writeln!(
        text,
        "\nreceived with {}: {} datagrams in {} batches by {} system calls, {} re-arms",
        report.receiver.backend,
        thousands(net.datagrams()),
        thousands(net.batches.get()),
        thousands(net.enters.get()),
        thousands(net.rearms()),
    );
    for (line, counters) in lines(report) {
        let drops = counters.kernel_drops.get();
        if drops > 0 {
            _ = writeln!(
                text,
                "  line {}: the kernel dropped {} datagrams, its socket buffer of {} bytes was full",
                line.name,
                thousands(drops),
                thousands(line.receive_buffer.granted_bytes as u64),
            );
        }
    }
    if report.waits > 0 {
        _ = writeln!(
            text,
            "  lossless subscribers made the feeds wait {} times, {} µs in all",
            thousands(report.waits),
            micros(report.waited_ns),
        );
    }
}
