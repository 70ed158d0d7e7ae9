//! Owns what `play` reports.

mod text;

use super::Args;
use super::line::Line;
use super::player::{Numbering, Player};
use super::servers::ServerReport;
use super::tcp::{Tcp, TcpReport};
use super::wire::{Wire, nanos};
use crate::interrupt;
use crate::packets::{LineProtocol, Ranges, SessionTally};
use ringtape::torture::{Epoch, FaultCounts};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// What was played. The keys are stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `null` where a scenario's own traffic was played.
    file: Option<String>,
    format: &'static str,
    compression: Option<&'static str>,
    feed: &'static str,
    /// The feed's number in a journal, `null` for a file.
    feed_id: Option<u8>,
    /// As the packets name it.
    session: String,
    /// `null` where there was no message.
    first_sequence: Option<u64>,
    last_sequence: Option<u64>,
    /// Different messages that were to be sent, on each line.
    messages: u64,
    lines: Vec<LineReport>,
    /// Runs of numbers, first and last, that no line brought in a packet as it was sent. Where
    /// there are several `epochs`, those have them.
    dropped_both: Vec<[u64; 2]>,
    /// Messages of a journal that could not be made again, by reason.
    unsent: BTreeMap<&'static str, u64>,
    /// What a scenario did to each line's packets; empty without one.
    faults: Vec<FaultReport>,
    /// Re-request servers.
    servers: Vec<ServerReport>,
    /// The SoupBinTCP server, `null` without one.
    tcp: Option<TcpReport>,
    /// The venue's sessions and restarts in a scenario's own traffic, or the sequences of a file's
    /// session that begins to number again; else empty.
    epochs: Vec<EpochReport>,
    seed: u64,
    truncated_tail_bytes: u64,
    interrupted: bool,
    elapsed_ns: u64,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FaultReport {
    line: char,
    #[serde(flatten)]
    counts: FaultCounts,
}

#[derive(Debug, Serialize)]
struct EpochReport {
    session: String,
    /// How often the session had begun to number again before.
    restarts: u32,
    first_sequence: u64,
    /// The number above the last.
    next_sequence: u64,
    ended: bool,
    /// Runs of numbers, first and last, that no line brought in a packet as it was sent. What a
    /// file lacks is not among them.
    missing: Vec<[u64; 2]>,
}

#[derive(Debug, Serialize)]
struct LineReport {
    line: char,
    target: String,
    packets: u64,
    messages: u64,
    bytes: u64,
    dropped_packets: u64,
    dropped_messages: u64,
    /// Heartbeats and ends of session that are not the file's.
    announcements: u64,
}

impl Report {
    pub(super) fn new(file: &Path, seed: u64, player: &Player, session: usize) -> Self {
        let origin = player.origin();
        let unsent = origin.unsent(session);
        let mut warnings = origin.warnings();
        warnings.extend(unsent.warnings());
        warnings.extend(other_sessions(player, session));
        let tally = &origin.tally().sessions[session];
        if tally.protocol != LineProtocol::MoldUdp64 {
            warnings.push(format!(
                "{} has no end of session: a receiver has to be stopped otherwise",
                tally.protocol.name()
            ));
        }
        let numberings = player.numberings();
        let runs = || numberings.iter().flat_map(|one| one.offered.runs());
        let mut epochs = EpochReport::of_file(tally, numberings);
        // A list of epochs is for a session that has several.
        let dropped_both = match epochs.len() {
            0 | 1 => epochs.pop().map_or_else(Vec::new, |only| only.missing),
            _ => Vec::new(),
        };
        Self {
            file: Some(file.display().to_string()),
            format: origin.format(),
            compression: origin.compression(),
            feed: origin.feed(),
            feed_id: origin.feed_id(),
            session: tally.played_name(),
            first_sequence: runs().map(|run| *run.start()).min(),
            last_sequence: runs().map(|run| *run.end()).max(),
            messages: player.messages(),
            lines: player.lines().iter().map(LineReport::new).collect(),
            // Without a line of datagrams nothing was dropped on every one.
            dropped_both: match player.lines() {
                [] => Vec::new(),
                _ => dropped_both,
            },
            unsent: unsent.counts(),
            faults: FaultReport::all(player.faults()),
            servers: player.wire().servers.reports(),
            tcp: player.wire().tcp.as_ref().map(Tcp::report),
            epochs,
            seed,
            truncated_tail_bytes: origin.truncated_tail_bytes(),
            interrupted: interrupt::requested(),
            elapsed_ns: nanos(player.elapsed()),
            warnings,
        }
    }

