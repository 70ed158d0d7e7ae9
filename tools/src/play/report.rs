//! Owns what `play` reports.

use super::Args;
use super::line::Line;
use super::player::Player;
use crate::interrupt;
use crate::output::{Table, thousands};
use crate::packets::Ranges;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// What was played. The keys are stable.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    file: String,
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
    /// Different numbers that were to be sent, on each line.
    messages: u64,
    lines: Vec<LineReport>,
    /// Runs of numbers, first and last, that every line lost.
    dropped_both: Vec<[u64; 2]>,
    /// Messages of a journal that could not be made again, by reason.
    unsent: BTreeMap<&'static str, u64>,
    seed: u64,
    truncated_tail_bytes: u64,
    interrupted: bool,
    elapsed_ns: u64,
    pub(super) warnings: Vec<String>,
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
    pub(super) fn new(args: &Args, player: &Player, session: usize) -> Self {
        let origin = player.origin();
        let unsent = origin.unsent(session);
        let mut warnings = origin.warnings();
        warnings.extend(unsent.warnings());
        warnings.extend(other_sessions(player, session));
        let runs: Vec<_> = player.offered().runs().collect();
        Self {
            file: args.file.display().to_string(),
            format: origin.format(),
            compression: origin.compression(),
            feed: origin.feed(),
            feed_id: origin.feed_id(),
            session: origin.tally().sessions[session].played_name(),
            first_sequence: runs.first().map(|run| *run.start()),
            last_sequence: runs.last().map(|run| *run.end()),
            messages: runs.iter().map(|run| run.end() - run.start() + 1).sum(),
            lines: player.lines().iter().map(LineReport::new).collect(),
            dropped_both: difference(player.offered(), player.sent()),
            unsent: unsent.counts(),
            seed: args.seed,
            truncated_tail_bytes: origin.truncated_tail_bytes(),
            interrupted: interrupt::requested(),
            elapsed_ns: u64::try_from(player.elapsed().as_nanos()).unwrap_or(u64::MAX),
            warnings,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut table = Table::default();
        table.row([
            "line",
            "target",
            "packets",
            "messages",
            "bytes",
            "dropped",
            "messages in them",
        ]);
        for line in &self.lines {
            table.row([
                &line.line.to_string(),
                &line.target,
                &thousands(line.packets),
                &thousands(line.messages),
                &thousands(line.bytes),
                &thousands(line.dropped_packets),
                &thousands(line.dropped_messages),
            ]);
        }
        let mut text = format!(
            "{}{}: session {}, {} messages",
            if self.interrupted {
                "stopped while playing "
            } else {
                "played "
            },
            self.file,
            self.session,
            thousands(self.messages)
        );
        if let (Some(first), Some(last)) = (self.first_sequence, self.last_sequence) {
            // Writing to a String cannot fail.
            _ = write!(text, " from {} to {}", thousands(first), thousands(last));
        }
        _ = writeln!(
            text,
            " in {:?}\n\n{}",
            Duration::from_nanos(self.elapsed_ns),
            table.render()
        );
        if !self.dropped_both.is_empty() {
            let lost: u64 = self
                .dropped_both
                .iter()
                .map(|[first, last]| last - first + 1)
                .sum();
            _ = writeln!(
                text,
                "  {} messages in {} runs were dropped on every line",
                thousands(lost),
                thousands(self.dropped_both.len() as u64)
            );
        }
        for (reason, &count) in &self.unsent {
            let reason = reason.replace('_', " ");
            _ = writeln!(
                text,
                "  {} messages were not sent: {reason}",
                thousands(count)
            );
        }
        text
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
            "{packets} packets of other sessions were not played: choose with --session from {names}"
        )
    } else {
        let name = sessions[session].played_name();
        format!("{packets} packets of further sessions that are named {name} too were not played")
    })
}

/// Returns the runs of `all` that are not in `part`.
fn difference(all: &Ranges, part: &Ranges) -> Vec<[u64; 2]> {
    let mut rest = all.clone();
    part.runs().for_each(|run| rest.remove(run));
    rest.runs().map(|run| [*run.start(), *run.end()]).collect()
}
