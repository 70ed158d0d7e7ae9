//! Owns the page for people.

use super::latency::{latency_text, micros, worst_text};
use super::{Told, anomalies, feed_lines, lines, link_anomalies, link_counts};
use crate::output::{Table, thousands};
use crate::worst;
use ringtape::latency::Summary;
use ringtape::net::ActiveBackend;
use ringtape::pipeline::{CoreReport, FeedReport, ReceiverReport, Report, SubscriberReport};
use ringtape::record::GapCause;
use ringtape::stage::RecordOutcome;
use std::fmt::Write as _;

/// Runs of missing records that the first line lists.
const LOSSES_SHOWN: usize = 8;

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
    for stream in &receiver.streams {
        _ = writeln!(text, "  line {} at {}, by TCP", stream.name, stream.address);
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
    if let Some(journal) = &report.journal {
        missing_text(&mut text, journal);
    }
    for error in &report.errors {
        _ = writeln!(text, "FAILED: {error}");
    }
    for feed in &report.feeds {
        feed_text(&mut text, feed);
    }
    subscribers_text(&mut text, report);
    if let Some(journal) = &report.journal {
        journal_text(&mut text, journal);
    }
    latency_text(&mut text, report);
    worst_text(&mut text, &worst::ranked(report));
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
        let ledgers = report.feeds.iter().map(|feed| &feed.ledger);
        match ledgers.map(|ledger| ledger.before_start).sum::<u64>() {
            0 => "Nothing arrived: no feed was told of any message.".to_owned(),
            before_start => format!(
                "Nothing was delivered: {} messages came, all before the number to start with.",
                thousands(before_start)
            ),
        }
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
    if ledger.requests > 0 {
        row("    healed by re-request", ledger.rerequested);
    }
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
    if ledger.requests > 0 {
        row("beside: requests", ledger.requests);
        row("beside: numbers asked for", ledger.requested);
    }
    if let Some(link) = &feed.link {
        for (name, count) in link_counts(link, ledger.heartbeats) {
            row(&format!("connection: {}", name.replace('_', " ")), count);
        }
        let happened = link_anomalies(link).into_iter();
        for (name, count) in happened.filter(|(_, count)| *count > 0) {
            row(&format!("connection: {}", name.replace('_', " ")), count);
        }
    }
    text.push_str(&table.render());
    feed_lines_text(text, feed);
}

/// Who won, and by how much.
fn feed_lines_text(text: &mut String, feed: &FeedReport) {
    let mut table = Table::default();
    table.row([
        "line",
        "datagrams",
        "won",
        "duplicates",
        "late",
        "differing",
        "ahead p50, µs",
        "p99",
        "longest silence, ms",
    ]);
    for (name, line, ahead) in feed_lines(feed) {
        let ahead = |value: fn(&Summary) -> u64| match ahead {
            Some(ahead) if ahead.count > 0 => micros(value(ahead)),
            _ => "-".to_owned(),
        };
        table.row([
            name,
            &thousands(line.packets),
            &thousands(line.won),
            &thousands(line.duplicates),
            &thousands(line.late),
            &thousands(line.mismatched),
            &ahead(|ahead| ahead.p50),
            &ahead(|ahead| ahead.p99),
            &thousands(line.longest_silence_ns / 1_000_000),
        ]);
    }
    _ = write!(text, "\n{}", table.render());
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

/// The first line of the page, where the tape lacks something.
fn missing_text(text: &mut String, journal: &RecordOutcome) {
    let account = &journal.account;
    if account.missing() == 0 {
        return;
    }
    _ = write!(
        text,
        "THE JOURNAL LACKS {} OF {} RECORDS:",
        thousands(account.missing()),
        thousands(account.published)
    );
    for loss in account.not_journaled.iter().take(LOSSES_SHOWN) {
        let (first, last) = (loss.first, loss.last);
        _ = write!(text, " {first} to {last} ({}),", loss.cause.name());
    }
    let further = account.not_journaled.len().saturating_sub(LOSSES_SHOWN);
    if further > 0 || account.not_listed > 0 {
        _ = write!(text, " and more: the tape's gap records have them all,");
    }
    text.pop();
    text.push('\n');
    if let Some(failure) = &journal.failure {
        _ = writeln!(
            text,
            "  the first of {} failures: {failure}",
            journal.failures
        );
    }
}

fn journal_text(text: &mut String, journal: &RecordOutcome) {
    let (account, counters) = (&journal.account, &journal.counters);
    let mut table = Table::default();
    table.row([
        "journal",
        "published",
        "= written",
        "+ not journaled",
        "bytes",
    ]);
    table.row([
        &journal.identity.bus,
        &thousands(account.published),
        &thousands(account.written),
        &thousands(account.missing()),
        &thousands(counters.bytes.get()),
    ]);
    _ = write!(text, "\n{}", table.render());
    if counters.frames.get() == 0 {
        let directory = journal.directory.display();
        _ = writeln!(text, "  {directory}: nothing was written");
    } else {
        _ = writeln!(
            text,
            "  {}: records {} to {} in {} frames; segments: {}",
            journal.directory.display(),
            journal.first,
            counters.written.get(),
            thousands(counters.frames.get()),
            thousands(counters.segments.get()),
        );
    }
    if journal.recovery.torn_bytes > 0 {
        _ = writeln!(
            text,
            "  a crash had torn off {} bytes, which were cut first",
            thousands(journal.recovery.torn_bytes)
        );
    }
    if counters.sync_failures.get() > 0 {
        _ = writeln!(
            text,
            "  the disk failed to make it durable {} times: durable up to {}",
            counters.sync_failures.get(),
            counters.durable.get()
        );
    }
}

fn net_text(text: &mut String, report: &Report) {
    let net = &report.net;
    if report.receiver.backend == ActiveBackend::Offline {
        let datagrams = thousands(net.datagrams());
        _ = writeln!(text, "\nread from a capture: {datagrams} datagrams");
        return;
    }
    _ = writeln!(
        text,
        "\nreceived with {}: {} datagrams in {} batches by {} system calls, {} re-arms",
        report.receiver.backend,
        thousands(net.datagrams()),
        thousands(net.batches.get()),
        thousands(net.enters.get()),
        thousands(net.rearms()),
    );
    for (stream, counters) in report.receiver.streams.iter().zip(&*report.streams) {
        _ = writeln!(
            text,
            "  line {}: {} bytes in {} reads",
            stream.name,
            thousands(counters.bytes.get()),
            thousands(counters.reads.get()),
        );
    }
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