    /// Reports on a scenario's own traffic: its epochs, each with the numbers that a line was sent
    /// in packets as the venue made them.
    pub(super) fn of_scenario(
        args: &Args,
        seed: u64,
        wire: &Wire,
        epochs: &[(Epoch, Ranges)],
        faults: impl Iterator<Item = FaultCounts>,
        elapsed: Duration,
    ) -> Self {
        let mut epochs: Vec<_> = epochs
            .iter()
            .map(|(epoch, sent)| EpochReport::new(epoch, sent))
            .collect();
        if wire.lines.is_empty() {
            // Without lines there was nothing to miss.
            epochs.iter_mut().for_each(|epoch| epoch.missing.clear());
        }
        let messages = epochs
            .iter()
            .map(|epoch| epoch.next_sequence - epoch.first_sequence);
        let missing = match &epochs[..] {
            [only] => only.missing.clone(),
            // Numbers of several sessions are not one list.
            _ => Vec::new(),
        };
        let scenario_file = args.scenario.as_ref();
        let format = if scenario_file.is_some() {
            "scenario"
        } else {
            "synthetic"
        };
        Self {
            file: None,
            format,
            compression: None,
            feed: "moldudp64/itch50",
            feed_id: None,
            session: epochs
                .first()
                .map_or_else(String::new, |epoch| epoch.session.clone()),
            first_sequence: epochs.first().map(|epoch| epoch.first_sequence),
            last_sequence: epochs
                .last()
                .and_then(|epoch| epoch.next_sequence.checked_sub(1)),
            messages: messages.sum(),
            lines: wire.lines.iter().map(LineReport::new).collect(),
            dropped_both: missing,
            unsent: BTreeMap::new(),
            faults: FaultReport::all(faults),
            servers: wire.servers.reports(),
            tcp: wire.tcp.as_ref().map(Tcp::report),
            epochs,
            seed,
            truncated_tail_bytes: 0,
            interrupted: interrupt::requested(),
            elapsed_ns: nanos(elapsed),
            warnings: Vec::new(),
        }
    }
}

impl FaultReport {
    fn all(counts: impl Iterator<Item = FaultCounts>) -> Vec<Self> {
        let lines = ('A'..).zip(counts);
        lines.map(|(line, counts)| Self { line, counts }).collect()
    }
}

impl EpochReport {
    fn new(epoch: &Epoch, sent: &Ranges) -> Self {
        let mut all = Ranges::default();
        if epoch.end > epoch.first {
            all.insert(epoch.first..=epoch.end - 1);
        }
        Self {
            session: String::from_utf8_lossy(&epoch.session).into_owned(),
            restarts: epoch.restarts,
            first_sequence: epoch.first,
            next_sequence: epoch.end,
            ended: epoch.ended,
            missing: missing(all, sent),
        }
    }

    fn of_file(session: &SessionTally, numberings: &[Numbering]) -> Vec<Self> {
        let epochs = (0..).zip(numberings).filter_map(|(restarts, numbering)| {
            let mut runs = numbering.offered.runs();
            let first = runs.next()?;
            let last = runs.last().unwrap_or_else(|| first.clone());
            Some(Self {
                session: session.played_name(),
                restarts,
                first_sequence: *first.start(),
                next_sequence: last.end().saturating_add(1),
                ended: false,
                missing: missing(numbering.offered.clone(), &numbering.sent),
            })
        });
        epochs.collect()
    }
}

impl LineReport {
    fn new(line: &Line) -> Self {
        let counts = line.counts;
        Self {
            line: line.name,
            target: line.target().to_string(),
            packets: counts.packets,
            messages: counts.messages,
            bytes: counts.bytes,
            dropped_packets: counts.dropped_packets,
            dropped_messages: counts.dropped_messages,
            announcements: counts.announcements,
        }
    }
}

/// Says that there were sessions beside the one that was played.
fn other_sessions(player: &Player, session: usize) -> Option<String> {
    let packets = player.other_session_packets();
    if packets == 0 {
        return None;
    }
    let sessions = &player.origin().tally().sessions;
    let names: BTreeSet<_> = sessions.iter().map(|other| other.played_name()).collect();
    Some(if names.len() > 1 {
        let names: Vec<String> = names.into_iter().collect();
        let names = names.join(", ");
        format!(
            "{packets} packets of other sessions were not played: choose with --session from \
             {names}"
        )
    } else {
        let name = sessions[session].played_name();
        format!("{packets} packets of further sessions that are named {name} too were not played")
    })
}

/// Returns the runs of the numbers that were to be sent and that no line sent.
fn missing(mut offered: Ranges, sent: &Ranges) -> Vec<[u64; 2]> {
    sent.runs().for_each(|run| offered.remove(run));
    let runs = offered.runs();
    runs.map(|run| [*run.start(), *run.end()]).collect()
}
